"""`relclf compare`: says which of several groups of runs is better, and how sure that is."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relclf.cli import completion
from relclf.cli.score import Scorer
from relclf.errors import UserMistake

if TYPE_CHECKING:
    from relclf.comparison.comparing import Comparison
    from relclf.comparison.gathering import Gathered


def compare(
    targets: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN|FOLDER|SWEEP",
            help="Runs, folders of runs, variants of a sweep, or one sweep; with --predictions KEY A B.",
            show_default=False,
            autocompletion=completion.runs,
        ),
    ],
    split: Annotated[
        str | None,
        typer.Option(metavar="test|dev", help="What is scored. [default: test, else dev; of a sweep dev]"),
    ] = None,
    score: Annotated[str, typer.Option(metavar="NAME", help="The score that is compared.")] = "macro_f1",
    at_epoch: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Also show dev macro-F1 at this epoch.")
    ] = None,
    detect: Annotated[
        float | None,
        typer.Option(metavar="POINTS", help="Also say how many seeds a difference of so many points needs."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Compare groups of other budgets or data too; they are marked.")
    ] = False,
    predictions: Annotated[
        bool, typer.Option("--predictions", help="Compare two files of answers, A and B, to a KEY.")
    ] = False,
    scorer: Annotated[
        Scorer | None, typer.Option(help="With --predictions: the scorer, as in relclf score.")
    ] = None,
    negative: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --predictions: the negative relation, as in relclf score."),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Where missing evaluations are made: auto, cpu, cuda, mps.")
    ] = "auto",
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Say which runs are better over seeds, and how sure that is.

    A group is all seeds of one config. Missing evaluations are made, and kept in RUN/evaluations/.
    """
    if predictions:
        _compare_files(targets, scorer, negative, json_)
        return
    if scorer is not None or negative is not None:
        raise UserMistake("--scorer and --negative go with --predictions KEY A B. Runs know their relations.")
    if detect is not None and not detect > 0:
        raise UserMistake(f"--detect: must be above 0 points (got {detect:g}).")
    from relclf.comparison.gathering import gather

    result = compared(gather(targets), split, score, at_epoch, detect, force, device)
    if json_:
        print(json.dumps(result.to_json(), ensure_ascii=False))
    else:
        from relclf.cli.comparison_tables import print_comparison

        print_comparison(result)


def compared(
    gathered: "Gathered",
    split: str | None,
    score: str,
    at_epoch: int | None,
    detect: float | None,
    force: bool,
    device: str,
) -> "Comparison":
    """Evaluate what is missing, then compare. A terminal shows meanwhile what is evaluated."""
    from relclf.cli.console import messages
    from relclf.comparison.comparing import compare, needs_sentences, refuse_mismatches
    from relclf.comparison.measuring import Question, choose_split, evaluate_missing
    from relclf.scoring.metrics import SCORE_NAMES

    if score not in SCORE_NAMES:
        raise UserMistake(f"--score: must be one of {', '.join(SCORE_NAMES)} (got {score!r}).")
    question = Question(choose_split(gathered, split), score, at_epoch)
    refuse_mismatches(gathered, force)
    with messages().status("reading runs") as status:
        for path, weights in evaluate_missing(gathered.groups, question, needs_sentences(gathered), device):
            status.update(f"evaluating {path} ({weights})")
    return compare(gathered, question, None if detect is None else detect / 100, force)


def _compare_files(targets: list[Path], scorer: Scorer | None, negative: str | None, as_json: bool) -> None:
    from dataclasses import asdict

    from relclf.comparison.bare_files import compare_files

    if len(targets) != 3 or scorer is None:
        raise UserMistake(
            "--predictions takes three files and a scorer: "
            "relclf compare --predictions KEY A B --scorer semeval2010|macro_f1|tacred"
        )
    key, a, b = targets
    result = compare_files(key, a, b, scorer.value, negative)
    if as_json:
        named = {"key": str(key), "file_a": str(a), "file_b": str(b), "scorer": scorer.value}
        print(json.dumps(named | asdict(result), ensure_ascii=False))
    else:
        from relclf.cli.comparison_tables import print_paired

        print_paired(str(a), str(b), result)
