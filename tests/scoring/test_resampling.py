"""The multinomial bootstrap is the bootstrap over examples, and changes no relation set."""

import numpy as np
import pytest

from relclf.relations import RelationSet
from relclf.scoring import resampling
from relclf.scoring.metrics import confusion_matrix, score, tallies, with_support
from relclf.scoring.report import score_report
from relclf.scoring.resampling import bootstrap, interval, standard_error

RELATIONS = RelationSet(("NA", "cause", "part", "treats"), negative="NA")
SHARES = (0.62, 0.30, 0.05, 0.03)


def predictions(size, seed=0):
    random = np.random.default_rng(seed)
    gold = random.choice(4, size, p=SHARES)
    return gold, np.where(random.random(size) < 0.7, gold, random.choice(4, size, p=SHARES))


def matrices(counts, samples, generator):
    """The legible reference of `bootstrap`: whole matrices, (samples, C, C)."""
    filled = np.flatnonzero(counts)
    sampled = np.zeros((samples, counts.size), dtype=np.int64)
    cells = counts.ravel()[filled]
    sampled[:, filled] = generator.multinomial(cells.sum(), cells / cells.sum(), size=samples)
    return sampled.reshape(samples, *counts.shape)


def by_examples(name, gold, predicted, samples, seed):
    """The legible reference: draw examples with replacement and score each draw."""
    random = np.random.default_rng(seed)
    counted = with_support(confusion_matrix(gold, predicted, 4))
    drawn = (random.integers(0, len(gold), len(gold)) for _ in range(samples))
    return np.array(
        [float(score(name, confusion_matrix(gold[i], predicted[i], 4), RELATIONS, counted)) for i in drawn]
    )


@pytest.mark.parametrize("name", ["macro_f1", "macro_f1_positive", "micro_f1_positive", "accuracy"])
def test_the_standard_error_is_that_of_the_bootstrap_over_examples(name):
    gold, predicted = predictions(300)
    reference = by_examples(name, gold, predicted, samples=3000, seed=1)
    counts = confusion_matrix(gold, predicted, 4)
    ours = standard_error(name, counts, RELATIONS, 3000, np.random.default_rng(2))
    assert ours == pytest.approx(reference.std(ddof=1), rel=0.08)
    low, high = interval(name, counts, RELATIONS, 3000, np.random.default_rng(3))
    assert (low, high) == pytest.approx(np.quantile(reference, [0.025, 0.975]), abs=0.3 * ours)


def test_the_standard_error_of_accuracy_is_the_binomial_one():
    counts = np.diag([40, 20, 10, 5]) + np.eye(4, k=1, dtype=int) * 10
    accuracy, size = 75 / 105, 105
    expected = np.sqrt(accuracy * (1 - accuracy) / size)
    ours = standard_error("accuracy", counts, RELATIONS, 20_000, np.random.default_rng(0))
    assert ours == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("counts", [confusion_matrix(*predictions(200), 4), np.eye(4, k=1, dtype=int) * 7])
def test_samples_are_those_of_whole_matrices(counts):
    whole = tallies(matrices(counts, 300, np.random.default_rng(0)))
    ours = bootstrap(counts, 300, np.random.default_rng(0))
    for name in ("correct", "support", "predicted"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(whole, name))
    assert (ours.support.sum(axis=1) == counts.sum()).all()


def test_the_relation_set_stays_fixed_when_a_sample_misses_a_rare_relation():
    counts = np.diag([60, 30, 5, 1])
    samples = matrices(counts, 400, np.random.default_rng(0))
    missed = samples[:, 3, 3] == 0
    assert 0.2 < missed.mean() < 0.5  # (1 - 1/96)^96 = 0.37
    values = resampling.resampled_scores(["macro_f1"], counts, RELATIONS, 400, np.random.default_rng(0))[
        "macro_f1"
    ]
    assert (values[missed] <= 0.75).all()  # still an average over four, the missed one at 0
    assert (values[~missed] >= 0.75).all()


def test_the_same_generator_gives_the_same_interval():
    counts = confusion_matrix(*predictions(200), 4)
    one, two = (interval("macro_f1", counts, RELATIONS, 100, np.random.default_rng(5)) for _ in range(2))
    assert one == two
    assert one[0] < one[1]


def test_a_wider_level_gives_a_wider_interval():
    counts = confusion_matrix(*predictions(200), 4)
    low, high = interval("macro_f1", counts, RELATIONS, 500, np.random.default_rng(5), level=0.99)
    inner_low, inner_high = interval("macro_f1", counts, RELATIONS, 500, np.random.default_rng(5), level=0.5)
    assert low < inner_low < inner_high < high


def test_perfect_predictions_of_one_relation_have_no_spread():
    relations = RelationSet(("only",))
    counts = np.array([[12]])
    assert standard_error("macro_f1", counts, relations, 50, np.random.default_rng(0)) == 0.0
    assert interval("macro_f1", counts, relations, 50, np.random.default_rng(0)) == (1.0, 1.0)


@pytest.mark.parametrize("cells", [1, 50, 2**21])
def test_drawing_the_samples_some_at_a_time_changes_none(monkeypatch, cells):
    counts = confusion_matrix(*predictions(200), 4)
    whole = matrices(counts, 100, np.random.default_rng(5))
    names = ["macro_f1", "accuracy", "semeval2010"]
    monkeypatch.setattr(resampling, "_CELLS_AT_ONCE", cells)
    values = resampling.resampled_scores(names, counts, RELATIONS, 100, np.random.default_rng(5))
    assert list(values) == ["macro_f1", "accuracy"]
    for name, found in values.items():
        np.testing.assert_array_equal(found, score(name, whole, RELATIONS, with_support(counts)))


def test_an_undefined_score_has_no_error_and_no_interval():
    relations = RelationSet(("a", "b"))
    counts = np.diag([3, 3])
    assert standard_error("micro_f1_positive", counts, relations, 50, np.random.default_rng(0)) is None
    assert interval("semeval2010", counts, relations, 50, np.random.default_rng(0)) is None


def test_no_examples_cannot_be_resampled():
    with pytest.raises(ValueError, match="at least one example"):
        bootstrap(np.zeros((2, 2), dtype=int), 10, np.random.default_rng(0))


def test_a_report_holds_the_defined_scores_inside_their_intervals():
    counts = confusion_matrix(*predictions(300), 4)
    report = score_report(counts, RELATIONS, samples=400)
    assert list(report.scores) == ["macro_f1", "macro_f1_positive", "micro_f1_positive", "accuracy"]
    assert all(s.low < s.value < s.high for s in report.scores.values())
    assert report.scores == score_report(counts, RELATIONS, samples=400).scores


def test_a_report_becomes_json_with_null_for_what_is_undefined():
    import json

    counts = np.array([[2, 0], [1, 0]])
    data = json.loads(
        json.dumps(score_report(counts, RelationSet(("a", "b")), samples=20).to_json(), allow_nan=False)
    )
    assert list(data) == ["scores", "relations", "confusion", "examples"]
    assert list(data["scores"]["macro_f1"]) == ["value", "low", "high", "signature"]
    assert data["relations"][1] == {
        "relation": "b",
        "precision": None,
        "recall": 0.0,
        "f1": 0.0,
        "support": 1,
    }
    assert data["confusion"] == {"relations": ["a", "b"], "counts": [[2, 0], [1, 0]]}
    assert data["examples"] == 3
