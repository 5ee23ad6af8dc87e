"""A training that was stopped and resumed ends with the same bits as one that never was."""

import json
import shutil
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kills import differences, ending
from relclf.errors import Interrupted, UserMistake
from relclf.runs.directory import RunDirectory
from relclf.runs.records import EpochRecord
from relclf.training.checkpoint import checkpoint_epoch, read_checkpoint
from relclf.training.experiment import Experiment, resume, start
from relclf.training.interruption import StopRequest
from tests.tiny import tiny_config

BATCHES = 5
"""Batches an epoch of the tiny corpus."""


class StopAfter(StopRequest):
    """A request that comes with SIGTERM after so many batches."""

    def __init__(self, batches: int) -> None:
        self._left = batches

    @property
    def signal_number(self) -> int | None:
        self._left -= 1
        return signal.SIGTERM if self._left <= 0 else None


def begin(folder: Path, **overrides: Any) -> Experiment:
    """A new training of the tiny corpus, its run under folder/runs."""
    return start(tiny_config(folder, **overrides), "tiny", folder / "runs", None)


def train(folder: Path, **overrides: Any) -> RunDirectory:
    """A training that is never stopped."""
    experiment = begin(folder, **overrides)
    assert list(experiment.epochs())
    return experiment.run


def train_stopped(folder: Path, stops: Iterable[int], **overrides: Any) -> RunDirectory:
    """A training stopped after so many batches, and again after so many more, and then resumed to the end."""
    experiment = begin(folder, **overrides)
    for batches in stops:
        with pytest.raises(Interrupted, match="relclf train --resume"):
            list(experiment.epochs(StopAfter(batches)))
        experiment = resume(experiment.run.path)
    list(experiment.epochs())
    return experiment.run


def assert_same_ending(expected: RunDirectory, found: RunDirectory) -> None:
    assert differences(ending(expected), ending(found)) == []


def test_two_endings_that_differ_are_told_apart(tmp_path: Path) -> None:
    found = differences(ending(train(tmp_path)), ending(train(tmp_path, seed=14)))
    assert {"last: model.output.weight", "records.jsonl", "summary.json"} <= set(found)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_resuming_after_an_epoch_changes_nothing(tmp_path: Path, epochs: int) -> None:
    experiment = begin(tmp_path)
    running = experiment.epochs()
    for _ in range(epochs):
        next(running)
    running.close()
    assert json.loads(experiment.run.summary.read_bytes())["stop_reason"] == "interrupted"
    resumed = resume(experiment.run.path)
    assert [record.epoch for record in resumed.epochs()] == list(range(epochs + 1, 5))
    assert_same_ending(train(tmp_path), resumed.run)


def test_stopping_after_every_single_batch_changes_nothing(tmp_path: Path) -> None:
    stopped = train_stopped(tmp_path, [1] * (4 * BATCHES))
    assert_same_ending(train(tmp_path), stopped)


OPTIMIZERS: list[dict[str, Any]] = [
    {"name": "adam"},
    {"name": "adam", "amsgrad": True, "weight_decay": 0.01},
    {"name": "adamw"},
    {"name": "nadam"},
    {"name": "radam"},
    {"name": "adamax"},
    {"name": "rmsprop", "momentum": 0.9, "centered": True},
    {"name": "rmsprop"},
    {"name": "adagrad", "lr_decay": 0.01},
    {"name": "adadelta"},
    {"name": "sgd"},
    {"name": "sgd", "momentum": 0.9, "nesterov": True},
    {"name": "adam", "rows": "touched"},
    {"name": "backtracking", "lr": 10.0},
    {"name": "backtracking", "momentum": 0.5, "weight_decay": 0.01},
    {"name": "prodigy"},
    {"name": "prodigy", "weight_decay": 0.1, "d_coef": 2.0},
    {"name": "schedule_free", "lr": 0.05},
    {"name": "schedule_free", "weight_decay": 0.1},
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda each: "-".join(each))
def test_every_optimiser_resumes_inside_an_epoch(tmp_path: Path, optimizer: dict[str, Any]) -> None:
    changes = {"training__optimizer": optimizer, "training__max_epochs": 3}
    assert_same_ending(train(tmp_path, **changes), train_stopped(tmp_path, [1, 7], **changes))


