"""Updates through CapturedUpdates, here without graphs, are those of the plain loop."""

import dataclasses
import json
import math
import signal

import pytest
import torch

from relclf.encoding.batches import Batch, placed_batches
from relclf.errors import Interrupted
from relclf.runs.records import NOT_REPRODUCED
from relclf.training.captured import CapturedUpdates
from relclf.training.checkpoint import EpochSums, restore_checkpoint
from relclf.training.experiment import start
from relclf.training.interruption import StopRequest
from relclf.training.loop import NotFinite, begin_epoch, captured_updates, epoch_batches, train_epoch
from relclf.training.optimizers import build_optimizer
from tests.tiny import tiny_config

CPU = torch.device("cpu")
OPTIMIZERS = [
    {"name": "adam", "lr": 2**-6},
    {"name": "adamw", "lr": 2**-6, "amsgrad": True},
    {"name": "sgd", "lr": 2**-3, "momentum": 0.9, "nesterov": True},
]
"""Rates that float32, in which graphs are given them, holds exactly."""


class StopAfter(StopRequest):
    def __init__(self, batches):
        self._left = batches

    @property
    def signal_number(self):
        self._left -= 1
        return signal.SIGTERM if self._left <= 0 else None


def begun(folder, *, captured, dtype=torch.float32, poll_every=7, name="tiny", **overrides):
    """A training as on an accelerator: its forward pass, torch's fused optimiser, looks every few updates."""
    experiment = start(tiny_config(folder, **overrides), name, folder / "runs", None)
    state, training = experiment.state, experiment.inputs.config.training
    state.model.to(dtype)
    state.model.words.row_gradient = None
    state.model.features = state.model.features_of_windows
    state.optimizer = build_optimizer(training.optimizer, state.model.parameters(), CPU)
    return dataclasses.replace(
        experiment, inputs=dataclasses.replace(experiment.inputs, poll_every=poll_every, captured=captured)
    )


def weights(experiment):
    return experiment.state.model.state_dict()


def reproduced(records):
    return [{n: v for n, v in r.to_json().items() if n not in NOT_REPRODUCED} for r in records]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: o["name"])
@pytest.mark.parametrize("clip_norm", [None, 0.1])
def test_in_float64_the_weights_after_200_updates_are_the_plain_ones(tmp_path, optimizer, clip_norm):
    options = {
        "training__optimizer": optimizer,
        "training__clip_norm": clip_norm,
        "training__max_epochs": 34,
        "data__all_data": True,
        "dtype": torch.float64,
    }
    plain, captured = begun(tmp_path, captured=False, **options), begun(tmp_path, captured=True, **options)
    expected, found = list(plain.epochs()), list(captured.epochs())
    assert found[-1].total_updates == 204
    for record, other in zip(found, expected, strict=True):
        assert record.train_loss == pytest.approx(other.train_loss, abs=1e-9)
        assert record.train_macro_f1 == other.train_macro_f1
    for name, value in weights(plain).items():
        torch.testing.assert_close(weights(captured)[name], value, atol=1e-9, rtol=0)


NETWORKS = [
    {},
    {"model__name": "pcnn", "model__mention_features": True, "training__loss": {"name": "ranking"}},
    {"model__name": "attention_cnn", "model__hidden": 5, "training__loss": {"label_smoothing": 0.1}},
    {"model__activation": "gelu"},
]
DROPPED = {"model__word_dropout": 0.2, "model__embedding_dropout": 0.2}
"""They draw for padding too, of which captured batches have more: other numbers, and the same after a resume."""


@pytest.mark.parametrize("network", NETWORKS, ids=str)
@pytest.mark.parametrize("sampled", [False, True])
def test_in_float32_the_losses_are_the_plain_ones_dropout_included(tmp_path, sampled, network):
    options = {
        **network,
        "training__optimizer": OPTIMIZERS[0],
        "training__schedule": {"name": "cosine", "warmup_updates": 3},
        "training__imbalance": {"weighted_sampling": sampled},
        "model__dropout": 0.5,
    }
    plain, captured = begun(tmp_path, captured=False, **options), begun(tmp_path, captured=True, **options)
    for record, other in zip(captured.epochs(), plain.epochs(), strict=True):
        assert record.train_loss == pytest.approx(other.train_loss, abs=1e-5)
        assert record.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-3)
        assert record.learning_rate == other.learning_rate


