"""`relclf plot`: draws the curves of runs, into a file for a paper or into the terminal."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relclf.errors import UserMistake

if TYPE_CHECKING:
    from relclf.comparison.gathering import Group, Run
    from relclf.report.curves import GroupOfRuns
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
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A group's name in the legend; one for each, in their order."),
    ] = None,
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
    named = _named(groups, label)
    runs = [run for group in groups for run in group.runs]
    alone = runs[0] if len(runs) == 1 else None
    if not any(run.records for run in runs):
        raise UserMistake(f"{_listed(runs)}: no epoch is done yet, so there is nothing to draw.")
    if rates and (alone is None or output is None):
        raise UserMistake("--rates is for one run, and goes with -o FILE.")
    if output is not None and kind is not None:
        _write(output, kind, columns, _panels(named, alone, rates), named)
    if output is None or terminal:
        _print(named, alone)
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


def _named(groups: Sequence["Group"], labels: list[str] | None) -> "list[GroupOfRuns]":
    """The records of each group, by its name or its label."""
    names = [group.name for group in groups]
    if labels and len(labels) != len(names):
        raise UserMistake(
            f"--label: give one for each of the {len(names)} groups, which are {', '.join(names)} "
            f"(got {len(labels)})."
        )
    records = [[run.records for run in group.runs] for group in groups]
    return list(zip(labels or names, records, strict=True))


def _write(
    output: Path,
    kind: "Kind",
    columns: Columns,
    panels: Sequence["Panel"],
    named: "Sequence[GroupOfRuns]",
) -> None:
    from relclf.cli.console import messages
    from relclf.report.panels import shown
    from relclf.report.rendering import render, without_shape
    from relclf.runs.files import write_bytes

    write_bytes(output, render(panels, kind, columns.value))
    messages().print(f"{output}: written")
    if missing := without_shape("".join(shown(name) for name, _ in named)) if len(named) > 1 else "":
        messages().print(
            f"note   the font of figures has no {' '.join(missing)}, and boxes stand in their place. "
            "Give other names with --label.",
            style="yellow",
        )


def _panels(named: "Sequence[GroupOfRuns]", alone: "Run | None", rates: bool) -> tuple["Panel", ...]:
    from relclf.report.curves import group_curves, learning_curves, rate_curves

    if alone is None:
        return group_curves(named)
    panels = learning_curves(alone.records, alone.best)
    return panels + rate_curves(alone.records) if rates else panels


def _print(named: "Sequence[GroupOfRuns]", alone: "Run | None") -> None:
    from relclf.cli.console import answers
    from relclf.cli.terminal_chart import group_chart, print_chart, run_chart

    console = answers()
    lines = run_chart(alone.records, alone.best, console) if alone else group_chart(named, console)
    print_chart(lines, console)


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
