"""Tests two systems on the sentences that both labelled, by randomisation and a bootstrap over counts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from relclf.errors import UserMistake
from relclf.relations import RelationSet
from relclf.scoring.metrics import Counts, Mask, Tallies, Values, score_of
from relclf.scoring.resampling import summed_by_relation

SAMPLES = 10_000
FEW_SENTENCES = 800
"""Below it the bootstrap's interval is too narrow, and what it was measured to cover is said."""
COVERAGE = ((85, 0.74), (200, 0.81), (400, 0.88), (800, 0.92))
"""Sentences, and the share of samples of so many whose interval held the true difference (docs/comparison.md)."""
FEW_OF_A_RELATION = 5
"""A macro average over a relation with fewer gold sentences has an interval that is too narrow, on any number."""
RARE_COVERAGE = 0.85
"""Measured where 14 of 42 relations had fewer: TACRED, samples of 2,717 (docs/comparison.md)."""
_CELLS_AT_ONCE = 2**21
"""Cells of samples in memory at a time: 16 MiB."""

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class PairedTest:
    """Two systems on the same sentences: their scores in [0, 1], a - b, its 95 % interval, and p."""

    score: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p_value: float
    sentences: int
    differing: int
    """Sentences that the two label differently."""
    rare_relations: int
    """Relations with a few gold sentences only, of those that a macro score averages over."""
    samples: int


@dataclass(frozen=True)
class PairedCounts:
    """How many sentences have each gold relation and each pair of answers: (cells,) each, empty cells left out."""

    gold: Ids
    a: Ids
    b: Ids
    counts: Counts


def paired_test(
    name: str, gold: Ids, a: Ids, b: Ids, relations: RelationSet, samples: int = SAMPLES, seed: int = 1
) -> PairedTest:
    """Test the score `name` of two systems. gold, a, b: (sentences,) relation ids of the same sentences.

    p is that of paired approximate randomisation (Noreen 1989; Yeh 2000): answers change sides at random, two-sided,
    the observed one counted. The interval is the bias-corrected bootstrap's (Efron 1981) over sentences. Macro
    averages go over the relations with gold support in all of the sentences. Raises UserMistake where the
    score is not defined.
    """
    cells = paired_counts(gold, a, b, len(relations))
    counted = np.bincount(cells.gold, minlength=len(relations)) > 0
    own = _scores(name, cells, cells.counts[None], relations, counted)
    if own is None:
        raise UserMistake(
            f"{name} is not defined for these relations. docs/scores.md says what each score needs."
        )
    difference = float(own[0][0] - own[1][0])
    differing = int(cells.counts[cells.a != cells.b].sum())
    low = high = 0.0
    p_value = 1.0
    if differing:
        seeds = np.random.SeedSequence(seed).spawn(2)
        exchanged, draw = _exchange(cells)
        others = _differences(
            name, exchanged, draw, relations, counted, samples, np.random.default_rng(seeds[0])
        )
        p_value = (1 + int(np.sum(np.abs(others) >= abs(difference) - 1e-12))) / (1 + samples)
        drawn = _differences(
            name, cells, _resample(cells), relations, counted, samples, np.random.default_rng(seeds[1])
        )
        low, high = bias_corrected(drawn, difference)
    return PairedTest(
        name,
        float(own[0][0]),
        float(own[1][0]),
        difference,
        low,
        high,
        p_value,
        len(gold),
        differing,
        _rare(name, gold),
        samples,
    )


def coverage_near(sentences: int) -> tuple[int, float]:
    """The measured coverage of the largest size that is no larger, or of the smallest one measured."""
    return max((each for each in COVERAGE if each[0] <= sentences), default=COVERAGE[0])


def _rare(name: str, gold: Ids) -> int:
    support = np.bincount(gold)
    return int(np.sum((support > 0) & (support < FEW_OF_A_RELATION))) if name.startswith("macro_f1") else 0


