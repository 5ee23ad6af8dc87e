"""Draws curves in the characters of a terminal: lines for dev, dots for train, a letter for each of several groups."""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from rich.console import Console
from rich.text import Text

from relclf.report.curves import (
    MEASURES,
    TALLEST_LOSS,
    GroupOfRuns,
    Points,
    Records,
    course,
    drawn_split,
    known_points,
    named_groups,
)
from relclf.report.panels import shown
from relclf.runs.records import EpochRecord

_TALLEST, _LOWEST = 10, 3
"""Lines of text of the axes, at most and at least."""
_ABREAST = 72
"""Columns that hold two plots beside each other; below, they stand one above the other."""
_NARROWEST, _WIDEST = 24, 120
_GAP = 3
_BESIDE = 3
"""Lines of a plot beside those of its axes: the title, the lower axis, the epochs."""
_STYLES = ("cyan", "yellow", "green", "magenta", "red", "blue")


@dataclass(frozen=True)
class Curve:
    """A line of a plot. `marks` are the characters for its places within a line of text, from low to high."""

    points: Points
    marks: str
    style: str


@dataclass(frozen=True)
class Plot:
    """One pair of axes."""

    title: str
    curves: tuple[Curve, ...]
    star: tuple[int, float] | None = None
    """The epoch and the value at which a star stands."""


def run_chart(
    records: Records, best: EpochRecord | None, console: Console, most_lines: int | None = None
) -> list[Text]:
    """Loss and macro-F1 of a run, train and dev, as lines of text that fit the console, lower where they are few."""
    glyphs = _glyphs(console)
    plots = []
    for measure in MEASURES:
        train, dev = (
            known_points(records, f"{split}_{measure.column}", measure.scale) for split in ("train", "dev")
        )
        star = (best.epoch, dev[1][dev[0].index(best.epoch)]) if best and best.epoch in dev[0] else None
        curves = (Curve(train, glyphs.dots, _STYLES[1]), Curve(dev, glyphs.line, _STYLES[0]))
        plots.append(Plot(measure.title, curves, star))
    legend = Text.assemble((glyphs.dots, _STYLES[1]), " train")
    if any(record.dev_loss is not None for record in records):
        legend = Text.assemble((glyphs.line, _STYLES[0]), " dev   ", legend)
        if best is not None:
            legend.append_text(Text.assemble("   ", ("*", "bold green"), f" best, epoch {best.epoch}"))
    return [*_drawn(plots, console, glyphs, most_lines and most_lines - 1), legend]


def group_chart(groups: Sequence[GroupOfRuns], console: Console) -> list[Text]:
    """Dev loss and dev macro-F1 of several groups, the mean over the runs of each, as lines of text."""
    glyphs = _glyphs(console)
    split, (named, others) = drawn_split(groups), named_groups(groups)
    letters = list(zip("ABCDEF", _STYLES, strict=True))
    plots = []
    for measure in MEASURES:
        curves = []
        for (_, runs), (letter, style) in zip(named, letters, strict=False):
            epochs, mean, _ = course(runs, f"{split}_{measure.column}")
            curves.append(Curve((epochs, (measure.scale * mean).tolist()), letter, style))
        plots.append(Plot(f"{split} {measure.title}", tuple(curves)))
    legend = [
        Text.assemble((letter, style), f"  {shown(name)} ({len(runs)} run{'s' if len(runs) > 1 else ''})")
        for (name, runs), (letter, style) in zip(named, letters, strict=False)
    ]
    if others:
        legend.append(Text(f"and {len(others)} more groups with lower scores"))
    return [*_drawn(plots, console, glyphs), *legend]


def print_chart(lines: Sequence[Text], console: Console) -> None:
    """The lines as they are, neither folded nor cut."""
    for line in lines:
        console.print(line, no_wrap=True, overflow="ignore", crop=False)


@dataclass(frozen=True)
class _Glyphs:
    line: str
    dots: str
    side: str
    tick: str
    corner: str
    across: str


_UNICODE = _Glyphs("▁─▔", ".·˙", "│", "┤", "└", "─")
_ASCII = _Glyphs("_-^", ".:'", "|", "+", "+", "-")


