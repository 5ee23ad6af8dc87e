"""Sums up a training from its records: best and last side by side, and why it ended."""

from collections.abc import Sequence
from typing import Any

from relclf.runs.records import EpochRecord, best_record, reached_95


def summarise(
    records: Sequence[EpochRecord], monitor: str, best_from: int, stop_reason: str
) -> dict[str, Any]:
    """The content of summary.json; `best` and `last` are null where no epoch was completed."""
    best = best_record(records, monitor, best_from)
    at_95 = reached_95(records)
    return {
        "best": _epoch(best),
        "last": _epoch(records[-1] if records else None),
        "monitor": monitor,
        "stop_reason": stop_reason,
        "epochs": len(records),
        "updates": records[-1].total_updates if records else 0,
        "epochs_to_95": at_95.epoch if at_95 else None,
        "updates_to_95": at_95.total_updates if at_95 else None,
        "seconds": round(sum(record.seconds for record in records), 3),
    }


def _epoch(record: EpochRecord | None) -> dict[str, Any] | None:
    if record is None:
        return None
    return {
        "epoch": record.epoch,
        "updates": record.total_updates,
        "train_loss": record.train_loss,
        "dev_loss": record.dev_loss,
        "dev_nll": record.dev_nll,
        "dev_macro_f1": record.dev_macro_f1,
        "dev_macro_f1_se": record.dev_macro_f1_se,
        "monitored": record.monitored,
    }
