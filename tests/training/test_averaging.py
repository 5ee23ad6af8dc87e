"""The average of weights over epochs is the sum it is said to be, is what is evaluated, and survives a resume."""

from pathlib import Path
from typing import Any

import pytest
import torch

from relclf.prediction.evaluating import evaluate_run
from relclf.prediction.opening import open_trained
from relclf.training.averaging import weights_lent, with_epoch
from relclf.training.checkpoint import read_checkpoint
from relclf.training.experiment import resume
from relclf.training.packing import run_packed
from tests.training.test_packing import assert_equal, begin_runs, train_alone
from tests.training.test_resume import assert_same_ending, begin, train, train_stopped

AVERAGED: dict[str, Any] = {"training__weight_average": 0.7}


def weights_after_each_epoch(folder: Path) -> tuple[list[dict[str, torch.Tensor]], dict[str, torch.Tensor]]:
    """The trained weights of each of four epochs, and their average at the end."""
    experiment = begin(folder, **AVERAGED)
    seen = []
    for _ in experiment.epochs():
        seen.append({n: w.detach().clone() for n, w in experiment.state.model.named_parameters()})
    assert experiment.state.average is not None
    return seen, experiment.state.average


def test_each_epoch_counts_decay_times_as_much_as_the_next(tmp_path: Path) -> None:
    epochs, average = weights_after_each_epoch(tmp_path)
    shares = [0.7**3, 0.7**2, 0.7, 1.0]
    for name, found in average.items():
        expected = sum(s * each[name] for s, each in zip(shares, epochs, strict=True)) / sum(shares)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_training_itself_is_not_changed_to_the_bit(tmp_path: Path) -> None:
    plain, averaged = train(tmp_path), train(tmp_path, **AVERAGED)
    tensors, others = (read_checkpoint(run.checkpoint("last"))[0] for run in (plain, averaged))
    assert {name for name in others if name not in tensors} == {
        f"average.{name.removeprefix('model.')}" for name in tensors if name.startswith("model.")
    }
    for name, tensor in tensors.items():
        assert torch.equal(others[name], tensor), name


def test_what_is_evaluated_is_the_average(tmp_path: Path) -> None:
    run = train(tmp_path, **AVERAGED)
    tensors, state = read_checkpoint(run.checkpoint("last"))
    opened = open_trained(run.path, "last", "cpu")
    for name, weight in opened.network.model.named_parameters():
        assert torch.equal(weight, tensors[f"average.{name}"])
        assert not torch.equal(weight, tensors[f"model.{name}"])
    assert evaluate_run(opened, split="dev").evaluation.loss == pytest.approx(
        state["records"][-1]["dev_loss"]
    )


@pytest.mark.parametrize("stops", [[2, 6], [5, 5], [12]])
def test_a_stopped_training_ends_with_the_same_bits(tmp_path: Path, stops: list[int]) -> None:
    assert_same_ending(train(tmp_path, **AVERAGED), train_stopped(tmp_path, stops, **AVERAGED))


def test_a_run_resumed_from_its_best_epoch_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = train(tmp_path, training__monitor="loss", **AVERAGED)
    again = train(tmp_path, training__monitor="loss", training__max_epochs=2, **AVERAGED)
    list(resume(again.path, "best", ["training.max_epochs=4"]).epochs())
    assert_same_ending(whole, again)


def test_packed_runs_have_the_same_average(tmp_path: Path) -> None:
    alone, packed = begin_runs(tmp_path, "alone", **AVERAGED), begin_runs(tmp_path, "packed", **AVERAGED)
    train_alone(alone)
    list(run_packed(packed))
    assert_equal(alone, packed, weights=1e-4, losses=1e-5)
    for one, other in zip(alone, packed, strict=True):
        assert one.state.average is not None and other.state.average is not None
        for name, weight in one.state.average.items():
            torch.testing.assert_close(other.state.average[name], weight, rtol=0, atol=1e-4)


def test_lent_weights_are_given_back_even_where_the_evaluation_fails() -> None:
    model = torch.nn.Linear(2, 2)
    own = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    average = with_epoch({name: torch.zeros_like(w) for name, w in own.items()}, model, 0.5, 3)
    with pytest.raises(RuntimeError, match="no memory"), weights_lent(average, model):
        assert torch.equal(model.weight, average["weight"])
        raise RuntimeError("no memory")
    assert all(torch.equal(own[name], weight) for name, weight in model.named_parameters())
