"""What the curves show of records: what is known, means over runs, and which groups get a colour."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from relclf.report.curves import (
    MOST_GROUPS,
    course,
    drawn_split,
    gaps,
    group_curves,
    known_points,
    learning_curves,
    named_groups,
    within_one_se,
)
from relclf.runs.records import best_record, read_records
from tests.diagnosis.runs import records


def test_the_epochs_within_one_standard_error_are_those_that_near_the_best() -> None:
    run = records([0.5, 0.76, 0.8, 0.78, 0.7], dev_macro_f1_se=0.03)
    best = best_record(run, "macro_f1")
    assert best is not None
    assert [each.epoch for each in within_one_se(run, best)] == [3, 4]


def test_what_is_no_number_leaves_a_gap_that_is_told(tmp_path: Path) -> None:
    lines = [each.to_json() for each in records([0.1, 0.2, 0.3])]
    lines[1] |= {"dev_loss": math.nan, "train_loss": math.inf, "dev_macro_f1": None, "monitored": None}
    path = tmp_path / "records.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    run = read_records(path)
    assert known_points(run, "dev_macro_f1", 100.0) == ([1, 3], [10.0, 30.0])
    assert gaps(run) == [
        f"{column} is no finite number in epoch 2, and left out there"
        for column in ("train_loss", "dev_loss", "dev_macro_f1")
    ]


def test_a_run_without_dev_has_no_gaps_and_is_drawn_by_its_train_curves() -> None:
    run = records([0.1, 0.2], dev_loss=None, dev_macro_f1=None, dev_macro_f1_se=None, monitored=None)
    assert gaps(run) == []
    assert drawn_split([("a", [run])]) == "train"
    assert [panel.title for panel in group_curves([("a", [run])])][1] == "train macro-F1, %"
    assert "dev" not in learning_curves(run, None)[0].description


def test_a_group_is_the_mean_over_its_runs_while_all_of_them_train() -> None:
    runs = [records([0.1, 0.2, 0.3]), records([0.3, 0.4]), []]
    epochs, mean, band = course(runs, "dev_macro_f1")
    assert epochs == [1, 2]
    assert mean == pytest.approx([0.2, 0.3])
    assert band == pytest.approx([np.std([0.1, 0.3], ddof=1)] * 2)


def test_the_band_of_a_single_run_is_its_standard_error() -> None:
    run = [replace(each, dev_macro_f1_se=0.01 * each.epoch) for each in records([0.1, 0.2])]
    assert course([[], run], "dev_macro_f1")[2] == pytest.approx([0.01, 0.02])
    assert course([run], "dev_loss")[2] == pytest.approx([0.0, 0.0])


def test_of_many_groups_the_best_have_colours_and_keep_their_order() -> None:
    groups = [(f"g{place}", [records([score])]) for place, score in enumerate([0.9, 0.1, *[0.5] * 6, 0.2])]
    named, others = named_groups(groups)
    assert [name for name, _ in named] == ["g0", "g2", "g3", "g4", "g5", "g6"]
    assert [name for name, _ in others] == ["g1", "g7", "g8"]
    assert len(named) == MOST_GROUPS


def test_a_chart_in_words_has_the_numbers_of_the_records() -> None:
    run = records([0.19, 0.8, 0.7], train_loss=[1.2, 0.5, 0.25], dev_loss=[0.9, 0.31, 0.4])
    loss, score = learning_curves(run, best_record(run, "macro_f1"))
    assert loss.description == (
        "loss, nats an example, over 3 epochs: train from 1.200 to 0.250, dev from 0.900 to 0.400. "
        "At the best epoch, 2: 0.310 on dev."
    )
    assert "dev from 19.0 to 70.0. At the best epoch, 2: 80.0 on dev." in score.description
