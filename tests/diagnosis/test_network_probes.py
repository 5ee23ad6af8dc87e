"""Probes of a config's network: what they change is what they say, and the rest stays."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from relclf.diagnosis.bench import Bench
from relclf.diagnosis.findings import Finding
from relclf.diagnosis.probed import Trial
from relclf.diagnosis.probes import (
    Ablated,
    Difference,
    ablate,
    ablation_findings,
    difference,
    distinct_sentences,
    few_features_finding,
    filters_finding,
    high_dropout_finding,
    left_out,
    macro_f1,
    more_data_finding,
    pooled_features,
    probed_network,
    shuffled_finding,
    train_shortly,
    with_filters,
    with_share,
    with_shuffled_relations,
)
from relclf.models.losses import Objective
from relclf.training.evaluation import LabelledSet
from relclf.training.experiment import Material, prepare
from tests.tiny import COUNTS, tiny_config

DISTANCE = 6
"""max_distance of the tiny config."""


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """The tiny corpus, read and encoded."""
    return prepare(tiny_config(tmp_path_factory.mktemp("tiny")))


def dev_of(material: Material) -> LabelledSet:
    assert material.dev is not None
    return material.dev


@pytest.mark.parametrize("name", ["backtracking", "prodigy", "schedule_free"])
def test_a_probe_trains_with_optimisers_that_find_their_own_steps_or_average(tmp_path: Path, name: str):
    probed = probed_network(prepare(tiny_config(tmp_path, training__optimizer={"name": name})), 1)
    trial = Trial(probed)
    before = trial.judge(probed.batches)
    for _ in range(20 if name == "backtracking" else 200):
        trial.train(probed.batches)
    assert trial.judge(probed.batches).loss < 0.9 * before.loss


def test_a_network_is_probed_with_the_configs_own_settings(tmp_path: Path):
    changes = {"training__clip_norm": 0.5, "training__schedule": {"name": "cosine", "warmup_updates": 7}}
    probed = probed_network(prepare(tiny_config(tmp_path, **changes)), 3)
    assert (probed.clip_norm, probed.warmup, probed.seed) == (0.5, 7, 3)
    optimizer = probed.optimizer(probed.model, 10.0)
    assert [group["lr"] for group in optimizer.param_groups] == [pytest.approx(0.2)]
    assert sum(len(batch.gold) for batch in probed.batches) == 48
    long = prepare(tiny_config(tmp_path, training__schedule={"name": "constant", "warmup_updates": 5000}))
    assert probed_network(long, 3).warmup == 100


def test_sentences_to_learn_by_heart_are_distinct_and_from_all_relations_alike(material: Material):
    chosen = distinct_sentences(material, 18, seed=1)
    tokens, spans = material.train.tokens.numpy(), material.train.spans.tolist()
    looks = {tokens[:, spans[i][0] : spans[i][1]].tobytes() for i in chosen.tolist()}
    assert len(looks) == len(chosen) == 18
    assert max(Counter(material.train.gold[chosen].tolist()).values()) == 6


def test_what_is_left_out_is_zero_and_nothing_else_is(material: Material):
    whole = dev_of(material).dataset
    words, head, tail = whole.tokens
    assert (left_out(whole, "words", DISTANCE).tokens[0] == 0).all()
    assert torch.equal(left_out(whole, "words", DISTANCE).tokens[1:], whole.tokens[1:])
    assert torch.equal(left_out(whole, "positions", DISTANCE).tokens[0], words)
    assert (left_out(whole, "positions", DISTANCE).tokens[1:] == 0).all()
    for name, positions in (("head", head), ("tail", tail)):
        changed = left_out(whole, name, DISTANCE).tokens
        inside = positions == DISTANCE + 1  # 0 tokens from the mention, shifted
        assert inside.sum() == len(whole)  # one token each
        assert torch.equal(changed[0] == 0, inside | (words == 0))
        assert torch.equal(changed[1:], whole.tokens[1:])


def test_a_network_whose_positions_lead_nowhere_gives_the_same_scores_without_them(material: Material):
    model = probed_network(material, 1).model
    with torch.no_grad():
        for filters in model.filters:  # type: ignore[union-attr]
            filters.weight.view(8, 3, 12)[:, :, 6:] = 0
    _, ablated = ablate(model, dev_of(material), Objective(), DISTANCE, 1)  # type: ignore[arg-type]
    assert {each.what: each.same_scores for each in ablated} == {
        "words": False,
        "positions": True,
        "head": False,
        "tail": False,
    }


def ablated(what: str, score: float, error: float = 0.02, same: bool = False) -> Ablated:
    return Ablated(what, score, Difference(0.8 - score, error), same)


def severities(positions: Ablated, words: float = 0.3, whole: float = 0.8) -> dict[str, str]:
    parts = [ablated("words", words), positions, ablated("head", 0.7), ablated("tail", 0.6)]
    learned = Difference(whole - 0.2, 0.02)
    return {each.check: each.severity for each in ablation_findings(whole, parts, learned, "c.yaml")}


def test_positions_that_change_no_score_are_a_problem_and_that_change_little_a_watch():
    in_order = {"positions-unused": "ok", "uninformative-input": "ok"}
    assert severities(ablated("positions", 0.5)) == in_order
    assert severities(ablated("positions", 0.78)) == {**in_order, "positions-unused": "watch"}
    assert severities(ablated("positions", 0.8, same=True)) == {**in_order, "positions-unused": "problem"}


def test_a_network_that_does_not_need_the_words_is_a_problem():
    assert severities(ablated("positions", 0.5), words=0.8)["uninformative-input"] == "problem"


def test_positions_are_not_called_unused_where_dev_is_too_small_to_tell():
    assert "positions-unused" not in severities(ablated("positions", 0.78, error=0.1))


def test_a_network_that_has_learned_nothing_is_not_asked_what_it_uses():
    assert severities(ablated("positions", 0.2), whole=0.22) == {}


def test_a_share_of_train_keeps_every_relation_and_lies_inside_a_larger_one(material: Material):
    quarter, half = (with_share(material, share, 1) for share in (0.25, 0.5))
    names = [{example.id for example in part.corpus.train} for part in (quarter, half, material)]
    assert names[0] < names[1] < names[2]
    assert len(quarter.train) == 12
    assert {example.relation for example in quarter.corpus.train} == set(COUNTS)
    assert len(with_share(material, 0.001, 1).train) == len(COUNTS)


def test_shuffled_relations_are_the_same_ones_on_other_sentences(material: Material):
    shuffled = with_shuffled_relations(material, 1)
    before, after = material.train.gold.tolist(), shuffled.train.gold.tolist()
    assert before != after
    assert Counter(before) == Counter(after)
    assert torch.equal(shuffled.train.tokens, material.train.tokens)
    assert dev_of(shuffled) is dev_of(material)


def test_other_numbers_of_filters_are_at_least_one(material: Material):
    assert with_filters(material, 2).config.model.filters == 16
    assert with_filters(material, 0.01).config.model.filters == 1


def test_a_short_training_learns_and_leaves_nothing_on_disk(material: Material, tmp_path: Path):
    folder = material.config.data.train.parent
    before = sorted(folder.rglob("*"))
    real = train_shortly(material, (1, 2))
    control = train_shortly(with_shuffled_relations(material, 1), (1, 2))
    dev = dev_of(material)
    assert real.updates == 500
    assert len(real.predicted) == 2
    assert np.mean([macro_f1(dev, each) for each in real.predicted]) > 0.9
    assert difference(dev, control.predicted, real.predicted, 1).is_rise
    assert sorted(folder.rglob("*")) == before


def test_a_short_training_updates_in_every_batch_whatever_the_config_says(tmp_path: Path):
    slow = prepare(tiny_config(tmp_path, training__update_every="epoch"))
    fast = prepare(tiny_config(tmp_path))
    slow_predicted, fast_predicted = (train_shortly(each, (1,)).predicted[0] for each in (slow, fast))
    assert np.array_equal(slow_predicted, fast_predicted)


def test_the_error_of_a_difference_is_that_of_a_bootstrap_over_sentences(material: Material):
    dev = dev_of(material)
    many = replace(dev, gold=np.tile(dev.gold, 20))
    generator = np.random.default_rng(1)
    before, after = (
        np.where(generator.random(len(many.gold)) < right, many.gold, 0).astype(np.int64)
        for right in (0.5, 0.8)
    )
    found = difference(many, [before], [after], 1)
    assert found.mean == pytest.approx(macro_f1(many, after) - macro_f1(many, before))
    values = []
    for _ in range(300):
        rows = generator.integers(0, len(many.gold), len(many.gold))
        sample = replace(many, gold=many.gold[rows])
        values.append(macro_f1(sample, after[rows]) - macro_f1(sample, before[rows]))
    assert found.error == pytest.approx(np.std(values), rel=0.2)
    assert found.is_rise
    assert difference(many, [after], [before], 1).is_fall


def test_equal_predictions_differ_by_nothing(material: Material):
    dev = dev_of(material)
    same = difference(dev, [dev.gold, dev.gold], [dev.gold, dev.gold], 1)
    assert (same.mean, same.error) == (0.0, 0.0)
    assert not same.is_rise


def test_advice_needs_a_difference_larger_than_its_noise():
    clear, unclear = Difference(0.05, 0.01), Difference(0.05, 0.04)
    assert filters_finding(10, unclear, clear, 1000, "more").severity == "watch"
    assert filters_finding(10, clear, unclear, 1000, "more").severity == "ok"
    curve = [(700, 0.5), (1400, 0.6), (2800, 0.65)]
    assert more_data_finding(curve, clear, 1000).severity == "watch"
    assert "5,600" in more_data_finding(curve, clear, 1000).next_step
    assert more_data_finding(curve, unclear, 1000).severity == "ok"
    assert shuffled_finding(0.8, 0.2, clear, 1000, "c.yaml").severity == "ok"
    assert shuffled_finding(0.21, 0.2, unclear, 1000, "c.yaml").severity == "problem"


def test_features_that_cost_dev_five_points_and_more_than_its_noise_are_too_few():
    found = {
        gain: few_features_finding(Difference(gain, 0.02), 1000, 2, 200, "more").severity
        for gain in (-0.1, 0.03, 0.045, 0.1)
    }
    assert found == {-0.1: "ok", 0.03: "ok", 0.045: "ok", 0.1: "problem"}


def test_dropout_that_costs_dev_five_points_and_more_than_its_noise_is_too_high():
    found = {
        gain: high_dropout_finding(Difference(gain, 0.02), 1000, 0.5, "less").severity
        for gain in (-0.1, 0.03, 0.045, 0.1)
    }
    assert found == {-0.1: "ok", 0.03: "ok", 0.045: "ok", 0.1: "problem"}


def test_pooled_features_are_the_networks(material: Material):
    probed = probed_network(material, 1)
    features = pooled_features(probed.model, material.train, 1, most=7)  # type: ignore[arg-type]
    assert features.shape == (7, 8)
    assert features.abs().max() <= 1


NETWORKS = [
    {"model__name": "pcnn", "model__position_dim": 0},
    {"model__name": "attention_cnn", "model__hidden": 6, "training__loss": {"name": "ranking"}},
    {"model__mention_features": True, "model__activation": "gelu", "model__embedding_dropout": 0.2},
    {"model__positions": "sinusoid", "model__word_dropout": 0.1, "encoding__markers": True},
]


@pytest.mark.parametrize("changes", NETWORKS, ids=str)
def test_every_network_is_probed(tmp_path: Path, changes: dict[str, Any]):
    material = prepare(tiny_config(tmp_path, **changes))
    bench = Bench(material, lambda: None, "tiny.yaml")
    probes = (
        bench.first_loss,
        bench.by_heart,
        bench.filters_after_short_training,
        bench.left_out_after_short_training,
    )
    findings = {each.check: each for probe in probes for each in probe() if isinstance(each, Finding)}
    assert findings["too-simple"].severity == "ok"
    assert findings["dead-filters"].severity == "ok"
    assert findings["uninformative-input"].severity == "ok"
    assert findings["positions-unused"].severity != "problem"


def test_positions_are_left_out_of_networks_that_read_them_alone(tmp_path: Path):
    for changes, read in (
        ({}, False),
        ({"model__name": "pcnn"}, True),
        ({"model__mention_features": True}, True),
    ):
        material = prepare(tiny_config(tmp_path, model__position_dim=0, **changes))
        probed = probed_network(material, 1)
        _, parts = ablate(probed.model, dev_of(material), Objective(), DISTANCE, 1)  # type: ignore[arg-type]
        assert ("positions" in {each.what for each in parts}) == read