def paired_counts(gold: Ids, a: Ids, b: Ids, relations: int) -> PairedCounts:
    """The cells of (gold, a, b) that occur. gold, a, b: (sentences,) ids in 0..relations-1."""
    keys, counts = np.unique((gold * relations + a) * relations + b, return_counts=True)
    return PairedCounts(keys // relations**2, keys // relations % relations, keys % relations, counts)


def bias_corrected(drawn: Values, observed: float, level: float = 0.95) -> tuple[float, float]:
    """The bias-corrected percentile interval (Efron 1981) of bootstrap values; equal ones count half."""
    normal = NormalDist()
    below = (np.sum(drawn < observed - 1e-12) + np.sum(drawn <= observed + 1e-12)) / 2
    shift = 2 * normal.inv_cdf(float(np.clip(below, 0.5, len(drawn) - 0.5)) / len(drawn))
    edges = [normal.cdf(shift + normal.inv_cdf(share)) for share in ((1 - level) / 2, (1 + level) / 2)]
    low, high = np.quantile(drawn, edges)
    return float(low), float(high)


Draw = Callable[[int, np.random.Generator], Counts]
"""The counts of so many samples: (samples, cells)."""


def _exchange(cells: PairedCounts) -> tuple[PairedCounts, Draw]:
    """Where two answers differ, the number of sentences in which they stay with their system is binomial."""
    same = cells.a == cells.b
    first, second = np.minimum(cells.a, cells.b)[~same], np.maximum(cells.a, cells.b)[~same]
    table = np.stack([cells.gold[~same], first, second])
    (gold, x, y), place = np.unique(table, axis=1, return_inverse=True)
    amount = np.bincount(place.ravel(), weights=cells.counts[~same]).astype(np.int64)
    constant = cells.counts[same]
    exchanged = PairedCounts(
        np.concatenate([cells.gold[same], gold, gold]),
        np.concatenate([cells.a[same], x, y]),
        np.concatenate([cells.a[same], y, x]),
        np.concatenate([constant, amount, amount]),
    )

    def draw(samples: int, generator: np.random.Generator) -> Counts:
        stay = generator.binomial(amount, 0.5, size=(samples, len(amount)))
        return np.hstack([np.broadcast_to(constant, (samples, len(constant))), stay, amount - stay])

    return exchanged, draw


def _resample(cells: PairedCounts) -> Draw:
    """Sentences drawn with replacement are a multinomial draw over the cells; both systems get the same ones."""
    sentences = int(cells.counts.sum())

    def draw(samples: int, generator: np.random.Generator) -> Counts:
        return generator.multinomial(sentences, cells.counts / sentences, size=samples)

    return draw


def _differences(
    name: str,
    cells: PairedCounts,
    draw: Draw,
    relations: RelationSet,
    counted: Mask,
    samples: int,
    generator: np.random.Generator,
) -> Values:
    """(samples,) a - b of each sample, drawn some at a time so that memory stays flat."""
    parts = []
    for size in _portions(samples, max(1, _CELLS_AT_ONCE // max(len(cells.counts), len(relations)))):
        scores = _scores(name, cells, draw(size, generator), relations, counted)
        assert scores is not None  # it was defined for the sentences themselves
        parts.append(scores[0] - scores[1])
    return np.concatenate(parts)


def _portions(total: int, most: int) -> Iterator[int]:
    for start in range(0, total, most):
        yield min(most, total - start)


def _scores(
    name: str, cells: PairedCounts, drawn: Counts, relations: RelationSet, counted: Mask
) -> tuple[Values, Values] | None:
    """(samples,) the score of a and of b. drawn: (samples, cells)."""
    count = len(relations)
    support = summed_by_relation(drawn, cells.gold, count)
    values = []
    for answers in (cells.a, cells.b):
        right = answers == cells.gold
        tallied = Tallies(
            summed_by_relation(drawn[:, right], cells.gold[right], count),
            support,
            summed_by_relation(drawn, answers, count),
        )
        value = score_of(name, tallied, relations, counted)
        if value is None:
            return None
        values.append(value)
    return values[0], values[1]
