"""Draws what several runs or many predictions show together: tuning, and how far probabilities can be trusted."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from relclf.report.panels import FAINT, STYLES, Panel, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relclf.comparison.tuning import Effect, ExpectedBest

_STYLE = STYLES[0]


def reliability(bins: Sequence[tuple[float, float, int]]) -> Panel:
    """Accuracy against confidence. bins: mean confidence and accuracy in [0, 1], and the number of sentences."""
    filled = [each for each in bins if each[2]]

    def draw(axes: "Axes") -> None:
        axes.plot([0, 100], [0, 100], color=FAINT, linewidth=0.8, label="as good as it says")
        confidences, accuracies, counts = zip(*filled, strict=True) if filled else ((), (), ())
        points = [100 * each for each in confidences], [100 * each for each in accuracies]
        axes.plot(*points, color=_STYLE.colour, label="measured", marker=_STYLE.mark)
        for x, y, count in zip(*points, counts, strict=True):
            below = y > 50
            where, side = ((0, -6), "top") if below else ((0, 6), "bottom")
            axes.annotate(
                f"{count:,}", (x, y), where, textcoords="offset points", fontsize=6, ha="center", va=side
            )
        axes.set(xlim=(0, 100), ylim=(0, 105), xlabel="confidence, %")

    listed = "; ".join(f"{100 * a:.1f} % at {100 * c:.1f} %, {n:,} sentences" for c, a, n in filled)
    return Panel("accuracy, %", f"Accuracy at each confidence: {listed or 'no sentences'}.", draw)


def marginal_effects(effects: Sequence["Effect"], score: str = "dev macro-F1") -> tuple[Panel, ...]:
    """A panel a key: the mean score at each of its values, and the 95 % interval of the change from the first."""
    return tuple(_effect(key, list(group), score) for key, group in groupby(effects, lambda each: each.key))


def expected_best(points: Sequence["ExpectedBest"], score: str = "dev macro-F1") -> Panel:
    """The best score to expect from so many variants drawn at random, and its standard deviation."""

    def draw(axes: "Axes") -> None:
        x = [each.variants for each in points]
        low, high = ([100 * (p.mean + sign * p.sd) for p in points] for sign in (-1, 1))
        axes.fill_between(
            x, low, high, color=_STYLE.colour, alpha=0.2, linewidth=0, label="± standard deviation"
        )
        axes.plot(x, [100 * each.mean for each in points], color=_STYLE.colour, label="mean")
        axes.set_xlabel("variants tried")
        axes.locator_params(axis="x", integer=True)

    ends = [points[0], points[-1]] if points else []
    words = ", ".join(f"{100 * each.mean:.1f} with {each.variants} variants" for each in ends)
    return Panel(f"expected best {score}, %", f"Expected best {score} in %: {words}.", draw)


def _effect(key: str, effects: Sequence["Effect"], score: str) -> Panel:
    names = [shown(_in_short(each.value), _LONGEST_TICK) for each in effects]

    def draw(axes: "Axes") -> None:
        places = list(range(len(effects)))
        axes.plot(
            places,
            [100 * each.mean for each in effects],
            color=_STYLE.colour,
            marker=_STYLE.mark,
            label="mean",
        )
        for place, each in zip(places, effects, strict=True):
            if each.low is not None and each.high is not None:
                base = each.mean - each.difference
                axes.vlines(place, 100 * (base + each.low), 100 * (base + each.high), color=_STYLE.colour)
        tilted = sum(map(len, names)) > _LETTERS_ABREAST
        axes.set_xticks(places, names, rotation=30 if tilted else 0, ha="right" if tilted else "center")
        axes.margins(x=0.1)
        axes.set_xlabel(shown(key))

    words = "; ".join(f"{100 * each.mean:.1f} at {name}" for name, each in zip(names, effects, strict=True))
    return Panel(f"mean {score}, %", f"Mean {score} in % by {shown(key)}: {words}.", draw)


def _in_short(value: Any) -> str:
    """A value; of a section its name first, as in "adam lr 0.01"."""
    if not isinstance(value, Mapping):
        return str(value)
    return " ".join(str(inner) if key == "name" else f"{key} {inner}" for key, inner in value.items())


_LETTERS_ABREAST, _LONGEST_TICK = 30, 20
"""Letters of tick labels that fit beside each other below a panel, and of one that is tilted."""
