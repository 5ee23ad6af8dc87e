"""Draws how training went, epoch by epoch: one run by itself, or the runs of several groups over each other."""

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from relclf.report.panels import FAINT, INK, STYLES, Panel, Style, shown
from relclf.runs.records import EpochRecord
from relclf.scoring.metrics import Values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Records = Sequence[EpochRecord]
MOST_GROUPS = len(STYLES)
"""Groups with a colour and a name; more lie in grey behind them."""
TRAIN, DEV = STYLES[1], STYLES[0]
_COLUMNS = ("train_loss", "dev_loss", "train_macro_f1", "dev_macro_f1", "learning_rate", "update_ratio")
_LOSS = "loss, nats an example"
_SCORE = "macro-F1, %"


def learning_curves(records: Records, best: EpochRecord | None) -> tuple[Panel, ...]:
    """Loss and macro-F1 of train and dev of one run, with marks at the best and the last epoch."""
    loss = partial(_draw_pair, records=records, best=best, columns=("train_loss", "dev_loss"), scale=1.0)
    score = partial(_draw_scores, records=records, best=best)
    return (
        Panel(_LOSS, _in_words("Loss", records, ("train_loss", "dev_loss"), 1.0, ".3f", best), loss),
        Panel(
            _SCORE,
            _in_words("Macro-F1 in %", records, ("train_macro_f1", "dev_macro_f1"), 100.0, ".1f", best),
            score,
        ),
    )


def rate_curves(records: Records) -> tuple[Panel, ...]:
    """The learning rate and the update ratio of one run."""
    return tuple(_rate_panel(column.replace("_", " "), records, column) for column in _COLUMNS[4:])


def group_curves(groups: Sequence[tuple[str, Sequence[Records]]]) -> tuple[Panel, ...]:
    """Dev loss and dev macro-F1 of several groups: each a name and the records of its runs.

    A group's line is the mean over its runs while all of them train, its band one standard deviation to either side
    (of a single run the standard error of dev macro-F1); thin lines are the runs. Where nothing is measured on dev,
    the same of train.
    """
    split = "dev" if any(_points(run, "dev_loss")[0] for _, runs in groups for run in runs) else "train"
    named = named_groups(groups, f"{split}_macro_f1")
    return tuple(
        Panel(
            f"{split} {title}",
            _groups_in_words(f"{split} {title}", named, column, scale),
            partial(_draw_groups, groups=groups, named=named, column=column, scale=scale),
        )
        for title, column, scale in (
            (_LOSS, f"{split}_loss", 1.0),
            (_SCORE, f"{split}_macro_f1", 100.0),
        )
    )


def named_groups(
    groups: Sequence[tuple[str, Sequence[Records]]], column: str = "dev_macro_f1"
) -> list[tuple[str, Sequence[Records]]]:
    """The groups that get a colour: all, or of many those with the highest mean score, as they were named."""

    def highest(place: int) -> float:
        return max(_course(groups[place][1], column)[1], default=-math.inf)

    chosen = sorted(range(len(groups)), key=highest, reverse=True)[:MOST_GROUPS]
    return [groups[place] for place in sorted(chosen)]


def within_one_se(records: Records, best: EpochRecord) -> list[EpochRecord]:
    """The epochs whose dev macro-F1 is at most the best epoch's standard error below the best epoch's."""
    if best.dev_macro_f1 is None or best.dev_macro_f1_se is None:
        return []
    least = best.dev_macro_f1 - best.dev_macro_f1_se
    return [each for each in records if each.dev_macro_f1 is not None and each.dev_macro_f1 >= least]


def gaps(records: Records) -> list[str]:
    """What of the records cannot be drawn, in words; a column that is unknown throughout is none."""
    found = []
    for column in _COLUMNS:
        values = {record.epoch: getattr(record, column) for record in records}
        if all(value is None for value in values.values()):
            continue
        missing = [str(epoch) for epoch, value in values.items() if not _known(value)]
        if missing:
            several = "s" if len(missing) > 1 else ""
            listed = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            found.append(f"{column} is no finite number in epoch{several} {listed}, and left out there")
    return found


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _points(records: Records, column: str, scale: float = 1.0) -> tuple[list[int], list[float]]:
    """The epochs in which a column is known, and its values there."""
    known = [each for each in records if _known(getattr(each, column))]
    return [each.epoch for each in known], [scale * getattr(each, column) for each in known]


def _course(runs: Sequence[Records], column: str) -> tuple[list[int], Values, Values]:
    """The epochs that all runs have, the mean over the runs in each, and the half width of the band (0: no band)."""
    known = [points for run in runs if (points := dict(zip(*_points(run, column), strict=True)))]
    epochs = sorted(set.intersection(*map(set, known))) if known else []
    values = np.array([[each[epoch] for epoch in epochs] for each in known])  # (runs, epochs)
    if not epochs:
        return [], np.zeros(0), np.zeros(0)
    if len(known) > 1:
        return epochs, values.mean(axis=0), values.std(axis=0, ddof=1)
    errors = dict(zip(*_points(runs[0], f"{column}_se"), strict=True)) if column == "dev_macro_f1" else {}
    return epochs, values[0], np.array([errors.get(epoch, 0.0) for epoch in epochs])


def _draw_line(axes: "Axes", points: tuple[list[int], list[float]], style: Style, name: str) -> None:
    if not points[0]:
        return
    alone = style.mark if len(points[0]) == 1 else ""
    axes.plot(*points, color=style.colour, linestyle=style.dash, marker=alone, label=name)