@pytest.mark.parametrize("model", [{}, {"model__activation": "gelu", "model__mention_features": True}])
@pytest.mark.parametrize("stops", [[3], [7], [8, 1, 9]])
def test_deferred_word_rows_resume_inside_an_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: list[int], model: dict[str, Any]
) -> None:
    monkeypatch.setattr("relclf.training.experiment.DEFERRED_ROWS", 0)
    monkeypatch.setattr("relclf.training.row_adam.DENSE_MEANS", 0.2)  # from the third update on
    stopped = begin(tmp_path, **model)
    with pytest.raises(Interrupted):
        list(stopped.epochs(StopAfter(8)))
    tensors, _ = read_checkpoint(stopped.run.checkpoint("last"))
    assert "optimizer.0.missed" in tensors, "no row was deferred, the test shows nothing"
    assert not tensors["model.words.weight"].equal(tensors["optimizer.0.table"])
    assert_same_ending(train(tmp_path, **model), train_stopped(tmp_path, stops, **model))


@pytest.mark.parametrize("update_every", [3, "epoch_mean", "epoch"])
@pytest.mark.parametrize("stops", [[1], [4, 1], [5, 3, 1]])
def test_pending_gradients_survive(tmp_path: Path, update_every: int | str, stops: list[int]) -> None:
    changes = {"training__update_every": update_every, "training__clip_norm": 0.05}
    assert_same_ending(train(tmp_path, **changes), train_stopped(tmp_path, stops, **changes))


def test_a_stop_inside_an_accumulation_saves_its_gradients(tmp_path: Path) -> None:
    experiment = begin(tmp_path, training__update_every=3)
    with pytest.raises(Interrupted):
        list(experiment.epochs(StopAfter(2)))
    tensors, state = read_checkpoint(experiment.run.checkpoint("last"))
    assert (state["progress"]["batches_done"], state["progress"]["updates"]) == (2, 0)
    assert tensors["gradient.output.weight"].abs().sum() > 0
    assert tensors["progress.counts"].sum() == state["progress"]["examples"]


