"""Every optimiser that a config names is torch's own, and the rate of each update can be computed by hand."""

import dataclasses
import math

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from relclf.config.schema import OptimizerConfig, TrainingConfig
from relclf.models.layers import WordEmbedding
from relclf.runs.records import EpochRecord
from relclf.training.optimizers import (
    _OPTIMIZERS,
    build_optimizer,
    depends_on_length,
    learning_rate,
    own_word_share,
    take_step,
)

CPU = torch.device("cpu")
OPTIONS = [
    {"name": "adam", "betas": (0.8, 0.9), "weight_decay": 0.1, "amsgrad": True},
    {"name": "adam"},
    {"name": "adamw", "lr": 0.1},
    {"name": "adamw", "amsgrad": True},
    {"name": "nadam", "momentum_decay": 0.1},
    {"name": "radam", "weight_decay": 0.1},
    {"name": "adamax", "eps": 0.1},
    {"name": "rmsprop", "momentum": 0.5, "centered": True},
    {"name": "adagrad", "lr_decay": 0.1, "weight_decay": 0.1},
    {"name": "adadelta", "rho": 0.5},
    {"name": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    {"name": "sgd"},
]


def after_updates(make, updates=8):
    """A linear layer's weights after some updates on one batch."""
    layer = nn.Linear(4, 3)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(generator=generator)
    inputs = torch.randn(10, 4, generator=generator)
    optimizer = make(layer.parameters())
    before = layer.weight.detach().clone()
    for _ in range(updates):
        optimizer.zero_grad()
        layer(inputs).square().mean().backward()
        optimizer.step()
    assert not torch.equal(before, layer.weight)
    return layer.weight.detach()


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(str(v) for v in o.values()))
def test_an_optimiser_of_the_config_is_torchs_plain_one_with_the_same_parameters(options):
    config = TypeAdapter(OptimizerConfig).validate_python(options)
    plain = {key: value for key, value in config.model_dump().items() if key not in ("name", "rows")}
    expected = after_updates(lambda p: _OPTIMIZERS[config.name](p, **plain, foreach=False))
    torch.testing.assert_close(after_updates(lambda p: build_optimizer(config, p, CPU)), expected)


def test_every_optimiser_of_the_schema_can_be_built():
    schema = TypeAdapter(OptimizerConfig).json_schema()
    others = {"backtracking", "prodigy", "schedule_free"}
    assert (
        set(schema["discriminator"]["mapping"]) - others == set(_OPTIMIZERS) == {o["name"] for o in OPTIONS}
    )
    for name in others:
        config = TypeAdapter(OptimizerConfig).validate_python({"name": name})
        assert build_optimizer(config, nn.Linear(2, 2).parameters(), CPU).param_groups[0]["lr"] == config.lr


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(str(v) for v in o.values()))
def test_words_at_a_share_of_the_rate_are_updated_as_with_an_optimiser_of_their_own(options):
    config = TypeAdapter(OptimizerConfig).validate_python(options)
    slower = config.model_copy(update={"lr": config.lr * 0.25})

    def rows(make):
        """The table and the layer's weights after some updates, all from the same numbers."""
        words, layer = WordEmbedding(torch.linspace(-1, 1, 12).reshape(4, 3), None), nn.Linear(3, 2)
        with torch.no_grad():
            layer.weight.copy_(torch.linspace(0.1, 0.6, 6).reshape(2, 3))
            layer.bias.zero_()
        steppers = make(words, layer)
        for _ in range(6):
            words.zero_grad()
            layer.zero_grad()
            layer(words.rows(torch.tensor([1, 3]))).square().sum().backward()
            for each, rate in steppers:
                take_step(each, rate, None)
        return words.weight.detach(), layer.weight.detach()

    def together(words, layer):
        parameters = [words.weight, *layer.parameters()]
        return [(build_optimizer(config, parameters, CPU, words, word_share=0.25), config.lr)]

    def apart(words, layer):
        return [
            (build_optimizer(slower, [words.weight], CPU), slower.lr),
            (build_optimizer(config, layer.parameters(), CPU), config.lr),
        ]

    for one, other in zip(rows(together), rows(apart), strict=True):
        torch.testing.assert_close(one, other)


def test_words_have_their_share_from_their_first_epoch_on():
    training = TrainingConfig(word_rate=0.5, words_from_epoch=3)
    assert [own_word_share(training, epoch) for epoch in (1, 2, 3, 4)] == [0, 0, 0.5, 0.5]
    assert own_word_share(TrainingConfig(), 1) is None


