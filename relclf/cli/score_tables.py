"""The tables of a score report as lines of text: scores with intervals, relations, confusion matrix."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from relclf.cli.formatting import loss, percent
from relclf.relations import printable
from relclf.scoring.metrics import SCORE_WORDS
from relclf.scoring.report import ScoreReport

_SHORT_NAMES = {
    "macro_f1": "macro-F1",
    "macro_f1_positive": "macro pos.",
    "micro_f1_positive": "micro pos.",
    "accuracy": "accuracy",
    "semeval2010": "SemEval",
}


def score_lines(report: ScoreReport) -> Iterator[str]:
    """Each score in % with its 95 % bootstrap interval, and below the signatures."""
    yield f"{'score':<22} {'%':>6}   95 % interval"
    for name, score in report.scores.items():
        low, high = percent(score.low), percent(score.high)
        yield f"{SCORE_WORDS[name]:<22} {percent(score.value):>6}   {low} to {high}"
    yield ""
    for score in report.scores.values():
        yield printable(score.signature)


def fold_lines(
    rows: Sequence[tuple[str, int, int | None, ScoreReport]], averaged: Mapping[str, str]
) -> Iterator[str]:
    """Each fold's size, epoch and scores in %, and below the mean and standard deviation of each score."""
    width = 1 + max(map(len, _SHORT_NAMES.values()))
    yield f"fold  sentences  epoch{''.join(f'{_SHORT_NAMES[name]:>{width}}' for name in averaged)}"
    for fold, sentences, epoch, report in rows:
        values = [percent(report.scores[name].value if name in report.scores else None) for name in averaged]
        shown = "-" if epoch is None else epoch
        yield f"{fold:>4}  {sentences:>9,}  {shown:>5}{''.join(f'{value:>{width}}' for value in values)}"
    yield f"averaged: mean ±sd    {''.join(f'{value:>{width}}' for value in averaged.values())}"


def relation_lines(report: ScoreReport, numbered: bool = True) -> Iterator[str]:
    """Each relation's precision, recall and F1 in %, and its support; undefined is "-"."""
    names = [printable(row.relation) for row in report.relations]
    width = max(len("relation"), *map(len, names))
    yield f"{'    ' if numbered else ''}{'relation':<{width}}  precision  recall     F1  support"
    for number, (name, row) in enumerate(zip(names, report.relations, strict=True), 1):
        yield (
            f"{f'{number:>3} ' if numbered else ''}{name:<{width}}  {percent(row.precision):>9}  "
            f"{percent(row.recall):>6}  {percent(row.f1):>5}  {row.support:>7,}"
        )


def confusion_lines(report: ScoreReport) -> Iterator[str]:
    """The confusion matrix, rows gold, columns predicted, by the numbers of the relations above."""
    count = len(report.relation_names)
    cell = 1 + max(len(str(report.counts.max())), len(str(count)))
    yield "confusion (rows gold, columns predicted, zero as a dot)"
    yield " " * 3 + "".join(f"{column:>{cell}}" for column in range(1, count + 1))
    for number, row in enumerate(report.counts.tolist(), 1):
        yield f"{number:>3}" + "".join(f"{value or '.':>{cell}}" for value in row)


def calibration_lines(sets: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The expected calibration error of each set in %, before and after the temperature (its `to_json`)."""
    temperature = next(iter(sets.values()))["temperature"]
    width = max(len("calibration"), *map(len, map(printable, sets)))
    yield f"{'calibration':<{width}}  sentences     nll  error %  95 % interval  by chance"
    for name, each in sets.items():
        for when, words in (("before", ""), ("after", f"/ {temperature:.3f}")):
            error = each["error"][when]
            shown, count = (
                (printable(name), f"{each['sentences']:,}") if when == "before" else (f"  {words}", "")
            )
            low, high, chance = (percent(error[key]) for key in ("low", "high", "by_chance"))
            yield (
                f"{shown:<{width}}  {count:>9}  {loss(each['nll'][when]):>6}  {percent(error['value']):>7}  "
                f"{f'{low} to {high}':<13}  {chance:>9}"
            )
    yield ""
    yield "error: expected calibration error, 15 bins of equal width; by chance: what to expect"
    yield "of exactly right probabilities; the temperature was fitted on dev, and changes no relation"
