"""Writes a run's records as a TensorBoard event file."""

import importlib.util
import tempfile
from itertools import accumulate
from pathlib import Path

from relclf.errors import UserMistake
from relclf.exports.stored import state_notes
from relclf.exports.writing import Export
from relclf.runs.directory import RunDirectory
from relclf.runs.records import read_records

TAGS = {
    "train_loss": "loss/train",
    "dev_loss": "loss/dev",
    "dev_nll": "nll/dev",
    "train_macro_f1": "macro_f1/train",
    "dev_macro_f1": "macro_f1/dev",
    "dev_macro_f1_se": "macro_f1_se/dev",
    "monitored": "monitored/dev",
    "learning_rate": "training/learning_rate",
    "gradient_norm": "training/gradient_norm",
    "update_ratio": "training/update_ratio",
    "total_updates": "training/updates",
    "sentences_per_second": "training/sentences_per_second",
}
"""What each field of a record is called there."""
FILE = "events.out.tfevents.relclf"


def check_tensorboard() -> None:
    """Raise UserMistake where the extra is not installed."""
    if importlib.util.find_spec("tensorboardX") is None:
        raise UserMistake(
            '--to tensorboard: needs tensorboardX, which is not installed: pip install "relclf[tensorboard]"'
        )


def tensorboard_export(run: RunDirectory) -> Export:
    """One event file: a scalar for each field and epoch. Raises UserMistake.

    The step is the epoch, the wall time the seconds of training until then, from 0: what TensorBoard calls relative.
    """
    check_tensorboard()
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary
    from tensorboardX.record_writer import RecordWriter

    records = read_records(run.records)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        writer = RecordWriter(str(path))
        writer.write(Event(wall_time=0.0, file_version="brain.Event:2").SerializeToString())
        for record, seconds in zip(records, accumulate(each.seconds for each in records), strict=True):
            found = {tag: getattr(record, name) for name, tag in TAGS.items()}
            values = [Summary.Value(tag=tag, simple_value=v) for tag, v in found.items() if v is not None]
            event = Event(wall_time=seconds, step=record.epoch, summary=Summary(value=values))
            writer.write(event.SerializeToString())
        writer.close()
        return Export({FILE: path.read_bytes()}, state_notes(run))
