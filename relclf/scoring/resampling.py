"""Standard errors and intervals of scores, from bootstrap samples of a confusion matrix."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relclf.relations import RelationSet
from relclf.scoring.metrics import Counts, Tallies, Values, score, score_of, with_support

_CELLS_AT_ONCE = 2**21
"""Cells of samples in memory at a time: 16 MiB."""


def bootstrap(counts: Counts, samples: int, generator: np.random.Generator) -> Tallies:
    """The tallies of `samples` bootstrap samples of a confusion matrix (C, C): (samples, C) each.

    Drawing n examples with replacement draws each one's (gold, predicted) cell independently with
    probability counts / n, so the cells of a sample are multinomial: this is the bootstrap over examples
    (Efron 1979), exactly, without touching the examples. Cells that are empty stay empty, and are not drawn.
    """
    if counts.ndim != 2 or not counts.any():
        raise ValueError(f"one matrix with at least one example is needed, got shape {counts.shape}")
    gold, predicted = np.nonzero(counts)
    cells = counts[gold, predicted]
    drawn = generator.multinomial(cells.sum(), cells / cells.sum(), size=samples)  # (samples, filled cells)
    right = gold == predicted
    return Tallies(
        summed_by_relation(drawn[:, right], gold[right], len(counts)),
        summed_by_relation(drawn, gold, len(counts)),
        summed_by_relation(drawn, predicted, len(counts)),
    )


def summed_by_relation(drawn: Counts, relations: NDArray[np.int64], count: int) -> Counts:
    """The sums of the columns of each relation: (samples, columns) -> (samples, count)."""
    summed = np.zeros((len(drawn), count), dtype=np.int64)
    if len(relations):
        order = np.argsort(relations, kind="stable")
        present, first = np.unique(relations[order], return_index=True)
        summed[:, present] = np.add.reduceat(drawn[:, order], first, axis=1)
    return summed


def resampled_scores(
    names: Sequence[str], counts: Counts, relations: RelationSet, samples: int, generator: np.random.Generator
) -> dict[str, Values]:
    """(samples,) the value of each named score that is defined, all from the same bootstrap samples.

    Averages go over the relations with support in `counts`: (C, C). The samples are drawn some at a time, which
    changes none of them, so that memory stays flat however many relations there are.
    """
    counted = with_support(counts)
    values: dict[str, list[Values]] = {
        name: [] for name in names if score(name, counts, relations, counted) is not None
    }
    at_once = max(1, _CELLS_AT_ONCE // max(len(counts), int(np.count_nonzero(counts))))
    for start in range(0, samples if values else 0, at_once):
        tallied = bootstrap(counts, min(at_once, samples - start), generator)
        for name, parts in values.items():
            part = score_of(name, tallied, relations, counted)
            if part is not None:
                parts.append(part)
    return {name: np.concatenate(parts) for name, parts in values.items()}


def standard_error(
    name: str, counts: Counts, relations: RelationSet, samples: int, generator: np.random.Generator
) -> float | None:
    """Bootstrap standard error of a score, in [0, 1]; None where the score is not defined."""
    values = resampled_scores([name], counts, relations, samples, generator).get(name)
    return None if values is None else float(values.std(ddof=1))


def interval(
    name: str,
    counts: Counts,
    relations: RelationSet,
    samples: int,
    generator: np.random.Generator,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """Percentile bootstrap interval (low, high) of a score; None where the score is not defined."""
    values = resampled_scores([name], counts, relations, samples, generator).get(name)
    return None if values is None else percentiles(values, level)


def percentiles(values: Values, level: float = 0.95) -> tuple[float, float]:
    """The central interval that holds the share `level` of the values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
