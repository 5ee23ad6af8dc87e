"""`relclf diagnose`: says why a network learns slowly, or would, with evidence."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relclf.cli import completion
from relclf.cli.fail_on import FailOnOption, check_fail_on, exit_where_found
from relclf.cli.formatting import shell_path
from relclf.cli.options import SetOption
from relclf.errors import UserMistake
from relclf.relations import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from relclf.diagnosis.bench import Skipped
    from relclf.diagnosis.diagnosing import Seen
    from relclf.diagnosis.findings import Finding
    from relclf.diagnosis.rate_probes import StepSizes

PROBES = ("default", "all")


def diagnose(
    target: Annotated[
        Path | None,
        typer.Argument(
            metavar="CONFIG|RUN",
            help="A config file, or a run directory.",
            show_default=False,
            autocompletion=completion.configs_and_runs,
        ),
    ] = None,
    set_: SetOption = None,
    probes: Annotated[
        str,
        typer.Option(
            metavar="default|all", help="all: also the learning curve, other numbers of filters, and more."
        ),
    ] = "default",
    budget: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Stop after this time; what is left out is said.")
    ] = None,
    lr_range: Annotated[
        bool, typer.Option("--lr-range", help="Only a learning-rate range test and the gradient noise scale.")
    ] = False,
    explain: Annotated[
        str | None, typer.Option(metavar="CHECK", help="Print the page of a check, such as too-simple.")
    ] = None,
    fail_on: FailOnOption = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Say why a network learns slowly, or would, with evidence.

    Checks a config before its training, or a run during or after it. Nothing is written.
    """
    if explain is not None:
        typer.echo(_page(explain), nl=False)
        return
    _check(target, set_ or [], probes, budget, fail_on)
    assert target is not None
    diagnosis = _Diagnosis(str(target))
    try:
        diagnosis.collect(_seen(target, set_ or [], "lr-range" if lr_range else probes, budget))
    except KeyboardInterrupt:
        diagnosis.interrupted = True
    if json_:
        print(json.dumps(diagnosis.to_json(), ensure_ascii=False))
    else:
        diagnosis.print()
    if diagnosis.interrupted:
        raise typer.Exit(130)
    exit_where_found(fail_on, diagnosis.findings)


def _check(
    target: Path | None, overrides: list[str], probes: str, budget: float | None, fail_on: str | None
) -> None:
    """Raise UserMistake where the arguments are no question."""
    if target is None:
        raise UserMistake(
            "diagnose needs a config file or a run directory. --explain CHECK explains a check."
        )
    if not target.exists():
        raise UserMistake(f"{target}: no such config file or run directory.")
    if overrides and target.is_dir():
        raise UserMistake("--set is for a config file; a run is diagnosed as it is.")
    if probes not in PROBES:
        raise UserMistake(f"--probes: must be {' or '.join(PROBES)} (got {probes!r}).")
    check_fail_on(fail_on)
    if budget is not None and not budget > 0:
        raise UserMistake(f"--budget: must be above 0 seconds (got {budget:g}).")


def _seen(target: Path, overrides: list[str], probes: str, budget: float | None) -> "Iterator[Seen]":
    """What the diagnosis sees, as it comes."""
    from relclf.config.loading import load_config
    from relclf.runs.directory import open_run

    lr_range = probes == "lr-range"
    if target.is_dir() and not lr_range:
        run = open_run(target)
        from relclf.diagnosis.diagnosing import diagnose_run

        return diagnose_run(run.path, "all" if probes == "all" else "default", budget)
    path = open_run(target).config if target.is_dir() else target
    config = load_config(path, overrides)
    from relclf.diagnosis.diagnosing import diagnose_config

    return diagnose_config(
        config, "lr-range" if lr_range else "all" if probes == "all" else "default", budget, shell_path(path)
    )


def _page(check: str) -> str:
    """The page of a check. Raises UserMistake where there is none of that name."""
    from relclf.diagnosis.catalogue import CHECKS, page

    if check not in CHECKS:
        from difflib import get_close_matches

        close = get_close_matches(check.lower(), CHECKS, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"There are {', '.join(CHECKS)}."
        raise UserMistake(f"--explain: no check is called {check!r}. {hint}")
    return page(check)


@dataclass
class _Diagnosis:
    """What a diagnosis has seen so far."""

    target: str
    findings: "list[Finding]" = field(default_factory=list)
    skipped: "list[Skipped]" = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)
    step_sizes: "StepSizes | None" = None
    interrupted: bool = False
    seconds: float = 0.0

    def collect(self, seen: "Iterator[Seen]") -> None:
        """Look at all there is to see; a terminal shows meanwhile what is being looked at."""
        from relclf.cli.console import messages

        console, started = messages(), time.perf_counter()
        with console.status("importing") as status:
            for each in seen:
                self._add(each)
                self.seconds = time.perf_counter() - started
                status.update(f"looking at {self.looked_at[-1]}" if self.looked_at else "looking")

    def _add(self, each: "Seen") -> None:
        from relclf.diagnosis.bench import Skipped
        from relclf.diagnosis.diagnosing import Looking
        from relclf.diagnosis.rate_probes import StepSizes

        match each:
            case Looking():
                self.looked_at.append(each.at)
            case Skipped():
                self.skipped.append(each)
            case StepSizes():
                self.step_sizes = each
            case _:
                self.findings.append(each)

    def to_json(self) -> dict[str, Any]:
        """The form that --json prints (docs/diagnosis.md)."""
        from relclf.cli.step_sizes import step_sizes_to_json
        from relclf.diagnosis.findings import in_order

        return {
            "target": self.target,
            "findings": [finding.to_json() for finding in in_order(self.findings)],
            "skipped": [asdict(each) for each in self.skipped],
            "looked_at": self.looked_at,
            "step_sizes": step_sizes_to_json(self.step_sizes) if self.step_sizes else None,
            "interrupted": self.interrupted,
            "seconds": round(self.seconds, 3),
        }

    def print(self) -> None:
        """What was found, the gravest first, then what was skipped, and at last what was looked at."""
        from relclf.cli.console import answers
        from relclf.cli.finding_lines import print_findings, print_wrapped
        from relclf.cli.step_sizes import step_size_lines
        from relclf.diagnosis.findings import in_order

        console = answers()
        console.print(f"relclf diagnose · {printable(self.target)}", style="bold")
        console.print()
        skipped = [f"{each.what}: {each.why}" for each in self.skipped]
        if self.findings or skipped:
            print_findings(console, in_order(self.findings), skipped)
        if self.step_sizes is not None:
            for line in step_size_lines(self.step_sizes):
                print_wrapped(console, line)
        last = "interrupted while looking at" if self.interrupted else "looked at"
        looked = self.looked_at[-1:] if self.interrupted else self.looked_at
        print_wrapped(console, f"{last} {', '.join(looked)} ({self.seconds:.0f} s)")
