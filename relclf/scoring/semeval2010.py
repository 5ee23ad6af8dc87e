"""The official scorer of SemEval-2010 Task 8 (version 1.2), re-implemented: its score and its report's text.

Written from the scorer's own description and the reports it printed; no line of the original is used.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from relclf.errors import DataError, UserMistake
from relclf.relations import RelationSet
from relclf.scoring.metrics import Counts, confusion_matrix, ratio, score, undirected

RELATIONS = (
    "Cause-Effect",
    "Component-Whole",
    "Content-Container",
    "Entity-Destination",
    "Entity-Origin",
    "Instrument-Agency",
    "Member-Collection",
    "Message-Topic",
    "Product-Producer",
)
DIRECTED_RELATIONS = tuple(f"{name}({order})" for name in RELATIONS for order in ("e1,e2", "e2,e1"))


def official_score(key: Mapping[str, str], proposed: Mapping[str, str], negative: str = "Other") -> float:
    """The official macro-averaged F1 of evaluation (iii), in [0, 1], unrounded.

    key, proposed: id -> directed relation. Ids that `proposed` leaves out count as the negative relation.
    """
    counts, relations = official_counts(key, proposed, negative)
    value = score("semeval2010", counts, relations)
    if value is None:
        raise _nothing_to_average(negative)
    return float(value)


def official_counts(
    key: Mapping[str, str], proposed: Mapping[str, str], negative: str = "Other"
) -> tuple[Counts, RelationSet]:
    """Confusion counts over the relations that occur and the negative; a skipped id is predicted negative."""
    _check(key, proposed, negative)
    relations = RelationSet.from_names({*key.values(), *proposed.values(), negative}, negative)
    gold = np.array([relations.ids[relation] for relation in key.values()])
    predicted = np.array([relations.ids[proposed.get(identifier, negative)] for identifier in key])
    return confusion_matrix(gold, predicted, len(relations)), relations


def official_report(key: Mapping[str, str], proposed: Mapping[str, str], negative: str = "Other") -> str:
    """The report of all three evaluations, character for character as the official scorer prints it.

    key, proposed: id -> directed relation; `proposed` may skip ids of the key. The negative relation is
    printed as Other, whatever its name.
    """
    _check(key, proposed, negative)
    rename = {negative: _OTHER}
    pairs = [
        (rename.get(gold, gold), rename.get(predicted, predicted) if predicted is not None else None)
        for gold, predicted in ((relation, proposed.get(identifier)) for identifier, relation in key.items())
    ]
    directed = _tally(pairs, "directed")
    undirected_only = _tally(pairs, "undirected")
    official = _tally(pairs, "official")
    final = f"macro-averaged F1 = {100 * official.macro()[2]:.2f}%"
    return (
        _warnings(directed)
        + _section("(2*9+1)-WAY EVALUATION (USING DIRECTIONALITY)>>>:", directed)
        + _section("(9+1)-WAY EVALUATION IGNORING DIRECTIONALITY >>>:", undirected_only)
        + _section("(9+1)-WAY EVALUATION TAKING DIRECTIONALITY INTO ACCOUNT -- OFFICIAL >>>:", official)
        + "<<< The official score is (9+1)-way evaluation with directionality taken into account: "
        + f"{final} >>>\n"
    )


_OTHER = "_Other"  # the official name of the negative relation, which sorts behind the others


def _check(key: Mapping[str, str], proposed: Mapping[str, str], negative: str) -> None:
    if negative in DIRECTED_RELATIONS:
        raise UserMistake(f"{negative} is one of the relations scored. Name another negative relation.")
    for name, answers in (("the key", key), ("the proposed answers", proposed)):
        unknown = set(answers.values()).difference(DIRECTED_RELATIONS, [negative])
        if unknown:
            raise DataError(
                f"{name}: {min(unknown)!r} is not a relation of SemEval-2010 Task 8. "
                f"Use the nine with a direction, such as {DIRECTED_RELATIONS[0]}, and {negative}."
            )
    stranger = next((identifier for identifier in proposed if identifier not in key), None)
    if stranger is not None:
        raise DataError(
            f"the proposed answers: id {stranger} is not in the key. Answer the key's examples only."
        )
    if set(key.values()) <= {negative}:
        raise _nothing_to_average(negative)


def _nothing_to_average(negative: str) -> DataError:
    return DataError(
        f"the key: no relation besides {negative}, so there is nothing to average. "
        "Give a key with at least one of the nine relations."
    )


@dataclass(frozen=True)
class _Tally:
    """The counts of one evaluation; `columns` are the key's relations, then those only proposed."""

    rows: list[str]
    columns: list[str]
    cells: Counter[tuple[str, str]]  # (gold, predicted) -> examples
    skipped: Counter[str]  # gold -> examples without a proposed answer
    wrong_direction: Counter[str] | None  # gold -> examples, counted apart in evaluation (iii) only

    def reversed(self, relation: str) -> int:
        return self.wrong_direction[relation] if self.wrong_direction is not None else 0

    def row_sum(self, relation: str) -> int:
        return sum(self.cells[relation, column] for column in self.columns)

    def column_sum(self, relation: str) -> int:
        return sum(self.cells[row, relation] for row in self.rows)

    def actual(self, relation: str) -> int:
        return self.row_sum(relation) + self.reversed(relation) + self.skipped[relation]

    def proposed(self, relation: str) -> int:
        return self.column_sum(relation) + self.reversed(relation)

    def correct(self, relation: str) -> int:
        return self.cells[relation, relation]

    def positive(self) -> list[str]:
        return [relation for relation in self.rows if relation != _OTHER]

    def macro(self) -> tuple[float, float, float]:
        """Mean precision, recall and F1 over the key's relations without Other, in [0, 1]."""
        scores = [
            _precision_recall_f1(self.correct(r), self.proposed(r), self.actual(r)) for r in self.positive()
        ]
        precision, recall, f1 = (sum(column) / len(scores) for column in zip(*scores, strict=True))
        return precision, recall, f1


