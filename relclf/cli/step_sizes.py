"""Draws a learning-rate range test as lines of text, and says what it and the gradient noise scale suggest."""

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from relclf.cli.formatting import loss, small
from relclf.diagnosis.rate_probes import StepSizes

_BAR = 40
_ROWS_A_DECADE = 2


def step_size_lines(sizes: StepSizes) -> Iterator[str]:
    """The curve, one row a half decade, then the range and the noise scale in words."""
    yield f"{'rate':>8}  loss, mean of {len(sizes.seeds)} seeds (± their spread)"
    highest = max(row[0] for row in sizes.test.losses)
    for rate, values in _rows(sizes):
        mark = "*" if abs(math.log10(rate / sizes.rate)) < 0.5 / _ROWS_A_DECADE else " "
        yield f"{mark}{small(rate):>7}  {_bar(values, highest, len(sizes.seeds))}"
    yield ""
    yield from _range_in_words(sizes)
    yield from _noise_in_words(sizes)


def step_sizes_to_json(sizes: StepSizes) -> dict[str, Any]:
    """The curves and what was read off them; null is infinite."""
    test = sizes.test
    return {
        "rate": sizes.rate,
        "batch_size": sizes.batch_size,
        "seeds": list(sizes.seeds),
        "rates": list(test.rates),
        "losses": [list(row) for row in test.losses],
        "learns_from": list(test.learns),
        "breaks_at": list(test.breaks),
        "range": list(test.range) if test.range else None,
        "noise_scales": [scale if math.isfinite(scale) else None for scale in sizes.noise_scales],
    }


def _rows(sizes: StepSizes) -> Iterator[tuple[float, list[float]]]:
    """Each half decade's first rate and the losses there, of the seeds that had not exploded by then."""
    seen = set()
    for index, rate in enumerate(sizes.test.rates):
        place = math.floor(_ROWS_A_DECADE * math.log10(rate) + 1e-6)
        if place not in seen:
            seen.add(place)
            yield rate, [row[index] for row in sizes.test.losses if len(row) > index]


def _bar(values: Sequence[float], highest: float, seeds: int) -> str:
    if not values:
        return "exploded"
    mean = statistics.mean(values)
    bar = "█" * max(1, round(_BAR * min(1.0, mean / highest)))
    spread = f" ±{statistics.stdev(values):.2f}" if len(values) > 1 else ""
    gone = f"  {seeds - len(values)} exploded" if len(values) < seeds else ""
    return f"{bar} {loss(mean)}{spread}{gone}"


def _range_in_words(sizes: StepSizes) -> Iterator[str]:
    test = sizes.test
    yield f"begins to learn at {_span(test.learns)}, gets worse again from {_span(test.breaks)}"
    if test.range is None:
        yield "The seeds have no range of rates in common: the data is small, or the loss is noisy."
    else:
        low, high = test.range
        where = "inside it" if low <= sizes.rate <= high else "outside it"
        own = f"the config's {small(sizes.rate)} lies {where}"
        yield f"Rates from {small(low)} to {small(high)} learn with every seed; {own}."
        yield "It is a range for the first updates, not a setting; nothing was changed."


def _noise_in_words(sizes: StepSizes) -> Iterator[str]:
    known = [scale for scale in sizes.noise_scales if math.isfinite(scale)]
    if len(known) < len(sizes.noise_scales):
        yield "gradient noise scale: larger than these batches can show"
        return
    span = f"{min(known):,.0f} to {max(known):,.0f} sentences"
    yield f"gradient noise scale: {span} after 100 updates; batch_size is {sizes.batch_size}."
    yield "Batches much smaller are mostly noise, much larger ones buy little (McCandlish et al. 2018)."


def _span(values: Sequence[float]) -> str:
    low, high = small(min(values)), small(max(values))
    return low if low == high else f"{low} to {high}"
