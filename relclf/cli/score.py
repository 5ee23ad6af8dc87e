"""`relclf score`: scores a file of answers against a key."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from relclf.scoring.report import ScoreReport


class Scorer(StrEnum):
    """The scorers, by the name that the option takes."""

    SEMEVAL2010 = "semeval2010"
    MACRO_F1 = "macro_f1"
    TACRED = "tacred"


def score(
    key: Annotated[Path, typer.Argument(help="The gold answers.", metavar="KEY")],
    proposed: Annotated[Path, typer.Argument(help="The answers to score.", metavar="PROPOSED")],
    scorer: Annotated[
        Scorer,
        typer.Option(
            help="semeval2010: the official report of SemEval-2010 Task 8; macro_f1: mean F1 over the key's "
            "relations; tacred: micro-F1 without the negative relation."
        ),
    ],
    negative: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The negative relation. Default: Other for semeval2010, no_relation for tacred, "
            "none for macro_f1.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print every defined score as JSON instead.")] = False,
) -> None:
    """Score a file of answers against a key.

    Lines are "id TAB relation", or one relation a line.
    """
    from json import dumps

    from relclf.relations import printable
    from relclf.scoring.files import score_files

    result = score_files(key, proposed, scorer.value, negative)
    if json:
        typer.echo(dumps(result.report.to_json(), allow_nan=False, ensure_ascii=False))
    elif result.official is not None:
        typer.echo(result.official, nl=False)
    else:
        typer.echo(_table(result.report, "micro_f1_positive" if scorer is Scorer.TACRED else "macro_f1"))
    if result.official is None and result.not_in_key:
        listed = ", ".join(
            f"{printable(relation)} ({count:,})" for relation, count in result.not_in_key.items()
        )
        from relclf.cli.console import messages

        messages().print(f"warning: relations that {key} never has count as wrong: {listed}", style="yellow")


def _table(report: "ScoreReport", name: str) -> str:
    """The score with its interval and signature in %, then each relation's row; undefined is "-"."""
    from relclf.cli.score_tables import relation_lines
    from relclf.relations import printable

    chosen = report.scores[name]
    value, low, high = (f"{100 * part:.2f}" for part in (chosen.value, chosen.low, chosen.high))
    return "\n".join(
        [
            f"{name} {value} %   95 % interval {low} to {high}   {report.counts.sum():,} examples",
            printable(chosen.signature),
            "",
            *relation_lines(report, numbered=False),
        ]
    )
