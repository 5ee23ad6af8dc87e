"""Expected best scores and marginal effects, against slow references."""

from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from relclf.comparison.tuning import expected_best, marginal_effects

SCORES = [0.3, 0.7, 0.5, 0.65, 0.6]


def test_the_expected_best_of_n_variants_is_the_mean_over_all_subsets() -> None:
    for found in expected_best(SCORES):
        best = [max(subset) for subset in combinations(SCORES, found.variants)]
        assert found.mean == pytest.approx(np.mean(best))
        assert found.sd == pytest.approx(np.std(best), abs=1e-7)


def test_the_biased_estimate_draws_with_replacement() -> None:
    second = expected_best(SCORES)[1]
    assert second.biased_mean == pytest.approx(np.mean([max(pair) for pair in product(SCORES, repeat=2)]))


def test_one_variant_is_expected_to_be_the_mean_and_all_of_them_the_best() -> None:
    found = expected_best(SCORES)
    assert [each.variants for each in found] == [1, 2, 3, 4, 5]
    assert found[0].mean == found[0].biased_mean == pytest.approx(np.mean(SCORES))
    assert (found[-1].mean, found[-1].sd) == (pytest.approx(0.7), pytest.approx(0.0))
    assert expected_best([]) == []


def test_an_effect_is_the_mean_change_over_the_other_settings() -> None:
    cells = [
        ({"lr": 0.1, "filters": 10}, [0.50, 0.52]),
        ({"lr": 0.1, "filters": 20}, [0.60, 0.62]),
        ({"lr": 0.2, "filters": 10}, [0.54, 0.56]),
        ({"lr": 0.2, "filters": 20}, [0.66, 0.68]),
    ]
    effects = {(each.key, each.value): each for each in marginal_effects(["lr", "filters"], cells)}
    assert list(effects) == [("lr", 0.1), ("lr", 0.2), ("filters", 10), ("filters", 20)]
    assert effects["lr", 0.1].difference == 0.0
    assert effects["lr", 0.2].difference == pytest.approx(0.05)
    assert effects["filters", 20].difference == pytest.approx(0.11)


def test_an_effects_interval_is_that_of_a_contrast_in_an_analysis_of_variance() -> None:
    generator = np.random.default_rng(5)
    cells = [({"lr": lr, "x": x}, list(generator.normal(lr + x, 0.1, 3))) for lr in (1, 2) for x in (1, 2, 3)]
    effect = marginal_effects(["lr", "x"], cells)[1]
    pooled = np.mean([np.var(scores, ddof=1) for _, scores in cells])
    half = stats.t.ppf(0.975, 12) * np.sqrt(pooled * 2 / 9)
    assert effect.low == pytest.approx(effect.difference - half)
    assert effect.high == pytest.approx(effect.difference + half)


def test_with_one_seed_each_an_effect_has_no_interval() -> None:
    effects = marginal_effects(["lr"], [({"lr": 1}, [0.5]), ({"lr": 2}, [0.6])])
    assert [(each.difference, each.low) for each in effects] == [(0.0, None), (pytest.approx(0.1), None)]


def test_variants_without_a_score_are_left_out_of_both_sides() -> None:
    cells = [
        ({"lr": 1, "x": 1}, [0.5]),
        ({"lr": 1, "x": 2}, [0.9]),
        ({"lr": 2, "x": 1}, [0.6]),
        ({"lr": 2, "x": 2}, []),
    ]
    effect = marginal_effects(["lr", "x"], cells)[1]
    assert (effect.value, effect.difference, effect.variants) == (2, pytest.approx(0.1), 1)


def test_a_key_with_one_value_has_no_effect() -> None:
    assert marginal_effects(["lr"], [({"lr": 1}, [0.5, 0.6])]) == []
