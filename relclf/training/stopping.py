"""Says when training stops and why, from the list of records alone."""

import math
from collections.abc import Sequence
from typing import Literal

from relclf.config.schema import TrainingConfig
from relclf.runs.records import EpochRecord, lower_is_better

StopReason = Literal["patience", "max_epochs", "budget", "diverged", "not_finite", "interrupted", "error"]

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
    if _out_of_patience(records, config):
        return "patience"
    if len(records) >= config.max_epochs:
        return "max_epochs"
    if config.max_seconds is not None and sum(record.seconds for record in records) >= config.max_seconds:
        return "budget"
    return None


def stop_sentence(reason: StopReason, epoch: int, config: TrainingConfig) -> str:
    """The reason in words."""
    match reason:
        case "patience":
            monitor = MONITOR_WORDS[config.monitor]
            smoothed = f" (mean of {config.smooth} epochs)" if config.smooth > 1 else ""
            verb = "fallen" if lower_is_better(config.monitor) else "risen"
            waited = f"has not {verb} for {config.patience} epochs"
            return f"stopped after epoch {epoch}: {monitor}{smoothed} {waited}"
        case "max_epochs":
            return f"stopped after epoch {epoch}: training.max_epochs is {config.max_epochs}"
        case "budget":
            return f"stopped after epoch {epoch}: training.max_seconds ({config.max_seconds:g}) is spent"
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


def _diverged(records: Sequence[EpochRecord], config: TrainingConfig, relations: int) -> bool:
    if config.divergence is None or len(records) < _DIVERGED_EPOCHS:
        return False
    limit = config.divergence * math.log(max(2, relations))
    return all(record.train_loss > limit for record in records[-_DIVERGED_EPOCHS:])
