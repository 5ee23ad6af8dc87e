"""TensorBoard's own reader finds every number of the records in the event file."""

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from relclf.exports.tensorboard import TAGS, tensorboard_export
from relclf.exports.writing import write_folder
from relclf.runs.directory import RunDirectory
from relclf.runs.records import read_records


def test_every_field_of_every_record_is_read_back(hostile_run: Path, tmp_path: Path) -> None:
    run = RunDirectory(hostile_run)
    write_folder(tmp_path / "board", tensorboard_export(run))
    reader = EventAccumulator(str(tmp_path / "board"))
    reader.Reload()
    records = read_records(run.records)
    assert set(reader.Tags()["scalars"]) == set(TAGS.values())
    for name, tag in TAGS.items():
        events = reader.Scalars(tag)
        assert [event.step for event in events] == [record.epoch for record in records]
        assert [e.value for e in events] == pytest.approx([getattr(r, name) for r in records], rel=1e-6)
    times = [event.wall_time for event in reader.Scalars("loss/train")]
    assert times == pytest.approx([sum(r.seconds for r in records[: i + 1]) for i in range(len(records))])


def test_what_was_not_measured_has_no_point(hostile_run: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (hostile_run / "records.jsonl").read_text().splitlines()]
    (tmp_path / "records.jsonl").write_text(
        "".join(json.dumps({**x, "dev_loss": None}) + "\n" for x in lines)
    )
    write_folder(tmp_path / "board", tensorboard_export(RunDirectory(tmp_path)))
    reader = EventAccumulator(str(tmp_path / "board"))
    reader.Reload()
    assert set(TAGS.values()) - set(reader.Tags()["scalars"]) == {"loss/dev"}


def test_two_exports_of_a_run_are_equal_to_the_byte(hostile_run: Path) -> None:
    run = RunDirectory(hostile_run)
    assert tensorboard_export(run).files == tensorboard_export(run).files
