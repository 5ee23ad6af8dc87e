"""`relclf report`: one page about a run, a sweep or several runs, to open in a browser."""

from pathlib import Path
from typing import Annotated

import typer

from relclf.errors import UserMistake


def report(
    targets: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN|FOLDER|SWEEP",
            help="A run; or several, folders of runs, or a sweep, as for relclf compare.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The page; one of this name is replaced.")
    ] = Path("report.html"),
    split: Annotated[
        str | None,
        typer.Option(
            metavar="test|dev",
            help="Of several runs: what is scored. [default: test, else dev; of a sweep dev]",
        ),
    ] = None,
    score: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of several runs: the score that is compared. [default: macro_f1]"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Compare groups of other budgets or data too; they are marked.")
    ] = False,
    no_calibration: Annotated[
        bool,
        typer.Option("--no-calibration", help="Leave the probabilities of a calibrated run as they are."),
    ] = False,
    device: Annotated[
        str, typer.Option(help="Where missing evaluations are made: auto, cpu, cuda, mps.")
    ] = "auto",
) -> None:
    """Write a page about a run, a sweep or several runs.

    One file that opens in a browser, without a network. Missing evaluations are made, and kept in
    RUN/evaluations/. Needs pip install 'relclf[report]'.
    """
    from relclf.cli.console import answers
    from relclf.prediction.outputs import check_output, opened_output
    from relclf.report.html import check_extra

    check_extra()
    if not output.name.endswith((".html", ".htm", ".html.gz")):
        raise UserMistake(
            f"--output: must end in .html or .html.gz (got {output.name!r}). Browsers print it to PDF."
        )
    check_output(output, targets[0])
    if len(targets) == 1 and (targets[0] / "environment.json").is_file():
        if split is not None or score is not None or force:
            raise UserMistake(
                "--split, --score and --force are for several runs; a run's page shows all of it."
            )
        page = _of_run(targets[0], device, not no_calibration)
    else:
        page = _of_several(targets, split, score or "macro_f1", force, device)
    with opened_output(output) as file:
        file.write(page)
    answers().print(f"{output}  {len(page.encode()) / 1e6:.2f} MB")


def _of_run(path: Path, device: str, calibrated: bool) -> str:
    from relclf.cli.console import messages
    from relclf.report.gathering import gather_run
    from relclf.report.run_page import run_page

    console = messages()
    with console.status("reading the run"):
        gathered = gather_run(path, device, calibrated)
    for each in gathered.splits:
        if each.lacking is not None:
            what = "no sentences" if each.evaluation is not None else "no scores"
            console.print(f"note   {each.name}: {what}: {each.lacking}", style="yellow")
    return run_page(gathered)


def _of_several(targets: list[Path], split: str | None, score: str, force: bool, device: str) -> str:
    from relclf.cli.compare import compared
    from relclf.comparison.gathering import gather
    from relclf.report.several_page import several_page
    from relclf.runs.folds import fold_runs

    for target in targets:
        if fold_runs(target):
            raise UserMistake(
                f"{target}: the folder of a cross-validation, whose runs have a test set each. Give one of them, "
                f"such as {target / 'fold-1'}; relclf evaluate {target} pools their scores."
            )
    gathered = gather(targets)
    return several_page(gathered, compared(gathered, split, score, None, None, force, device))
