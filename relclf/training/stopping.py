"""Says when training stops and why, from the list of records alone."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from relclf.config.schema import GlRule, OneSeRule, PatienceRule, PqRule, TrainingConfig, UpRule
from relclf.runs.records import EpochRecord, lower_is_better

StopReason = Literal[
    "patience",
    "one_se",
    "gl",
    "pq",
    "up",
    "max_epochs",
    "budget",
    "diverged",
    "not_finite",
    "interrupted",
    "error",
]

ENDED_WELL: tuple[StopReason, ...] = ("patience", "one_se", "gl", "pq", "up", "max_epochs", "budget")
"""Reasons to end that leave a whole run: as its config says, not by a signal, a kill or an error."""

MONITOR_WORDS = {
    "macro_f1": "dev macro-F1",
    "loss": "dev loss",
    "nll": "dev nll",
    "accuracy": "dev accuracy",
    "macro_f1_positive": "dev macro-F1 without the negative relation",
    "micro_f1_positive": "dev micro-F1 without the negative relation",
    "semeval2010": "dev official SemEval-2010 F1",
}

_DIVERGED_EPOCHS = 3


def stop_reason(records: Sequence[EpochRecord], config: TrainingConfig, relations: int) -> StopReason | None:
    """Why training ends after these records, or None where it goes on."""
    if _diverged(records, config, relations):
        return "diverged"
    if rule_stops(records, config):
        return config.stop.name
    if len(records) >= config.max_epochs:
        return "max_epochs"
    return "budget" if _budget_spent(records, config) else None


def rule_stops(records: Sequence[EpochRecord], config: TrainingConfig) -> bool:
    """Whether `training.stop` speaks after the last of these records; never before `min_epochs`."""
    if not records or len(records) < config.min_epochs:
        return False
    match config.stop:
        case PatienceRule():
            return _out_of_patience(records, config)
        case OneSeRule():
            return _within_one_se(records, config.patience)
        case GlRule(alpha=alpha, on=on):
            return _generalisation_loss(_dev_errors(records, config, on)) > alpha
        case PqRule(alpha=alpha, strip=strip, on=on):
            errors = _dev_errors(records, config, on)
            if len(errors) < strip or len(errors) % strip:
                return False
            return _generalisation_loss(errors) > alpha * _progress(records[-strip:])
        case UpRule(strips=strips, strip=strip, on=on):
            ends = _dev_errors(records, config, on)[strip - 1 :: strip]
            if len(records) % strip or len(ends) <= strips:
                return False
            return all(before < after for before, after in pairwise(ends[-strips - 1 :]))


def stop_sentence(reason: StopReason, epoch: int, config: TrainingConfig) -> str:
    """The reason in words."""
    match reason:
        case "patience":
            monitor = MONITOR_WORDS[config.monitor]
            smoothed = f" (mean of {config.smooth} epochs)" if config.smooth > 1 else ""
            verb = "fallen" if lower_is_better(config.monitor) else "risen"
            waited = f"has not {verb} for {config.patience} epochs"
            return f"stopped after epoch {epoch}: {monitor}{smoothed} {waited}"
        case "one_se" | "gl" | "pq" | "up":
            return f"stopped after epoch {epoch}: {_rule_words(config)}"
        case "max_epochs":
            return f"stopped after epoch {epoch}: training.max_epochs is {config.max_epochs}"
        case "budget":
            return f"stopped after epoch {epoch}: {' or '.join(_budgets(config))} is spent"
        case "diverged":
            return (
                f"stopped after epoch {epoch}: diverged, the train loss has been above "
                f"{config.divergence:g} ln(relations) for {_DIVERGED_EPOCHS} epochs"
            )
        case "not_finite":
            return f"stopped in epoch {epoch + 1}: the loss is not a finite number"
        case "interrupted":
            return f"interrupted after epoch {epoch}"
        case "error":
            return f"ended by an error after epoch {epoch}"


def _rule_words(config: TrainingConfig) -> str:
    """What a rule other than patience has seen."""
    match config.stop:
        case OneSeRule():
            last = f"no {MONITOR_WORDS[config.monitor]} of the last {config.patience} epochs"
            return f"{last} beats the best before them by more than its standard error (one_se)"
        case GlRule(alpha=alpha, on=on):
            return f"{_error_words(config, on)} is {alpha:g} % above its least (gl)"
        case PqRule(alpha=alpha, on=on):
            return f"{_error_words(config, on)} loses more than {alpha:g} times what train gains (pq)"
        case UpRule(strips=strips, strip=strip, on=on):
            return f"{_error_words(config, on)} has risen over {strips} strips of {strip} epochs on end (up)"
        case PatienceRule():
            raise ValueError("patience has a sentence of its own")


def _error_words(config: TrainingConfig, on: Literal["loss", "monitor"]) -> str:
    if on == "loss":
        return "dev loss"
    words = MONITOR_WORDS[config.monitor]
    return words if lower_is_better(config.monitor) else f"1 - {words}"


def _budgets(config: TrainingConfig) -> list[str]:
    limits = {"training.max_seconds": config.max_seconds, "training.max_updates": config.max_updates}
    return [f"{name} ({limit:g})" for name, limit in limits.items() if limit is not None]


def smoothed_scores(records: Sequence[EpochRecord], config: TrainingConfig) -> list[float]:
    """The trailing mean of `smooth` monitored scores (fewer at the start), greater always better."""
    sign = -1.0 if lower_is_better(config.monitor) else 1.0
    scores = [sign * record.monitored for record in records if record.monitored is not None]
    starts = (max(0, index + 1 - config.smooth) for index in range(len(scores)))
    return [sum(scores[start : index + 1]) / (index + 1 - start) for index, start in enumerate(starts)]


def _out_of_patience(records: Sequence[EpochRecord], config: TrainingConfig) -> bool:
    if config.patience is None or len(records) < config.min_epochs:
        return False
    best, best_index = -math.inf, 0
    smoothed = smoothed_scores(records, config)
    for index, score in enumerate(smoothed):
        if score > best + config.min_delta:
            best, best_index = score, index
    return len(smoothed) - 1 - best_index >= config.patience


def _within_one_se(records: Sequence[EpochRecord], patience: int | None) -> bool:
    scored = [
        (record.dev_macro_f1, record.dev_macro_f1_se or 0.0)
        for record in records
        if record.dev_macro_f1 is not None
    ]
    if patience is None or len(scored) <= patience:
        return False
    best, error = max(scored[:-patience], key=lambda each: each[0])
    return max(score for score, _ in scored[-patience:]) <= best + error


def _dev_errors(
    records: Sequence[EpochRecord], config: TrainingConfig, on: Literal["loss", "monitor"]
) -> list[float]:
    """The error of each epoch on dev, E_va of Prechelt 1998; empty where nothing is measured on dev."""
    if on == "loss":
        return [record.dev_loss for record in records if record.dev_loss is not None]
    lower = lower_is_better(config.monitor)
    scores = [record.monitored for record in records if record.monitored is not None]
    return scores if lower else [1 - score for score in scores]


def _generalisation_loss(errors: Sequence[float]) -> float:
    """GL of Prechelt 1998: by how many percent the last error is above the least so far."""
    if not errors or errors[-1] <= min(errors):
        return 0.0
    return 100 * (errors[-1] / min(errors) - 1) if min(errors) > 0 else math.inf


def _progress(strip: Sequence[EpochRecord]) -> float:
    """P_k of Prechelt 1998: by how many per mille the mean train loss of a strip is above its least."""
    losses = [record.train_loss for record in strip]
    return 1000 * (sum(losses) / len(losses) / min(losses) - 1) if min(losses) > 0 else 0.0


def _budget_spent(records: Sequence[EpochRecord], config: TrainingConfig) -> bool:
    if config.max_seconds is not None and sum(record.seconds for record in records) >= config.max_seconds:
        return True
    done = records[-1].total_updates if records else 0
    return config.max_updates is not None and done >= config.max_updates


def _diverged(records: Sequence[EpochRecord], config: TrainingConfig, relations: int) -> bool:
    if config.divergence is None or len(records) < _DIVERGED_EPOCHS:
        return False
    limit = config.divergence * math.log(max(2, relations))
    return all(record.train_loss > limit for record in records[-_DIVERGED_EPOCHS:])