def _tally(pairs: list[tuple[str, str | None]], evaluation: str) -> _Tally:
    """Count pairs (gold, predicted or None) for evaluation "directed", "undirected" or "official"."""
    cells: Counter[tuple[str, str]] = Counter()
    skipped: Counter[str] = Counter()
    wrong_direction: Counter[str] = Counter()
    for gold, predicted in pairs:
        row = gold if evaluation == "directed" else undirected(gold) or gold
        if predicted is None:
            skipped[row] += 1
            continue
        column = predicted if evaluation == "directed" else undirected(predicted) or predicted
        if evaluation == "official" and row == column and gold != predicted:
            wrong_direction[row] += 1
        else:
            cells[row, column] += 1
    rows = {row for row, _ in cells} | set(skipped) | set(wrong_direction)
    proposed_only = {column for _, column in cells} - rows
    columns = sorted(rows) + sorted(proposed_only)
    return _Tally(
        sorted(rows), columns, cells, skipped, wrong_direction if evaluation == "official" else None
    )


def _precision_recall_f1(correct: int, proposed: int, actual: int) -> tuple[float, float, float]:
    return (
        float(ratio(correct, proposed)),
        float(ratio(correct, actual)),
        float(ratio(2 * correct, proposed + actual)),
    )


def _warnings(tally: _Tally) -> str:
    return "".join(
        f"!!!WARNING!!! The proposed file contains {tally.column_sum(relation)} label(s) "
        f"of type '{relation}', which is NOT present in the key file.\n\n"
        for relation in tally.columns[len(tally.rows) :]
    )


def _section(title: str, tally: _Tally) -> str:
    """One evaluation: matrix, accuracies, relations, averages, and three empty lines."""
    return (
        f"<<< {title}\n\nConfusion matrix:\n{_matrix(tally)}\n{_accuracies(tally)}\n"
        "Results for the individual relations:\n"
        + "".join(_relation_line(tally, relation) for relation in tally.rows)
        + f"\nMicro-averaged result (excluding Other):\n{_micro_line(tally)}"
        + f"\nMACRO-averaged result (excluding Other):\n{_macro_line(tally)}\n\n\n"
    )


