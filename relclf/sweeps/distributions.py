"""The distributions that a sweep draws values from, each value from a generator of its own."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from relclf.config.mistakes import shown
from relclf.seeding import named_seed

DIGITS = 4
"""Significant digits of a drawn number, so that a person can read and type it."""


@dataclass(frozen=True)
class Numbers:
    """Numbers between two bounds, drawn evenly, or evenly in their logarithms."""

    low: float
    high: float
    logarithmic: bool
    whole: bool
    """Whole numbers, both bounds included."""

    def value(self, share: float) -> float | int:
        """The number at a share in [0, 1) of the way from `low` to `high`."""
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        if self.logarithmic:
            number = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            number = low + share * (high - low)
        if self.whole:
            return min(max(round(number), int(self.low)), int(self.high))
        return min(max(float(f"{number:.{DIGITS}g}"), self.low), self.high)


@dataclass(frozen=True)
class Choice:
    """One of several values, each as likely as the others."""

    values: tuple[Any, ...]

    def value(self, share: float) -> Any:
        """The value at a share in [0, 1) of the list."""
        return self.values[int(share * len(self.values))]


Distribution = Numbers | Choice


def draw(distribution: Distribution, key: str, seed: int, index: int) -> Any:
    """The value of a key in variant `index`; it depends on no other variant and no other key."""
    generator = np.random.Generator(np.random.PCG64(named_seed(seed, f"sweep {key}", index)))
    return distribution.value(float(generator.random()))


def read_distribution(value: Any) -> Distribution | str:
    """The distribution that a sweep file writes as `{log_uniform: [1e-4, 1e-1]}`, or what is wrong with it."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return (
            f"must be one distribution, such as {{log_uniform: [1e-4, 1e-1]}} (got {shown(value)}). {_KNOWN}"
        )
    name, given = next(iter(value.items()))
    if name not in _READERS:
        return f"no distribution {shown(name)}. {_KNOWN}"
    return _READERS[name](name, given)


def _numbers(logarithmic: bool, whole: bool) -> Callable[[str, Any], Distribution | str]:
    kinds = (int,) if whole else (int, float)

    def read(name: str, given: Any) -> Distribution | str:
        numbers = given if isinstance(given, list) else []
        if len(numbers) != 2 or not all(isinstance(n, kinds) and not isinstance(n, bool) for n in numbers):
            what = "two whole numbers" if whole else "two numbers"
            return f"{name}: must be {what}, [LOW, HIGH] (got {shown(given)})."
        low, high = numbers
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            return f"{name}: must go from a lower number to a higher one (got {shown(given)})."
        if logarithmic and low <= 0:
            return f"{name}: must begin above 0, since logarithms do (got {shown(given)})."
        return Numbers(low, high, logarithmic, whole)

    return read


def _choice(name: str, given: Any) -> Distribution | str:
    if not isinstance(given, list) or not given:
        return f"{name}: must be a list of one or more values (got {shown(given)})."
    return Choice(tuple(given))


_READERS: dict[str, Callable[[str, Any], Distribution | str]] = {
    "uniform": _numbers(logarithmic=False, whole=False),
    "log_uniform": _numbers(logarithmic=True, whole=False),
    "int": _numbers(logarithmic=False, whole=True),
    "log_int": _numbers(logarithmic=True, whole=True),
    "choice": _choice,
}
_KNOWN = f"There are {', '.join(_READERS)}."