def _glyphs(console: Console) -> _Glyphs:
    """The characters that the console's encoding has."""
    try:
        "".join(astuple(_UNICODE)).encode(console.encoding)
    except UnicodeEncodeError:
        return _ASCII
    return _UNICODE


def _drawn(
    plots: Sequence[Plot], console: Console, glyphs: _Glyphs, most_lines: int | None = None
) -> list[Text]:
    """The plots beside each other, or one above the other where the console is narrow."""
    width = max(_NARROWEST, min(console.width, _WIDEST))
    rows = 1 if width >= _ABREAST else len(plots)
    height = _TALLEST if most_lines is None else max(_LOWEST, min(_TALLEST, most_lines // rows - _BESIDE))
    if rows > 1:
        return [line for plot in plots for line in _block(plot, width, height, glyphs)]
    each = (width - _GAP) // 2
    left, right = (_block(plot, each, height, glyphs) for plot in plots)
    for line in left:
        line.pad_right(each + _GAP - line.cell_len)
    lines = [one + other for one, other in zip(left, right, strict=True)]
    for line in lines:
        line.rstrip()
    return lines


def _block(plot: Plot, width: int, height: int, glyphs: _Glyphs) -> list[Text]:
    """Title, `height` lines between the axes, and the epochs below."""
    values = [value for curve in plot.curves for value in curve.points[1]]
    log = plot.title.endswith("example") and min(values, default=0.0) > 0 and max(values) > TALLEST_LOSS
    ticks = _ticks([math.log10(value) for value in values] if log else values)
    names = {tick: f"{10**tick:.0e}" if log else f"{tick:g}" for tick in ticks}
    margin = max(map(len, names.values()))
    columns, last = width - margin - 2, max((e for c in plot.curves for e in c.points[0]), default=1)
    cells = [[(" ", "")] * columns for _ in range(height)]

    def place(value: float, levels: int) -> int:
        at = (math.log10(value) if log else value) - ticks[0]
        return round(at / (ticks[-1] - ticks[0]) * (height * levels - 1))

    for curve in plot.curves:
        levels = len(curve.marks)
        for column, value in _by_column(curve.points, last, columns):
            row, level = divmod(place(value, levels), levels)
            cells[height - 1 - row][column] = (curve.marks[level], curve.style)
    if plot.star is not None:
        column = _column(plot.star[0], last, columns)
        cells[height - 1 - place(plot.star[1], 3) // 3][column] = ("*", "bold green")
    rows = {height - 1 - place(10**tick if log else tick, 3) // 3: name for tick, name in names.items()}
    lines = [Text(plot.title[:width], "bold")]
    for row, marks in enumerate(cells):
        lines.append(
            Text.assemble(
                f"{rows.get(row, ''):>{margin}} {glyphs.tick if row in rows else glyphs.side}", *marks
            )
        )
    lines.append(Text(f"{'':{margin}} {glyphs.corner}{glyphs.across * columns}"))
    lines.append(
        Text(f"{'':{margin}}  1{'epoch':^{columns - 1 - len(str(last))}}{last if last > 1 else ' '}")
    )
    return lines


def _ticks(values: Sequence[float]) -> list[float]:
    """Three to six round numbers that enclose the values, evenly spaced."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    rough = (high - low or abs(high) or 1.0) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step), max(math.ceil(high / step), math.floor(low / step) + 1)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def _column(epoch: int, last: int, columns: int) -> int:
    return round((epoch - 1) / max(1, last - 1) * (columns - 1))


def _by_column(points: Points, last: int, columns: int) -> list[tuple[int, float]]:
    """The value in each column: the mean of its epochs, and between those of its neighbours where it has none."""
    found: dict[int, list[float]] = {}
    for epoch, value in zip(*points, strict=True):
        found.setdefault(_column(epoch, last, columns), []).append(value)
    if not found:
        return []
    known, means = list(found), [sum(each) / len(each) for each in found.values()]
    between = range(known[0], known[-1] + 1)
    return list(zip(between, np.interp(between, known, means).tolist(), strict=True))
