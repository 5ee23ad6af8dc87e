"""`relclf plot`: draws the curves of runs, into a file for a paper or into the terminal."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relclf.errors import UserMistake

if TYPE_CHECKING:
    from relclf.comparison.gathering import Group, Run
    from relclf.report.panels import Panel
    from relclf.report.rendering import Kind


class Columns(StrEnum):
    """How wide a figure is in a paper."""

    ONE = "one"
    TWO = "two"


def plot(
    targets: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN|FOLDER|SWEEP",
            help="Runs, folders of runs, variants of a sweep, or one sweep, as in relclf compare.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write: .svg, .pdf or .png.")
    ] = None,
    columns: Annotated[
        Columns, typer.Option(help="As wide as one column of a paper (3.3 in) or two (6.9 in).")
    ] = Columns.TWO,
    rates: Annotated[
        bool, typer.Option("--rates", help="Learning rate and update ratio too; of one run, with -o.")
    ] = False,
    terminal: Annotated[
        bool, typer.Option("--terminal", help="Draw in the terminal; the default without -o.")
    ] = False,
) -> None:
    """Draw loss and macro-F1 by epoch, of one run or several.

    One run: train and dev. Several: dev, one line a group; a group is all seeds of one config.
    """
    from relclf.cli.console import messages
    from relclf.comparison.gathering import gather

    kind = None if output is None else _kind(output)
    groups = gather(targets).groups
    runs = [run for group in groups for run in group.runs]
    if not any(run.records for run in runs):
        raise UserMistake(f"{_listed(runs)}: no epoch is done yet, so there is nothing to draw.")
    if rates and (len(runs) > 1 or output is None):
        raise UserMistake("--rates is for one run, and goes with -o FILE.")
    if output is not None and kind is not None:
        _write(output, kind, columns, groups, rates)
    if output is None or terminal:
        _print(groups)
    for note in _notes(runs):
        messages().print(f"note   {note}", style="yellow")


def _kind(output: Path) -> "Kind":
    """The kind of file that a name asks for."""
    match output.suffix.lower():
        case ".svg":
            return "svg"
        case ".pdf":
            return "pdf"
        case ".png":
            return "png"
        case suffix:
            raise UserMistake(
                f"{output}: no kind of figure ends in {suffix!r}. Name a file that ends in .svg, .pdf or .png."
                if suffix
                else f"{output}: its name does not say what to write. Let it end in .svg, .pdf or .png."
            )


def _write(output: Path, kind: "Kind", columns: Columns, groups: Sequence["Group"], rates: bool) -> None:
    from relclf.cli.console import messages
    from relclf.report.panels import shown
    from relclf.report.rendering import render, without_shape
    from relclf.runs.files import write_bytes

    panels = _panels(groups, rates)
    write_bytes(output, render(panels, kind, columns.value))
    messages().print(f"{output}: written")
    if missing := without_shape("".join(shown(group.name) for group in groups)) if len(groups) > 1 else "":
        messages().print(
            f"note   the font of figures has no {' '.join(missing)}, and boxes stand in their place. "
            "Rename the runs to have their names in figures.",
            style="yellow",
        )


def _panels(groups: Sequence["Group"], rates: bool) -> tuple["Panel", ...]:
    from relclf.report.curves import group_curves, learning_curves, rate_curves

    if run := _alone(groups):
        panels = learning_curves(run.records, run.best)
        return panels + rate_curves(run.records) if rates else panels
    return group_curves([(group.name, [run.records for run in group.runs]) for group in groups])


def _print(groups: Sequence["Group"]) -> None:
    from relclf.cli.console import answers
    from relclf.cli.terminal_chart import group_chart, print_chart, run_chart

    console = answers()
    if run := _alone(groups):
        lines = run_chart(run.records, run.best, console)
    else:
        lines = group_chart([(group.name, [run.records for run in group.runs]) for group in groups], console)
    print_chart(lines, console)


def _alone(groups: Sequence["Group"]) -> "Run | None":
    """The only run, where there is but one."""
    runs = [run for group in groups for run in group.runs]
    return runs[0] if len(runs) == 1 else None


def _notes(runs: Sequence["Run"]) -> list[str]:
    """What a person should know of the curves: runs that go on, that have none, and epochs that were left out."""
    from relclf.report.curves import gaps

    notes = []
    for run in runs:
        path, epochs = run.directory.path, len(run.records)
        if run.state == "training":
            notes.append(
                f"{path} is still training; it has {epochs} epoch{'s' if epochs != 1 else ''} so far"
            )
        elif not epochs:
            notes.append(f"{path} has no epoch, and no curve")
        notes += [f"{path}: {gap}" for gap in gaps(run.records)]
    return notes


def _listed(runs: Sequence["Run"]) -> str:
    more = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
    return f"{runs[0].directory.path}{more}"
