"""The loop learns the tiny corpus reproducibly, counts honestly, and never leaves broken weights behind."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import f1_score
from torch.nn import functional

from relclf.encoding.batches import gather
from relclf.errors import UserMistake
from relclf.models.losses import Objective
from relclf.runs.records import NOT_REPRODUCED, read_records
from relclf.training.evaluation import evaluate
from relclf.training.experiment import start
from relclf.training.loop import NotFinite, epoch_batches
from relclf.training.optimizers import leaves_out_broken_updates
from relclf.training.seeding import torch_generator
from tests.tiny import tiny_config, write_tiny_corpus

OPTIMIZERS = {
    "adam": {},
    "adamw": {"amsgrad": True},
    "nadam": {},
    "radam": {"lr": 0.01},
    "adamax": {"lr": 0.01},
    "rmsprop": {"centered": True, "momentum": 0.5},
    "adagrad": {"lr": 0.05},
    "adadelta": {},
    "sgd": {"momentum": 0.9, "nesterov": True},
}
SCHEDULES = {"constant": {"warmup_updates": 3}, "linear": {}, "cosine": {}, "exponential": {}, "plateau": {}}
REMEDIES = [
    {},
    {"class_weights": "inverse"},
    {"class_weights": "effective"},
    {"weighted_sampling": True},
    {"focal_gamma": 2.0},
    {"logit_adjustment": 1.0},
]


def started(folder, **overrides):
    return start(tiny_config(folder, **overrides), "tiny", folder / "runs", None)


def trained(folder, **overrides):
    experiment = started(folder, **overrides)
    return experiment, list(experiment.epochs())


def weights(experiment):
    return {name: value.clone() for name, value in experiment.state.model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def reproduced(record):
    return {name: value for name, value in record.to_json().items() if name not in NOT_REPRODUCED}


def loss_on_train(experiment):
    return evaluate(experiment.state.model, experiment.inputs.train, Objective()).nll


def test_the_same_config_gives_the_same_weights_and_records_to_the_bit(tmp_path):
    first, records = trained(tmp_path)
    again, records_again = trained(tmp_path)
    assert same(weights(first), weights(again))
    assert [reproduced(r) for r in records] == [reproduced(r) for r in records_again]
    predictions = [experiment.run.dev_predictions.read_bytes() for experiment in (first, again)]
    assert predictions[0] == predictions[1]


def test_another_seed_gives_other_weights_on_the_same_dev_sentences(tmp_path):
    first, _ = trained(tmp_path, training__max_epochs=1)
    other, _ = trained(tmp_path, training__max_epochs=1, seed=14)
    assert not same(weights(first), weights(other))
    assert first.inputs.dev.ids == other.inputs.dev.ids


def test_pytorchs_own_random_state_decides_nothing(tmp_path):
    torch.manual_seed(1)
    first, _ = trained(tmp_path, training__max_epochs=1)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again, _ = trained(tmp_path, training__max_epochs=1)
    assert same(weights(first), weights(again))
    assert torch.equal(state, torch.get_rng_state())


def test_the_loop_does_what_a_plain_loop_does(tmp_path):
    """The reference: zero_grad, mean loss, backward, step after each batch; predictions gathered as it goes."""
    experiment = started(tmp_path, training__max_epochs=2, training__bucket_batches=1)
    model = copy.deepcopy(experiment.state.model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    records = list(experiment.epochs())
    train = experiment.inputs.train
    for record in records:
        generator = torch_generator(13, "dropout", record.epoch)
        predicted, gold, losses = [], [], []
        for sentences in epoch_batches(experiment.inputs, record.epoch):
            batch = gather(train, sentences)
            scores = model(batch, generator)
            optimizer.zero_grad()
            functional.cross_entropy(scores, batch.gold).backward()
            optimizer.step()
            losses += functional.cross_entropy(scores, batch.gold, reduction="none").tolist()
            predicted += scores.argmax(dim=1).tolist()
            gold += batch.gold.tolist()
        assert len(gold) == len(train) == 48
        assert record.train_loss == pytest.approx(np.mean(losses), abs=1e-5)
        expected = f1_score(gold, predicted, average="macro", labels=sorted(set(gold)), zero_division=0)
        assert record.train_macro_f1 == pytest.approx(expected, abs=1e-12)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, experiment.state.model.state_dict()[name], atol=1e-5, rtol=1e-4)


def test_dev_scores_are_those_of_the_whole_dev_set_without_dropout(tmp_path):
    experiment, records = trained(tmp_path, training__max_epochs=2)
    dev = experiment.inputs.dev
    scores = torch.from_numpy(evaluate(experiment.state.model, dev.dataset, Objective()).scores)
    gold = dev.dataset.gold
    nll = functional.cross_entropy(scores, gold).item()
    assert records[-1].dev_nll == pytest.approx(nll, abs=1e-6) == records[-1].dev_loss
    expected = f1_score(gold, scores.argmax(dim=1), average="macro", zero_division=0)
    assert records[-1].dev_macro_f1 == pytest.approx(expected) == records[-1].monitored
    assert experiment.inputs.dev.ids == tuple(
        json.loads(line)["id"] for line in experiment.run.dev_predictions.read_text().splitlines()
    )


@pytest.mark.parametrize(
    ("update_every", "updates"), [("batch", 5), (2, 3), (99, 1), ("epoch", 1), ("epoch_mean", 1)]
)
def test_a_record_says_how_many_updates_the_batches_gave(tmp_path, update_every, updates):
    _, records = trained(tmp_path, training__update_every=update_every, training__max_epochs=3)
    assert [(r.epoch, r.batches, r.updates, r.total_updates) for r in records] == [
        (epoch, 5, updates, epoch * updates) for epoch in (1, 2, 3)
    ]


def test_epoch_mean_is_one_update_with_the_gradient_of_the_whole_corpus(tmp_path):
    options = {
        "training__max_epochs": 1,
        "model__dropout": 0.0,
        "training__optimizer": {"name": "sgd", "lr": 0.5},
    }
    in_batches, _ = trained(tmp_path, training__update_every="epoch_mean", **options)
    at_once, _ = trained(tmp_path, training__batch_size=48, **options)
    for name, value in weights(at_once).items():
        torch.testing.assert_close(weights(in_batches)[name], value, atol=1e-6, rtol=0)


def test_update_every_epoch_learns_from_the_last_batch_alone(tmp_path):
    options = {
        "training__max_epochs": 1,
        "model__dropout": 0.0,
        "training__optimizer": {"name": "sgd", "lr": 0.5},
    }
    experiment = started(tmp_path, training__update_every="epoch", **options)
    model = copy.deepcopy(experiment.state.model)
    list(experiment.epochs())
    last = gather(experiment.inputs.train, epoch_batches(experiment.inputs, 1)[-1])
    functional.cross_entropy(model(last), last.gold).backward()
    for name, parameter in model.named_parameters():
        expected = parameter.detach() - 0.5 * parameter.grad
        torch.testing.assert_close(weights(experiment)[name], expected, atol=1e-6, rtol=0)


def test_a_record_holds_possible_numbers(tmp_path):
    experiment, records = trained(tmp_path)
    assert [record.epoch for record in records] == [1, 2, 3, 4]
    for record in records:
        assert 0 <= record.train_macro_f1 <= 1
        assert 0 <= record.dev_macro_f1 <= 1
        assert 0 < record.dev_macro_f1_se < 0.5
        assert record.learning_rate == 0.02
        assert 0 < record.gradient_norm < 100
        assert 0 < record.update_ratio < 1
        assert record.sentences_per_second > 48 / record.seconds
    assert records[0].train_loss > records[-1].train_loss
    assert read_records(experiment.run.records) == records


def test_the_gradient_norm_is_recorded_before_clipping(tmp_path):
    options = {
        "training__max_epochs": 1,
        "training__optimizer": {"name": "sgd", "lr": 1.0},
        "model__dropout": 0.0,
    }
    _, (free,) = trained(tmp_path, training__batch_size=48, **options)
    experiment = started(tmp_path, training__batch_size=48, training__clip_norm=0.01, **options)
    before = weights(experiment)
    (clipped,) = experiment.epochs()
    assert clipped.gradient_norm == free.gradient_norm > 0.01
    change = sum(float((value - before[name]).square().sum()) for name, value in weights(experiment).items())
    assert change**0.5 == pytest.approx(0.01, rel=1e-3)


def test_the_rate_of_each_update_follows_the_schedule(tmp_path):
    schedule = {"name": "exponential", "gamma": 0.5}
    _, records = trained(tmp_path, training__schedule=schedule)
    assert [record.learning_rate for record in records] == [0.02, 0.01, 0.005, 0.0025]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_learns(tmp_path, name):
    optimizer = {"name": name, **OPTIMIZERS[name]}
    experiment = started(tmp_path, training__optimizer=optimizer, training__max_epochs=2, model__dropout=0.0)
    before = loss_on_train(experiment)
    assert len(list(experiment.epochs())) == 2
    assert loss_on_train(experiment) < before


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_learns(tmp_path, name):
    schedule = {"name": name, **SCHEDULES[name]}
    experiment = started(tmp_path, training__schedule=schedule, training__max_epochs=2, model__dropout=0.0)
    before = loss_on_train(experiment)
    assert len(list(experiment.epochs())) == 2
    assert loss_on_train(experiment) < before


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: "".join(remedy) or "none")
def test_every_remedy_for_rare_relations_learns_its_own_objective(tmp_path, remedy):
    experiment = started(tmp_path, training__imbalance=remedy, training__max_epochs=3, model__dropout=0.0)
    objective, train = experiment.inputs.objective, experiment.inputs.train
    before = evaluate(experiment.state.model, train, objective).loss
    records = list(experiment.epochs())
    assert evaluate(experiment.state.model, train, objective).loss < before
    plain = evaluate(experiment.state.model, experiment.inputs.dev.dataset, Objective()).nll
    assert records[-1].dev_nll == pytest.approx(plain, abs=1e-6)


def test_the_network_learns_the_tiny_corpus(tmp_path):
    _, records = trained(tmp_path, training__max_epochs=25)
    assert records[-1].dev_macro_f1 > 0.9
    assert records[-1].train_loss < 0.3


@pytest.mark.parametrize("windows", [[2], [1, 4]])
def test_other_networks_learn_too(tmp_path, windows):
    model = {"word_dim": 4, "position_dim": 0, "filters": 6, "windows": windows, "activation": "relu"}
    experiment = started(tmp_path, model=model)
    before = loss_on_train(experiment)
    list(experiment.epochs())
    assert loss_on_train(experiment) < before


def test_a_network_with_a_single_filter_of_a_single_weight_trains(tmp_path):
    _, records = trained(tmp_path, model={"word_dim": 1, "position_dim": 0, "filters": 1, "windows": [1]})
    assert all(record.update_ratio > 0 for record in records)


@pytest.mark.parametrize("update_every", ["batch", "epoch", "epoch_mean", 2])
@pytest.mark.parametrize("all_data", [False, True])
def test_a_rate_that_breaks_the_numbers_stops_and_keeps_the_last_good_weights(
    tmp_path, update_every, all_data
):
    experiment = started(
        tmp_path,
        training__optimizer={"name": "sgd", "lr": 1e30},
        training__update_every=update_every,
        data__all_data=all_data,
    )
    before = weights(experiment)
    with pytest.raises(
        NotFinite, match=r" is (nan|inf) in epoch 1, after update 1 of the epoch\. "
    ) as caught:
        list(experiment.epochs())
    assert str(experiment.run.path) in str(caught.value)
    assert "training.optimizer.lr" in str(caught.value)
    assert caught.value.exit_code == 1
    assert json.loads(experiment.run.summary.read_text())["stop_reason"] == "not_finite"
    saved = load_file(experiment.run.checkpoint("last"))
    kept = {name.removeprefix("model."): value for name, value in saved.items() if name.startswith("model.")}
    assert same(kept, before)
    assert all(value.isfinite().all() for value in kept.values())
    assert read_records(experiment.run.records) == []


def test_an_infinite_gradient_is_refused_before_clipping_hides_it(tmp_path):
    experiment = started(tmp_path, training__clip_norm=1.0)
    with torch.no_grad():
        experiment.state.model.output.weight.mul_(1e25)
    with pytest.raises(NotFinite, match="the gradient's norm is inf in epoch 1, after update 0 of the epoch"):
        list(experiment.epochs())


def polled(experiment, every):
    """The same training with a host that looks at the device's flag now and then, as on an accelerator."""
    return replace(experiment, inputs=replace(experiment.inputs, poll_every=every))


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_looking_seldom_changes_no_weight_and_no_record(tmp_path, name):
    optimizer = {"name": name}
    often, records = trained(tmp_path, training__optimizer=optimizer)
    seldom = polled(started(tmp_path, training__optimizer=optimizer), 7)
    assert [reproduced(r) for r in seldom.epochs()] == [reproduced(r) for r in records]
    assert same(weights(often), weights(seldom))