def test_polling_every_7_updates_changes_no_bit_of_the_training(tmp_path):
    each = begun(tmp_path, captured=False, poll_every=1)
    polled = begun(tmp_path, captured=False, poll_every=7)
    assert reproduced(each.epochs()) == reproduced(polled.epochs())
    for name, value in weights(each).items():
        assert torch.equal(weights(polled)[name], value)


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: o["name"])
def test_from_the_first_broken_number_on_nothing_changes_and_the_host_says_so_at_its_next_look(
    tmp_path, captured, optimizer
):
    experiment = begun(tmp_path, captured=captured, training__optimizer=optimizer, training__batch_size=3)
    state, inputs = experiment.state, experiment.inputs
    broken_from = 9
    losses = inputs.objective.losses
    seen = []

    def poisoned(scores, gold):
        values = losses(scores, gold)
        seen.append(snapshot(state))
        return values * math.nan if len(seen) == broken_from else values

    inputs = dataclasses.replace(inputs, objective=_Objective(inputs.objective, poisoned))
    progress = begin_epoch(inputs, state)
    with pytest.raises(
        NotFinite, match=r"the last 7 updates is nan in epoch 1, after update 14 of the epoch"
    ):
        train_epoch(inputs, state, progress, StopRequest(), captured_updates(inputs, state))
    assert len(seen) == 14
    assert not same(seen[broken_from - 2], seen[broken_from - 1])
    for later in [*seen[broken_from:], snapshot(state)]:
        assert same(later, seen[broken_from - 1])
    experiment.lock.release()


class _Objective:
    """An objective with other losses."""

    def __init__(self, objective, losses):
        self.decode, self.losses = objective.decode, losses


def snapshot(state):
    """Weights, averages and counts of updates."""
    tensors = {name: value.clone() for name, value in state.model.state_dict().items()}
    for index, values in state.optimizer.state_dict()["state"].items():
        tensors |= {f"{index}.{key}": v.clone() for key, v in values.items() if isinstance(v, torch.Tensor)}
    return tensors


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("captured", [False, True])
def test_a_broken_training_leaves_its_last_checkpoint_and_its_records(tmp_path, captured):
    experiment = begun(
        tmp_path, captured=captured, training__optimizer={"name": "sgd", "lr": 1e30}, training__batch_size=4
    )
    before = experiment.run.checkpoint("last").read_bytes()
    with pytest.raises(NotFinite, match="a loss or gradient of the last 7 updates is nan"):
        list(experiment.epochs())
    assert experiment.run.checkpoint("last").read_bytes() == before
    assert json.loads(experiment.run.summary.read_text())["stop_reason"] == "not_finite"


@pytest.mark.parametrize("network", [{}, DROPPED], ids=str)
@pytest.mark.parametrize("stops", [1, 3, 8, 13])
def test_a_captured_training_stopped_inside_an_epoch_ends_with_the_same_bits(tmp_path, stops, network):
    options = {"captured": True, "training__optimizer": OPTIMIZERS[1], "model__dropout": 0.5, **network}
    whole = begun(tmp_path, name="whole", **options)
    records = list(whole.epochs())
    stopped = begun(tmp_path, name="stopped", **options)
    with pytest.raises(Interrupted):
        list(stopped.epochs(StopAfter(stops)))
    resumed = begun(tmp_path, name="resumed", **options)
    restore_checkpoint(stopped.run.checkpoint("last"), resumed.state)
    list(resumed.epochs())
    assert reproduced(resumed.state.records) == reproduced(records)
    assert same(snapshot(resumed.state), snapshot(whole.state))
    assert torch.equal(resumed.state.dropout.get_state(), whole.state.dropout.get_state())


