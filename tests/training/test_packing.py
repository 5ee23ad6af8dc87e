"""Packed runs end as the same runs trained alone do, and leave ordinary run directories."""

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.kills import ending
from relclf.errors import Interrupted, RelclfError, UserMistake
from relclf.models.stacked import StackedCnn
from relclf.runs.records import EpochRecord, read_records
from relclf.training.device import OutOfMemory
from relclf.training.experiment import Experiment, begin, prepare, resume
from relclf.training.loop import NotFinite
from relclf.training.optimizers import build_optimizer
from relclf.training.packing import run_packed
from tests.tiny import tiny_config
from tests.training.test_resume import OPTIMIZERS, StopAfter, assert_same_ending

SEEDS = (1, 2, 3)


def begin_runs(folder: Path, kind: str, seeds: Sequence[int] = SEEDS, **overrides: Any) -> list[Experiment]:
    """New runs of the tiny corpus, one a seed, under folder/kind; `model` dtype stays float32."""
    material = prepare(tiny_config(folder, **overrides))
    return [begin(material, seed, f"seed-{seed}", folder / kind, None) for seed in seeds]


def in_double(experiments: list[Experiment]) -> list[Experiment]:
    """The same runs with weights of float64, and an optimiser of its own for each."""
    for experiment in experiments:
        model = experiment.state.model.double()
        config = experiment.inputs.config.training.optimizer
        experiment.state.optimizer = build_optimizer(config, model.parameters(), torch.device("cpu"))
    return experiments


def train_alone(experiments: list[Experiment]) -> list[list[EpochRecord]]:
    return [list(experiment.epochs()) for experiment in experiments]


def train_packed(experiments: list[Experiment]) -> list[list[EpochRecord]]:
    """The records of each run; every outcome must be one."""
    records: dict[Path, list[EpochRecord]] = {each.run.path: [] for each in experiments}
    for outcomes in run_packed(experiments):
        for experiment, outcome in outcomes:
            assert isinstance(outcome, EpochRecord), outcome
            records[experiment.run.path].append(outcome)
    return list(records.values())


def assert_equal(alone: list[Experiment], packed: list[Experiment], weights: float, losses: float) -> None:
    """Weights, optimiser states and records agree within these, whatever is counted exactly."""
    for one, other in zip(alone, packed, strict=True):
        expected, found = one.state.model.state_dict(), other.state.model.state_dict()
        assert expected.keys() == found.keys()
        for name, tensor in expected.items():
            torch.testing.assert_close(
                found[name], tensor, rtol=0, atol=weights, msg=lambda m, n=name: f"{n}: {m}"
            )
        records = zip(one.state.records, other.state.records, strict=True)
        for a, b in records:
            assert (a.epoch, a.updates, a.total_updates, a.batches) == (
                b.epoch,
                b.updates,
                b.total_updates,
                b.batches,
            )
            assert a.learning_rate == b.learning_rate
            assert b.train_loss == pytest.approx(a.train_loss, abs=losses)
            assert b.dev_loss == pytest.approx(a.dev_loss, abs=losses)
            assert b.gradient_norm == pytest.approx(a.gradient_norm, rel=1e-3)
            assert b.update_ratio == pytest.approx(a.update_ratio, rel=1e-3)


def test_in_float64_the_weights_after_200_updates_are_those_of_the_separate_runs(tmp_path: Path) -> None:
    changes = {
        "training__max_epochs": 34,
        "training__optimizer": {"name": "adam", "lr": 0.003},
        "data__all_data": True,
    }
    alone = in_double(begin_runs(tmp_path, "alone", **changes))
    packed = in_double(begin_runs(tmp_path, "packed", **changes))
    train_alone(alone)
    train_packed(packed)
    assert packed[0].state.records[-1].total_updates == 34 * 6
    assert_equal(alone, packed, weights=1e-9, losses=1e-9)


def test_in_float32_the_losses_of_200_updates_are_those_of_the_separate_runs(tmp_path: Path) -> None:
    changes = {"training__max_epochs": 40, "training__optimizer": {"name": "adam", "lr": 0.001}}
    alone, packed = begin_runs(tmp_path, "alone", **changes), begin_runs(tmp_path, "packed", **changes)
    train_alone(alone)
    train_packed(packed)
    assert_equal(alone, packed, weights=1e-4, losses=1e-5)


ALONE = ("backtracking", "prodigy", "schedule_free")
PACKABLE = [each for each in OPTIMIZERS if "rows" not in each and each["name"] not in ALONE]