@pytest.mark.parametrize("name", ["backtracking", "prodigy", "schedule_free"])
def test_an_optimiser_with_one_step_for_all_weights_refuses_a_share(name):
    with pytest.raises(ValidationError, match="has one step for all weights; leave out word_rate"):
        TrainingConfig(optimizer={"name": name}, word_rate=0.5)


def rates(schedule, updates, updates_per_epoch=4, records=(), max_epochs=5, **options):
    training = TrainingConfig(
        max_epochs=max_epochs, schedule=schedule, optimizer={"name": "sgd", "lr": 0.1}, **options
    )
    return [learning_rate(training, update, updates_per_epoch, records) for update in updates]


def test_the_constant_rate_stays_after_a_linear_warm_up():
    assert rates({"name": "constant"}, (0, 7, 19)) == [0.1] * 3
    warm = rates({"name": "constant", "warmup_updates": 4}, (0, 1, 2, 3, 4, 19))
    assert warm == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])


def test_the_linear_rate_falls_in_equal_steps_to_its_share_at_the_end():
    linear = rates({"name": "linear", "final_share": 0.2}, (0, 5, 10, 15, 19, 20))
    assert linear == pytest.approx([0.1, 0.08, 0.06, 0.04, 0.0240, 0.02])
    assert rates({"name": "linear"}, (10, 20, 30)) == pytest.approx([0.05, 0, 0])


def test_the_linear_rate_falls_over_the_updates_after_the_warm_up():
    warm = rates({"name": "linear", "warmup_updates": 4}, (0, 3, 4, 12, 20))
    assert warm == pytest.approx([0.025, 0.1, 0.1, 0.05, 0])


def test_the_cosine_rate_falls_along_half_a_cosine():
    cosine = rates({"name": "cosine", "final_share": 0.5}, (0, 5, 10, 15, 20))
    at_a_quarter = 0.05 + 0.05 * (1 + math.sqrt(0.5)) / 2
    assert cosine == pytest.approx([0.1, at_a_quarter, 0.075, 0.15 - at_a_quarter, 0.05])


def test_the_exponential_rate_falls_after_each_epoch():
    exponential = rates({"name": "exponential", "gamma": 0.5}, (0, 3, 4, 7, 8))
    assert exponential == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025])


def test_warm_up_rises_to_what_the_schedule_says():
    warm = rates({"name": "exponential", "gamma": 0.5, "warmup_updates": 8}, (0, 3, 4, 7, 8))
    assert warm == pytest.approx([0.0125, 0.05, 0.05 * 5 / 8, 0.05, 0.025])


def records_of(*monitored):
    blank = {field.name: 0 for field in dataclasses.fields(EpochRecord)}
    return [EpochRecord(**{**blank, "epoch": i, "monitored": v}) for i, v in enumerate(monitored, 1)]


@pytest.mark.parametrize(
    ("monitor", "scores", "share"),
    [
        ("macro_f1", (), 1),
        ("macro_f1", (0.5,), 1),
        ("macro_f1", (0.5, 0.4), 1),
        ("macro_f1", (0.5, 0.4, 0.5), 0.5),  # equal is not better
        ("macro_f1", (0.5, 0.4, 0.6), 1),
        ("macro_f1", (0.5, 0.4, 0.4, 0.4), 0.5),
        ("macro_f1", (0.5, 0.4, 0.4, 0.4, 0.4), 0.25),
        ("macro_f1", (0.5, 0.4, 0.4, 0.6, 0.5), 0.5),  # a fallen rate does not rise again
        ("macro_f1", (0.5,) + (0.4,) * 20, 0.1),  # never below min_share
        ("loss", (0.5, 0.4, 0.3), 1),
        ("loss", (0.5, 0.6, 0.7), 0.5),
        ("nll", (0.5, 0.6, 0.7), 0.5),
    ],
)
def test_the_plateau_rate_falls_each_time_that_patience_epochs_brought_nothing(monitor, scores, share):
    schedule = {"name": "plateau", "factor": 0.5, "patience": 2, "min_share": 0.1}
    (rate,) = rates(schedule, (100,), records=records_of(*scores), monitor=monitor)
    assert rate == pytest.approx(0.1 * share)


@pytest.mark.parametrize(
    ("name", "depends"),
    [("constant", False), ("linear", True), ("cosine", True), ("exponential", False), ("plateau", False)],
)
def test_a_schedule_depends_on_the_length_where_another_max_epochs_changes_an_early_rate(name, depends):
    schedule = {"name": name}
    assert (rates(schedule, (7,), max_epochs=5) != rates(schedule, (7,), max_epochs=9)) is depends
    assert depends_on_length(TrainingConfig(schedule=schedule).schedule) is depends
