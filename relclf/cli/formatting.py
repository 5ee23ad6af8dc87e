"""Writes numbers the way the tables show them."""

import math
from collections.abc import Sequence
from itertools import pairwise

_BARS = "▁▂▃▄▅▆▇█"


def percent(share: float | None) -> str:
    """0.7931 -> "79.3"; None -> "-"."""
    return "-" if share is None else f"{100 * share:.1f}"


def loss(value: float | None) -> str:
    """Nats an example, in five characters: 0.531, 12.35, 5.4e6."""
    if value is None:
        return "-"
    if 99.995 <= value < math.inf:
        return small(value)
    return f"{value:.{3 if value < 9.9995 else 2}f}"


def small(value: float, digits: int = 1) -> str:
    """0.001 -> "1e-3", 0.00052 -> "5.2e-4" with `digits` decimals where they say something."""
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}" if value else "0"


def norm(value: float) -> str:
    """At most five characters: 336, 2.6, 0.64, 7e-3."""
    return (
        f"{value:.2g}"
        if 0.1 <= value < 100
        else f"{value:.0f}"
        if 100 <= value < 99_999.5
        else small(value, 0)
    )


def short_count(value: float) -> str:
    """8210.4 -> "8,210", 1250000 -> "1.25M"."""
    return f"{value:,.0f}" if value < 999_999.5 else f"{value / 1e6:.3g}M"


def sparkline(values: Sequence[float], width: int = 48) -> str:
    """One bar a value, or a mean of neighbours where there are more than `width`; the range is the values' own."""
    if len(values) > width:
        edges = [round(index * len(values) / width) for index in range(width + 1)]
        parts = [values[a:b] for a, b in pairwise(edges)]
        values = [sum(part) / len(part) for part in parts]
    low, high = min(values), max(values)
    span = high - low or 1.0
    return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1))] for value in values)


def shell_path(path: object) -> str:
    """A path as it can be typed in a shell."""
    import shlex

    return shlex.quote(str(path))
