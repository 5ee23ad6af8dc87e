"""Optimisers of other packages: the right weights are scored, saved and resumed, or what to install is said."""

import builtins
import sys

import pytest
import torch

from relclf.errors import Interrupted, UserMistake
from relclf.training.checkpoint import load_epoch, read_checkpoint
from relclf.training.evaluation import evaluate
from relclf.training.experiment import resume
from tests.training.test_resume import BATCHES, StopAfter, begin

SCHEDULE_FREE = {"training__optimizer": {"name": "schedule_free", "lr": 0.05}, "training__max_epochs": 3}


def test_schedule_free_scores_and_saves_the_averaged_weights(tmp_path):
    experiment = begin(tmp_path, **SCHEDULE_FREE)
    *_, record = experiment.epochs()
    scored = evaluate(experiment.state.model, experiment.inputs.dev.dataset, experiment.inputs.objective)
    assert scored.loss == record.dev_loss
    tensors, state = read_checkpoint(experiment.run.checkpoint("last"))
    assert state["optimizer"]["carried"]["train_mode"] is False
    assert tensors["model.output.weight"].equal(experiment.state.model.output.weight)
    experiment.state.optimizer.train()
    assert not tensors["model.output.weight"].equal(experiment.state.model.output.weight)


def test_inside_an_epoch_a_checkpoint_has_the_averages_to_score_and_the_weights_to_train(tmp_path):
    experiment = begin(tmp_path, **SCHEDULE_FREE)
    with pytest.raises(Interrupted):
        list(experiment.epochs(StopAfter(BATCHES + 2)))
    trained = experiment.state.model.output.weight.detach().clone()
    tensors, _ = read_checkpoint(experiment.run.checkpoint("last"))
    resumed = resume(experiment.run.path)
    assert resumed.state.model.output.weight.equal(trained)
    resumed.state.optimizer.eval()
    torch.testing.assert_close(resumed.state.model.output.weight.detach(), tensors["model.output.weight"])
    assert not tensors["model.output.weight"].equal(trained)
    resumed.lock.release()


def test_prodigy_decays_weights_without_printing_that_it_does(tmp_path, capsys):
    optimizer = {"name": "prodigy", "weight_decay": 0.1}
    experiment = begin(tmp_path, training__optimizer=optimizer, training__max_epochs=4)
    *_, record = experiment.epochs()
    assert capsys.readouterr().out == ""
    assert record.total_updates == 4 * BATCHES
    assert experiment.state.optimizer.param_groups[0]["d"] > 1e-6


@pytest.mark.parametrize(("name", "package"), [("prodigy", "prodigyopt"), ("schedule_free", "schedulefree")])
def test_a_missing_package_is_named_with_what_brings_it(tmp_path, monkeypatch, name, package):
    plain = builtins.__import__

    def without(wanted, *arguments, **options):
        if wanted == package:
            raise ImportError(wanted)
        return plain(wanted, *arguments, **options)

    monkeypatch.delitem(sys.modules, package, raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserMistake, match=rf"{name} needs the package {package}.*relclf\[optimizers\]"):
        begin(tmp_path, training__optimizer={"name": name})


def test_the_weights_of_every_epoch_are_kept_on_request_and_are_those_that_were_scored(tmp_path):
    experiment = begin(tmp_path, **SCHEDULE_FREE, training__keep="all")
    records = list(experiment.epochs())
    assert [path.name for path in sorted(experiment.run.epochs.iterdir())] == [
        f"0000{epoch}.safetensors" for epoch in (1, 2, 3)
    ]
    for record in records:
        load_epoch(experiment.run.epoch_weights(record.epoch), experiment.state.model)
        inputs = experiment.inputs
        assert evaluate(experiment.state.model, inputs.dev.dataset, inputs.objective).loss == record.dev_loss


def test_weights_of_epochs_given_up_are_removed(tmp_path):
    experiment = begin(tmp_path, training__keep="all", training__monitor="loss", training__max_epochs=3)
    list(experiment.epochs())
    resumed = resume(experiment.run.path, "previous")
    assert [path.name for path in experiment.run.epochs.iterdir()].count("00003.safetensors") == 0
    resumed.lock.release()
