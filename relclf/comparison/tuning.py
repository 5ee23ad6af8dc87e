"""What a sweep says of tuning: the best score to expect from so many variants, and what each setting changes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from relclf.comparison.seed_tests import ALPHA


@dataclass(frozen=True)
class ExpectedBest:
    """The expected highest score of `variants` variants drawn at random, and its standard deviation."""

    variants: int
    mean: float
    sd: float
    biased_mean: float
    """As first proposed (Dodge et al. 2019), which draws with replacement: too low for many variants."""


@dataclass(frozen=True)
class Effect:
    """What a value of a key changes beside the key's first value, averaged over the settings of the other keys.

    The 95 % interval covers the noise of the seeds at these variants; None where each has one seed.
    """

    key: str
    value: Any
    mean: float
    difference: float
    low: float | None
    high: float | None
    variants: int
    """Pairs of variants that differ in this key alone."""


def expected_best(scores: Sequence[float]) -> list[ExpectedBest]:
    """For 1, 2, ... all of the variants. scores: one a variant.

    The unbiased estimator (Tang et al. 2020; Dodge et al. 2021): the mean of the maximum over all subsets.
    """
    ordered, total = np.sort(scores), len(scores)
    found = []
    for n in range(1, total + 1):
        subsets = np.array([math.comb(rank - 1, n - 1) / math.comb(total, n) for rank in range(1, total + 1)])
        mean = float(ordered @ subsets)
        variance = max(0.0, float(ordered**2 @ subsets) - mean**2)
        steps = (np.arange(total + 1) / total) ** n
        found.append(ExpectedBest(n, mean, math.sqrt(variance), float(ordered @ np.diff(steps))))
    return found


def marginal_effects(
    keys: Sequence[str], cells: Sequence[tuple[Mapping[str, Any], Sequence[float]]]
) -> list[Effect]:
    """The effect of each value of each key. cells: the settings of a variant and its scores, one a seed."""
    known = [(settings, scores) for settings, scores in cells if len(scores)]
    degrees = sum(len(scores) - 1 for _, scores in known)
    within = sum(float(np.var(scores)) * len(scores) for _, scores in known)
    noise = within / degrees if degrees else None
    return [effect for key in keys for effect in _effects_of(key, keys, known, noise, degrees)]


def _effects_of(
    key: str,
    keys: Sequence[str],
    cells: Sequence[tuple[Mapping[str, Any], Sequence[float]]],
    noise: float | None,
    degrees: int,
) -> list[Effect]:
    """`noise` is the variance of a score over seeds, pooled over the variants, with its degrees of freedom."""
    from scipy.special import stdtrit

    table: dict[str, dict[str, Sequence[float]]] = {}
    values: dict[str, Any] = {}
    for settings, scores in cells:
        values.setdefault(repr(settings.get(key)), settings.get(key))
        others = repr([settings.get(other) for other in keys if other != key])
        table.setdefault(repr(settings.get(key)), {})[others] = scores
    if len(values) < 2:
        return []
    first = next(iter(values))
    effects = []
    for value, original in values.items():
        shared = [others for others in table[first] if others in table[value]]
        if not shared:
            continue
        mean = float(np.mean([np.mean(table[value][others]) for others in shared]))
        base = float(np.mean([np.mean(table[first][others]) for others in shared]))
        low = high = None
        if noise is not None and value != first:
            runs = sum(1 / len(table[each][others]) for others in shared for each in (value, first))
            half = float(stdtrit(degrees, 1 - ALPHA / 2)) * math.sqrt(noise * runs) / len(shared)
            low, high = mean - base - half, mean - base + half
        effects.append(Effect(key, original, mean, mean - base, low, high, len(shared)))
    return effects
