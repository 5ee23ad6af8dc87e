"""The noise of dev macro-F1 is stated, and is a watch only where it covers the gain."""

import numpy as np
import pytest

from relclf.diagnosis.noise import noise_finding, noise_of_predictions, relation_wobbles
from relclf.scoring.metrics import confusion_matrix
from tests.diagnosis.runs import rising

DEV = (372, 180, 30, 18)


def test_a_healthy_curve_is_ok_and_its_noise_is_stated():
    finding = noise_finding(rising(40), 0.03, DEV)
    assert finding is not None
    assert finding.severity == "ok"
    assert "± 3.0" in finding.measured
    assert "one sentence of the rarest relation (18 in dev) is worth 1.4 points" in finding.measured
    assert "a difference of 1 point would need 43,000 dev sentences" in finding.measured


def test_epochs_within_one_standard_error_of_the_best_are_counted():
    finding = noise_finding([0.2, 0.75, 0.78, 0.79, 0.80], 0.015, DEV)
    assert finding is not None
    assert "2 of 5 epochs within one standard error" in finding.measured


@pytest.mark.parametrize(
    ("scores", "se"),
    [
        ([0.191] * 20, 0.004),
        ([0.19 + 0.04 * (i % 2) for i in range(20)], 0.04),
        (rising(40, wobble=0.1), 0.02),
    ],
    ids=["never above the majority", "a gain within the noise", "a network that swings"],
)
def test_a_gain_under_the_noise_is_watched(scores, se):
    finding = noise_finding(scores, se, DEV)
    assert finding is not None
    assert finding.severity == "watch"


def test_without_the_dev_counts_the_gain_is_not_judged():
    finding = noise_finding([0.8] * 20, 0.03)
    assert finding is not None
    assert finding.severity == "ok"
    assert "rarest" not in finding.measured


def test_three_epochs_are_needed():
    assert noise_finding([0.1, 0.8], 0.03) is None
    assert noise_of_predictions(np.array([0, 1]), [np.array([0, 1])] * 2, 2) is None


def test_the_relation_that_wobbles_is_named():
    generator = np.random.default_rng(0)
    gold = np.repeat([0, 1, 2], [300, 60, 12])
    epochs = []
    for _ in range(12):
        predicted = gold.copy()
        predicted[-12:] = np.where(generator.random(12) < 0.5, 2, 0)
        epochs.append(predicted)
    finding = noise_of_predictions(gold, epochs, 3, ("none", "cause", "part"))
    assert finding is not None
    assert "most wobble (points of F1): part" in finding.measured
    assert "cause" not in finding.measured, "it is right in every epoch"


def test_the_wobble_of_relations_is_that_of_each_ones_f1():
    gold = np.array([0] * 10 + [1] * 10)
    epochs = [np.array([0] * 10 + [1] * right + [0] * (10 - right)) for right in (4, 8, 4, 8)]
    still, moving = relation_wobbles([confusion_matrix(gold, predicted, 2) for predicted in epochs])
    assert moving > still > 0
