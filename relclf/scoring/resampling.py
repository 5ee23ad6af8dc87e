"""Standard errors and intervals of scores, from resampled confusion matrices."""

import numpy as np

from relclf.relations import RelationSet
from relclf.scoring.metrics import Counts, Values, score, with_support


def bootstrap(counts: Counts, samples: int, generator: np.random.Generator) -> Counts:
    """Confusion matrices of `samples` bootstrap samples; counts: (C, C), returns (samples, C, C).

    Drawing n examples with replacement draws each one's (gold, predicted) cell independently with
    probability counts / n, so the cells of a sample are multinomial: this is the bootstrap over examples
    (Efron 1979), exactly, without touching the examples. Cells that are empty stay empty.
    """
    if counts.ndim != 2 or not counts.any():
        raise ValueError(f"one matrix with at least one example is needed, got shape {counts.shape}")
    filled = np.flatnonzero(counts)
    cells = counts.ravel()[filled]
    sampled = np.zeros((samples, counts.size), dtype=np.int64)
    sampled[:, filled] = generator.multinomial(cells.sum(), cells / cells.sum(), size=samples)
    return sampled.reshape(samples, *counts.shape)


def standard_error(
    name: str, counts: Counts, relations: RelationSet, samples: int, generator: np.random.Generator
) -> float | None:
    """Bootstrap standard error of a score, in [0, 1]; None where the score is not defined."""
    values = _resampled(name, counts, relations, samples, generator)
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
    values = _resampled(name, counts, relations, samples, generator)
    return None if values is None else percentiles(values, level)


def percentiles(values: Values, level: float = 0.95) -> tuple[float, float]:
    """The central interval that holds the share `level` of the values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _resampled(
    name: str, counts: Counts, relations: RelationSet, samples: int, generator: np.random.Generator
) -> Values | None:
    """(samples,) the score of each sample, over the relations with support in the original matrix."""
    counted = with_support(counts)
    if score(name, counts, relations, counted) is None:
        return None
    return score(name, bootstrap(counts, samples, generator), relations, counted)
