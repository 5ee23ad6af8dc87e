"""Scores computed from confusion counts, each defined once, for one matrix or a stack of them."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relclf.relations import RelationSet

Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]
Values = NDArray[np.float64]

SCORE_WORDS = {
    "macro_f1": "macro-F1",
    "macro_f1_positive": "macro-F1 positive",
    "micro_f1_positive": "micro-F1 positive",
    "accuracy": "accuracy",
    "semeval2010": "SemEval-2010 official",
}
"""Each score as people read it."""
SCORE_NAMES = tuple(SCORE_WORDS)


@dataclass(frozen=True, slots=True)
class RelationScore:
    """One relation's row: precision is None where it was never predicted, recall where it has no support.

    `f1` is 2 · correct / (predicted + support), 0 where both are 0. `support` and `predicted` are examples.
    """

    relation: str
    precision: float | None
    recall: float | None
    f1: float
    support: int
    predicted: int


@dataclass(frozen=True, slots=True)
class Tallies:
    """All that a score needs of a confusion matrix, or of each of a stack of them: (..., relations) each."""

    correct: Counts
    support: Counts
    predicted: Counts


def confusion_matrix(gold: NDArray[Any], predicted: NDArray[Any], relations: int) -> Counts:
    """Examples by gold relation (rows) and predicted relation (columns).

    gold, predicted: (examples,) relation ids in 0..relations-1; returns (relations, relations).
    """
    gold, predicted = np.asarray(gold, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if gold.ndim != 1 or gold.shape != predicted.shape:
        raise ValueError(
            f"gold has shape {gold.shape}, predicted {predicted.shape}; both must be (examples,)"
        )
    for name, ids in (("gold", gold), ("predicted", predicted)):
        if ids.size and not 0 <= ids.min() <= ids.max() < relations:
            raise ValueError(f"{name} ids span {ids.min()}..{ids.max()}, relations are 0..{relations - 1}")
    cells = np.bincount(gold * relations + predicted, minlength=relations * relations)
    return cells.reshape(relations, relations).astype(np.int64)


def score(name: str, counts: Counts, relations: RelationSet, counted: Mask | None = None) -> Values | None:
    """The score `name` of each confusion matrix, in [0, 1], or None where it is not defined.

    counts: (..., relations, relations), gold by predicted; returns (...).
    counted: (relations,) the relations that a macro score averages over, fixed for the whole stack; by
    default those with gold support, which only a single matrix can tell. docs/scores.md has the definitions.
    """
    if counts.shape[-2:] != (len(relations), len(relations)):
        raise ValueError(
            f"counts has shape {counts.shape}, expected (..., {len(relations)}, {len(relations)})"
        )
    if counted is None:
        if counts.ndim != 2:
            raise ValueError(
                "a stack of matrices needs `counted`: the relations must not change while resampling"
            )
        counted = with_support(counts)
    return score_of(name, tallies(counts), relations, counted)


def tallies(counts: Counts) -> Tallies:
    """counts: (..., relations, relations), gold by predicted."""
    return Tallies(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1), counts.sum(axis=-2))


def score_of(name: str, tallied: Tallies, relations: RelationSet, counted: Mask) -> Values | None:
    """As `score`, of what `tallies` gives; counted: (relations,)."""
    if name not in SCORE_NAMES:
        raise ValueError(f"no score is called {name!r}; there are {', '.join(SCORE_NAMES)}")
    if name == "accuracy":
        examples = tallied.support.sum(axis=-1)
        return ratio(tallied.correct.sum(axis=-1), examples) if counted.any() else None
    if name == "macro_f1":
        return _macro_f1(tallied, counted)
    if relations.negative is None:
        return None
    positive = np.array([relation != relations.negative for relation in relations.names])
    if name == "macro_f1_positive":
        return _macro_f1(tallied, counted & positive)
    if name == "micro_f1_positive":
        return _micro_f1(tallied, positive)
    return _semeval2010(tallied, relations, counted & positive)


def with_support(counts: Counts) -> Mask:
    """Which relations have gold examples; counts: (relations, relations), returns (relations,)."""
    return np.asarray(counts.sum(axis=-1) > 0)


def counted_names(name: str, relations: RelationSet, counted: Mask) -> tuple[str, ...]:
    """The relations that the score covers: without the negative, or without direction, where it says so."""
    chosen = [relation for relation, use in zip(relations.names, counted, strict=True) if use]
    if name in ("macro_f1", "accuracy"):
        return tuple(chosen)
    chosen = [relation for relation in chosen if relation != relations.negative]
    if name == "semeval2010":
        chosen = [undirected(relation) or relation for relation in chosen]
    return tuple(dict.fromkeys(chosen))


def per_relation(counts: Counts, relations: RelationSet) -> list[RelationScore]:
    """Precision, recall, F1 and support of every relation, in the order of `relations`."""
    tallied = tallies(counts)
    correct, support, predicted = tallied.correct, tallied.support, tallied.predicted
    f1 = ratio(2 * correct, predicted + support)
    return [
        RelationScore(
            relation=relation,
            precision=float(correct[i] / predicted[i]) if predicted[i] else None,
            recall=float(correct[i] / support[i]) if support[i] else None,
            f1=float(f1[i]),
            support=int(support[i]),
            predicted=int(predicted[i]),
        )
        for i, relation in enumerate(relations.names)
    ]


def ratio(numerator: Any, denominator: Any) -> Values:
    """numerator / denominator, element by element, with 0 where the denominator is 0 (zero division)."""
    numerator, denominator = np.asarray(numerator), np.asarray(denominator)
    zeros = np.zeros(np.broadcast_shapes(numerator.shape, denominator.shape))
    np.divide(numerator, denominator, out=zeros, where=denominator != 0)
    return zeros


def undirected(relation: str) -> str | None:
    """X of "X(e1,e2)" or "X(e2,e1)", None for a name of another form."""
    match = _DIRECTED.fullmatch(relation)
    return match[1] if match else None


_DIRECTED = re.compile(r"(.+)\((?:e1,e2|e2,e1)\)")


def _macro_f1(tallied: Tallies, counted: Mask) -> Values | None:
    """Mean F1 over the counted relations; a relation absent from gold and predictions has F1 0."""
    if not counted.any():
        return None
    f1 = ratio(2 * tallied.correct, tallied.support + tallied.predicted)
    return np.asarray(f1[..., counted].mean(axis=-1))


def _micro_f1(tallied: Tallies, positive: Mask) -> Values:
    """TACRED's score (Zhang et al. 2017): F1 of the positive predictions and gold relations, pooled."""
    examples = (tallied.support + tallied.predicted)[..., positive].sum(axis=-1)
    return ratio(2 * tallied.correct[..., positive].sum(axis=-1), examples)


def _semeval2010(tallied: Tallies, relations: RelationSet, counted: Mask) -> Values | None:
    """Hendrickx et al. 2010, evaluation (iii): mean F1 over undirected relations, direction counted.

    A wrong direction is a false positive and a false negative of the same relation; the negative, the only
    name without a direction, is left out. counted: (relations,) without the negative.
    """
    bases = [undirected(relation) for relation in relations.names]
    without_direction = [name for name, base in zip(relations.names, bases, strict=True) if base is None]
    if without_direction != [relations.negative] or not counted.any():
        return None
    averaged = counted_names("semeval2010", relations, counted)
    members = np.array([[base == name for name in averaged] for base in bases], dtype=np.int64)
    examples = tallied.support + tallied.predicted
    return np.asarray(ratio(2 * (tallied.correct @ members), examples @ members).mean(axis=-1))
