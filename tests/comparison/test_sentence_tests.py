"""Paired tests over sentences: counts give what label lists would."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from relclf.comparison.sentence_tests import (
    COVERAGE,
    Ids,
    bias_corrected,
    coverage_near,
    paired_counts,
    paired_test,
)
from relclf.errors import UserMistake
from relclf.relations import RelationSet
from relclf.scoring.metrics import confusion_matrix, score

RELATIONS = RelationSet(("cause", "contains", "none"), "none")
SCORES = ("macro_f1", "macro_f1_positive", "micro_f1_positive", "accuracy")


def systems(sentences: int = 60, seed: int = 1) -> tuple[Ids, Ids, Ids]:
    """Gold and two systems, the first of which is right more often."""
    generator = np.random.default_rng(seed)
    gold = generator.choice(3, sentences, p=[0.3, 0.1, 0.6])
    noise = generator.integers(3, size=(2, sentences))
    a, b = (
        np.where(generator.random(sentences) < right, gold, noise[i]) for i, right in enumerate((0.8, 0.6))
    )
    return gold, a, b


def value(name: str, gold: Ids, answers: Ids, counted: Ids | None = None) -> float:
    mask = None if counted is None else np.bincount(counted, minlength=3) > 0
    found = score(name, confusion_matrix(gold, answers, 3), RELATIONS, mask)
    assert found is not None
    return float(found)


@pytest.mark.parametrize("name", SCORES)
def test_the_difference_is_that_of_the_two_scores(name: str) -> None:
    gold, a, b = systems()
    found = paired_test(name, gold, a, b, RELATIONS, samples=200)
    assert (found.a, found.b) == (value(name, gold, a), value(name, gold, b))
    assert found.difference == pytest.approx(found.a - found.b)
    assert (found.sentences, found.differing) == (60, int(np.sum(a != b)))


@pytest.mark.parametrize("name", SCORES)
def test_p_is_that_of_every_exchange_of_few_sentences(name: str) -> None:
    gold, a, b = systems(24, seed=4)
    places = np.flatnonzero(a != b)
    own = abs(value(name, gold, a) - value(name, gold, b))
    as_far = 0
    for exchange in range(2 ** len(places)):
        swapped = places[[bool(exchange >> bit & 1) for bit in range(len(places))]]
        one, other = a.copy(), b.copy()
        one[swapped], other[swapped] = b[swapped], a[swapped]
        as_far += abs(value(name, gold, one) - value(name, gold, other)) >= own - 1e-12
    found = paired_test(name, gold, a, b, RELATIONS, samples=20_000)
    assert found.p_value == pytest.approx(as_far / 2 ** len(places), abs=0.015)


@pytest.mark.parametrize("name", ["macro_f1", "micro_f1_positive"])
def test_the_interval_is_that_of_sentences_drawn_with_replacement(name: str) -> None:
    gold, a, b = systems(200)
    generator = np.random.default_rng(7)
    drawn = []
    for _ in range(3000):
        at = generator.integers(200, size=200)
        drawn.append(value(name, gold[at], a[at], gold) - value(name, gold[at], b[at], gold))
    expected = bias_corrected(np.array(drawn), value(name, gold, a) - value(name, gold, b))
    found = paired_test(name, gold, a, b, RELATIONS)
    assert (found.low, found.high) == (
        pytest.approx(expected[0], abs=0.015),
        pytest.approx(expected[1], abs=0.015),
    )


def test_without_bias_the_corrected_interval_is_the_percentiles_and_with_it_moves_against_it() -> None:
    drawn = np.random.default_rng(1).normal(0, 1, 100_001)
    assert bias_corrected(drawn, float(np.median(drawn))) == pytest.approx(
        np.quantile(drawn, (0.025, 0.975)), abs=1e-3
    )
    shift = stats.norm.ppf(np.mean(drawn < 0.5))
    edges = stats.norm.cdf(2 * shift + stats.norm.ppf((0.025, 0.975)))
    assert bias_corrected(drawn, 0.5) == pytest.approx(np.quantile(drawn, edges))


def test_a_system_against_itself_has_no_difference_and_a_p_of_one() -> None:
    gold, a, _ = systems()
    found = paired_test("macro_f1", gold, a, a, RELATIONS)
    assert (found.difference, found.low, found.high, found.p_value, found.differing) == (
        0.0,
        0.0,
        0.0,
        1.0,
        0,
    )


def test_the_sides_change_the_sign_alone_and_the_seed_makes_it_repeatable() -> None:
    gold, a, b = systems()
    one, other = (paired_test("macro_f1", gold, x, y, RELATIONS) for x, y in ((a, b), (b, a)))
    assert one == paired_test("macro_f1", gold, a, b, RELATIONS)
    assert one.difference == -other.difference
    assert one.p_value == pytest.approx(other.p_value, abs=0.02)
    assert one.low == pytest.approx(-other.high, abs=0.02)


def test_a_score_that_is_not_defined_is_refused() -> None:
    gold, a, b = systems()
    with pytest.raises(UserMistake, match="semeval2010 is not defined"):
        paired_test("semeval2010", gold, a, b, RELATIONS)


def test_relations_of_few_sentences_are_counted_where_a_macro_average_has_them() -> None:
    gold = np.array([0] * 50 + [1] * 4 + [2] * 46)
    a, b = gold.copy(), np.zeros_like(gold)
    assert paired_test("macro_f1", gold, a, b, RELATIONS, samples=100).rare_relations == 1
    assert paired_test("accuracy", gold, a, b, RELATIONS, samples=100).rare_relations == 0


def test_cells_hold_every_sentence_once() -> None:
    gold, a, b = systems()
    cells = paired_counts(gold, a, b, 3)
    rebuilt = np.repeat(np.stack([cells.gold, cells.a, cells.b]), cells.counts, axis=1)
    assert sorted(map(tuple, rebuilt.T)) == sorted(zip(gold, a, b, strict=True))


def test_the_coverage_said_is_that_of_a_size_not_above_the_number_of_sentences() -> None:
    assert coverage_near(10) == COVERAGE[0]
    assert coverage_near(399) == COVERAGE[1]
    assert coverage_near(400) == COVERAGE[2]


def test_two_published_systems_on_15509_sentences_differ_beyond_chance(shared_data: Path) -> None:
    with gzip.open(shared_data / "tacrev" / "test_predictions.tsv.gz", "rt", encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t")[1:] for line in lines][1:]
    relations = RelationSet.from_names({name for row in rows for name in row}, "no_relation")
    table = np.array([[relations.ids[name] for name in row] for row in rows]).T
    found = paired_test("macro_f1", table[0], table[5], table[20], relations)
    assert found.low < found.difference < found.high < 0
    assert found.p_value < 0.05
    assert found.sentences == 15_509
