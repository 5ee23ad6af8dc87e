"""`relclf evaluate`: scores a run on labelled sentences."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from relclf.prediction.evaluating import RunEvaluation


def evaluate(
    run: Annotated[Path, typer.Argument(help="The run directory.")],
    data: Annotated[Path | None, typer.Option(help="A labelled file in any readable format.")] = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="test|dev", help="A split of the run's config. [default: test, else dev]"),
    ] = None,
    with_: Annotated[
        list[Path] | None,
        typer.Option("--with", metavar="RUN", help="Average with the probabilities of this run; repeatable."),
    ] = None,
    weights: Annotated[str, typer.Option(metavar="best|last", help="Which epoch's weights.")] = "best",
    predictions: Annotated[Path | None, typer.Option(help="Also write a JSON line a sentence here.")] = None,
    answers: Annotated[
        Path | None, typer.Option(help="Also write the official SemEval answer file here (id TAB relation).")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Score a run on labelled sentences.

    The result is kept in RUN/evaluations/; that of an ensemble (--with) is only printed.
    """
    from relclf.cli.console import messages
    from relclf.prediction.evaluating import evaluate_run, write_answers, write_predictions
    from relclf.prediction.opening import open_trained

    opened, *others = (open_trained(each, weights, device) for each in (run, *(with_ or [])))
    result = evaluate_run(opened, data, split, others)
    if predictions is not None:
        write_predictions(predictions, result)
    if answers is not None:
        write_answers(answers, result)
    for note in result.notes:
        messages().print(f"note   {note}", style="yellow")
    if json_:
        print(json.dumps(result.to_json(), ensure_ascii=False))
    else:
        _print_tables(result)


def _print_tables(result: "RunEvaluation") -> None:
    from relclf.cli.console import answers
    from relclf.cli.formatting import loss
    from relclf.cli.score_tables import confusion_lines, relation_lines, score_lines

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
    for lines in (score_lines(result.report), relation_lines(result.report), confusion_lines(result.report)):
        console.print()
        for line in lines:
            console.print(line, no_wrap=True, overflow="ignore", crop=False)
