"""Says how large the noise of dev macro-F1 is beside what training has gained."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relclf.diagnosis.curves import wobble
from relclf.diagnosis.findings import Finding, Severity
from relclf.relations import RelationSet
from relclf.scoring.metrics import confusion_matrix, ratio, score
from relclf.scoring.resampling import standard_error

Ids = NDArray[np.int64]

COARSE_SE = 0.05
"""A standard error of macro-F1 above which only differences of more than 10 points (two of them) can be told."""
SWING = 2.0
"""Wobble in standard errors above which the network swings and not the measurement; 65 runs that fitted train were
measured at 0.8 at most."""
DIFFERENCE = 0.01
"""The difference of macro-F1 that a person would like to see: one point."""
_SAMPLES = 1000
_EXPECTED = (
    "a gain above two standard errors of a difference, a wobble below two of a score (bootstrap, Efron 1979)"
)


def noise_finding(
    scores: Sequence[float], se: float, dev_counts: Sequence[int] = (), wobbling: str = ""
) -> Finding | None:
    """The noise of a run's dev macro-F1. scores: an epoch each, in [0, 1]; se: bootstrap, of the best.

    dev_counts: dev sentences a relation, empty where not known; wobbling: more evidence, for the end of the line.
    None below three epochs.
    """
    if len(scores) < 3:
        return None
    best, swing = max(scores), wobble(scores[len(scores) // 2 :])
    within = sum(best - value <= se for value in scores)
    measured = (
        f"best {_points(best)} ± {_points(se)} (bootstrap standard error), wobble {_points(swing)} points, "
        f"{within} of {len(scores)} epochs within one standard error of the best"
    )
    gain = None
    supported = [count for count in dev_counts if count]
    if supported:
        base = _majority_macro_f1(supported)
        gain = best - base
        rarest, sentences = min(supported), sum(supported)
        measured += (
            f", {_points(gain)} above always the commonest relation, one sentence of the rarest relation "
            f"({rarest} in dev) is worth {100 / (len(supported) * rarest):.1f} points"
        )
        if se:
            measured += f", a difference of 1 point would need {_needed(sentences, se):,} dev sentences"
    severity, why = _judged(gain, swing, se)
    return Finding(
        severity, "noise-larger-than-gain", measured + wobbling, _EXPECTED, why, _NEXT_STEP[severity]
    )


def noise_of_predictions(
    gold: Ids, epochs: Sequence[Ids], relations: int, names: Sequence[str] = ()
) -> Finding | None:
    """The same from the predictions of several epochs, for any classifier, and which relations wobble.

    gold: (sentences,); epochs: one (sentences,) array of predicted ids each, over the same sentences.
    """
    if len(epochs) < 3 or not len(gold):
        return None
    everything = RelationSet(tuple(str(i) for i in range(relations)))
    matrices = [confusion_matrix(gold, predicted, relations) for predicted in epochs]
    scores = [float(np.asarray(score("macro_f1", counts, everything))) for counts in matrices]
    best = matrices[int(np.argmax(scores))]
    se = standard_error("macro_f1", best, everything, _SAMPLES, np.random.default_rng(0)) or 0.0
    wobbles = relation_wobbles(matrices[len(matrices) // 2 :])
    support = best.sum(axis=1)
    most = [i for i in np.argsort(-wobbles) if support[i] and wobbles[i] > 0][:3]
    texts = (
        f"{names[i] if len(names) else f'relation {i}'} {_points(wobbles[i])} ({support[i]} in dev)"
        for i in most
    )
    wobbling = "; most wobble (points of F1): " + ", ".join(texts) if most else ""
    return noise_finding(scores, se, support.tolist(), wobbling)


def relation_wobbles(matrices: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """(relations,) the wobble of each relation's F1. matrices: (relations, relations) counts, an epoch each."""
    stack = np.stack(matrices)
    correct = np.diagonal(stack, axis1=1, axis2=2)
    f1 = ratio(2 * correct, stack.sum(axis=1) + stack.sum(axis=2))  # (epochs, relations)
    return np.array([wobble(column) for column in f1.T.tolist()])


def _judged(gain: float | None, swing: float, se: float) -> tuple[Severity, str]:
    if gain is not None and gain < 2 * math.sqrt(2) * se:
        return "watch", "dev cannot tell this network from one that always says the commonest relation"
    if swing > SWING * se > 0:
        return "watch", "the sentences are the same each epoch, so it is the network itself that swings"
    if se > COARSE_SE:
        return (
            "watch",
            f"two networks must differ by more than {_points(2 * se)} points before dev can tell them",
        )
    return "ok", "a score within one standard error of another says nothing against it"


_NEXT_STEP: dict[Severity, str] = {
    "ok": "compare means over several seeds: relclf train --config CONFIG --seeds 5",
    "watch": "a larger dev set, and means over several seeds: relclf train --config CONFIG --seeds 5",
    "problem": "",
}


def _majority_macro_f1(supported: Sequence[int]) -> float:
    """Macro-F1 of a classifier that always says the commonest relation."""
    return 2 * max(supported) / (sum(supported) + max(supported)) / len(supported)


def _needed(sentences: int, se: float) -> int:
    """Dev sentences with which a difference of one point is twice the standard error of a difference.

    Of two networks scored independently; on the same sentences fewer are enough, how many only a pair can tell.
    """
    exact = sentences * (2 * math.sqrt(2) * se / DIFFERENCE) ** 2
    return int(float(f"{exact:.2g}"))


def _points(value: float) -> str:
    return f"{100 * value:.1f}"
