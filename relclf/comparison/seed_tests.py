"""Tests and intervals over the scores of several seeds: which differences are shown, and which could have been."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from relclf.scoring.metrics import Values

ALPHA = 0.05
POWER = 0.8
FEWEST_SEEDS = 4
"""Below it no verdict: 3 against 3 seeds cannot give a p below 0.10."""
_EXACT_UP_TO = 200_000
"""Splits that are all gone through: 10 against 10 seeds have 184,756."""
_DRAWN_SPLITS = 100_000
_MOST_SEEDS = 1000
"""What `seeds_needed` looks up to."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean, standard deviation and 95 % t interval of the mean; of one value the mean alone."""

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None


def spread(values: Sequence[float]) -> Spread | None:
    """Of the values of n seeds; None of none."""
    if not values:
        return None
    n, mean = len(values), float(np.mean(values))
    if n == 1:
        return Spread(1, mean, None, None, None)
    sd = float(np.std(values, ddof=1))
    half = _t_quantile(n - 1, 1 - ALPHA / 2) * sd / math.sqrt(n)
    return Spread(n, mean, sd, mean - half, mean + half)


def welch_interval(a: Sequence[float], b: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of mean(a) - mean(b) for unequal variances (Welch 1947); None below two values in either."""
    if min(len(a), len(b)) < 2:
        return None
    difference = float(np.mean(a) - np.mean(b))
    error, degrees = _welch(float(np.var(a, ddof=1)), float(np.var(b, ddof=1)), len(a), len(b))
    half = _t_quantile(degrees, 1 - ALPHA / 2) * error if error else 0.0
    return difference - half, difference + half


def permutation_p(a: Sequence[float], b: Sequence[float]) -> float:
    """Two-sided p of a permutation test over seeds: the share of ways to split the values that differ as much.

    The statistic is Welch's t (Janssen 1997): for groups of one size the order of splits is that of the difference of
    means; for others it stays valid where the variances differ. All splits up to 200,000; else 100,000
    random ones and the split itself (Phipson and Smyth 2010).
    """
    values = np.concatenate([a, b])
    statistics = _split_statistics(values - values.mean(), len(a), len(b))
    share: float = np.mean(statistics >= statistics[0] * (1 - 1e-9))
    return float(share)


def smallest_p(n_a: int, n_b: int) -> float:
    """The smallest p that these numbers of seeds can give: 2/C(2k,k) for k against k, 1/C(n,k) for others."""
    splits = math.comb(n_a + n_b, n_a)
    return min(1.0, (2 if n_a == n_b else 1) / splits) if splits <= _EXACT_UP_TO else 1 / (1 + _DRAWN_SPLITS)


def seeds_for_pairs(pairs: int) -> int:
    """The fewest seeds a group with which a difference can be shown at all among so many pairs."""
    return next(k for k in range(FEWEST_SEEDS, _MOST_SEEDS) if pairs * 2 / math.comb(2 * k, k) <= ALPHA)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values adjusted for their number, so that one false verdict among all has a chance of 5 % (Holm 1979)."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def detectable_difference(sd_a: float, sd_b: float, n_a: int, n_b: int, pairs: int = 1) -> float | None:
    """The smallest true difference that the permutation test finds in 80 % of cases; None where it can find none.

    The power of Welch's t test (noncentral t) at the level that the splits attain at or below 0.05 / pairs,
    which is 0.029 for 4 against 4.
    """
    from scipy.special import nctdtrinc

    level = _attained_level(n_a, n_b, pairs)
    if level is None:
        return None
    error, degrees = _welch(sd_a**2, sd_b**2, n_a, n_b)
    return float(nctdtrinc(degrees, 1 - POWER, _t_quantile(degrees, 1 - level / 2)) * error) if error else 0.0


def seeds_needed(difference: float, sd_a: float, sd_b: float, pairs: int = 1) -> int | None:
    """Seeds a group with which a true difference is found in 80 % of cases; None above 1000."""
    detectable = (
        detectable_difference(sd_a, sd_b, n, n, pairs) for n in range(FEWEST_SEEDS, _MOST_SEEDS + 1)
    )
    enough = (
        n for n, least in enumerate(detectable, FEWEST_SEEDS) if least is not None and least <= difference
    )
    return next(enough, None)


def _t_quantile(degrees: float, share: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, share))


def _welch(variance_a: float, variance_b: float, n_a: int, n_b: int) -> tuple[float, float]:
    """The standard error of a difference of means and its degrees of freedom (Welch and Satterthwaite)."""
    a, b = variance_a / n_a, variance_b / n_b
    if not a + b:
        return 0.0, float(n_a + n_b - 2)
    return math.sqrt(a + b), (a + b) ** 2 / (a**2 / (n_a - 1) + b**2 / (n_b - 1))


def _attained_level(n_a: int, n_b: int, pairs: int) -> float | None:
    """The largest p at or below 0.05 / pairs that some split can give."""
    level, step = ALPHA / pairs, smallest_p(n_a, n_b)
    steps = math.floor(level / step * (1 + 1e-12))
    return steps * step if steps else None


def _split_statistics(values: Values, n_a: int, n_b: int) -> Values:
    """(splits,) |t| of each split of centred values into n_a and n_b; the first split is the values' own order."""
    chosen = _splits(n_a, n_b)
    total, squares = values.sum(), values**2
    sum_a, squares_a = chosen @ values, chosen @ squares
    spread_a = squares_a - sum_a**2 / n_a
    spread_b = squares.sum() - squares_a - (total - sum_a) ** 2 / n_b
    error = spread_a / (n_a * max(1, n_a - 1)) + spread_b / (n_b * max(1, n_b - 1))
    difference = np.abs(sum_a / n_a - (total - sum_a) / n_b)
    scale = float(squares.sum())
    error = np.where(error > 1e-13 * scale, error, 0.0)  # what rounding left of no spread at all
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(difference**2 > 1e-20 * scale, difference / np.sqrt(error), 0.0))


@lru_cache(maxsize=8)
def _splits(n_a: int, n_b: int) -> NDArray[np.float64]:
    """(splits, n_a + n_b) 1 where a value is in the first group; the first row is 1 ... 1 0 ... 0."""
    n, count = n_a + n_b, math.comb(n_a + n_b, n_a)
    if count <= _EXACT_UP_TO:
        rows = np.array(list(combinations(range(n), n_a)))
    else:
        generator = np.random.default_rng(1)
        drawn = generator.random((_DRAWN_SPLITS, n)).argsort(axis=1)[:, :n_a]
        rows = np.concatenate([np.arange(n_a)[None], drawn])
    chosen = np.zeros((len(rows), n))
    np.put_along_axis(chosen, rows, 1.0, axis=1)
    return chosen
