"""Gold and predicted relations name a collapse, exchanged ids and wrong averages, and healthy ones nothing."""

import gzip

import numpy as np
import pytest

from relclf.data.reading import read_examples
from relclf.diagnosis.findings import Severity
from relclf.diagnosis.prediction_checks import (
    best_exchange,
    epoch_loss_not_averaged,
    majority_collapse,
    prediction_findings,
    relation_ids_mismatch,
    score_averaged_over_batches,
)
from relclf.relations import RelationSet
from relclf.scoring.metrics import confusion_matrix, score

PRIOR = (0.62, 0.30, 0.05, 0.03)


def split(sentences: int = 600, accuracy: float = 0.8, prior=PRIOR, seed: int = 0):
    """Gold ids drawn from a prior, and predictions that are right with a probability, else drawn from it too."""
    generator = np.random.default_rng(seed)
    gold = generator.choice(len(prior), sentences, p=prior)
    other = generator.choice(len(prior), sentences, p=prior)
    return gold, np.where(generator.random(sentences) < accuracy, gold, other)


def severity(finding) -> Severity | None:
    return finding.severity if finding else None


# collapse


def test_one_relation_for_all_sentences_is_a_collapse_after_200_updates():
    gold, _ = split()
    collapsed = np.zeros_like(gold)
    finding = majority_collapse(gold, collapsed, 4, 200, ("none", "a", "b", "c"))
    assert finding is not None
    assert finding.severity == "problem"
    assert "100 % of 600 predictions are none, recall 0 on 3 of 3" in finding.measured
    assert majority_collapse(gold, collapsed, 4, 199) is None, "too early to say"


def test_a_collapse_is_one_whichever_relation_it_falls_on():
    gold, _ = split()
    assert severity(majority_collapse(gold, np.full_like(gold, 2), 4, 500)) == "problem"


def test_a_collapse_while_dev_loss_still_falls_is_a_watch():
    gold, _ = split()
    assert severity(majority_collapse(gold, np.zeros_like(gold), 4, 500, still_learning=True)) == "watch"


def test_a_prior_above_nine_tenths_excuses_it():
    gold, _ = split(prior=(0.93, 0.04, 0.02, 0.01))
    assert majority_collapse(gold, np.zeros_like(gold), 4, 500) is None


def test_recall_on_one_rare_relation_is_enough_to_be_no_collapse():
    gold, _ = split()
    predicted = np.where(gold == 3, 3, 0)
    predicted[np.flatnonzero(gold == 3)[2:]] = 0
    assert severity(majority_collapse(gold, predicted, 4, 500)) == "ok"


def test_relations_with_fewer_than_five_dev_sentences_do_not_count():
    gold = np.array([0] * 60 + [1] * 40 + [2] * 4)
    predicted = np.array([0] * 100 + [2] * 4)
    assert severity(majority_collapse(gold, predicted, 3, 500)) == "problem"
    gold = np.array([0] * 88 + [1] * 4 + [2] * 4 + [3] * 4)
    assert majority_collapse(gold, np.zeros_like(gold), 4, 500) is None


# relation ids


@pytest.mark.parametrize("accuracy", [0.4, 0.7, 0.9])
@pytest.mark.parametrize("seed", range(5))
def test_ids_shifted_by_one_are_a_mismatch(accuracy, seed):
    gold, predicted = split(accuracy=accuracy, seed=seed)
    finding = relation_ids_mismatch((gold + 1) % 4, predicted, 4)
    assert severity(finding) == "problem"


def test_two_rare_relations_exchanged_are_a_mismatch_that_names_them():
    gold, predicted = split(accuracy=0.9)
    finding = relation_ids_mismatch(np.array([0, 1, 3, 2])[gold], predicted, 4, ("none", "a", "b", "c"))
    assert finding is not None
    assert finding.severity == "problem"
    assert "b are predicted as c" in finding.measured
    assert "c are predicted as b" in finding.measured
    assert "a are predicted" not in finding.measured


def test_no_mismatch_is_seen_in_predictions_of_any_quality_or_prior():
    for seed in range(300):
        generator = np.random.default_rng(seed)
        relations, sentences = int(generator.integers(2, 20)), int(generator.integers(10, 1500))
        gold = generator.choice(relations, sentences, p=generator.dirichlet(np.full(relations, 0.7)))
        blind = generator.choice(relations, sentences, p=generator.dirichlet(np.full(relations, 0.7)))
        predicted = np.where(generator.random(sentences) < generator.random(), gold, blind)
        assert severity(relation_ids_mismatch(gold, predicted, relations)) == "ok", seed


def test_a_collapse_is_not_taken_for_exchanged_ids():
    gold, _ = split()
    for relation in range(4):
        assert severity(relation_ids_mismatch(gold, np.full_like(gold, relation), 4)) == "ok"


def test_the_best_exchange_prefers_ids_as_they_are():
    assert best_exchange(np.zeros((5, 5), dtype=np.int64)).tolist() == [0, 1, 2, 3, 4]
    assert best_exchange(np.array([[0, 9, 0], [8, 0, 1], [0, 0, 3]])).tolist() == [1, 0, 2]


