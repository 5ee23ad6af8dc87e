"""The temperature is the one of least nll, and the calibration error that of its definition, sentence by sentence."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from relclf.scoring.calibration import calibration_error, fit_temperature, probabilities, reliability


def drawn(temperature: float, sentences: int = 4000) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scores (sentences, 3), and relations drawn with the probabilities of the scores / temperature."""
    generator = np.random.default_rng(7)
    scores = generator.normal(0, 3, (sentences, 3)).astype(np.float32)
    shares = probabilities(scores, temperature)
    gold = (generator.random((sentences, 1)) > shares.cumsum(axis=1)[:, :2]).sum(axis=1)
    return scores, gold


def nll(scores: NDArray[np.float32], gold: NDArray[np.int64], temperature: float) -> float:
    """Sentence by sentence."""
    total = 0.0
    for row, relation in zip(scores.tolist(), gold.tolist(), strict=True):
        exponentials = [np.exp(score / temperature) for score in row]
        total -= np.log(exponentials[relation] / sum(exponentials))
    return total / len(gold)


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_no_temperature_of_a_grid_has_a_lower_nll_than_the_fitted_one(true: float) -> None:
    scores, gold = drawn(true, 500)
    fitted = fit_temperature(scores, gold)
    assert fitted is not None
    least = nll(scores, gold, fitted)
    assert all(nll(scores, gold, fitted * factor) > least for factor in (0.8, 0.95, 0.999, 1.001, 1.05, 1.2))


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
def test_the_temperature_that_the_relations_were_drawn_with_is_found_again(true: float) -> None:
    assert fit_temperature(*drawn(true)) == pytest.approx(true, rel=0.05)


def test_there_is_no_temperature_where_all_are_right_or_most_are_wrong_or_there_are_none() -> None:
    scores, _ = drawn(1.0, 50)
    assert fit_temperature(scores, scores.argmax(axis=1)) is None
    assert fit_temperature(scores, scores.argmin(axis=1)) is None
    assert fit_temperature(scores[:0], scores[:0].argmax(axis=1)) is None


def test_the_error_is_that_of_its_definition() -> None:
    generator = np.random.default_rng(3)
    confidence = np.append(generator.random(200), [0.0, 0.2, 1.0, 1.0])
    right = generator.random(204) < confidence**2
    by_hand, counted = 0.0, 0
    for number in range(15):
        inside = [
            i for i, p in enumerate(confidence) if number / 15 < p <= (number + 1) / 15 or p == number == 0
        ]
        if inside:
            accuracy = sum(bool(right[i]) for i in inside) / len(inside)
            by_hand += len(inside) / 204 * abs(accuracy - sum(confidence[i] for i in inside) / len(inside))
            counted += len(inside)
    found = calibration_error(confidence, right)
    assert counted == 204
    assert found.value == pytest.approx(by_hand, abs=1e-12)
    rebuilt = sum(b.sentences / 204 * abs(b.accuracy - b.confidence) for b in found.bins)
    assert rebuilt == pytest.approx(by_hand, abs=1e-12)
    assert found.low <= found.value <= found.high


def test_by_chance_is_the_mean_distance_of_a_share_from_its_probability() -> None:
    """In one bin of n sentences with probability p: the mean of |N(0, p (1 - p) / n)|."""
    confidence = np.full(900, 0.8)
    found = calibration_error(confidence, np.arange(900) < 720, samples=4000)
    expected = (0.8 * 0.2 / 900) ** 0.5 * 2 * norm.pdf(0)
    assert found.value == pytest.approx(0, abs=1e-12)
    assert found.by_chance == pytest.approx(expected, rel=0.05)


def test_the_same_sentences_in_another_order_have_the_same_error() -> None:
    scores, gold = drawn(2.0, 300)
    predicted, order = scores.argmax(axis=1), np.random.default_rng(1).permutation(300)
    first = reliability(scores, predicted, gold, 2.0)
    other = reliability(scores[order], predicted[order], gold[order], 2.0)
    assert [each.value for each in other.error] == pytest.approx(
        [each.value for each in first.error], abs=1e-12
    )
    assert first.error[1].value < first.error[0].value
    assert first.nll[1] == pytest.approx(nll(scores, gold, 2.0))


def test_a_relation_beyond_the_scores_is_wrong_and_out_of_the_nll() -> None:
    scores, gold = drawn(1.0, 60)
    predicted = scores.argmax(axis=1)
    known = reliability(scores[:50], predicted[:50], gold[:50], 1.5)
    gold[50:] = 3
    found = reliability(scores, predicted, gold, 1.5)
    assert found.nll == pytest.approx(known.nll)
    assert found.sentences == 60
    accuracy = sum(b.sentences * b.accuracy for b in found.error[0].bins) / 60
    assert accuracy == pytest.approx((predicted[:50] == gold[:50]).sum() / 60)


def test_a_temperature_changes_no_order_of_probabilities() -> None:
    scores, _ = drawn(1.0, 200)
    for temperature in (0.2, 1.0, 7.0):
        assert (probabilities(scores, temperature).argsort(axis=1) == scores.argsort(axis=1)).all()