def _draw_pair(
    axes: "Axes", records: Records, best: EpochRecord | None, columns: tuple[str, str], scale: float
) -> None:
    """Train and dev, with marks at the best and the last epoch."""
    for column, style in zip(columns, (TRAIN, DEV), strict=True):
        _draw_line(axes, _points(records, column, scale), style, column.split("_")[0])
    _mark_epochs(axes, records, best, columns[1], scale)
    _finish(axes, columns[0])


def _draw_scores(axes: "Axes", records: Records, best: EpochRecord | None) -> None:
    """Macro-F1: the pair of curves, the band of the standard error, and the epochs as good as the best."""
    _draw_pair(axes, records, best, ("train_macro_f1", "dev_macro_f1"), 100.0)
    epochs, scores, errors = _course([records], "dev_macro_f1")
    _band(axes, epochs, 100 * scores, 100 * errors, DEV, "± 1 SE" if errors.any() else "")
    if best is not None and (good := within_one_se(records, best)):
        points = _points(good, "dev_macro_f1", 100.0)
        axes.plot(*points, DEV.mark, color=DEV.colour, markersize=2.5, label="within 1 SE of best")
    axes.set_ylim(bottom=0)


def _band(
    axes: "Axes", epochs: Sequence[int], middle: Values, half: Values, style: Style, name: str = ""
) -> None:
    low, high = middle - half, middle + half
    axes.fill_between(epochs, low, high, color=style.colour, alpha=0.2, linewidth=0, label=name)


def _mark_epochs(axes: "Axes", records: Records, best: EpochRecord | None, column: str, scale: float) -> None:
    for record, name, mark in ((best, "best", "*"), (records[-1], "last", "s")):
        if record is None or not _known(value := getattr(record, column)):
            continue
        axes.plot(
            [record.epoch],
            [scale * value],
            mark,
            color=INK,
            markersize=7 if mark == "*" else 4,
            fillstyle="full" if mark == "*" else "none",
            label=f"{name}, epoch {record.epoch}",
            zorder=4,
        )


def _finish(axes: "Axes", column: str) -> None:
    axes.set_xlabel("epoch")
    axes.locator_params(axis="x", integer=True)
    if column.endswith("_loss"):
        if axes.get_ylim()[1] > _TALLEST:
            _logarithmic(axes)
        else:
            axes.set_ylim(bottom=0)


_TALLEST = 100.0
"""Nats an example; above, as when training diverges, the axis is logarithmic."""


def _logarithmic(axes: "Axes") -> None:
    from matplotlib.ticker import LogFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(LogFormatter())
    axes.yaxis.set_minor_formatter(LogFormatter())


def _rate_panel(title: str, records: Records, column: str) -> Panel:
    """A rate begins at 0, so that its schedule can be seen; a ratio spans decades."""

    def draw(axes: "Axes") -> None:
        points = _points(records, column)
        _draw_line(axes, points, STYLES[0], "")
        _finish(axes, column)
        if column == "learning_rate":
            axes.set_ylim(bottom=0)
            axes.yaxis.set_major_formatter("{x:g}")
        elif any(value > 0 for value in points[1]):
            _logarithmic(axes)

    return Panel(title, _in_words(title.capitalize(), records, (column,), 1.0, ".1e"), draw)


def _draw_groups(
    axes: "Axes",
    groups: Sequence[tuple[str, Sequence[Records]]],
    named: Sequence[tuple[str, Sequence[Records]]],
    column: str,
    scale: float,
) -> None:
    for (name, runs), style in zip(named, STYLES, strict=False):
        epochs, mean, spread = _course(runs, column)
        _band(axes, epochs, scale * mean, scale * spread, style)
        for run in runs if len(runs) > 1 else ():
            axes.plot(*_points(run, column, scale), color=style.colour, linewidth=0.4, alpha=0.5)
        _draw_line(axes, (epochs, (scale * mean).tolist()), style, shown(name))
    others = [group for group in groups if group not in named]
    for number, (_, runs) in enumerate(others):
        epochs, mean, _ = _course(runs, column)
        label = "" if number else f"{len(others)} others"
        axes.plot(epochs, scale * mean, color=FAINT, linewidth=0.6, alpha=0.6, label=label, zorder=1)
    _finish(axes, column)


def _in_words(
    what: str,
    records: Records,
    columns: Sequence[str],
    scale: float,
    form: str,
    best: EpochRecord | None = None,
) -> str:
    parts = []
    for column in columns:
        _, values = _points(records, column, scale)
        if values:
            split = f"{column.split('_')[0]} " if len(columns) > 1 else ""
            parts.append(f"{split}from {values[0]:{form}} to {values[-1]:{form}}")
    at_best = ""
    if best is not None and _known(value := getattr(best, columns[-1])):
        at_best = f" At the best epoch, {best.epoch}: {scale * value:{form}} on dev."
    return f"{what} over {len(records)} epochs: {', '.join(parts) or 'not known'}.{at_best}"


def _groups_in_words(
    what: str, named: Sequence[tuple[str, Sequence[Records]]], column: str, scale: float
) -> str:
    extreme = min if column.endswith("loss") else max
    parts = []
    for name, runs in named:
        _, mean, _ = _course(runs, column)
        if len(mean):
            word = "lowest" if extreme is min else "highest"
            parts.append(
                f"{shown(name)}, {len(runs)} run{'s' if len(runs) > 1 else ''}: {word} mean {scale * extreme(mean):.3f}"
            )
    return f"{what}, by group. {'; '.join(parts) or 'Not known'}."
