"""Records and configs of runs that never were, for the checks that read them."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from relclf.config.loading import config_from_mapping
from relclf.config.schema import ExperimentConfig
from relclf.diagnosis.findings import Finding
from relclf.runs.records import EpochRecord


def config(**overrides: Any) -> ExperimentConfig:
    """The default config with dotted keys changed, "__" for the dot: `training__optimizer__lr=0.1`."""
    values: dict[str, Any] = {"data": {"train": "train.jsonl"}}
    for key, value in overrides.items():
        section = values
        *path, name = key.split("__")
        for part in path:
            section = section.setdefault(part, {})
        section[name] = value
    return config_from_mapping(values, Path.cwd())


def records(
    scores: Sequence[float], *, updates: int = 56, batches: int = 56, **columns: Any
) -> list[EpochRecord]:
    """An epoch for each dev macro-F1, else those of a healthy run; a column is one value or one an epoch."""
    epochs = len(scores)
    healthy: dict[str, Any] = {
        "train_loss": [1.2 * 0.85**epoch for epoch in range(epochs)],
        "dev_loss": [max(0.31, 0.9 * 0.9**epoch) for epoch in range(epochs)],
        "train_macro_f1": [1 - 0.8 * 0.8**epoch for epoch in range(epochs)],
        "dev_macro_f1_se": 0.03,
        "learning_rate": 0.001,
        "gradient_norm": 0.5,
        "update_ratio": [0.011 / math.sqrt(epoch + 1) for epoch in range(epochs)],
    }
    columns = {**healthy, "dev_macro_f1": scores, "monitored": scores, **columns}
    columns.setdefault("dev_nll", columns["dev_loss"])
    return [
        EpochRecord(
            epoch=epoch + 1,
            updates=updates,
            total_updates=(epoch + 1) * updates,
            batches=batches,
            seconds=1.0,
            sentences_per_second=1000.0,
            **{name: value[epoch] if isinstance(value, list) else value for name, value in columns.items()},
        )
        for epoch in range(epochs)
    ]


def rising(epochs: int, wobble: float = 0.004) -> list[float]:
    """A healthy curve: from 0.19 to 0.8 within about ten epochs, then flat, with a wobble of its own."""
    return [
        0.8 - 0.61 * math.exp(-epoch / 4) + wobble * math.sin(2.7 * epoch * epoch) for epoch in range(epochs)
    ]


def severities(findings: Sequence[Finding]) -> dict[str, str]:
    """The checks that are not ok, with their severity."""
    return {finding.check: finding.severity for finding in findings if finding.severity != "ok"}


def of(check: str, findings: Sequence[Finding]) -> Finding:
    """The only finding of a check."""
    (finding,) = [finding for finding in findings if finding.check == check]
    return finding
