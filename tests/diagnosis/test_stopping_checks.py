"""Where a run ended is judged by what its curves did until then, beyond their noise."""

import pytest

from relclf.diagnosis.record_checks import record_findings
from tests.diagnosis.runs import config, of, records, rising, severities


def falling(epochs: int, start: float, end: float) -> list[float]:
    return [start + (end - start) * epoch / (epochs - 1) for epoch in range(epochs)]


def test_macro_f1_that_falls_beyond_its_noise_is_overfitting():
    scores = [*rising(15), *falling(25, 0.8, 0.6)]
    finding = of("overfitting", record_findings(config(), records(scores)))
    assert finding.severity == "watch"
    assert "while train loss fell" in finding.measured


def test_a_fall_within_two_standard_errors_is_not():
    scores = [*rising(15), *falling(25, 0.8, 0.76)]
    assert of("overfitting", record_findings(config(), records(scores))).severity == "ok"


def test_a_fall_while_train_gets_worse_too_is_not_overfitting():
    scores = [*rising(15), *falling(25, 0.8, 0.5)]
    loss = [*falling(15, 1.0, 0.2), *falling(25, 0.3, 2.0)]
    assert of("overfitting", record_findings(config(), records(scores, train_loss=loss))).severity == "ok"


def test_a_lucky_first_epoch_before_a_collapse_is_not_overfitting():
    scores, train_f1 = [0.27, 0.25, *[0.19] * 28], [0.26, *[0.2] * 29]
    stuck = records(scores, dev_macro_f1_se=0.005, train_macro_f1=train_f1, train_loss=falling(30, 1.3, 0.95))
    assert of("overfitting", record_findings(config(), stuck)).severity == "ok"


def test_a_rising_nll_with_a_macro_f1_that_holds_is_called_over_confidence():
    finding = of(
        "overfitting",
        record_findings(
            config(), records(rising(30), dev_nll=[*falling(15, 0.9, 0.3), *falling(15, 0.3, 0.6)])
        ),
    )
    assert finding.severity == "ok"
    assert "nll rose from 0.3 to 0.6" in finding.measured
    assert "over-confidence" in finding.why


def test_train_known_by_heart_and_of_dev_less_than_nothing_is_overfitting():
    counts = [50, 50]  # guessing them has a nll of ln 2
    flat, train_f1 = [0.5, 0.49, 0.51] * 6, falling(18, 0.5, 1.0)
    by_heart = records(flat, dev_nll=falling(18, 0.69, 1.5), train_macro_f1=train_f1)
    assert severities(record_findings(config(), by_heart, dev_counts=counts))["overfitting"] == "watch"
    learned = records(flat, dev_nll=falling(18, 0.3, 1.5), train_macro_f1=train_f1)
    assert of("overfitting", record_findings(config(), learned, dev_counts=counts)).severity == "ok"


def test_a_best_epoch_in_the_first_tenth_of_a_run_that_went_on_fitting_is_watched():
    scores = [0.5, 0.62, *[0.6 - 0.001 * (epoch % 3) for epoch in range(48)]]
    train_f1 = [0.4, 0.5, *falling(48, 0.6, 0.99)]
    found = record_findings(config(), records(scores, train_macro_f1=train_f1))
    assert severities(found)["overfitting"] == "watch"


def test_a_score_that_never_moved_is_not_overfitting():
    assert of("overfitting", record_findings(config(), records([0.19] * 50))).severity == "ok"


def test_a_score_still_rising_at_max_epochs_asks_for_more():
    finding = of("train-longer", record_findings(config(), records(falling(20, 0.2, 0.8)), "max_epochs"))
    assert finding.severity == "watch"
    assert finding.next_step == "relclf train --resume RUN --set training.max_epochs=40"


def test_a_late_best_on_a_plateau_is_no_reason_to_go_on():
    scores = [*rising(49), 0.81]
    assert of("train-longer", record_findings(config(), records(scores), "max_epochs")).severity == "ok"


def test_a_loss_still_falling_under_a_score_that_stands_still_asks_for_more():
    found = record_findings(config(), records([0.19] * 30, dev_nll=falling(30, 1.3, 0.95)), "max_epochs")
    assert of("train-longer", found).severity == "watch"


@pytest.mark.parametrize("reason", ["patience", "interrupted", None])
def test_only_a_run_cut_off_by_its_length_is_told_to_train_longer(reason):
    found = record_findings(config(), records(falling(20, 0.2, 0.8)), reason)
    assert "train-longer" not in {finding.check for finding in found}


def test_a_schedule_that_ends_with_the_run_has_its_best_there_by_design():
    cosine = config(training__schedule={"name": "cosine"})
    found = record_findings(cosine, records(falling(20, 0.2, 0.8)), "max_epochs")
    assert of("train-longer", found).severity == "ok"


def test_a_short_patience_under_a_large_wobble_is_watched_with_its_probability():
    wobbly = rising(40, wobble=0.03)
    short = record_findings(config(training__patience=1, training__smooth=1), records(wobbly))
    assert of("patience-too-short", short).severity == "watch"
    assert "replays of the stop rule" in of("patience-too-short", short).measured
    assert of("patience-too-short", record_findings(config(), records(wobbly))).severity == "ok"


def test_a_stop_while_dev_nll_fell_is_watched():
    stuck = records([0.19] * 12, dev_nll=falling(12, 1.3, 0.95))
    finding = of("patience-too-short", record_findings(config(), stuck, "patience"))
    assert finding.severity == "watch"
    assert "dev nll still fell (0.95" in finding.measured
    assert severities(record_findings(config(), stuck)).get("patience-too-short") is None, "it still runs"


def test_without_a_stop_rule_patience_is_not_judged():
    found = record_findings(config(training__patience=None), records(rising(30)))
    assert "patience-too-short" not in {finding.check for finding in found}


def test_a_monitored_loss_is_replayed_as_lower_is_better():
    nll = falling(30, 1.0, 0.3)
    found = record_findings(config(training__monitor="nll"), records(rising(30), dev_nll=nll, monitored=nll))
    assert of("patience-too-short", found).severity == "ok"
