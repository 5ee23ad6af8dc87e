"""Runs every fault and every control with three seeds and prints what `relclf.watch` said of them.

    python -m benchmarks.faults [--only NAME] [--seeds 1 2 3] [--json FILE]
    python -m benchmarks.faults --overhead

A fault is named if the first finding of severity problem is of a check that it expects.
"""

import argparse
import contextlib
import io
import json
import linecache
import sys
import time
import traceback
import warnings
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.faults.cases import CONTROLS, FAULTS, Case
from benchmarks.faults.overhead import overhead
from relclf.diagnosis import watching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from relclf.diagnosis.findings import Finding


@dataclass(frozen=True)
class Outcome:
    """What watch said of one run of a case."""

    case: Case
    seed: int
    problems: list[str]
    watches: list[str]
    symptoms: list[str]
    evidence: dict[str, str]
    """what each finding measured, by check"""
    seconds: float
    """CPU"""
    error: str | None = None

    @property
    def named(self) -> bool:
        """The first problem is one that the case expects."""
        return bool(self.problems) and self.problems[0] in self.case.expected


def main() -> int:
    """Parse the options, run, print; 1 where a fault is missed or a control accused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", metavar="NAME", help="cases whose name or loop holds this")
    parser.add_argument("--kind", choices=("faults", "controls"), help="leave the others out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every finding there")
    parser.add_argument("--evidence", action="store_true", help="print what each finding measured")
    parser.add_argument(
        "--overhead", action="store_true", help="measure what watching costs, and that weights stay the same"
    )
    parser.add_argument("--no-probes", action="store_true", help="leave the short trainings of report() out")
    options = parser.parse_args()
    if options.no_probes:
        watching.probe_findings = lambda *_: []  # type: ignore[assignment,attr-defined]
    torch.set_num_threads(1)
    if options.overhead:
        return overhead(options.seeds)
    outcomes: list[Outcome] = []
    for title, cases in (("faults", FAULTS), ("controls", CONTROLS)):
        if options.kind not in (None, title):
            continue
        chosen = [c for c in cases if options.only is None or options.only in f"{c.name} {c.loop}"]
        if chosen:
            print(f"\n{title.upper()}")
        for case in chosen:
            runs = [run(case, seed) for seed in options.seeds]
            outcomes += runs
            print("\n".join(row(case, runs, options.evidence)), flush=True)
    print("\n".join(["", *totals(outcomes)]))
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in outcomes], indent=1) + "\n")
    return 0 if all(right(each) for each in outcomes) else 1


def run(case: Case, seed: int) -> Outcome:
    """One training of the case in this process, its warnings and prints kept away."""
    file = f"<{case.loop}: {case.name}>"
    source = case.source()
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    space: dict[str, Any] = {"__name__": f"benchmarks.faults.loops.{case.loop}"}
    started = time.process_time()
    error = None
    findings: Sequence[Finding] = ()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(compile(source, file, "exec", dont_inherit=True), space)
            findings = space["train"](seed)
        except Exception:  # a case that ends by an exception is a row of the table, and counted as wrong
            error = traceback.format_exc()
    seconds = time.process_time() - started
    return Outcome(
        case,
        seed,
        [f.check for f in findings if f.severity == "problem"],
        [f.check for f in findings if f.severity == "watch"],
        [s.check for f in findings for s in f.symptoms],
        {f.check: f"{f.severity}: {f.measured}" for top in findings for f in (top, *top.symptoms)},
        seconds,
        error,
    )


def right(outcome: Outcome) -> bool:
    """The fault is named, or the control not accused."""
    if outcome.error:
        return False
    return outcome.named if outcome.case.expected else not outcome.problems


def row(case: Case, runs: list[Outcome], evidence: bool = False) -> list[str]:
    """The lines of a case, all its seeds together."""
    firsts = [each.problems[0] if each.problems else "-" for each in runs]
    others = Counter(check for each in runs for check in each.problems[1:])
    watches = Counter(check for each in runs for check in each.watches)
    mark = "ok  " if all(map(right, runs)) else "MISS" if case.expected else "CRY "
    seconds = sum(each.seconds for each in runs) / len(runs)
    lines = [f"{mark} {case.name} [{case.loop}, {seconds:.1f} s]"]
    if case.expected:
        lines.append(f"       expected  {' or '.join(case.expected)}")
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
        if evidence and (not text.startswith("ok") or (check in case.expected and not right(each)))
    ]
    return lines


def totals(outcomes: list[Outcome]) -> list[str]:
    """Recall and precision over runs and over cases."""
    faults = [each for each in outcomes if each.case.expected]
    controls = [each for each in outcomes if not each.case.expected]
    lines = []
    if faults:
        named = sum(map(right, faults))
        cases = {each.case.name: True for each in faults}
        for each in faults:
            cases[each.case.name] &= right(each)
        mentioned = sum(
            bool({*each.case.expected} & {*each.problems, *each.watches, *each.symptoms}) for each in faults
        )
        lines.append(
            f"faults    {named} of {len(faults)} runs named by the first problem ({named / len(faults):.0%}), "
            f"{sum(cases.values())} of {len(cases)} faults on every seed; named anywhere, watches too: {mentioned} runs"
        )
    if controls:
        accused = [each for each in controls if not right(each)]
        watches = sum(len(each.watches) for each in controls)
        many = {each.case.name for each in controls if len(each.watches) > 1}
        lines.append(
            f"controls  {len(controls) - len(accused)} of {len(controls)} runs without a problem "
            f"({1 - len(accused) / len(controls):.0%}), {len({each.case.name for each in accused})} controls accused; "
            f"{watches / len(controls):.2f} watches a run; more than one watch in {len(many)} controls"
        )
    lines.append(f"time      {sum(each.seconds for each in outcomes):.0f} CPU-seconds")
    return lines


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} x{count}" for name, count in counter.most_common())


if __name__ == "__main__":
    sys.exit(main())
