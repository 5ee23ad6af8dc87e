"""Intervals and tests over seeds, against scipy and against slow references."""

import math
import statistics
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from relclf.comparison.seed_tests import (
    detectable_difference,
    holm,
    permutation_p,
    seeds_for_pairs,
    seeds_needed,
    smallest_p,
    spread,
    welch_interval,
)

SCORES = st.lists(st.floats(0, 1).map(lambda value: round(value, 3)), min_size=2, max_size=4)


def reference_p(a: list[float], b: list[float]) -> float:
    """Every split, Welch's t of each, in plain loops."""

    def statistic(one: list[float], other: list[float]) -> float:
        error = sum(statistics.variance(part) / len(part) for part in (one, other))
        difference = abs(math.fsum(one) / len(one) - math.fsum(other) / len(other))
        if difference < 1e-9:
            return 0.0
        return difference / math.sqrt(error) if error > 1e-12 else math.inf

    values = [*a, *b]
    found = []
    for chosen in combinations(range(len(values)), len(a)):
        rest = [values[i] for i in range(len(values)) if i not in chosen]
        found.append(statistic([values[i] for i in chosen], rest))
    return sum(each >= statistic(a, b) * (1 - 1e-9) for each in found) / len(found)


def test_the_interval_of_a_mean_is_students() -> None:
    values = [0.79, 0.81, 0.83, 0.80]
    found = spread(values)
    assert found is not None
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (found.n, found.mean, found.sd) == (
        4,
        pytest.approx(0.8075),
        pytest.approx(np.std(values, ddof=1)),
    )
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_one_value_has_a_mean_and_no_interval_and_none_has_nothing() -> None:
    one = spread([0.8])
    assert one is not None
    assert (one.n, one.mean, one.sd, one.low) == (1, 0.8, None, None)
    assert spread([]) is None


@pytest.mark.parametrize("sizes", [(4, 4), (3, 7), (2, 2)])
def test_the_interval_of_a_difference_is_welchs(sizes: tuple[int, int]) -> None:
    generator = np.random.default_rng(1)
    a, b = (list(generator.normal(0.8, 0.01 * n, n)) for n in sizes)
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert welch_interval(a, b) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_one_seed_has_no_interval_and_seeds_that_agree_have_an_empty_one() -> None:
    assert welch_interval([0.8], [0.7, 0.9]) is None
    assert welch_interval([0.75, 0.75], [0.5, 0.5]) == (0.25, 0.25)


@settings(deadline=None)
@given(SCORES, SCORES)
def test_the_permutation_test_goes_through_every_split(a: list[float], b: list[float]) -> None:
    assert permutation_p(a, b) == pytest.approx(reference_p(a, b))


@pytest.mark.parametrize("sizes", [(4, 4), (3, 5), (6, 6)])
def test_the_permutation_test_agrees_with_scipys(sizes: tuple[int, int]) -> None:
    generator = np.random.default_rng(2)
    a, b = generator.normal(0, 2, sizes[0]), generator.normal(1, 1, sizes[1])

    def statistic(x, y, axis):
        return np.abs(stats.ttest_ind(x, y, equal_var=False, axis=axis).statistic)

    expected = stats.permutation_test((a, b), statistic, alternative="greater", n_resamples=np.inf)
    assert permutation_p(list(a), list(b)) == pytest.approx(expected.pvalue)


def test_many_seeds_are_split_at_random_and_give_nearly_the_t_tests_p() -> None:
    generator = np.random.default_rng(3)
    a, b = list(generator.normal(0, 1, 30)), list(generator.normal(0.5, 1, 30))
    assert permutation_p(a, b) == pytest.approx(stats.ttest_ind(a, b).pvalue, rel=0.1)
    assert permutation_p(a, b) == permutation_p(a, b)


def test_groups_that_are_wholly_apart_have_the_smallest_p() -> None:
    for k, smallest in ((2, 1 / 3), (3, 0.1), (4, 0.0286), (5, 0.0079)):
        a, b = [0.5 + 0.01 * i for i in range(k)], [0.8 + 0.01 * i for i in range(k)]
        assert permutation_p(a, b) == pytest.approx(smallest_p(k, k)) == pytest.approx(smallest, abs=5e-5)


def test_groups_that_are_the_same_have_a_p_of_one() -> None:
    assert permutation_p([0.8, 0.8, 0.8, 0.8], [0.8, 0.8, 0.8, 0.8]) == 1.0
    assert permutation_p([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]) == 1.0


def test_holm_multiplies_the_smallest_p_by_the_number_of_pairs() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.4, 0.6]) == pytest.approx([0.8, 0.8])
    assert holm([]) == []


def test_the_detectable_difference_has_a_power_of_80_percent_in_a_t_test_at_the_attained_level() -> None:
    for n, level in ((4, 2 / 70), (5, 12 / 252), (8, 0.05)):
        found = detectable_difference(1.0, 1.0, n, n)
        assert found is not None
        critical, noncentral = stats.t.ppf(1 - level / 2, 2 * n - 2), found / math.sqrt(2 / n)
        assert 1 - stats.nct.cdf(critical, 2 * n - 2, noncentral) == pytest.approx(0.8, abs=0.002)


def test_three_seeds_or_too_many_pairs_detect_nothing() -> None:
    assert detectable_difference(1.0, 1.0, 3, 3) is None
    assert detectable_difference(1.0, 1.0, 4, 4, pairs=2) is None
    assert detectable_difference(0.0, 0.0, 4, 4) == 0.0


def test_the_seeds_needed_are_those_of_the_textbook() -> None:
    assert seeds_needed(0.5, 1.0, 1.0) == 64  # Cohen 1988, table 2.4.1: d = 0.5, power 0.8, two-sided 0.05
    assert seeds_needed(1.0, 1.0, 1.0) == 17
    assert seeds_needed(100.0, 1.0, 1.0) == 4
    assert seeds_needed(0.01, 1.0, 1.0) is None


def test_the_seeds_that_so_many_pairs_need() -> None:
    assert [seeds_for_pairs(pairs) for pairs in (1, 2, 6, 7, 66)] == [4, 5, 5, 6, 7]
