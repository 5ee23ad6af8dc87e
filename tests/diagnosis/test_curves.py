"""A curve is trend and wobble, and the stop rule replayed on many curves is the stop rule."""

import numpy as np
import pytest

from relclf.diagnosis.curves import replay_stop_rule, slope, still_falling, stop_epochs, trend, wobble
from relclf.training.stopping import stop_reason
from tests.diagnosis.runs import config, records


def noisy(values: np.ndarray, sigma: float, seed: int = 0) -> list[float]:
    return (values + np.random.default_rng(seed).normal(0, sigma, len(values))).tolist()


def test_a_straight_line_has_no_wobble_and_is_its_own_trend():
    line = [0.1 + 0.02 * epoch for epoch in range(20)]
    assert wobble(line) == pytest.approx(0, abs=1e-12)
    assert trend(line) == pytest.approx(line)
    assert slope(line)[0] == pytest.approx(0.02)


def test_the_wobble_is_the_standard_deviation_about_a_trend_that_bends():
    bent = np.log(np.arange(1, 401))
    assert wobble(noisy(bent, 0.05)) == pytest.approx(0.05, rel=0.15)


def test_the_error_of_a_slope_is_that_of_least_squares():
    slopes = [slope(noisy(np.zeros(30), 0.1, seed)) for seed in range(300)]
    assert np.mean([error for _, error in slopes]) == pytest.approx(
        np.std([value for value, _ in slopes]), rel=0.1
    )


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6])
def test_the_trend_of_a_short_curve_is_a_line_at_most(length):
    values = trend(noisy(np.zeros(length), 1.0))
    assert len(values) == length
    assert np.diff(values, 2) == pytest.approx(0, abs=1e-9) if length <= 5 else True


def test_a_loss_falls_still_where_its_last_epochs_fall_beyond_their_wobble():
    down = np.linspace(1.0, 0.9, 20)
    assert still_falling(noisy(down, 0.0005), 10)
    assert not still_falling(noisy(np.full(20, 0.9), 0.0005), 10)
    assert not still_falling(noisy(np.concatenate([down, down[::-1]]), 0.0005), 10)
    assert not still_falling(down.tolist()[:4], 10)


@pytest.mark.parametrize("patience", [1, 3, 10])
@pytest.mark.parametrize("smooth", [1, 3])
@pytest.mark.parametrize("min_delta", [0.0, 0.02])
def test_the_replayed_stop_rule_stops_where_the_loops_own_does(patience, smooth, min_delta):
    training = config(
        training__patience=patience,
        training__smooth=smooth,
        training__min_delta=min_delta,
        training__min_epochs=4,
        training__max_epochs=10_000,
    ).training
    curves = np.random.default_rng(1).normal(0.5, 0.1, (40, 30)) + np.linspace(0, 0.3, 30)
    expected = []
    for curve in curves.tolist():
        run = records(curve)
        ends = [n for n in range(1, 31) if stop_reason(run[:n], training, 4) == "patience"]
        expected.append(ends[0] if ends else 30)
    assert stop_epochs(curves, training, patience).tolist() == expected


def test_replays_call_a_short_patience_premature_and_a_long_one_not():
    rise = noisy(1 - np.exp(-np.arange(60) / 15), 0.04)
    training = config(training__smooth=1).training
    short, long = (replay_stop_rule(rise, training, patience) for patience in (1, 15))
    assert short.premature > 0.9
    assert short.lost > 0.2
    assert long.premature < 0.05
    assert replay_stop_rule(rise, training, 1) == short, "the same random numbers each time"


def test_a_premature_share_is_near_that_of_new_curves_from_the_same_source():
    source = 1 - np.exp(-np.arange(60) / 15)
    training = config(training__smooth=1).training
    fresh = np.stack([noisy(source, 0.04, seed) for seed in range(2000)])
    stops = stop_epochs(fresh, training, 5)
    reached = np.maximum.accumulate(source)[stops - 1]
    true = float((reached < source[0] + 0.95 * (source[-1] - source[0])).mean())
    estimates = [replay_stop_rule(noisy(source, 0.04, seed), training, 5).premature for seed in range(20)]
    assert np.mean(estimates) == pytest.approx(true, abs=0.15)