def test_ids_shifted_on_a_real_corpus_of_nineteen_relations_are_seen(shared_data):
    test = read_examples(shared_data / "semeval2010" / "TEST_FILE_FULL.TXT", "semeval2010")
    names = [example.relation for example in test]
    relations = RelationSet.from_names(names)
    gold = np.array([relations.ids[name] for name in names])
    wrong = np.random.default_rng(1).random(len(gold)) < 0.4
    predicted = np.where(wrong, np.random.default_rng(2).permutation(gold), gold)
    assert severity(relation_ids_mismatch(gold, predicted, 19)) == "ok"
    assert severity(relation_ids_mismatch((gold + 1) % 19, predicted, 19)) == "problem"


def test_the_published_systems_on_tacred_are_healthy(shared_data):
    path = shared_data / "tacrev" / "test_predictions.tsv.gz"
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()
    header, *rows = [line.split("\t") for line in lines]
    names = sorted({name for row in rows for name in row[1:]})
    ids = {name: index for index, name in enumerate(names)}
    table = np.array([[ids[name] for name in row[1:]] for row in rows])
    assert header[1] == "gold"
    for system in range(1, table.shape[1]):
        found = prediction_findings(table[:, 0], table[:, system], len(names), 10_000)
        assert {finding.severity for finding in found} == {"ok"}, header[system + 1]


# scores averaged over batches


def macro_f1(gold, predicted) -> float:
    everything = RelationSet(tuple("0123"))
    return float(np.asarray(score("macro_f1", confusion_matrix(gold, predicted, 4), everything)))


def over_batches(gold, predicted, size: int) -> float:
    """Macro-F1 as it is averaged by mistake: the mean over batches of each batch's own."""
    parts = [slice(start, start + size) for start in range(0, len(gold), size)]
    return float(np.mean([macro_f1(gold[part], predicted[part]) for part in parts]))


@pytest.mark.parametrize("size", [16, 32, 50, 64, 128])
def test_a_mean_over_batches_is_found_without_knowing_their_size(size):
    gold, predicted = split()
    finding = score_averaged_over_batches(over_batches(gold, predicted, size), gold, predicted, 4)
    assert finding is not None
    assert finding.severity == "problem"
    assert f"batches of {size} " in finding.measured
    assert f"{100 * macro_f1(gold, predicted):.2f}" in finding.measured


def test_a_mean_over_batches_in_percent_or_float32_is_found_too():
    gold, predicted = split()
    value = over_batches(gold, predicted, 50)
    for written in (100 * value, float(np.float32(value))):
        assert severity(score_averaged_over_batches(written, gold, predicted, 4)) == "problem"


def test_a_rounded_score_is_judged_only_where_the_batch_size_is_known():
    gold, predicted = split()
    rounded = round(over_batches(gold, predicted, 50), 3)
    assert score_averaged_over_batches(rounded, gold, predicted, 4) is None
    assert severity(score_averaged_over_batches(rounded, gold, predicted, 4, batch_size=50)) == "problem"


def test_the_score_of_the_whole_split_is_ok_by_whatever_average():
    gold, predicted = split()
    counts = confusion_matrix(gold, predicted, 4)
    f1 = 2 * np.diagonal(counts) / (counts.sum(0) + counts.sum(1))
    support = counts.sum(1)
    for value in (f1.mean(), f1[1:].mean(), f1 @ support / support.sum(), (gold == predicted).mean()):
        assert severity(score_averaged_over_batches(float(value), gold, predicted, 4)) == "ok"
        assert severity(score_averaged_over_batches(100 * float(value), gold, predicted, 4, 50)) == "ok"


@pytest.mark.parametrize("seed", range(30))
def test_of_a_score_that_is_neither_nothing_is_said(seed):
    gold, predicted = split(seed=seed)
    assert (
        score_averaged_over_batches(float(np.random.default_rng(seed).random()), gold, predicted, 4) is None
    )


# epoch losses


@pytest.mark.parametrize(
    ("divided_by", "severity_of"),
    [(56, "ok"), (1, "problem"), (1 / 50, "problem"), (7, None), (2800, "problem")],
)
def test_a_summed_epoch_loss_is_told_from_a_mean(divided_by, severity_of):
    losses = np.linspace(1.2, 0.8, 56).tolist()
    finding = epoch_loss_not_averaged(sum(losses) / divided_by, losses, 56, 2800)
    assert severity(finding) == severity_of


def test_a_sample_of_batch_losses_is_enough():
    losses = np.linspace(1.2, 0.8, 56).tolist()
    finding = epoch_loss_not_averaged(sum(losses), losses[::8], 56, 2800)
    assert finding is not None
    assert "for 56 batches" in finding.measured


@pytest.mark.parametrize("losses", [[0.5, 0.4], [0.0] * 9, [float("nan")] * 9])
def test_losses_that_cannot_be_compared_say_nothing(losses):
    assert epoch_loss_not_averaged(sum(losses), losses, len(losses), 100) is None
