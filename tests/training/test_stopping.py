"""When training stops, and which epoch is best, follows from the records alone."""

import dataclasses
import math

import pytest

from relclf.config.schema import TrainingConfig
from relclf.runs.records import EpochRecord, best_record
from relclf.training.stopping import smoothed_scores, stop_reason, stop_sentence

BLANK = {field.name: 0 for field in dataclasses.fields(EpochRecord)}


def records_of(*monitored, train_loss=(), seconds=1.0):
    losses = [*train_loss, *[1.0] * (len(monitored) - len(train_loss))]
    return [
        EpochRecord(**{**BLANK, "epoch": i, "monitored": value, "train_loss": loss, "seconds": seconds})
        for i, (value, loss) in enumerate(zip(monitored, losses, strict=True), 1)
    ]


def config(**options):
    return TrainingConfig(**{"patience": 2, "smooth": 1, "max_epochs": 99, **options})


def stop_epoch(scores, **options):
    """The epoch after which the stop rule first speaks, and its reason; None where it never does."""
    records = records_of(*scores)
    for epoch in range(1, len(records) + 1):
        reason = stop_reason(records[:epoch], config(**options), 4)
        if reason is not None:
            return epoch, reason
    return None


def test_training_does_not_stop_before_its_first_epoch():
    assert stop_reason([], config(), 4) is None


@pytest.mark.parametrize(
    ("scores", "options", "stopped"),
    [
        ((0.1, 0.2, 0.3, 0.4), {}, None),
        ((0.1, 0.5, 0.4, 0.3), {}, (4, "patience")),
        ((0.1, 0.5, 0.4, 0.6, 0.5, 0.5), {}, (6, "patience")),
        ((0.5, 0.5, 0.5), {}, (3, "patience")),  # equal is not better
        ((0.5, 0.4, 0.4, 0.4), {"patience": None}, None),
        ((0.5, 0.4, 0.3, 0.2), {"patience": 3}, (4, "patience")),
        ((0.5, 0.4, 0.3, 0.2, 0.1), {"min_epochs": 5}, (5, "patience")),
        ((0.5, 0.4, 0.3, 0.2, 0.6), {"min_epochs": 5}, None),
        ((0.50, 0.52, 0.54, 0.56), {"min_delta": 0.03}, None),  # small steps add up
        ((0.50, 0.51, 0.52), {"min_delta": 0.03}, (3, "patience")),
        ((0.9, 0.8, 0.7, 0.6), {"monitor": "loss"}, None),
        ((0.5, 0.6, 0.7), {"monitor": "loss"}, (3, "patience")),
        ((0.5, 0.6, 0.7), {"monitor": "nll"}, (3, "patience")),
        ((0.1, 0.2), {"max_epochs": 2}, (2, "max_epochs")),
        ((None, None, None, None), {"max_epochs": 4}, (4, "max_epochs")),
        ((0.5, 0.4, 0.3), {"max_epochs": 3}, (3, "patience")),
        ((0.1, 0.2, 0.3, 0.4), {"max_seconds": 2.5}, (3, "budget")),
    ],
)
def test_training_stops_after_the_stated_epoch(scores, options, stopped):
    assert stop_epoch(scores, **options) == stopped


def test_smoothing_is_the_mean_of_the_last_scores_with_fewer_at_the_start():
    records = records_of(0.1, 0.5, 0.3, 0.7)
    assert smoothed_scores(records, config(smooth=3)) == pytest.approx([0.1, 0.3, 0.3, 0.5])
    losses = smoothed_scores(records, config(smooth=2, monitor="loss"))
    assert losses == pytest.approx([-0.1, -0.3, -0.4, -0.5])


def test_a_lucky_epoch_does_not_stop_a_smoothed_run_early():
    scores = (0.40, 0.60, 0.45, 0.48, 0.52, 0.55)
    assert stop_epoch(scores) == (4, "patience")
    assert stop_epoch(scores, smooth=3) is None


@pytest.mark.parametrize(
    ("losses", "options", "reason"),
    [
        ((14, 14, 14), {}, "diverged"),
        ((1, 14, 14), {}, None),
        ((14, 14, 1), {}, None),
        ((14, 14), {}, None),
        ((13.8, 13.8, 13.8), {}, None),  # ten times ln 4 is 13.86
        ((14, 14, 14), {"divergence": None}, None),
        ((6, 6, 6), {"divergence": 4.0}, "diverged"),
    ],
)
def test_training_is_diverged_after_three_epochs_far_above_ln_of_the_relations(losses, options, reason):
    records = records_of(*[0.1 * (i + 1) for i in range(len(losses))], train_loss=losses)
    assert stop_reason(records, config(**options), 4) == reason


def test_the_limit_of_divergence_grows_with_the_relations():
    records = records_of(0.1, 0.2, 0.3, train_loss=[10 * math.log(19) - 1] * 3)
    assert stop_reason(records, config(), 4) == "diverged"
    assert stop_reason(records, config(), 19) is None


@pytest.mark.parametrize(
    ("monitor", "scores", "epoch"),
    [
        ("macro_f1", (0.1, 0.7, 0.3), 2),
        ("macro_f1", (0.7, 0.7, 0.3), 1),
        ("macro_f1", (0.1, 0.7, 0.2, 0.7), 2),
        ("loss", (0.9, 0.2, 0.2, 0.5), 2),
        ("nll", (0.9, 0.2, 0.1), 3),
        ("macro_f1", (None, None), 2),
    ],
)
def test_the_best_epoch_has_the_best_raw_score_and_the_earlier_wins_a_tie(monitor, scores, epoch):
    assert best_record(records_of(*scores), monitor).epoch == epoch


def test_there_is_no_best_epoch_before_the_first():
    assert best_record([], "macro_f1") is None


def test_the_reasons_are_said_in_words():
    said = {
        reason: stop_sentence(reason, 9, config(patience=5, smooth=3, max_seconds=60.0))
        for reason in ("patience", "max_epochs", "budget", "diverged", "not_finite", "interrupted", "error")
    }
    assert (
        said["patience"]
        == "stopped after epoch 9: dev macro-F1 (mean of 3 epochs) has not risen for 5 epochs"
    )
    assert said["max_epochs"] == "stopped after epoch 9: training.max_epochs is 99"
    assert said["budget"] == "stopped after epoch 9: training.max_seconds (60) is spent"
    assert said["diverged"].endswith("above 10 ln(relations) for 3 epochs")
    assert said["not_finite"].startswith("stopped in epoch 10: ")
    assert stop_sentence("patience", 4, config(monitor="loss")).endswith(
        "dev loss has not fallen for 2 epochs"
    )
    assert len(set(said.values())) == 7