@pytest.mark.parametrize("name", ["adamw", "adagrad", "sgd"])
def test_updates_after_a_broken_number_are_left_out_until_the_host_looks(tmp_path, name):
    experiment = polled(started(tmp_path, training__optimizer={"name": name}), 4)
    with torch.no_grad():
        experiment.state.model.output.bias[0] = torch.nan
    assert leaves_out_broken_updates(experiment.state.optimizer)
    before = weights(experiment)
    with pytest.raises(
        NotFinite, match="a loss or gradient of the last 4 updates is nan in epoch 1, after update 4"
    ):
        list(experiment.epochs())
    after = weights(experiment)
    assert before.pop("output.bias").isnan().any() and after.pop("output.bias").isnan().any()
    assert same(before, after)


def test_weighted_sampling_draws_every_relation_equally_often(tmp_path):
    experiment = started(tmp_path, training__imbalance={"weighted_sampling": True})
    gold = experiment.inputs.train.gold.numpy()
    drawn = [np.concatenate(epoch_batches(experiment.inputs, epoch)) for epoch in range(1, 201)]
    assert {len(sentences) for sentences in drawn} == {48}
    shares = np.bincount(gold[np.concatenate(drawn)]) / (200 * 48)
    np.testing.assert_allclose(shares, 1 / 3, atol=0.02)
    assert np.bincount(gold).tolist() == [14, 10, 24]
    experiment.lock.release()


