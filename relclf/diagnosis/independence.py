"""Tests whether answers go with gold at all, by exchanging them at random."""

import numpy as np
from numpy.typing import NDArray

from relclf.scoring.metrics import confusion_matrix

PERMUTATIONS = 999


def independence(gold: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> float:
    """The share of random exchanges of the predictions that go with gold as well as they do: a p value.

    gold, predicted: (sentences,) ids. The statistic is chi-squared of the confusion matrix; its distribution under
    independence is drawn, since small sets of dev have rare classes (Good 2005, chapter 7).
    """
    generator = np.random.default_rng(0)
    own = _chi_squared(gold, predicted, classes)
    others = (_chi_squared(gold, generator.permutation(predicted), classes) for _ in range(PERMUTATIONS))
    return (1 + sum(other >= own - 1e-9 for other in others)) / (1 + PERMUTATIONS)


def _chi_squared(gold: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> float:
    counts = confusion_matrix(gold, predicted, classes)
    chance = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / max(1, counts.sum())
    return float(((counts - chance) ** 2 / np.where(chance > 0, chance, 1)).sum())