def _matrix(tally: _Tally) -> str:
    in_key = set(tally.rows)
    header = "".join(f" {_short(column, column in in_key):>4}" for column in tally.columns)
    sums = "-SUM- skip ACTUAL" if tally.wrong_direction is None else "-SUM- xDIRx skip  ACTUAL"
    rule = f"      +{'-' * 5 * len(tally.columns)}+"
    rows = "".join(
        f"{_short(row, True):>5} |{_counts([tally.cells[row, column] for column in tally.columns])}|"
        f"{_sums(tally, [row])}\n"
        for row in tally.rows
    )
    totals = _counts([tally.column_sum(column) for column in tally.columns])
    return (
        f"       {header} <-- classified as\n{rule} {sums}\n{rows}{rule}\n"
        f" -SUM- {totals} {_sums(tally, tally.rows)}\n"
    )


def _short(relation: str, in_key: bool) -> str:
    """C-E1 for Cause-Effect(e1,e2), C-E without direction, *CE1 where the key lacks it, _O_ for Other."""
    if relation == _OTHER:
        return "_O_"
    first, second = (word[0] for word in relation.split("-"))
    direction = relation[relation.index("(e") + 2] if "(" in relation else ""
    return f"{first}-{second}{direction}" if in_key else f"*{first}{second}{direction}"


def _counts(row: list[int]) -> str:
    return "".join(f"{count:4d} " for count in row)


def _sums(tally: _Tally, rows: list[str]) -> str:
    total, skipped = sum(map(tally.row_sum, rows)), sum(tally.skipped[row] for row in rows)
    actual = sum(map(tally.actual, rows))
    if tally.wrong_direction is None:
        return f" {total:4d} {skipped:4d} {actual:4d}"
    return f" {total:4d}  {sum(map(tally.reversed, rows)):4d}  {skipped:4d}  {actual:5d}"


def _accuracies(tally: _Tally) -> str:
    examples, skipped = sum(map(tally.actual, tally.rows)), tally.skipped.total()
    correct, covered = sum(map(tally.correct, tally.rows)), examples - skipped
    lines = (
        ("Coverage", covered, examples),
        ("Accuracy (calculated for the above confusion matrix)", correct, covered),
        ("Accuracy (considering all skipped examples as Wrong)", correct, examples),
        ("Accuracy (considering all skipped examples as Other)", correct + tally.skipped[_OTHER], examples),
    )
    return "".join(
        f"{name} = {part}/{whole} = {ratio(100 * part, whole):5.2f}%\n" for name, part, whole in lines
    )


def _relation_line(tally: _Tally, relation: str) -> str:
    correct, proposed, actual = tally.correct(relation), tally.proposed(relation), tally.actual(relation)
    shown = f"{proposed:4d}"
    if tally.wrong_direction is not None:
        shown = f"({tally.column_sum(relation):4d} +{tally.reversed(relation):4d})"
    return f"{relation:>25} :    {_result(correct, proposed, actual, shown)}"


def _micro_line(tally: _Tally) -> str:
    correct, proposed, actual = (
        sum(map(count, tally.positive())) for count in (tally.correct, tally.proposed, tally.actual)
    )
    return _result(correct, proposed, actual, f"{proposed:4d}")


def _result(correct: int, proposed: int, actual: int, shown: str) -> str:
    return (
        f"P = {correct:4d}/{shown} = {ratio(100 * correct, proposed):6.2f}%     "
        f"R = {correct:4d}/{actual:4d} = {ratio(100 * correct, actual):6.2f}%     "
        f"F1 = {ratio(200 * correct, proposed + actual):6.2f}%\n"
    )


def _macro_line(tally: _Tally) -> str:
    precision, recall, f1 = (100 * value for value in tally.macro())
    return f"P = {precision:6.2f}%\tR = {recall:6.2f}%\tF1 = {f1:6.2f}%\n"
