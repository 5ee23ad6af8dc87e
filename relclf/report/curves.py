"""Draws how training went, epoch by epoch: one run by itself, or the runs of several groups over each other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from relclf.report.panels import FAINT, INK, STYLES, Panel, Style, shown
from relclf.runs.records import EpochRecord
from relclf.scoring.metrics import Values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Records = Sequence[EpochRecord]
GroupOfRuns = tuple[str, Sequence[Records]]
"""A name, and the records of each run."""
Points = tuple[list[int], list[float]]
"""Epochs, and a value in each."""
MOST_GROUPS = len(STYLES)
"""Groups with a colour and a name; more lie in grey behind them."""
TRAIN, DEV = STYLES[1], STYLES[0]


@dataclass(frozen=True)
class Measure:
    """What is measured on train and on dev after each epoch, and how it is shown."""

    column: str
    """Of the records, behind "train_" or "dev_"."""
    title: str
    scale: float
    form: str


MEASURES = (
    Measure("loss", "loss, nats an example", 1.0, ".3f"),
    Measure("macro_f1", "macro-F1, %", 100.0, ".1f"),
)
TALLEST_LOSS = 100.0
"""Nats an example; above, as when training diverges, the axis is logarithmic."""
_RATES = ("learning_rate", "update_ratio")
_COLUMNS = ("train_loss", "dev_loss", "train_macro_f1", "dev_macro_f1", *_RATES)


def learning_curves(records: Records, best: EpochRecord | None) -> tuple[Panel, ...]:
    """Loss and macro-F1 of train and dev of one run, with marks at the best and the last epoch."""
    return tuple(
        Panel(
            each.title,
            _run_in_words(records, best, each),
            partial(_draw_run, records=records, best=best, measure=each),
        )
        for each in MEASURES
    )


def rate_curves(records: Records) -> tuple[Panel, ...]:
    """The learning rate and the update ratio of one run."""
    return tuple(_rate_panel(column.replace("_", " "), records, column) for column in _RATES)


def group_curves(groups: Sequence[GroupOfRuns]) -> tuple[Panel, ...]:
    """Dev loss and dev macro-F1 of several groups.

    A group's line is the mean over its runs while all of them train, its band one standard deviation to either side
    (of a single run the standard error of dev macro-F1); thin lines are the runs. Where nothing is measured on dev,
    the same of train.
    """
    split = drawn_split(groups)
    named, others = named_groups(groups)
    return tuple(
        Panel(
            f"{split} {each.title}",
            _groups_in_words(named, split, each),
            partial(
                _draw_groups, named=named, others=others, column=f"{split}_{each.column}", scale=each.scale
            ),
        )
        for each in MEASURES
    )


def drawn_split(groups: Sequence[GroupOfRuns]) -> Literal["train", "dev"]:
    """Dev, or train where nothing is measured on dev."""
    return "dev" if any(known_points(run, "dev_loss")[0] for _, runs in groups for run in runs) else "train"


def named_groups(groups: Sequence[GroupOfRuns]) -> tuple[list[GroupOfRuns], list[GroupOfRuns]]:
    """The groups that get a colour, and the others: of many those with the highest mean macro-F1. Their order stays."""
    column = f"{drawn_split(groups)}_macro_f1"

    def highest(place: int) -> float:
        return max(course(groups[place][1], column)[1], default=-math.inf)

    chosen = sorted(range(len(groups)), key=highest, reverse=True)[:MOST_GROUPS]
    named = [group for place, group in enumerate(groups) if place in chosen]
    return named, [group for place, group in enumerate(groups) if place not in chosen]


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


def known_points(records: Records, column: str, scale: float = 1.0) -> Points:
    """The epochs in which a column is known, and its values there."""
    known = [each for each in records if _known(getattr(each, column))]
    return [each.epoch for each in known], [scale * getattr(each, column) for each in known]


def course(runs: Sequence[Records], column: str) -> tuple[list[int], Values, Values]:
    """The epochs that all runs have, the mean over the runs in each, and the half width of the band (0: no band)."""
    known = [points for run in runs if (points := dict(zip(*known_points(run, column), strict=True)))]
    epochs = sorted(set.intersection(*map(set, known))) if known else []
    values = np.array([[each[epoch] for epoch in epochs] for each in known])  # (runs, epochs)
    if not epochs:
        return [], np.zeros(0), np.zeros(0)
    if len(known) > 1:
        return epochs, values.mean(axis=0), values.std(axis=0, ddof=1)
    if column != "dev_macro_f1":
        return epochs, values[0], np.zeros(len(epochs))
    errors = {each.epoch: each.dev_macro_f1_se or 0.0 for run in runs for each in run}
    return epochs, values[0], np.array([errors[epoch] for epoch in epochs])


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _draw_line(axes: "Axes", points: Points, style: Style, name: str) -> None:
    if not points[0]:
        return
    alone = style.mark if len(points[0]) == 1 else ""
    axes.plot(*points, color=style.colour, linestyle=style.dash, marker=alone, label=name)


def _draw_run(axes: "Axes", records: Records, best: EpochRecord | None, measure: Measure) -> None:
    """Train and dev, with marks at the best and the last epoch."""
    column = f"dev_{measure.column}"
    for split, style in (("train", TRAIN), ("dev", DEV)):
        _draw_line(axes, known_points(records, f"{split}_{measure.column}", measure.scale), style, split)
    for record, name, mark in ((best, "best", "*"), (records[-1] if records else None, "last", "s")):
        if record is not None and _known(getattr(record, column)):
            _draw_mark(axes, known_points([record], column, measure.scale), name, mark)
    if measure.column == "macro_f1":
        _draw_noise(axes, records, best, measure.scale)
        _from_zero(axes)
    _finish(axes, column)


def _draw_noise(axes: "Axes", records: Records, best: EpochRecord | None, scale: float) -> None:
    """The band of dev macro-F1's standard error, and the epochs that it does not tell from the best."""
    epochs, scores, errors = course([records], "dev_macro_f1")
    _band(axes, epochs, scale * scores, scale * errors, DEV, "± 1 SE" if errors.any() else "")
    if best is not None and (good := within_one_se(records, best)):
        points = known_points(good, "dev_macro_f1", scale)
        axes.plot(*points, DEV.mark, color=DEV.colour, markersize=2.5, label="within 1 SE of best")