SETTINGS: dict[str, dict[str, Any]] = {
    "plateau": {
        "training__schedule": {"name": "plateau", "patience": 1, "warmup_updates": 7},
        "training__max_epochs": 8,
    },
    "cosine": {"training__schedule": {"name": "cosine", "warmup_updates": 8}},
    "linear": {"training__schedule": {"name": "linear"}},
    "exponential": {"training__schedule": {"name": "exponential", "gamma": 0.5}},
    "weighted sampling": {"training__imbalance": {"weighted_sampling": True}},
    "class weights": {"training__imbalance": {"class_weights": "inverse"}},
    "focal loss": {"training__imbalance": {"focal_gamma": 2.0}},
    "logit adjustment": {"training__imbalance": {"logit_adjustment": 1.0}},
    "dropout 0.9": {"model__dropout": 0.9},
    "no dropout, relu, windows": {
        "model__dropout": 0.0,
        "model__activation": "relu",
        "model__windows": [2, 3, 4],
    },
    "monitor loss": {"training__monitor": "loss"},
    "two threads": {"training__threads": 2},
    "no dev": {"data__all_data": True},
    "all weights kept": {"training__keep": "all"},
    "warm-up of schedule-free": {
        "training__optimizer": {"name": "schedule_free"},
        "training__schedule": {"warmup_updates": 8},
    },
    "up": {"training__stop": {"name": "up", "strips": 1, "strip": 2}, "training__max_epochs": 30},
    "patience": {"training__patience": 1, "training__max_epochs": 30, "training__smooth": 2},
    "plain shuffling": {"training__bucket_batches": 1},
    "mention features, hidden layer": {"model__mention_features": True, "model__hidden": 5},
    "pcnn": {"model__name": "pcnn"},
    "attention": {"model__name": "attention_cnn"},
    "ranking loss": {"training__loss": {"name": "ranking"}},
    "label smoothing": {"training__loss": {"label_smoothing": 0.1}},
    "sinusoids": {"model__positions": "sinusoid"},
    "cut, masked, marked": {
        "encoding__span": 1,
        "encoding__mask_mentions": True,
        "encoding__markers": True,
    },
    "gelu": {"model__activation": "gelu"},
    "words at their own rate": {"training__word_rate": 0.1, "training__words_from_epoch": 2},
    "words at their own rate, Adagrad": {
        "training__optimizer": {"name": "adagrad", "lr": 0.1},
        "training__word_rate": 0.5,
    },
    "dropped words and embeddings": {"model__word_dropout": 0.3, "model__embedding_dropout": 0.3},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_resumes_inside_an_epoch(tmp_path: Path, name: str) -> None:
    changes = SETTINGS[name]
    assert_same_ending(train(tmp_path, **changes), train_stopped(tmp_path, [2, 6], **changes))


@pytest.mark.parametrize("missing", ["random", "ngrams"])
@pytest.mark.parametrize("freeze", [True, False])
def test_word_vectors_resume_without_being_read_again(tmp_path: Path, freeze: bool, missing: str) -> None:
    words = ("storm", "flood", "box", "apple", "unseen", "words")
    rows = (f"{word} " + " ".join(str(0.1 * i + j) for j in range(6)) for i, word in enumerate(words))
    (tmp_path / "vectors.txt").write_text("\n".join(rows) + "\n")
    changes = {
        "encoding__vectors": str(tmp_path / "vectors.txt"),
        "encoding__freeze_vectors": freeze,
        "encoding__missing_vectors": missing,
    }
    assert_same_ending(train(tmp_path, **changes), train_stopped(tmp_path, [3], **changes))


def test_every_state_of_the_disk_during_two_epochs_resumes_to_the_same_ending(tmp_path: Path) -> None:
    """The run directory is copied before each file operation, as a kill there would leave it."""
    changes = {"training__monitor": "loss"}  # which falls: each epoch is the best so far
    experiment = begin(tmp_path, training__max_epochs=2, **changes)
    states = tmp_path / "runs"
    with copied_before_each_operation(experiment.run.path, states):
        list(experiment.epochs())
    after_one = train(tmp_path, training__max_epochs=1, **changes)
    predictions = {1: after_one.dev_predictions.read_bytes(), 2: experiment.run.dev_predictions.read_bytes()}
    copies = sorted(states.glob("state-*"))
    assert len(copies) > 15
    assert any(list(copy.glob(".*.part")) for copy in copies)
    lasts = {checkpoint_epoch(copy / "last.safetensors") for copy in copies}
    assert lasts == {0, 1, 2}
    for copy in copies:
        resumed = resume(copy)
        run, completed = resumed.run, len(resumed.state.records)
        assert not list(copy.glob(".*.part")), copy.name
        assert len(run.records.read_bytes().splitlines()) == completed
        assert checkpoint_epoch(run.checkpoint("best")) == (completed or None)
        found = run.dev_predictions.read_bytes() if run.dev_predictions.exists() else None
        assert found == predictions.get(completed), copy.name
        list(resumed.epochs())
        assert differences(ending(experiment.run), ending(run)) == [], copy.name


@contextmanager
def copied_before_each_operation(run: Path, copies: Path) -> Iterator[None]:
    """Within the block, copy `run` before each open, rename, link and removal in it, where it has changed."""
    on, seen = True, {fingerprint(run)}

    def before(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal on
        if not on or event not in ("open", "os.rename", "os.link", "os.remove"):
            return
        on = False
        if (found := fingerprint(run)) not in seen:
            seen.add(found)
            copy = shutil.copytree(run, copies / f"state-{len(seen):03d}")
            for part in copy.glob(".*.part"):  # as if another process had written it
                part.rename(copy / f".{part.name.split('.')[1]}.0.part")
        on = True

    sys.addaudithook(before)  # for the life of the process; it does nothing once the block is left
    try:
        yield
    finally:
        on = False


def fingerprint(run: Path) -> tuple[tuple[str, bytes], ...]:
    return tuple(sorted((path.name, path.read_bytes()) for path in run.iterdir()))


def test_a_torn_last_line_of_records_is_cut_back(tmp_path: Path) -> None:
    experiment = begin(tmp_path)
    with pytest.raises(Interrupted):
        list(experiment.epochs(StopAfter(2 * BATCHES + 1)))
    with experiment.run.records.open("ab") as file:
        file.write(b'{"epoch": 3, "upda')
    resumed = resume(experiment.run.path)
    assert experiment.run.records.read_bytes().count(b"\n") == 2
    list(resumed.epochs())
    assert_same_ending(train(tmp_path), resumed.run)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"training__max_epochs": 2}, "training.max_epochs=6"),
        ({"training__max_epochs": 6, "training__patience": 1}, "training.patience=3"),
        ({"training__max_epochs": 6, "training__patience": 1}, "training.patience=null"),
    ],
)
def test_extending_a_finished_run_equals_having_asked_for_it(
    tmp_path: Path, first: dict[str, Any], then: str
) -> None:
    run = train(tmp_path, **first)
    epochs = len(run.records.read_bytes().splitlines())
    resumed = resume(run.path, overrides=[then])
    assert len(list(resumed.epochs())) + epochs > epochs
    key, value = then.split("=")
    asked = {**first, key.replace(".", "__"): json.loads(value)}
    assert_same_ending(train(tmp_path, **asked), resumed.run)


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    run = train(tmp_path)
    before = fingerprint(run.path)
    assert list(resume(run.path).epochs()) == []
    assert fingerprint(run.path) == before


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.optimizer.lr=0.1", r"training\.optimizer\.lr: cannot change in a resumed run"),
        ("seed=5", r"seed: cannot change in a resumed run"),
        (
            "training.max_epochs=2",
            "training would have ended after epoch 2, but the run has gone on to epoch 4",
        ),
        ("training.patience=1", "training would have ended after epoch [23]"),
    ],
)
def test_other_changes_of_a_run_are_refused_and_leave_it_alone(
    tmp_path: Path, override: str, message: str
) -> None:
    run = train(tmp_path, training__monitor="accuracy", training__optimizer__lr=1e-6)
    before = fingerprint(run.path)
    with pytest.raises(UserMistake, match=message):
        resume(run.path, overrides=[override])
    assert fingerprint(run.path) == before


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_extending_is_refused_where_the_schedule_depends_on_the_length(tmp_path: Path, schedule: str) -> None:
    run = train(tmp_path, training__schedule={"name": schedule})
    with pytest.raises(UserMistake, match=f"the {schedule} schedule depends on it"):
        resume(run.path, overrides=["training.max_epochs=9"])


def test_a_changed_data_file_is_refused_by_name(tmp_path: Path) -> None:
    run = train(tmp_path)
    data = tmp_path / "train.jsonl"
    data.write_text(data.read_text().replace("storm", "gust", 1))
    with pytest.raises(UserMistake, match=r"train\.jsonl: changed since the run was made"):
        resume(run.path)


def test_a_run_resumes_through_a_symbolic_link_and_after_its_folder_moved(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "runs").symlink_to(tmp_path / "elsewhere" / "deep")
    experiment = begin(tmp_path)
    with pytest.raises(Interrupted):
        list(experiment.epochs(StopAfter(3)))
    assert len(list(resume(experiment.run.path).epochs())) == 4


def test_records_say_the_same_as_the_epochs_yielded(tmp_path: Path) -> None:
    experiment = begin(tmp_path)
    yielded = list(experiment.epochs())
    lines = experiment.run.records.read_text().splitlines()
    assert [EpochRecord.from_json(json.loads(line)) for line in lines] == yielded
