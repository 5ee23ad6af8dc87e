"""A search: Optuna proposes the variants, and its median pruner ends those that fall behind.

Optuna keeps nothing on disk. Its study is made anew, from the runs of the variants tried so far, for each proposal and
for each run; a proposal has a sampler of its own, seeded by its number. So a search that is stopped and taken up again
proposes what it would have proposed.
"""

import importlib.util
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from relclf.errors import UserMistake
from relclf.runs.records import EpochRecord, lower_is_better
from relclf.seeding import named_seed
from relclf.sweeps.distributions import DIGITS, Choice, Distribution
from relclf.sweeps.jobs import Pruning

State = Literal["waiting", "training", "finished", "diverged", "ended early", "failed"]
COMPLETE = ("finished", "diverged")
"""States of a variant that was trained to its end."""


@dataclass(frozen=True)
class Tried:
    """A variant that a search has proposed, and what it has come to so far."""

    settings: Mapping[str, Any]
    score: float | None
    """The mean over its seeds once all are finished."""
    by_epoch: Mapping[int, float]
    """The monitored scores of its first seed."""
    state: State


def check_optuna() -> None:
    """Raise UserMistake where Optuna is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise UserMistake('search: needs Optuna, which is not installed: pip install "relclf[optuna]"')


def propose(
    space: Mapping[str, Distribution], tried: Sequence[Tried], monitor: str, seed: int, number: int
) -> dict[str, Any]:
    """The settings of the next variant; `number` counts the proposals from 0."""
    optuna = _optuna()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=named_seed(seed, "search", number) % 2**32, constant_liar=True
        )
    study = optuna.create_study(direction=direction(monitor), sampler=sampler)
    study.add_trials([trial for each in tried if (trial := _trial(each, space)) is not None])
    proposed = study.ask({key: _distribution(each) for key, each in space.items()}).params
    return {key: _setting(distribution, proposed[key]) for key, distribution in space.items()}


def direction(monitor: str) -> Literal["maximize", "minimize"]:
    """Which way the monitored score is better."""
    return "minimize" if lower_is_better(monitor) else "maximize"


def worse_than_the_median(
    before: Sequence[EpochRecord], epochs: Iterable[EpochRecord], pruning: Pruning
) -> int | None:
    """Follow a run until its best score is worse than the median of the completed runs at the same epoch.

    Returns that epoch, or None where the run came to its own end. It begins once `n_startup_trials` (Optuna's 5)
    variants are complete.
    """
    optuna = _optuna()
    pruner = optuna.pruners.MedianPruner(n_warmup_steps=pruning.first_epoch)
    study = optuna.create_study(direction=pruning.direction, pruner=pruner)
    for scores in pruning.completed:
        study.add_trial(optuna.trial.create_trial(value=0.0, intermediate_values=dict(scores)))
    trial = study.ask()
    for record in chain(before, epochs):
        if record.monitored is not None:
            trial.report(record.monitored, record.epoch)
            if trial.should_prune():
                return record.epoch
    return None


def _optuna() -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _trial(tried: Tried, space: Mapping[str, Distribution]) -> Any:
    """A variant as Optuna knows it; None where its settings lie outside of the space, which may have changed."""
    optuna = _optuna()
    if tried.settings.keys() != space.keys():
        return None
    params = {key: _parameter(each, tried.settings[key]) for key, each in space.items()}
    distributions = {key: _distribution(each) for key, each in space.items()}
    if any(value is None or not distributions[key]._contains(value) for key, value in params.items()):
        return None
    states = optuna.trial.TrialState
    state = {
        "waiting": states.RUNNING,
        "training": states.RUNNING,
        "finished": states.COMPLETE,
        "diverged": states.COMPLETE,
        "ended early": states.PRUNED,
        "failed": states.FAIL,
    }[tried.state if tried.state not in COMPLETE or tried.score is not None else "failed"]
    return optuna.trial.create_trial(
        state=state,
        value=tried.score if state == states.COMPLETE else None,
        params=params,
        distributions=distributions,
        intermediate_values=dict(tried.by_epoch),
    )


def _distribution(distribution: Distribution) -> Any:
    distributions = _optuna().distributions
    if isinstance(distribution, Choice):
        return distributions.CategoricalDistribution(range(len(distribution.values)))
    if distribution.whole:
        low, high = int(distribution.low), int(distribution.high)
        return distributions.IntDistribution(low, high, log=distribution.logarithmic)
    return distributions.FloatDistribution(distribution.low, distribution.high, log=distribution.logarithmic)


def _parameter(distribution: Distribution, setting: Any) -> Any:
    """What Optuna calls a setting: the place of a choice, the number itself otherwise."""
    if not isinstance(distribution, Choice):
        return setting if isinstance(setting, int | float) else None
    return next((place for place, value in enumerate(distribution.values) if value == setting), None)


def _setting(distribution: Distribution, parameter: Any) -> Any:
    if isinstance(distribution, Choice):
        return distribution.values[parameter]
    if distribution.whole:
        return int(parameter)
    return min(max(float(f"{parameter:.{DIGITS}g}"), distribution.low), distribution.high)