@pytest.mark.parametrize("optimizer", PACKABLE, ids=lambda each: "-".join(each))
def test_every_optimiser_packs(tmp_path: Path, optimizer: dict[str, Any]) -> None:
    changes = {"training__optimizer": optimizer, "training__max_epochs": 3}
    alone, packed = begin_runs(tmp_path, "alone", **changes), begin_runs(tmp_path, "packed", **changes)
    train_alone(alone)
    train_packed(packed)
    assert_equal(alone, packed, weights=1e-4, losses=1e-5)


@pytest.mark.parametrize("name", ALONE)
def test_optimisers_that_measure_a_whole_network_are_not_packed(tmp_path: Path, name: str) -> None:
    runs = begin_runs(tmp_path, "packed", training__optimizer={"name": name}, training__max_epochs=1)
    with pytest.raises(UserMistake, match=f"{name} measures one network as a whole"):
        train_packed(runs)


VARIANTS: list[dict[str, Any]] = [
    {"training__update_every": 3},
    {"training__update_every": "epoch"},
    {"training__update_every": "epoch_mean"},
    {"training__clip_norm": 0.05},
    {"training__batch_size": 7},
    {"training__batch_size": 100},
    {"training__bucket_batches": 1},
    {"training__imbalance": {"class_weights": "inverse"}},
    {"training__imbalance": {"weighted_sampling": True}},
    {"training__imbalance": {"focal_gamma": 2.0}},
    {"training__imbalance": {"logit_adjustment": 1.0}},
    {"training__schedule": {"name": "cosine", "warmup_updates": 4}},
    {"training__loss": {"label_smoothing": 0.2}},
    {"training__schedule": {"name": "exponential", "gamma": 0.5}},
    {"model__windows": [2, 3, 4]},
    {"model__windows": [1]},
    {"model__activation": "relu"},
    {"model__dropout": 0.0},
    {"model__position_dim": 0},
    {"encoding__min_count": 2},
    {"data__all_data": True},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_every_kind_of_training_packs(tmp_path: Path, changes: dict[str, Any]) -> None:
    changes = {"training__max_epochs": 3, **changes}
    alone, packed = begin_runs(tmp_path, "alone", **changes), begin_runs(tmp_path, "packed", **changes)
    train_alone(alone)
    train_packed(packed)
    assert_equal(alone, packed, weights=1e-4, losses=1e-5)


@pytest.mark.parametrize("frozen", [False, True])
def test_words_that_only_the_vectors_file_has_are_read_by_all(tmp_path: Path, frozen: bool) -> None:
    vectors = tmp_path / "vectors.txt"
    words = ["the", "storm", "flood", "caused", "never-seen", "met"]
    rows = np.random.default_rng(5).normal(size=(len(words), 6)).round(3)
    vectors.write_text(
        "".join(f"{w} {' '.join(map(str, row))}\n" for w, row in zip(words, rows, strict=True))
    )
    changes = {
        "encoding__vectors": str(vectors),
        "encoding__freeze_vectors": frozen,
        "encoding__min_count": 3,
        "training__max_epochs": 3,
    }
    alone, packed = begin_runs(tmp_path, "alone", **changes), begin_runs(tmp_path, "packed", **changes)
    train_alone(alone)
    train_packed(packed)
    assert_equal(alone, packed, weights=1e-4, losses=1e-5)


def test_a_plateau_parts_the_runs_whose_rates_differ(tmp_path: Path) -> None:
    schedule = {"name": "plateau", "patience": 1, "factor": 0.5}
    changes = {"training__schedule": schedule, "training__max_epochs": 8, "training__monitor": "macro_f1"}
    alone, packed = begin_runs(tmp_path, "alone", **changes), begin_runs(tmp_path, "packed", **changes)
    records = train_alone(alone)
    assert len({tuple(record.learning_rate for record in run) for run in records}) > 1
    train_packed(packed)
    assert_equal(alone, packed, weights=1e-4, losses=1e-5)


def test_each_run_stops_when_it_would_have_stopped_alone(tmp_path: Path) -> None:
    changes = {"training__patience": 2, "training__max_epochs": 30}
    alone, packed = (
        begin_runs(tmp_path, "alone", range(1, 6), **changes),
        begin_runs(tmp_path, "packed", range(1, 6), **changes),
    )
    lengths = [len(records) for records in train_alone(alone)]
    assert len(set(lengths)) > 1
    assert [len(records) for records in train_packed(packed)] == lengths
    assert {summary(each)["stop_reason"] for each in packed} == {"patience"}
    assert_equal(alone, packed, weights=1e-3, losses=1e-4)


def test_packed_runs_leave_the_files_of_ordinary_ones(tmp_path: Path) -> None:
    alone, packed = begin_runs(tmp_path, "alone"), begin_runs(tmp_path, "packed")
    train_alone(alone)
    train_packed(packed)
    for one, other in zip(alone, packed, strict=True):
        names = {path.name for path in one.run.path.iterdir()}
        assert {path.name for path in other.run.path.iterdir()} == names
        expected, found = ending(one.run), ending(other.run)
        assert found.keys() == expected.keys()
        assert {name for name in found if not name.startswith(("best", "last", "prev"))} == {
            name for name in expected if not name.startswith(("best", "last", "prev"))
        }
        for name in ("config.yaml", "vocabulary.json", "relations.json", "environment.json"):
            assert (other.run.path / name).read_bytes() == (one.run.path / name).read_bytes()
        assert read_records(other.run.records) == other.state.records
        assert summary(other)["best"]["epoch"] == summary(one)["best"]["epoch"]


def test_the_seconds_of_a_pack_are_shared_out(tmp_path: Path) -> None:
    packed = begin_runs(tmp_path, "packed", training__max_epochs=1)
    rates = [run[0].sentences_per_second for run in train_packed(packed)]
    assert rates[0] == pytest.approx(rates[1]) == pytest.approx(rates[2])


@pytest.mark.parametrize("stops", [[1], [5], [7, 1], [1] * 12])
@pytest.mark.parametrize("update_every", ["batch", 3])
def test_packed_training_resumes_to_the_same_bits(
    tmp_path: Path, stops: list[int], update_every: int | str
) -> None:
    changes = {"training__update_every": update_every, "training__max_epochs": 3}
    expected = begin_runs(tmp_path, "expected", **changes)
    train_packed(expected)
    found = begin_runs(tmp_path, "found", **changes)
    for batches in stops:
        with pytest.raises(Interrupted, match=r"relclf train --pack --resume .*seed-1.* --resume .*seed-2"):
            list(run_packed(found, StopAfter(batches)))
        assert {summary(each)["stop_reason"] for each in found} == {"interrupted"}
        found = [resume(each.run.path) for each in found]
    train_packed(found)
    for one, other in zip(expected, found, strict=True):
        assert_same_ending(one.run, other.run)


def test_a_packed_run_goes_on_alone(tmp_path: Path) -> None:
    alone, packed = begin_runs(tmp_path, "alone"), begin_runs(tmp_path, "packed")
    train_alone(alone)
    with pytest.raises(Interrupted):
        list(run_packed(packed, StopAfter(8)))
    resumed = [resume(each.run.path) for each in packed]
    train_alone(resumed)
    assert_equal(alone, resumed, weights=1e-4, losses=1e-5)


def test_runs_at_different_places_are_packed_once_they_meet(tmp_path: Path) -> None:
    alone, packed = begin_runs(tmp_path, "alone"), begin_runs(tmp_path, "packed")
    train_alone(alone)
    ahead = packed[1].epochs()
    next(ahead)
    ahead.close()
    packed[1] = resume(packed[1].run.path)
    epochs = [
        [
            (each.inputs.config.seed, outcome.epoch)
            for each, outcome in outcomes
            if isinstance(outcome, EpochRecord)
        ]
        for outcomes in run_packed(packed)
    ]
    assert epochs[0] == [(1, 1), (3, 1)]
    assert epochs[1:] == [[(1, epoch), (2, epoch), (3, epoch)] for epoch in (2, 3, 4)]
    assert_equal(alone, packed, weights=1e-4, losses=1e-5)


def test_a_run_whose_numbers_break_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    alone, packed = begin_runs(tmp_path, "alone"), begin_runs(tmp_path, "packed")
    train_alone([alone[0], alone[2]])
    with torch.no_grad():
        packed[1].state.model.output.weight.fill_(math.nan)
    outcomes = [outcome for step in run_packed(packed) for each, outcome in step if each is packed[1]]
    (error,) = outcomes
    assert isinstance(error, NotFinite)
    assert str(error).startswith(
        "the loss is nan in epoch 1, after update 0 of the epoch. The last good weights"
    )
    assert summary(packed[1])["stop_reason"] == "not_finite"
    assert [summary(each)["stop_reason"] for each in (packed[0], packed[2])] == ["max_epochs"] * 2
    assert_equal([alone[0], alone[2]], [packed[0], packed[2]], weights=1e-4, losses=1e-5)


def test_a_pack_of_which_all_break_ends(tmp_path: Path) -> None:
    packed = begin_runs(tmp_path, "packed", training__optimizer={"name": "sgd", "lr": 1e30})
    outcomes = [outcome for step in run_packed(packed) for _, outcome in step]
    assert len(outcomes) == 3
    assert all(isinstance(outcome, NotFinite) for outcome in outcomes)
    assert all(resume(each.run.path).state.records == [] for each in packed)


def test_a_run_that_cannot_be_saved_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    packed = begin_runs(tmp_path, "packed")
    shutil.rmtree(packed[0].run.path)
    outcomes = [outcome for step in run_packed(packed) for each, outcome in step if each is packed[0]]
    assert len(outcomes) == 1
    assert isinstance(outcomes[0], RelclfError)
    assert [summary(each)["stop_reason"] for each in packed[1:]] == ["max_epochs"] * 2


def test_runs_that_have_ended_are_left_alone(tmp_path: Path) -> None:
    packed = begin_runs(tmp_path, "packed")
    train_packed(packed)
    again = [resume(each.run.path) for each in packed]
    assert list(run_packed(again)) == []
    assert {summary(each)["stop_reason"] for each in again} == {"max_epochs"}


def test_runs_that_differ_in_more_than_their_seeds_are_refused(tmp_path: Path) -> None:
    mixed = [*begin_runs(tmp_path, "a", [1]), *begin_runs(tmp_path, "b", [2], model__filters=9)]
    with pytest.raises(
        UserMistake, match=r"seed-2-001: differs from .*seed-1-001 in model.filters, and only runs"
    ):
        list(run_packed(mixed))
    assert all(resume(each.run.path) for each in mixed)


def test_networks_that_a_stack_does_not_have_are_refused_by_key(tmp_path: Path) -> None:
    runs = begin_runs(tmp_path, "runs", model__hidden=4, model__activation="gelu")
    with pytest.raises(UserMistake, match=r"model.activation, model.hidden: such networks cannot be packed"):
        list(run_packed(runs))
    runs = begin_runs(tmp_path, "ranked", training__loss={"name": "ranking"})
    with pytest.raises(UserMistake, match=r"training.loss.name: ranking: such networks cannot be packed"):
        list(run_packed(runs))


def test_ngrams_are_refused(tmp_path: Path) -> None:
    (tmp_path / "vectors.txt").write_text("storm 1 2 3 4 5 6\n")
    encoding = {"vectors": str(tmp_path / "vectors.txt"), "missing_vectors": "ngrams"}
    runs = begin_runs(tmp_path, "runs", encoding=encoding)
    with pytest.raises(
        UserMistake, match=r"encoding\.missing_vectors: ngrams: such networks cannot be packed"
    ):
        list(run_packed(runs))


def test_rows_touched_are_refused(tmp_path: Path) -> None:
    packed = begin_runs(tmp_path, "a", training__optimizer={"name": "adam", "rows": "touched"})
    with pytest.raises(UserMistake, match=r"training.optimizer.rows: touched cannot be packed"):
        list(run_packed(packed))


def test_words_with_a_rate_of_their_own_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match=r"training.word_rate .* cannot be packed"):
        list(run_packed(begin_runs(tmp_path, "a", training__words_from_epoch=2)))