def test_without_weighted_sampling_an_epoch_is_every_sentence_once(tmp_path):
    experiment = started(tmp_path)
    for epoch in (1, 2):
        assert sorted(np.concatenate(epoch_batches(experiment.inputs, epoch)).tolist()) == list(range(48))
    assert epoch_batches(experiment.inputs, 1)[0].tolist() != epoch_batches(experiment.inputs, 2)[0].tolist()
    experiment.lock.release()


def test_a_relation_that_only_dev_has_is_said_and_counts_as_wrong(tmp_path):
    lines = write_tiny_corpus(tmp_path).read_text().splitlines()
    record = json.loads(lines[0])
    dev = tmp_path / "dev.jsonl"
    dev.write_text("\n".join([*lines[:9], json.dumps({**record, "relation": "treats"})]) + "\n")
    experiment, records = trained(tmp_path, data__dev=str(dev), training__max_epochs=25)
    assert experiment.notes == (
        "dev: 1 sentence has the relation 'treats', which train lacks; it counts as wrong",
    )
    assert records[-1].train_loss < 0.3
    assert records[-1].dev_nll < 0.3  # the losses leave the sentence out
    assert 0.6 < records[-1].dev_macro_f1 <= 0.75  # of four relations, one cannot be found
    assert experiment.inputs.dev.unknown_relations == {"treats": 1}


