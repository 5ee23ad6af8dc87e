"""How far probabilities can be believed: the expected calibration error, and the temperature that lowers it."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relclf.scoring.resampling import percentiles

BINS = 15
COLDEST, HOTTEST = 0.05, 20.0
"""Temperatures outside say that there was next to nothing to learn from."""

Shares = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bin:
    """The predictions whose probability lies in (low, high]."""

    low: float
    high: float
    sentences: int
    confidence: float
    """Their mean probability."""
    accuracy: float
    """The share of them that is right."""


@dataclass(frozen=True)
class CalibrationError:
    """The expected calibration error, in [0, 1], with its 95 % interval, and the bins that it sums up."""

    value: float
    low: float
    high: float
    by_chance: float
    """What to expect on as many sentences of probabilities that are exactly right."""
    bins: tuple[Bin, ...]


def probabilities(scores: NDArray[np.floating[Any]], temperature: float = 1.0) -> Shares:
    """Softmax of scores / temperature over the last axis, in float64. scores: (sentences, relations)."""
    shifted = (scores.astype(np.float64) - scores.max(axis=1, keepdims=True)) / temperature
    exponentials: Shares = np.exp(shifted)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def fit_temperature(scores: NDArray[np.float32], gold: NDArray[np.int64]) -> float | None:
    """The temperature with the least mean negative log-likelihood (Guo et al. 2017, section 4.2).

    scores: (sentences, relations); gold: (sentences,) ids. The likelihood is log-concave in 1 / temperature. None where
    it rises without end: every sentence is right, or their gold scores are no higher than the others. None too where
    the temperature is outside COLDEST to HOTTEST.
    """
    from scipy.optimize import minimize_scalar

    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    golden = shifted[np.arange(len(gold)), gold]
    if not golden.any():
        return None

    def nll(sharpness: float) -> float:
        return float((np.log(np.exp(sharpness * shifted).sum(axis=1)) - sharpness * golden).mean())

    found = minimize_scalar(nll, bounds=(1 / HOTTEST, 1 / COLDEST), method="bounded", options={"xatol": 1e-9})
    temperature = float(1 / found.x)
    return temperature if 1.001 * COLDEST < temperature < 0.999 * HOTTEST else None


def calibration_error(
    confidence: Shares, right: NDArray[np.bool_], samples: int = 1000, seed: int = 1
) -> CalibrationError:
    """Of predictions with their probability: the mean over 15 bins of equal width of |accuracy - mean probability|,
    each weighted by its share of the sentences (Guo et al. 2017, equation 3).

    confidence, right: (sentences,). A few sentences in a bin differ from their probability by chance, so the error is
    above zero even where all is well (`by_chance`), and higher still in a bootstrap sample. Hence the interval is the
    basic one, the percentiles reflected at the value: the percentiles alone miss small errors always.
    """
    places = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    gaps = right - confidence
    value = _error(gaps, places)
    generator = np.random.default_rng(seed)
    resampled, lucky = [], []
    for _ in range(samples):
        drawn = generator.integers(len(gaps), size=len(gaps))
        resampled.append(_error(gaps[drawn], places[drawn]))
        lucky.append(_error((generator.random(len(gaps)) < confidence) - confidence, places))
    low, high = percentiles(np.array(resampled))
    return CalibrationError(
        value,
        max(0.0, 2 * value - high),
        max(0.0, 2 * value - low),
        float(np.mean(lucky)),
        _bins(confidence, right, places),
    )


@dataclass(frozen=True)
class Reliability:
    """How far the probabilities of a labelled set can be believed as they are and with a temperature."""

    temperature: float
    sentences: int
    nll: tuple[float | None, float | None]
    """Before and after, nats a sentence whose relation the network knows; None where there is none."""
    error: tuple[CalibrationError, CalibrationError]
    """Before and after."""

    def to_json(self) -> dict[str, Any]:
        """The object that `evaluate --json` prints; a bin without sentences is left out."""
        before, after = ({**asdict(e), "bins": [asdict(b) for b in e.bins]} for e in self.error)
        return {
            "temperature": self.temperature,
            "sentences": self.sentences,
            "nll": dict(zip(("before", "after"), self.nll, strict=True)),
            "error": {"before": before, "after": after},
        }


def reliability(
    scores: NDArray[np.float32],
    predicted: NDArray[np.int64],
    gold: NDArray[np.int64],
    temperature: float,
    samples: int = 1000,
) -> Reliability:
    """Of sentences with their scores (sentences, relations); predicted, gold: (sentences,).

    A gold id beyond the scores is a relation that the network does not know: wrong, and without a likelihood.
    """
    everyone, known = np.arange(len(gold)), np.flatnonzero(gold < scores.shape[1])
    nll, error = [], []
    for each in (1.0, temperature):
        shares = probabilities(scores, each)
        nll.append(float(-np.log(shares[known, gold[known]]).mean()) if len(known) else None)
        error.append(calibration_error(shares[everyone, predicted], predicted == gold, samples))
    return Reliability(temperature, len(gold), (nll[0], nll[1]), (error[0], error[1]))


def _error(gaps: Shares, places: NDArray[np.int64]) -> float:
    """gaps, right or not less the probability, and places, the bin: (sentences,)."""
    return float(np.abs(np.bincount(places, gaps, BINS)).sum() / len(gaps))


def _bins(confidence: Shares, right: NDArray[np.bool_], places: NDArray[np.int64]) -> tuple[Bin, ...]:
    members = [(number, places == number) for number in np.unique(places).tolist()]
    return tuple(
        Bin(
            number / BINS,
            (number + 1) / BINS,
            int(inside.sum()),
            float(confidence[inside].mean()),
            float(right[inside].mean()),
        )
        for number, inside in members
    )