@pytest.mark.parametrize("poll_every", [2, 200])
def test_where_the_host_polls_a_broken_run_is_found_at_the_next_look(tmp_path: Path, poll_every: int) -> None:
    packed = [
        replace(each, inputs=replace(each.inputs, poll_every=poll_every))
        for each in begin_runs(tmp_path, "packed")
    ]
    with torch.no_grad():
        packed[1].state.model.output.weight.fill_(math.nan)
    outcomes = [outcome for step in run_packed(packed) for each, outcome in step if each is packed[1]]
    (error,) = outcomes
    assert str(error).startswith(f"a loss or gradient of the last {poll_every} updates is nan in epoch 1")
    assert [summary(each)["stop_reason"] for each in packed] == ["max_epochs", "not_finite", "max_epochs"]


def summary(experiment: Experiment) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(experiment.run.summary.read_bytes())
    return value


def test_out_of_memory_in_a_pack_says_what_needs_less_and_leaves_runs_to_go_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = train_alone(begin_runs(tmp_path, "alone"))
    runs = begin_runs(tmp_path, "packed")
    outcomes = run_packed(runs)
    next(outcomes)

    def out_of_memory(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB.")

    monkeypatch.setattr(StackedCnn, "features", out_of_memory)
    with pytest.raises(
        OutOfMemory, match=r"too small for the pack: CUDA out of memory.*resume fewer of them"
    ):
        next(outcomes)
    monkeypatch.undo()
    for run, records in zip(runs, alone, strict=True):
        assert json.loads(run.run.summary.read_text())["stop_reason"] == "error"
        resumed = list(resume(run.run.path).epochs())
        assert [r.epoch for r in resumed] == [r.epoch for r in records[1:]]
        assert resumed[-1].train_loss == pytest.approx(records[-1].train_loss, abs=1e-5)