def test_with_all_data_nothing_is_measured_on_dev_and_the_last_epoch_is_the_best(tmp_path):
    experiment, records = trained(tmp_path, data__all_data=True, training__max_epochs=2)
    assert len(experiment.inputs.train) == 60
    for record in records:
        assert (record.dev_loss, record.dev_nll, record.dev_macro_f1, record.monitored) == (None,) * 4
        assert record.dev_macro_f1_se is None
        assert record.batches == 6
    summary = json.loads(experiment.run.summary.read_text())
    assert summary["best"]["epoch"] == 2
    assert not experiment.run.dev_predictions.exists()


def test_the_best_checkpoint_is_the_one_of_the_best_epoch(tmp_path):
    experiment = started(tmp_path, training__max_epochs=8)
    after = []
    for _ in experiment.epochs():
        after.append(weights(experiment))
    best = json.loads(experiment.run.summary.read_text())["best"]["epoch"]
    scores = [record.monitored for record in experiment.state.records]
    assert best == 1 + scores.index(max(scores))
    saved = load_file(experiment.run.checkpoint("best"))
    assert all(torch.equal(saved[f"model.{name}"], value) for name, value in after[best - 1].items())


def test_train_with_one_relation_is_refused(tmp_path):
    lines = [line for line in write_tiny_corpus(tmp_path).read_text().splitlines() if '"none"' in line]
    (tmp_path / "train.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(UserMistake, match=r"only the relation 'none'\. A network needs at least two"):
        started(tmp_path)
    assert not (tmp_path / "runs").exists()


def test_the_generator_can_be_left_and_says_interrupted(tmp_path):
    experiment = started(tmp_path)
    epochs = experiment.epochs()
    next(epochs)
    epochs.close()
    summary = json.loads(experiment.run.summary.read_text())
    assert (summary["stop_reason"], summary["epochs"]) == ("interrupted", 1)