def test_each_shape_is_captured_once_and_lengths_are_rounded(tmp_path):
    experiment = begun(tmp_path, captured=True, training__batch_size=10, training__bucket_batches=2)
    train = experiment.inputs.train
    sums = EpochSums.zeros(3, CPU)
    shapes = []

    def update(batch: Batch, rate: torch.Tensor) -> torch.Tensor:
        shapes.append((tuple(batch.token_ids.shape), round(rate.item(), 6)))
        return rate

    recorder = _Recorder()
    updates = CapturedUpdates(train, sums, experiment.state.dropout, update)
    updates._captures = recorder
    batches = [
        b for epoch in (1, 2, 3) for b in placed_batches(train, epoch_batches(experiment.inputs, epoch))
    ]
    for index, batch in enumerate(batches):
        updates.run(batch, 0.5 if index < 4 else 0.25)
    assert len(shapes) == len(batches)
    assert [rate for _, rate in shapes] == [0.5] * 4 + [0.25] * (len(batches) - 4)
    longest = int(train.lengths.max())
    for (shape, _), batch in zip(shapes, batches, strict=True):
        assert shape[0] == len(batch.rows)
        assert batch.longest <= shape[1] <= longest
        assert shape[1] % 4 == 0 or shape[1] == longest
    kinds = {shape for shape, _ in shapes}
    assert recorder.warmed == len(kinds)
    assert recorder.captured == sum([shape for shape, _ in shapes].count(kind) > 1 for kind in kinds)
    experiment.lock.release()


class _Recorder:
    """Counts what would be captured; like a graph, what it gives keeps reading the same tensors."""

    def __init__(self):
        self.warmed = self.captured = 0

    def warm_up(self, work):
        self.warmed += 1
        work()

    def capture(self, work):
        self.captured += 1
        return work


def test_an_epochs_sums_go_on_in_the_tensors_of_the_graphs(tmp_path):
    experiment = begun(tmp_path, captured=True)
    updates = captured_updates(experiment.inputs, experiment.state)
    first = updates.adopt(EpochSums(torch.tensor(3.0).double(), torch.arange(9), torch.tensor(True)))
    assert (first.loss.item(), first.counts.tolist(), first.broken.item()) == (3.0, list(range(9)), True)
    second = updates.adopt(EpochSums.zeros(3, CPU))
    assert second is first
    assert (first.loss.item(), first.counts.sum().item(), first.broken.item()) == (0.0, 0, False)
    experiment.lock.release()


def test_a_cpu_training_is_not_captured(tmp_path):
    experiment = start(tiny_config(tmp_path), "tiny", tmp_path / "runs", None)
    assert not experiment.inputs.captured
    assert captured_updates(experiment.inputs, experiment.state) is None
    experiment.lock.release()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nadams_single_numbers_come_back_where_and_as_they_were(tmp_path, dtype):
    options = {"captured": False, "training__optimizer": {"name": "nadam"}, "poll_every": 1, "dtype": dtype}
    options["data__all_data"] = True
    whole = begun(tmp_path, name="whole", **options)
    stopped = begun(tmp_path, name="stopped", **options)
    with pytest.raises(Interrupted):
        list(stopped.epochs(StopAfter(8)))
    resumed = begun(tmp_path, name="resumed", **options)
    restore_checkpoint(stopped.run.checkpoint("last"), resumed.state)
    for before, after in zip(
        stopped.state.optimizer.state.values(), resumed.state.optimizer.state.values(), strict=True
    ):
        for key in ("step", "mu_product"):
            assert torch.equal(after[key], before[key])
            assert (after[key].dtype, after[key].device) == (before[key].dtype, before[key].device)
    losses = [[record.train_loss for record in each.epochs()] for each in (whole, resumed)]
    assert losses[1] == losses[0][1:]
    assert same(snapshot(resumed.state), snapshot(whole.state))
