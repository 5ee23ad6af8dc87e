"""The page of several runs or a sweep: what `relclf compare` says, with the curves of the groups."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relclf.comparison.comparing import Comparison, GroupResult
from relclf.comparison.gathering import Gathered
from relclf.comparison.seed_tests import Spread
from relclf.comparison.wording import (
    ONE_SEED,
    about_test,
    expected_title,
    label,
    p_words,
    shown_pairs,
    signed_points,
    verdict,
    what_follows,
)
from relclf.config.loading import changed_keys
from relclf.config.schema import ExperimentConfig
from relclf.report.curves import group_curves
from relclf.report.html import charts, filled
from relclf.report.studies import expected_best, marginal_effects
from relclf.scoring.metrics import SCORE_WORDS
from relclf.training.stopping import ENDED_WELL


@dataclass(frozen=True)
class Bar:
    """Where a mean and its interval lie on an axis that all rows of a table share, in percent of its width."""

    value: float
    low: float
    high: float


def several_page(gathered: Gathered, result: Comparison) -> str:
    """The page of groups of runs and of their comparison."""
    groups, sweep = result.groups, gathered.sweep
    runs = [run for group in groups for run in group.runs]
    curves = [
        (f"{label(place)} {group.name}", [run.records for run in group.runs])
        for place, group in enumerate(gathered.groups)
    ]
    score = f"{result.question.split} {SCORE_WORDS[result.question.score]}"
    budget = [expected_best(result.expected_best)] if result.expected_best else []
    return filled(
        "several.html",
        name=sweep.name if sweep else f"{len(groups)} group{'s' if len(groups) != 1 else ''} of runs",
        sweep=sweep,
        result=result,
        score=score,
        label=label,
        signed=signed_points,
        p_words=p_words,
        bars=_bars([group.best for group in groups]),
        highest=_highest(groups),
        pairs=[(pair, verdict(pair, groups)) for pair in shown_pairs(result)],
        run_pairs=[(pair, list(about_test(pair.test))) for pair in result.run_pairs],
        one_seed=ONE_SEED,
        said=list(what_follows(result)),
        settings=_settings([group.runs[0].config for group in gathered.groups]),
        effects=_effect_rows(result),
        expected_title=expected_title(result),
        runs=runs,
        failed=[run for run in runs if run.state not in (*ENDED_WELL, "training")],
        absent=list(_absent(gathered)),
        curves=charts("curves", group_curves(curves)),
        effect_charts=charts("effects", marginal_effects(result.effects, score)),
        expected_chart=charts("expected", budget),
    )


def _highest(groups: Sequence[GroupResult]) -> GroupResult | None:
    scored = [group for group in groups if group.best is not None]
    return max(scored, key=lambda group: group.best.mean if group.best else 0.0, default=None)


def _bars(spreads: Sequence[Spread | None]) -> list[Bar | None]:
    """The spreads on an axis from the lowest end of an interval to the highest."""
    ends = [end for each in spreads if each for end in (each.mean, each.low, each.high) if end is not None]
    if not ends or max(ends) == min(ends):
        return [None] * len(spreads)
    start, width = min(ends), max(ends) - min(ends)

    def place(value: float | None, mean: float) -> float:
        return 100 * ((mean if value is None else value) - start) / width

    return [
        Bar(place(each.mean, each.mean), place(each.low, each.mean), place(each.high, each.mean))
        if each
        else None
        for each in spreads
    ]


def _settings(configs: Sequence[ExperimentConfig]) -> dict[str, list[str]]:
    """The keys in which configs differ, each with its value in every config."""
    keys = dict.fromkeys(key for config in configs[1:] for key in changed_keys(configs[0], config))
    values = [config.model_dump(mode="json") for config in configs]
    return {
        key: [_shown_value(each, key) for each in values]
        for key in keys
        if key not in _OF_A_RUN and not key.startswith("data.sha256")
    }


_OF_A_RUN = ("seed", "training.device", "training.threads")


def _shown_value(values: Mapping[str, Any], key: str) -> str:
    """The value of a dotted key; "-" where this config has no such key."""
    value: Any = values
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return "-" if value is None else str(value)


def _effect_rows(result: Comparison) -> list[tuple[object, bool]]:
    """Each effect, and whether it is the first of its key, to which the others are compared."""
    keys = [None, *(effect.key for effect in result.effects)]
    return [(effect, effect.key != before) for effect, before in zip(result.effects, keys, strict=False)]


def _absent(gathered: Gathered) -> Iterator[str]:
    """The variants of a sweep that have no run."""
    if gathered.sweep is not None:
        there = {group.name for group in gathered.groups}
        yield from (name for name in gathered.sweep.variants if name not in there)