def _draw_mark(axes: "Axes", point: Points, name: str, mark: str) -> None:
    """A full star or an empty square."""
    size, fill = (7, "full") if mark == "*" else (4, "none")
    label = f"{name}, epoch {point[0][0]}"
    axes.plot(*point, mark, color=INK, markersize=size, fillstyle=fill, label=label, zorder=4)


def _band(
    axes: "Axes", epochs: Sequence[int], middle: Values, half: Values, style: Style, name: str = ""
) -> None:
    low, high = middle - half, middle + half
    axes.fill_between(epochs, low, high, color=style.colour, alpha=0.2, linewidth=0, label=name)


def _finish(axes: "Axes", column: str) -> None:
    axes.set_xlabel("epoch")
    axes.set_xlim(left=0)
    axes.locator_params(axis="x", integer=True)
    if column in ("train_loss", "dev_loss"):
        if axes.get_ylim()[1] > TALLEST_LOSS:
            _logarithmic(axes)
        else:
            _from_zero(axes)


def _from_zero(axes: "Axes") -> None:
    axes.set_ylim(0, 1.03 * axes.get_ylim()[1])


def _logarithmic(axes: "Axes") -> None:
    from matplotlib.ticker import LogFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(LogFormatter())
    axes.yaxis.set_minor_formatter(LogFormatter())


def _rate_panel(title: str, records: Records, column: str) -> Panel:
    """A rate begins at 0, so that its schedule can be seen; a ratio spans decades."""
    points = known_points(records, column)

    def draw(axes: "Axes") -> None:
        _draw_line(axes, points, STYLES[0], "")
        _finish(axes, column)
        if column == "learning_rate":
            _from_zero(axes)
            axes.yaxis.set_major_formatter("{x:g}")
        elif any(value > 0 for value in points[1]):
            _logarithmic(axes)

    return Panel(title, _rates_in_words(title, points[1]), draw)


def _draw_groups(
    axes: "Axes",
    named: Sequence[GroupOfRuns],
    others: Sequence[GroupOfRuns],
    column: str,
    scale: float,
) -> None:
    for (name, runs), style in zip(named, STYLES, strict=False):
        epochs, mean, spread = course(runs, column)
        _band(axes, epochs, scale * mean, scale * spread, style)
        for run in runs if len(runs) > 1 else ():
            axes.plot(*known_points(run, column, scale), color=style.colour, linewidth=0.4, alpha=0.5)
        _draw_line(axes, (epochs, (scale * mean).tolist()), style, shown(name))
    for number, (_, runs) in enumerate(others):
        epochs, mean, _ = course(runs, column)
        label = "" if number else f"{len(others)} others"
        axes.plot(epochs, scale * mean, color=FAINT, linewidth=0.6, alpha=0.6, label=label, zorder=1)
    _finish(axes, column)


def _run_in_words(records: Records, best: EpochRecord | None, measure: Measure) -> str:
    form, parts = measure.form, []
    for split in ("train", "dev"):
        _, values = known_points(records, f"{split}_{measure.column}", measure.scale)
        if values:
            parts.append(f"{split} from {values[0]:{form}} to {values[-1]:{form}}")
    at_best = known_points([best] if best else [], f"dev_{measure.column}", measure.scale)[1]
    said = f" At the best epoch, {best.epoch}: {at_best[0]:{form}} on dev." if best and at_best else ""
    return f"{measure.title}, over {len(records)} epochs: {', '.join(parts) or 'not known'}.{said}"


def _rates_in_words(title: str, values: Sequence[float]) -> str:
    return f"{title}: from {values[0]:.1e} to {values[-1]:.1e}." if values else f"{title}: not known."


def _groups_in_words(named: Sequence[GroupOfRuns], split: str, measure: Measure) -> str:
    word, extreme = ("lowest", min) if measure.column == "loss" else ("highest", max)
    parts = []
    for name, runs in named:
        _, mean, _ = course(runs, f"{split}_{measure.column}")
        if len(mean):
            several = "s" if len(runs) > 1 else ""
            value = f"{measure.scale * extreme(mean):{measure.form}}"
            parts.append(f"{shown(name)}, {len(runs)} run{several}: {word} mean {value}")
    return f"{split} {measure.title}, by group. {'; '.join(parts) or 'Not known'}."
