"""`relclf evaluate`: scores a run on labelled sentences."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relclf.cli import completion

if TYPE_CHECKING:
    from relclf.prediction.evaluating import RunEvaluation
    from relclf.prediction.folds import FoldsEvaluation
    from relclf.runs.calibration import Calibration


def evaluate(
    run: Annotated[
        Path,
        typer.Argument(
            help="The run directory, or the folder of a cross-validation.", autocompletion=completion.runs
        ),
    ],
    data: Annotated[Path | None, typer.Option(help="A labelled file in any readable format.")] = None,
    format_: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", help="Of --data: a name, or {name: ..., OPTION: ...}."),
    ] = "auto",
    split: Annotated[
        str | None,
        typer.Option(metavar="test|dev", help="A split of the run's config. [default: test, else dev]"),
    ] = None,
    with_: Annotated[
        list[Path] | None,
        typer.Option(
            "--with",
            metavar="RUN",
            help="Average with the probabilities of this run; repeatable.",
            autocompletion=completion.runs,
        ),
    ] = None,
    weights: Annotated[str, typer.Option(metavar="best|last", help="Which epoch's weights.")] = "best",
    predictions: Annotated[Path | None, typer.Option(help="Also write a JSON line a sentence here.")] = None,
    answers: Annotated[
        Path | None, typer.Option(help="Also write the official SemEval answer file here (id TAB relation).")
    ] = None,
    calibrate: Annotated[
        bool | None,
        typer.Option(
            "--calibrate/--no-calibration",
            help="Fit a temperature on dev, for probabilities to believe. [default: use the one there is]",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Score a run on labelled sentences.

    The result is kept in RUN/evaluations/; that of an ensemble (--with) is only printed.
    """
    from relclf.cli.console import messages
    from relclf.data.options import reading_named
    from relclf.errors import UserMistake
    from relclf.prediction.calibrating import calibrate as fit_on_dev
    from relclf.prediction.evaluating import evaluate_run, write_answers, write_predictions
    from relclf.prediction.folds import evaluate_folds
    from relclf.prediction.opening import open_trained
    from relclf.runs.calibration import read_calibration
    from relclf.runs.folds import fold_runs

    if data is None and format_ != "auto":
        raise UserMistake("--format is for the file of --data; a split's format is in the run's config.")
    format = reading_named(format_).format
    if fold_runs(run):
        if any(given not in (None, []) for given in (data, split, predictions, answers, with_, calibrate)):
            raise UserMistake(
                "--data, --split, --with, --predictions, --answers and --calibrate are for one run, "
                f"and {run} has a run a fold: give one of them, such as {run / 'fold-1'}."
            )
        folds = evaluate_folds(run, weights, device)
        for fold in folds.folds:
            for note in fold.notes:
                messages().print(f"note   {fold.split}: {note}", style="yellow")
        if json_:
            print(json.dumps(folds.to_json(), ensure_ascii=False))
        else:
            _print_folds(folds)
        return
    if with_ and calibrate:
        raise UserMistake("--calibrate is for one run; give it without --with.")
    opened, *others = (open_trained(each, weights, device) for each in (run, *(with_ or [])))
    calibration = None
    if calibrate:
        calibration = fit_on_dev(opened)
    elif calibrate is None and not others:
        calibration = read_calibration(opened.run, weights)
    temperature = calibration.temperature if calibration else None
    result = evaluate_run(opened, data, split, others, format, temperature)
    if predictions is not None:
        write_predictions(predictions, result)
    if answers is not None:
        write_answers(answers, result)
    for note in result.notes:
        messages().print(f"note   {note}", style="yellow")
    if json_:
        print(json.dumps(result.to_json(), ensure_ascii=False))
    else:
        _print_tables(result, calibration)


def _print_tables(result: "RunEvaluation", calibration: "Calibration | None") -> None:
    from relclf.cli.console import answers
    from relclf.cli.formatting import loss
    from relclf.cli.score_tables import calibration_lines, confusion_lines, relation_lines, score_lines

    console = answers()
    what = f"{result.split} · {len(result.labelled.ids):,} sentences · {result.weights} weights"
    if result.members:
        console.print(f"ensemble of {len(result.members)} runs · {what}", style="bold")
        for member in result.members:
            console.print(
                f"  {member.run}, epoch {member.epoch}", no_wrap=True, overflow="ignore", crop=False
            )
    else:
        console.print(f"{what}, epoch {result.epoch}", style="bold")
    losses = f"loss {loss(result.evaluation.loss)}   nll {loss(result.evaluation.nll)} nats a sentence"
    console.print(losses)
    tables = [score_lines(result.report), relation_lines(result.report), confusion_lines(result.report)]
    if calibration is not None and result.reliability is not None:
        dev = {"dev": calibration.dev} if result.split != "dev" else {}
        tables.append(calibration_lines({**dev, result.split: result.reliability.to_json()}))
    for lines in tables:
        console.print()
        for line in lines:
            console.print(line, no_wrap=True, overflow="ignore", crop=False)


def _print_folds(result: "FoldsEvaluation") -> None:
    from relclf.cli.console import answers
    from relclf.cli.formatting import percent
    from relclf.cli.score_tables import confusion_lines, fold_lines, relation_lines, score_lines

    console = answers()
    sentences = sum(len(fold.labelled.ids) for fold in result.folds)
    console.print(
        f"{len(result.folds)} folds · {sentences:,} sentences · {result.folds[0].weights} weights",
        style="bold",
    )
    rows = [
        (f"{number}", len(fold.labelled.ids), fold.epoch, fold.report)
        for number, fold in enumerate(result.folds, 1)
    ]
    averaged = {name: f"{percent(a.mean)} ±{percent(a.sd)}" for name, a in result.averaged.items()}
    for lines in (
        fold_lines(rows, averaged),
        ["pooled: the predictions of all folds as one", "", *score_lines(result.pooled)],
        relation_lines(result.pooled),
        confusion_lines(result.pooled),
    ):
        console.print()
        for line in lines:
            console.print(line, no_wrap=True, overflow="ignore", crop=False)
