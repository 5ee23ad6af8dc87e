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


def dev_records(dev_losses, train_losses=None, scores=None, error=0.1):
    """Records with these dev and train losses and scores, each score with the same standard error."""
    trains = train_losses or [1.0] * len(dev_losses)
    blank = [
        EpochRecord(**{**BLANK, "epoch": i, "train_loss": train, "dev_loss": dev, "total_updates": 10 * i})
        for i, (train, dev) in enumerate(zip(trains, dev_losses, strict=True), 1)
    ]
    return [
        dataclasses.replace(r, monitored=score, dev_macro_f1=score, dev_macro_f1_se=error)
        for r, score in zip(blank, scores or [0.5] * len(blank), strict=True)
    ]


def first_stop(records, **options):
    """The epoch after which a rule other than patience first speaks; None where it never does."""
    training = config(**options)
    epochs = range(1, len(records) + 1)
    return next((n for n in epochs if stop_reason(records[:n], training, 4) == training.stop.name), None)


@pytest.mark.parametrize(
    ("losses", "alpha", "stops"),
    [
        ((1.0, 0.8, 0.83, 0.85), 5.0, 4),  # 100 (0.85 / 0.8 - 1) = 6.25
        ((1.0, 0.8, 0.83, 0.85), 6.0, 4),
        ((1.0, 0.8, 0.83, 0.85), 6.5, None),
        ((1.0, 0.8, 0.6, 0.4), 5.0, None),
        ((0.0, 0.1), 5.0, 2),  # nothing is far enough above nothing
        ((0.0, 0.0), 5.0, None),
    ],
)
def test_gl_stops_where_the_dev_error_is_some_percent_above_its_least(losses, alpha, stops):
    assert first_stop(dev_records(losses), stop={"name": "gl", "alpha": alpha}) == stops


def test_gl_on_the_monitor_watches_what_is_left_to_one():
    records = dev_records([1.0] * 3, scores=[0.8, 0.78, 0.7])  # errors 0.2, 0.22, 0.3
    assert first_stop(records, stop={"name": "gl", "alpha": 20.0, "on": "monitor"}) == 3
    assert first_stop(records, stop={"name": "gl", "alpha": 5.0, "on": "monitor"}) == 2
    assert first_stop(records, stop={"name": "gl", "alpha": 5.0}) is None
    falling = dev_records([1.0] * 3, scores=[0.8, 0.7, 0.6])
    assert first_stop(falling, monitor="loss", stop={"name": "gl", "on": "monitor"}) is None


def test_pq_weighs_the_loss_on_dev_against_the_progress_on_train():
    # Strips of two. At the end of the second: GL = 100 (0.9 / 0.8 - 1) = 12.5; P = 1000 (0.55 / 0.5 - 1) = 100.
    records = dev_records([1.0, 0.8, 0.8, 0.9], [1.0, 0.8, 0.6, 0.5])
    assert first_stop(records, stop={"name": "pq", "alpha": 0.12, "strip": 2}) == 4
    assert first_stop(records, stop={"name": "pq", "alpha": 0.13, "strip": 2}) is None
    standing = dev_records([1.0, 0.8, 0.8, 0.81], [1.0, 0.5, 0.5, 0.5])
    assert first_stop(standing, stop={"name": "pq", "alpha": 99.0, "strip": 2}) == 4  # no progress at all
    assert first_stop(standing[:3], stop={"name": "pq", "alpha": 99.0, "strip": 3}) is None


@pytest.mark.parametrize(
    ("ends", "strips", "stops"),
    [
        ((1.0, 0.9, 0.95, 0.96, 0.97), 2, 8),
        ((1.0, 0.9, 0.95, 0.96, 0.97), 3, 10),
        ((1.0, 0.9, 0.95, 0.95, 0.97), 2, None),  # equal is no rise
        ((0.9, 1.0, 0.9, 1.0), 2, None),
        ((0.9, 1.0), 1, 4),
        ((0.9,), 1, None),
    ],
)
def test_up_stops_after_so_many_strips_that_end_higher_on_end(ends, strips, stops):
    between = [value for end in ends for value in (5.0, end)]  # what a strip does inside does not matter
    assert first_stop(dev_records(between), stop={"name": "up", "strips": strips, "strip": 2}) == stops


@pytest.mark.parametrize(
    ("scores", "stops"),
    [
        ((0.5, 0.6, 0.65, 0.69), 4),  # two epochs within 0.1 of 0.6
        ((0.5, 0.6, 0.65, 0.71), None),
        ((0.5, 0.62, 0.4, 0.3), 4),
        ((0.5, 0.7, 0.75, 0.9), None),
    ],
)
def test_one_se_stops_where_nothing_has_beaten_the_best_by_more_than_its_error(scores, stops):
    records = dev_records([1.0] * len(scores), scores=scores)
    assert first_stop(records, stop={"name": "one_se"}) == stops


@pytest.mark.parametrize("options", [{"patience": None}, {"monitor": "accuracy"}])
def test_one_se_needs_its_error_and_a_patience(options):
    with pytest.raises(ValueError, match="one_se needs monitor: macro_f1"):
        config(stop={"name": "one_se"}, **options)


@pytest.mark.parametrize("name", ["gl", "pq", "up", "one_se"])
def test_every_rule_is_silent_before_min_epochs_and_without_a_dev_set(name):
    rising = dev_records([0.1 * n for n in range(1, 31)], scores=[0.9 - 0.02 * n for n in range(30)])
    early = first_stop(rising, stop={"name": name})
    assert early is not None
    assert early < 29 <= first_stop(rising, stop={"name": name}, min_epochs=29)
    without = [dataclasses.replace(r, dev_loss=None, dev_macro_f1=None, monitored=None) for r in rising]
    assert first_stop(without, stop={"name": name}) is None


def test_a_budget_of_updates_ends_after_the_epoch_that_spends_it():
    records = dev_records([1.0] * 4)
    training = config(max_updates=25, patience=None)
    assert [stop_reason(records[:n], training, 4) for n in range(5)] == [None, None, None, "budget", "budget"]
    said = stop_sentence("budget", 3, training)
    assert said == "stopped after epoch 3: training.max_updates (25) is spent"


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        ({"name": "gl"}, "dev loss is 20 % above its least (gl)"),
        ({"name": "gl", "on": "monitor"}, "1 - dev macro-F1 is 20 % above its least (gl)"),
        ({"name": "pq"}, "dev loss loses more than 0.5 times what train gains (pq)"),
        ({"name": "up"}, "dev loss has risen over 3 strips of 5 epochs on end (up)"),
        (
            {"name": "one_se"},
            "no dev macro-F1 of the last 2 epochs beats the best before them by more than its standard error (one_se)",
        ),
    ],
)
def test_every_rule_says_what_it_has_seen(stop, words):
    training = config(stop=stop)
    assert stop_sentence(training.stop.name, 7, training) == f"stopped after epoch 7: {words}"


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
