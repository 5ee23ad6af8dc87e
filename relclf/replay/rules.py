"""The stopping rules that are replayed, by name: each says of a list of records whether it would stop after them."""

from collections.abc import Callable, Sequence
from typing import Any

from relclf.config.schema import GlRule, OneSeRule, PatienceRule, PqRule, StopRule, TrainingConfig, UpRule
from relclf.runs.records import EpochRecord
from relclf.training.stopping import rule_stops

Rule = Callable[[Sequence[EpochRecord]], bool]

DEFAULT = "patience 10, smooth 3"
"""The rule of a config that says nothing."""


def replayed_rules(training: TrainingConfig, updates: int) -> dict[str, Rule]:
    """The rules to replay over a run of so many updates, whose monitor they share."""

    def rule(stop: StopRule, **changes: Any) -> Rule:
        usual = {"patience": 10, "smooth": 3, "min_delta": 0.0, "min_epochs": 1}
        changed = training.model_copy(update={**usual, **changes, "stop": stop})
        return lambda records: rule_stops(records, changed)

    return {
        **{
            f"patience {patience}, smooth {smooth}": rule(PatienceRule(), patience=patience, smooth=smooth)
            for patience in (3, 5, 10, 20)
            for smooth in (1, 3)
        },
        **{f"one_se, patience {n}": rule(OneSeRule(name="one_se"), patience=n) for n in (5, 10)},
        **{
            f"gl {alpha:g} on {on}": rule(GlRule(name="gl", alpha=alpha, on=on))
            for on, alphas in _GL.items()
            for alpha in alphas
        },
        **{
            f"pq {alpha:g} on {on}": rule(PqRule(name="pq", alpha=alpha, on=on))
            for on in _GL
            for alpha in (0.1, 0.5)
        },
        **{f"up {n} on {on}": rule(UpRule(name="up", strips=n, on=on)) for on in _GL for n in (2, 3)},
        "train loss below dev loss": _train_below_dev,
        **{
            f"budget, {share:.0%} of it".replace("%", " %"): _budget(share * updates) for share in (0.25, 0.5)
        },
    }


_GL: "dict[Any, tuple[float, ...]]" = {"loss": (2.0, 5.0, 20.0), "monitor": (5.0, 20.0)}


def own_rule(training: TrainingConfig) -> Rule:
    """The rule of a config as it is."""
    return lambda records: rule_stops(records, training)


def first_stop(rule: Rule, records: Sequence[EpochRecord]) -> int | None:
    """The epoch after which a rule first says to stop; None where it never does."""
    epochs = range(1, len(records) + 1)
    return next((epoch for epoch in epochs if rule(records[:epoch])), None)


def _train_below_dev(records: Sequence[EpochRecord]) -> bool:
    """What many do by eye. Train loss is measured with dropout, while the weights move; dev loss is not."""
    last = records[-1]
    return last.dev_loss is not None and last.train_loss < last.dev_loss


def _budget(updates: float) -> Rule:
    return lambda records: records[-1].total_updates >= updates
