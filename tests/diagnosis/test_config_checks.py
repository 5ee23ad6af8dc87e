"""A config says some faults by itself, and the shipped ones have none."""

from pathlib import Path

import pytest

from relclf.config.loading import load_config
from relclf.diagnosis.config_checks import config_findings
from tests.diagnosis.runs import config, of, severities

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.mark.parametrize("name", ["quickstart.yaml", "slow-learner-fixed.yaml"])
def test_the_shipped_configs_are_healthy(name):
    assert severities(config_findings(load_config(CONFIGS / name), train_sentences=2800, relations=4)) == {}


def test_the_slow_learner_is_named_before_any_training():
    found = config_findings(load_config(CONFIGS / "slow-learner.yaml"), train_sentences=2800, relations=4)
    assert severities(found) == {"updates-per-epoch": "problem"}
    assert "1 update for 56 batches" in of("updates-per-epoch", found).measured


@pytest.mark.parametrize(
    ("overrides", "check"),
    [
        ({"training__batch_size": 1000}, "updates-per-epoch"),
        ({"training__update_every": "epoch_mean"}, "updates-per-epoch"),
        ({"model__dropout": 0.95}, "dropout-too-high"),
        ({"model__filters": 2}, "too-simple"),
        ({"model__position_dim": 0}, "positions-unused"),
        ({"training__patience": 1}, "patience-too-short"),
        ({"training__optimizer": {"name": "adam", "weight_decay": 0.1}}, "weight-decay-dominates"),
        ({"training__optimizer": {"name": "adamw", "weight_decay": 10.0}}, "weight-decay-dominates"),
        ({"training__optimizer": {"name": "sgd", "weight_decay": 0.1}}, "weight-decay-dominates"),
        ({"training__schedule": {"warmup_updates": 2800}}, "learning-rate-too-small"),
        ({"training__schedule": {"name": "exponential", "gamma": 0.5}}, "learning-rate-too-small"),
    ],
)
def test_a_setting_out_of_scale_is_watched(overrides, check):
    found = config_findings(config(**overrides), train_sentences=2800, relations=4, path="mine.yaml")
    assert severities(found) == {check: "watch"}
    assert of(check, found).next_step.startswith("relclf train --config mine.yaml --set ")


@pytest.mark.parametrize(
    "overrides",
    [
        {"training__update_every": 4},
        {"training__optimizer": {"name": "adamw"}},
        {"training__optimizer": {"name": "adam", "weight_decay": 1e-3}},
        {"training__optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4}},
        {"training__schedule": {"warmup_updates": 500}},
        {"training__schedule": {"name": "exponential"}},
        {"training__patience": 60},
        {"training__patience": None},
        {"model__dropout": 0.8},
        {"encoding__vectors": "vectors.txt", "encoding__freeze_vectors": True},
    ],
)
def test_a_setting_that_is_meant_is_not(overrides):
    assert severities(config_findings(config(**overrides), train_sentences=2800, relations=4)) == {}


def test_what_needs_the_data_is_left_out_without_it():
    found = {finding.check for finding in config_findings(config(training__update_every="epoch"))}
    assert "updates-per-epoch" not in found
    assert "too-simple" not in found


def test_frozen_vectors_are_said_to_be_meant():
    frozen = config(encoding__vectors="vectors.txt", encoding__freeze_vectors=True)
    finding = of("embeddings-frozen", config_findings(frozen))
    assert "as the config says" in finding.why


def test_frozen_vectors_that_look_drawn_at_random_are_a_problem():
    frozen = config(encoding__vectors="vectors.txt", encoding__freeze_vectors=True)
    assert severities(config_findings(frozen, vectors_drawn=True)) == {"embeddings-frozen": "problem"}
    assert severities(config_findings(frozen)) == {}
    assert severities(config_findings(config(encoding__vectors="vectors.txt"), vectors_drawn=True)) == {}
