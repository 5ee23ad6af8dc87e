"""Linear baselines tell sentences that say their relations from those that do not, and doubt the wrong ones."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from relclf.config.schema import EncodingConfig
from relclf.data.reading import read_examples
from relclf.data.splitting import stratified_split
from relclf.diagnosis.data_checks import linear_findings
from relclf.diagnosis.linear import (
    LinearBaselines,
    _auc,
    _folds,
    _logs,
    _related,
    linear_baselines,
    shifted_auc,
    too_small_for_folds,
)
from relclf.example import Example
from tests.tiny import tiny_examples

QUICKSTART = Path(__file__).resolve().parents[2] / "data" / "quickstart"
Splits = tuple[list[Example], list[Example]]


def read(path: Path) -> list[Example]:
    return list(read_examples(path))


@pytest.fixture(scope="module")
def quickstart() -> Splits:
    """The shipped train and dev sentences."""
    return read(QUICKSTART / "train.jsonl"), read(QUICKSTART / "dev.jsonl")


@pytest.fixture(scope="module")
def healthy(quickstart: Splits) -> LinearBaselines:
    """The baselines of the shipped corpus."""
    return fitted(*quickstart)


def fitted(train: Sequence[Example], dev: Sequence[Example] | None) -> LinearBaselines:
    baselines = linear_baselines(train, dev, EncodingConfig())
    assert baselines is not None
    return baselines


def found(baselines: LinearBaselines) -> dict[str, str]:
    return {each.check: each.severity for each in linear_findings(baselines) if each.severity != "ok"}


def shuffled(examples: Sequence[Example], seed: int = 1) -> list[Example]:
    relations = [example.relation for example in examples]
    random.Random(seed).shuffle(relations)
    return [
        replace(example, relation=relation) for example, relation in zip(examples, relations, strict=True)
    ]


def renamed(examples: Sequence[Example]) -> list[Example]:
    names = sorted({str(example.relation) for example in examples})
    other = dict(zip(names, [*names[1:], names[0]], strict=True))
    return [replace(example, relation=other[str(example.relation)]) for example in examples]


def swapped(examples: Sequence[Example]) -> list[Example]:
    return [replace(example, head=example.tail, tail=example.head) for example in examples]


def test_the_rows_of_quickstart_stand_in_the_order_of_what_they_see(healthy: LinearBaselines) -> None:
    scores = {row.name: row.score.macro_f1 for row in healthy.rows}
    assert scores["majority relation"] == pytest.approx(0.191, abs=0.001)  # 2 · 0.62 / 1.62 / 4
    assert scores["guessing by shares"] == pytest.approx(0.25, abs=0.05)
    assert scores["words between the mentions"] > 0.8
    assert 0.4 < scores["whole sentence"] < 0.6  # which words are in it says little there
    assert scores["mentions alone"] < 0.25  # firms of invented names say nothing
    assert scores["all of these, relations shuffled"] < 0.3
    assert found(healthy) == {}


def test_the_same_data_give_the_same_baselines(quickstart: Splits) -> None:
    train, dev = quickstart[0][:400], quickstart[1][:100]
    assert fitted(train, dev) == fitted(train, dev)


def test_exchanged_relations_are_doubted_first(healthy: LinearBaselines) -> None:
    lines = (QUICKSTART / "train.jsonl").read_text(encoding="utf-8").splitlines()
    wrong = {record["id"] for record in map(json.loads, lines) if record["flipped"]}
    share = len(wrong) / len(lines)
    doubted = [suspect.example.id in wrong for suspect in healthy.suspects]
    assert share == pytest.approx(0.03)
    assert sum(doubted[:10]) >= 8
    assert sum(doubted[:50]) >= 30
    best = healthy.suspects[0]
    assert best.probability > 0.9 > 0.1 > best.given_probability
    assert best.likely != best.example.relation


def test_an_exchange_of_head_and_tail_must_make_dev_follow_from_train(healthy: LinearBaselines) -> None:
    """As with shuffled relations of dev: exchanged, the model falls back on the majority, and is right more often."""
    assert healthy.dev is not None
    dev = replace(healthy.dev, swapped=6.0, accuracy=0.47, accuracy_swapped=0.59, accuracy_renamed=0.5)
    for related, expected in ((1.4, None), (23.0, "problem")):
        fit = replace(healthy, dev=replace(dev, related_swapped=related))
        assert found(fit).get("mentions-swapped") == expected


@pytest.mark.parametrize("seed", [1, 2])
def test_shuffled_relations_are_a_problem_whichever_split_has_them(quickstart: Splits, seed: int) -> None:
    train, dev = quickstart
    assert found(fitted(shuffled(train, seed), dev))["uninformative-input"] == "problem"
    assert found(fitted(shuffled(train, seed), shuffled(dev, seed)))["uninformative-input"] == "problem"
    assert found(fitted(train, shuffled(dev, seed))) == {"uninformative-input": "problem"}


def test_dev_with_head_and_tail_exchanged_is_recognised(quickstart: Splits) -> None:
    train, dev = quickstart
    assert found(fitted(train, swapped(dev))) == {
        "mentions-swapped": "problem",
        "uninformative-input": "problem",
    }
    assert found(fitted(swapped(train), swapped(dev))) == {}


def test_dev_with_other_names_for_the_relations_is_recognised(quickstart: Splits) -> None:
    train, dev = quickstart
    assert found(fitted(train, renamed(dev)))["relation-ids-mismatch"] == "problem"
    assert found(fitted(renamed(train), renamed(dev))) == {}


def test_dev_relations_that_train_lacks_do_not_look_like_other_names(quickstart: Splits) -> None:
    train, dev = quickstart
    new = [replace(each, relation="new") if each.relation == "acquirer_of" else each for each in dev]
    assert "relation-ids-mismatch" not in found(fitted(train, new))


def test_a_small_corpus_without_evidence_is_watched_only(quickstart: Splits) -> None:
    assert found(fitted(shuffled(quickstart[0][:150]), None))["uninformative-input"] == "watch"


def test_without_dev_a_fifth_stands_in(quickstart: Splits) -> None:
    baselines = fitted(quickstart[0], None)
    assert (baselines.held_out, baselines.dev) == (True, None)
    assert found(baselines) == {}


def test_too_few_sentences_are_refused_with_the_reason() -> None:
    assert linear_baselines(tiny_examples(), None, EncodingConfig()) is None
    assert "at least two relations need 10 sentences" in str(too_small_for_folds(tiny_examples()))


def test_a_relation_with_one_sentence_is_no_hindrance(quickstart: Splits) -> None:
    train, dev = quickstart[0][:300], quickstart[1][:100]
    assert fitted([replace(train[0], relation="only one"), *train[1:]], dev).sentences == 300


def test_of_many_relations_a_sample_is_drawn_and_said(
    quickstart: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relclf.diagnosis.linear.MOST_SENTENCES", 500)
    baselines = fitted(quickstart[0], None)
    assert (baselines.sampled, baselines.sentences) == (True, 500)


def test_the_same_sentence_is_never_in_two_folds_and_relations_are_spread(quickstart: Splits) -> None:
    twice = [*quickstart[0][:500], *swapped(quickstart[0][:500])]
    fold = _folds(twice, 1)
    assert (fold[:500] == fold[500:]).all()
    for relation in ("no_relation", "acquirer_of"):
        counts = np.bincount([f for f, e in zip(fold, twice, strict=True) if e.relation == relation])
        assert counts.max() - counts.min() <= 4


def test_the_exact_moments_are_those_of_drawn_permutations() -> None:
    generator = np.random.default_rng(1)
    probabilities = generator.dirichlet([1, 1, 1], size=60)
    gold = np.array([generator.choice(3, p=row) for row in probabilities])
    logs = _logs(probabilities)
    drawn = [logs[np.arange(60), generator.permutation(gold)].sum() for _ in range(20_000)]
    expected = (logs[np.arange(60), gold].sum() - np.mean(drawn)) / np.std(drawn)
    assert _related(probabilities, gold) == pytest.approx(expected, rel=0.02)


def test_the_auc_counts_pairs() -> None:
    generator = np.random.default_rng(1)
    positive, negative = generator.normal(1, 1, 40).round(1), generator.normal(0, 1, 70).round(1)
    pairs = (positive[:, None] > negative).mean() + (positive[:, None] == negative).mean() / 2
    area, error = _auc(positive, negative)
    assert area == pytest.approx(pairs)
    many = [
        _auc(generator.normal(1, 1, 40).round(1), generator.normal(0, 1, 70).round(1))[0] for _ in range(500)
    ]
    assert error == pytest.approx(np.std(many), rel=0.25)


def test_a_random_split_is_not_told_apart_and_another_kind_of_sentence_is(quickstart: Splits) -> None:
    train, dev = stratified_split(quickstart[0], 0.2, 1)
    area, error = shifted_auc(train, dev, EncodingConfig()) or (0, 0)
    assert abs(area - 0.5) < 3 * error
    longer = [replace(each, tokens=(*each.tokens, "said", "the", "firm", ".")) for each in dev]
    area, _ = shifted_auc(train, longer, EncodingConfig()) or (0, 0)
    assert area > 0.85
    assert shifted_auc(train, dev[:10], EncodingConfig()) is None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_semeval_tells_its_relations(shared_data: Path, seed: int) -> None:
    train, dev = stratified_split(read(shared_data / "semeval2010" / "TRAIN_FILE.TXT")[:3000], 0.1, seed)
    assert found(fitted(train, dev)) == {}


def test_semeval_with_shuffled_relations_does_not(shared_data: Path) -> None:
    train, dev = stratified_split(
        shuffled(read(shared_data / "semeval2010" / "TRAIN_FILE.TXT")[:3000]), 0.1, 1
    )
    assert found(fitted(train, dev))["uninformative-input"] == "problem"
