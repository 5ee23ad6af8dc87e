"""Takes a curve of scores apart into trend and wobble, and replays the stop rule on curves like it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relclf.config.schema import TrainingConfig
from relclf.scoring.metrics import Values

TREND_EPOCHS = 5
"""A trend is a line fitted to this many epochs, moved along the curve (Savitzky and Golay 1964, degree 1)."""
SIGNIFICANT = 3.0
"""Standard errors that a slope must lie from 0 to count: 1 in 700 by chance under normal noise."""
LEARNED = 0.95
"""Share of a curve's whole gain after which a stop is no longer premature; `reached_95` uses the same."""
NEARBY = 4
"""Epochs to either side from which a residual is drawn: the wobble of the first epochs is not that of the last."""
REPLAYS = 1000
"""Curves on which the stop rule is replayed: a probability of 0.5 is known to 1.6 points."""


def wobble(scores: Sequence[float]) -> float:
    """Standard deviation of a curve about its trend, from the second differences; 0 below three scores.

    Each score against the mean of its neighbours: Gasser, Sroka and Jennen-Steinmetz 1986. A straight line has none.
    """
    parts = _pseudo_residuals(np.asarray(scores, dtype=np.float64))
    return float(np.sqrt(np.mean(parts**2))) if parts.size else 0.0


def trend(scores: Sequence[float]) -> Values:
    """(epochs,) the curve without its wobble: at each epoch the line through the nearest TREND_EPOCHS."""
    values = np.asarray(scores, dtype=np.float64)
    width = min(TREND_EPOCHS, len(values))
    starts = np.clip(np.arange(len(values)) - width // 2, 0, len(values) - width)
    offsets = np.arange(width) - (width - 1) / 2
    windows = values[starts[:, None] + np.arange(width)]  # (epochs, width)
    slopes = windows @ offsets / max(1.0, float(offsets @ offsets))
    return np.asarray(windows.mean(axis=1) + slopes * (np.arange(len(values)) - starts - (width - 1) / 2))


def slope(scores: Sequence[float]) -> tuple[float, float]:
    """The slope of the line through all scores, an epoch, and its standard error by their wobble."""
    values = np.asarray(scores, dtype=np.float64)
    offsets = np.arange(len(values)) - (len(values) - 1) / 2
    spread = float(offsets @ offsets)
    return float(values @ offsets) / spread, wobble(scores) / spread**0.5


def still_falling(losses: Sequence[float], epochs: int) -> bool:
    """Whether a loss fell by more than its wobble over its last epochs, and is as low there as it ever was."""
    last = losses[-max(TREND_EPOCHS, epochs) :]
    if len(last) < TREND_EPOCHS:
        return False
    change, error = slope(last)
    return change < -SIGNIFICANT * error and last[-1] < last[0] and min(losses[-2:]) <= min(losses)


@dataclass(frozen=True)
class Replay:
    """What the stop rule did on curves with a run's trend and a wobble like the run's."""

    premature: float
    """Share of the curves that it ended before LEARNED of the trend's gain."""
    lost: float
    """What those curves lacked on average of the trend's best, in units of the score."""


def replay_stop_rule(scores: Sequence[float], training: TrainingConfig, patience: int) -> Replay:
    """Replay the stop rule with the config's `smooth`, `min_delta` and `min_epochs`. scores: greater is better.

    Each curve is the trend plus, at each epoch, a residual of the curve's own from one of the NEARBY epochs around it.
    Nothing is said of epochs that the run never had.
    """
    course = trend(scores)
    residuals = _pseudo_residuals(np.asarray(scores, dtype=np.float64))
    shifts = np.random.default_rng(0).integers(-NEARBY, NEARBY + 1, size=(REPLAYS, len(course)))
    noise = residuals[np.clip(np.arange(len(course)) - 1 + shifts, 0, len(residuals) - 1)]
    stops = stop_epochs(course + noise, training, patience)
    reached = np.maximum.accumulate(course)
    enough = course[0] + LEARNED * (reached[-1] - course[0])
    early = reached[stops - 1] < enough
    lost = reached[-1] - reached[stops[early] - 1]
    return Replay(float(early.mean()), float(lost.mean()) if early.any() else 0.0)


def stop_epochs(curves: Values, training: TrainingConfig, patience: int) -> NDArray[np.int64]:
    """(curves,) the epoch after which the stop rule ends each curve; its last epoch where it never does.

    curves: (curves, epochs), greater is better. The same rule as `training.stopping`, for many curves at once.
    """
    count, epochs = curves.shape
    best, best_epoch = np.full(count, -np.inf), np.zeros(count, dtype=np.int64)
    stops = np.full(count, epochs, dtype=np.int64)
    running = np.ones(count, dtype=bool)
    for epoch in range(1, epochs + 1):
        smoothed = curves[:, max(0, epoch - training.smooth) : epoch].mean(axis=1)
        better = smoothed > best + training.min_delta
        best = np.where(better, smoothed, best)
        best_epoch = np.where(better, epoch, best_epoch)
        ends = running & (epoch - best_epoch >= patience) & (epoch >= training.min_epochs)
        stops[ends] = epoch
        running &= ~ends
    return stops


def _pseudo_residuals(values: Values) -> Values:
    """(epochs - 2,) each score against the mean of its neighbours, scaled to the variance of one score."""
    return np.asarray((values[1:-1] - (values[:-2] + values[2:]) / 2) * np.sqrt(2 / 3))
