"""Evaluation scores each sentence once, without dropout, and counts unknown relations as wrong."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from relclf.config.schema import ImbalanceConfig
from relclf.encoding.batches import gather
from relclf.encoding.dataset import encode
from relclf.models.losses import Objective, build_objective
from relclf.relations import RelationSet
from relclf.training import evaluation
from relclf.training.corpus import read_corpus
from relclf.training.evaluation import counts, evaluate, labelled_set
from relclf.training.network import new_network
from tests.tiny import read_tiny_corpus, tiny_config


@pytest.fixture
def network(tmp_path):
    config = tiny_config(tmp_path)
    return new_network(config, read_corpus(config))


@pytest.fixture
def examples(tmp_path, network):
    return read_tiny_corpus(tmp_path)[:20]


def encoded(network, examples):
    return encode(examples, network.vocabulary, network.relations, network.config.encoding.max_distance)


def test_the_scores_are_the_networks_own_in_the_order_of_the_sentences(network, examples):
    dataset = encoded(network, examples)
    result = evaluate(network.model, dataset, Objective())
    one_by_one = torch.cat([network.model(gather(dataset, np.array([i]))) for i in range(20)]).detach()
    np.testing.assert_allclose(result.scores, one_by_one.numpy(), atol=1e-6)
    np.testing.assert_array_equal(result.predicted, one_by_one.argmax(dim=1))


@pytest.mark.parametrize("tokens", [1, 20, 100])
def test_the_size_of_a_batch_changes_no_score(monkeypatch, network, examples, tokens):
    dataset = encoded(network, examples)
    expected = evaluate(network.model, dataset, Objective())
    monkeypatch.setattr(evaluation, "EVALUATION_TOKENS", tokens)
    result = evaluate(network.model, dataset, Objective())
    np.testing.assert_allclose(result.scores, expected.scores, atol=1e-6)
    assert result.loss == pytest.approx(expected.loss, abs=1e-6)


def test_a_process_that_trains_scores_with_loops_and_others_repeat_its_scores(network, examples):
    dataset = encoded(network, examples)
    plain = evaluate(network.model, dataset, Objective())
    network.model.uses_loops = True
    in_loops = evaluate(network.model, dataset, Objective())
    np.testing.assert_allclose(in_loops.scores, plain.scores, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(in_loops.predicted, plain.predicted)


def test_the_loss_is_the_objective_and_the_nll_the_plain_cross_entropy(network, examples):
    dataset = encoded(network, examples)
    objective = build_objective(
        ImbalanceConfig(class_weights="inverse"), network.relation_counts, torch.device("cpu")
    )
    result = evaluate(network.model, dataset, objective)
    nll = functional.cross_entropy(torch.from_numpy(result.scores), dataset.gold, reduction="none")
    assert result.nll == pytest.approx(nll.mean().item(), abs=1e-6)
    assert result.loss == pytest.approx((nll * objective.weights[dataset.gold]).mean().item(), abs=1e-6)
    assert result.loss != pytest.approx(result.nll, abs=1e-3)


def test_a_relation_that_train_lacks_stays_out_of_the_losses_and_counts_as_wrong(network, examples):
    strange = [replace(example, relation="treats") for example in examples[:3]] + examples[3:]
    dataset = encoded(network, strange)
    labelled = labelled_set(strange, dataset, network.relations)
    result = evaluate(network.model, dataset, Objective())
    assert result.nll == pytest.approx(
        evaluate(network.model, encoded(network, examples[3:]), Objective()).nll
    )
    assert labelled.relations.names == (*network.relations.names, "treats")
    assert labelled.relations.negative == "none"
    assert labelled.unknown_relations == {"treats": 3}
    matrix = counts(labelled, result)
    assert matrix.shape == (4, 4)
    assert matrix[3].sum() == 3
    assert matrix[:, 3].sum() == 0
    assert matrix.sum() == 20


def test_a_set_with_unknown_relations_only_has_no_loss(network, examples):
    strange = [replace(example, relation="treats") for example in examples]
    result = evaluate(network.model, encoded(network, strange), Objective())
    assert (result.loss, result.nll) == (None, None)
    assert result.predicted.shape == (20,)


def test_a_set_of_known_relations_keeps_the_networks_ids(network, examples):
    labelled = labelled_set(examples, encoded(network, examples), network.relations)
    assert labelled.relations == network.relations == RelationSet(("cause", "contains", "none"), "none")
    assert labelled.unknown_relations == {}
    assert labelled.gold.tolist() == labelled.dataset.gold.tolist()
    assert labelled.ids == tuple(example.id for example in examples)
