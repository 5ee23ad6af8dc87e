"""The record of an epoch, and the facts that follow from a list of records."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relclf.errors import UserMistake
from relclf.runs.files import append_line, write_text


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What one epoch did and what it scored; scores in [0, 1], losses in nats an example.

    The dev fields are None where nothing is measured on dev (`data.all_data`). `gradient_norm` (before
    clipping) and `update_ratio` (std of the change over std of the weights, mean over the convolution and
    output weights) are medians over up to ten updates spread evenly over the epoch.
    """

    epoch: int
    """Completed epochs, from 1."""
    updates: int
    """Updates in this epoch."""
    total_updates: int
    batches: int
    """Batches in this epoch."""
    train_loss: float
    """The objective over the epoch, with dropout, while the weights move."""
    dev_loss: float | None
    """The objective on dev in eval mode."""
    dev_nll: float | None
    """Unweighted cross-entropy on dev."""
    train_macro_f1: float
    """Over the predictions of the whole epoch, with dropout, while the weights move."""
    dev_macro_f1: float | None
    dev_macro_f1_se: float | None
    """Bootstrap standard error over the dev sentences."""
    monitored: float | None
    """The value of `training.monitor` on dev."""
    learning_rate: float
    """Of the epoch's last update."""
    gradient_norm: float
    update_ratio: float
    seconds: float
    """Training and evaluation together."""
    sentences_per_second: float
    """Training alone."""

    def to_json(self) -> dict[str, Any]:
        """The record as a flat JSON object; floats keep every bit."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "EpochRecord":
        """The inverse of `to_json`."""
        return cls(**value)


NOT_REPRODUCED = ("seconds", "sentences_per_second")
"""The fields of a record that differ between two runs of the same experiment."""


def read_records(path: Path) -> list[EpochRecord]:
    """The records of a run; a last line cut short by a kill is left out. Raises UserMistake."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserMistake(f"{path}: cannot be read ({error.strerror}). Is this a run directory?") from None
    records = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            records.append(EpochRecord.from_json(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise UserMistake(
                f"{path}:{number}: not an epoch record ({error}). The checkpoints hold their own records: "
                f"relclf train --resume {path.parent} writes this file anew."
            ) from None
    return records


def write_records(path: Path, records: Iterable[EpochRecord]) -> None:
    """Replace the records file."""
    write_text(path, "".join(_line(record) + "\n" for record in records))


def append_record(path: Path, record: EpochRecord) -> None:
    """Add one record at the end of the file."""
    append_line(path, _line(record))


def lower_is_better(monitor: str) -> bool:
    """Whether a monitored score is a loss."""
    return monitor in ("loss", "nll")


def best_record(records: Sequence[EpochRecord], monitor: str, first_epoch: int = 1) -> EpochRecord | None:
    """The record with the best monitored score from `first_epoch` on; the earlier wins a tie.

    Where nothing is monitored (`data.all_data`) the last record is the best.
    """
    candidates = [record for record in records if record.epoch >= first_epoch]
    sign = -1.0 if lower_is_better(monitor) else 1.0
    scored = [
        (sign * record.monitored, -record.epoch, record)
        for record in candidates
        if record.monitored is not None and math.isfinite(record.monitored)
    ]
    if scored:
        return max(scored, key=lambda each: each[:2])[2]
    return candidates[-1] if candidates else None


def reached_95(records: Sequence[EpochRecord]) -> EpochRecord | None:
    """The first record with at least 95 % of the highest dev macro-F1."""
    scores = [record.dev_macro_f1 for record in records if record.dev_macro_f1 is not None]
    if not scores:
        return None
    return next(r for r in records if r.dev_macro_f1 is not None and r.dev_macro_f1 >= 0.95 * max(scores))


def _line(record: EpochRecord) -> str:
    return json.dumps(record.to_json(), allow_nan=False)
