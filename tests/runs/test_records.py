"""Records survive as JSON to the bit; best, 95 % and the summary follow from them alone."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relclf.errors import UserMistake
from relclf.runs.records import (
    EpochRecord,
    append_record,
    best_record,
    lower_is_better,
    reached_95,
    read_records,
    write_records,
)
from relclf.runs.summary import summarise

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def record(epoch: int, score: float | None = 0.5, loss: float = 1.0) -> EpochRecord:
    return EpochRecord(
        epoch, 5, 5 * epoch, 5, loss, loss, loss, 0.4, score, 0.01, score, 1e-3, 2.5, 3e-3, 0.25, 900.0
    )


@given(st.lists(st.tuples(FINITE, st.none() | FINITE), max_size=5))
def test_records_come_back_to_the_bit(values: list[tuple[float, float | None]]) -> None:
    records = [record(epoch, score, loss) for epoch, (loss, score) in enumerate(values, 1)]
    assert [EpochRecord.from_json(json.loads(json.dumps(each.to_json()))) for each in records] == records


def test_appending_equals_writing_all(tmp_path: Path) -> None:
    records = [record(1), record(2, None)]
    write_records(tmp_path / "all", records)
    write_records(tmp_path / "one", [])
    for each in records:
        append_record(tmp_path / "one", each)
    assert (tmp_path / "all").read_bytes() == (tmp_path / "one").read_bytes()
    assert read_records(tmp_path / "one") == records


def test_a_torn_last_line_is_left_out_and_another_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    write_records(path, [record(1), record(2)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert read_records(path) == [record(1)]
    path.write_bytes(b'{"epoch": 1}\n' + whole)
    with pytest.raises(UserMistake, match=r"records\.jsonl:1: not an epoch record .*--resume"):
        read_records(path)
    path.unlink()
    with pytest.raises(UserMistake, match=r"records\.jsonl: cannot be read"):
        read_records(path)


def test_the_best_is_the_highest_score_the_lowest_loss_the_earlier_of_equals() -> None:
    records = [record(epoch, score) for epoch, score in enumerate([0.3, 0.7, 0.7, 0.2], 1)]
    assert best_record(records, "macro_f1") is records[1]
    assert best_record(records, "loss") is records[3]
    assert best_record(records, "macro_f1", first_epoch=3) is records[2]
    assert best_record(records, "macro_f1", first_epoch=5) is None
    assert best_record([], "macro_f1") is None
    assert [lower_is_better(name) for name in ("loss", "nll", "accuracy")] == [True, True, False]


def test_without_dev_the_last_epoch_is_the_best() -> None:
    records = [record(1, None), record(2, None)]
    assert best_record(records, "macro_f1") is records[1]


def test_an_epoch_without_a_score_is_never_the_best_of_those_that_have_one() -> None:
    records = [record(1, 0.4), record(2, float("nan")), record(3, 0.6), record(4, None)]
    assert best_record(records, "macro_f1") is records[2]


def test_95_percent_is_the_first_epoch_that_comes_near_the_highest() -> None:
    records = [record(epoch, score) for epoch, score in enumerate([0.5, 0.94, 0.96, 1.0], 1)]
    assert reached_95(records) is records[2]
    assert reached_95([record(1, None)]) is None


def test_the_summary_puts_best_and_last_side_by_side() -> None:
    records = [record(epoch, score) for epoch, score in enumerate([0.3, 0.7, 0.6], 1)]
    summary = summarise(records, "macro_f1", 1, "patience")
    assert summary["best"]["epoch"] == 2
    assert summary["best"]["dev_macro_f1"] == 0.7
    assert (summary["last"]["epoch"], summary["last"]["updates"]) == (3, 15)
    assert (summary["stop_reason"], summary["epochs"], summary["updates"]) == ("patience", 3, 15)
    assert (summary["epochs_to_95"], summary["updates_to_95"], summary["seconds"]) == (2, 10, 0.75)


def test_the_summary_of_no_epochs_has_neither() -> None:
    summary = summarise([], "macro_f1", 1, "not_finite")
    assert (summary["best"], summary["last"], summary["epochs"], summary["updates"]) == (None, None, 0, 0)


def test_a_record_cannot_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        record(1).epoch = 2  # type: ignore[misc]
