"""What was said of a case with one seed, and the table of many."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from relclf.diagnosis.findings import Finding


@dataclass(frozen=True)
class Outcome:
    """What was found in one case with one seed."""

    name: str
    where: str
    """The loop, or the corpus."""
    expected: tuple[str, ...]
    """Names of checks, any of which names the fault; none in a healthy case."""
    seed: int
    problems: list[str]
    watches: list[str]
    symptoms: list[str]
    evidence: dict[str, str]
    """what each finding measured, by check"""
    seconds: float
    """CPU"""
    error: str | None = None
    by_watch: bool = False
    """Whether a finding to watch is all that is asked for, as of a training that ended too early."""

    @property
    def named(self) -> bool:
        """The first problem is one that the case expects; or the first finding is, where a watch is asked for."""
        first = [*self.problems, *(self.watches if self.by_watch else [])][:1]
        return bool(first) and first[0] in self.expected

    @property
    def right(self) -> bool:
        """The fault is named, or the control not accused."""
        if self.error:
            return False
        return self.named if self.expected else not self.problems


@dataclass(frozen=True)
class Found:
    """Findings in order, as an outcome holds them."""

    problems: list[str] = field(default_factory=list)
    watches: list[str] = field(default_factory=list)
    symptoms: list[str] = field(default_factory=list)
    evidence: dict[str, str] = field(default_factory=dict)


def found(findings: Sequence[Finding]) -> Found:
    """The names of findings by their severity, and their evidence."""
    return Found(
        [f.check for f in findings if f.severity == "problem"],
        [f.check for f in findings if f.severity == "watch"],
        [s.check for f in findings for s in f.symptoms],
        {f.check: f"{f.severity}: {f.measured}" for top in findings for f in (top, *top.symptoms)},
    )


def row(runs: Sequence[Outcome], evidence: bool = False) -> list[str]:
    """The lines of a case, all its seeds together."""
    case = runs[0]
    firsts = [each.problems[0] if each.problems else "-" for each in runs]
    others = Counter(check for each in runs for check in each.problems[1:])
    watches = Counter(check for each in runs for check in each.watches)
    mark = "ok  " if all(each.right for each in runs) else "MISS" if case.expected else "CRY "
    seconds = sum(each.seconds for each in runs) / len(runs)
    lines = [f"{mark} {case.name} [{case.where}, {seconds:.1f} s]"]
    if case.expected:
        by_watch = " (a watch is enough)" if case.by_watch else ""
        lines.append(f"       expected  {' or '.join(case.expected)}{by_watch}")
    if case.expected or any(each.problems for each in runs):
        lines.append(f"       first     {_counted(Counter(firsts))}")
    if others:
        lines.append(f"       others    {_counted(others)}")
    if watches:
        lines.append(f"       watches   {_counted(watches)}")
    lines += [
        f"       ERROR     seed {each.seed}: {each.error.splitlines()[-1]}" for each in runs if each.error
    ]
    lines += [
        f"         {each.seed}: {check}: {text}"
        for each in runs
        for check, text in each.evidence.items()
        if evidence and (not text.startswith("ok") or (check in case.expected and not each.right))
    ]
    return lines


def totals(outcomes: Sequence[Outcome]) -> list[str]:
    """Recall and precision over runs and over cases."""
    faults = [each for each in outcomes if each.expected]
    controls = [each for each in outcomes if not each.expected]
    lines = []
    if faults:
        named = sum(each.right for each in faults)
        cases = {(each.name, each.where): True for each in faults}
        for each in faults:
            cases[each.name, each.where] &= each.right
        mentioned = sum(
            bool({*each.expected} & {*each.problems, *each.watches, *each.symptoms}) for each in faults
        )
        lines.append(
            f"faults    {named} of {len(faults)} runs named by the first problem ({named / len(faults):.0%}), "
            f"{sum(cases.values())} of {len(cases)} faults on every seed; named anywhere, watches too: {mentioned} runs"
        )
    if controls:
        accused = [each for each in controls if not each.right]
        watches = sum(len(each.watches) for each in controls)
        many = {(each.name, each.where) for each in controls if len(each.watches) > 1}
        count = len({(each.name, each.where) for each in accused})
        lines.append(
            f"controls  {len(controls) - len(accused)} of {len(controls)} runs without a problem "
            f"({1 - len(accused) / len(controls):.0%}), {count} controls accused; "
            f"{watches / len(controls):.2f} watches a run; more than one watch in {len(many)} controls"
        )
    by_check = Counter(each.expected[0] for each in faults)
    right = Counter(each.expected[0] for each in faults if each.right)
    lines += [f"  {check:<30} {right[check]} of {count}" for check, count in by_check.items()]
    lines.append(f"time      {sum(each.seconds for each in outcomes):.0f} CPU-seconds")
    return lines


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} x{count}" for name, count in counter.most_common())
