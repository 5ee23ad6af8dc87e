"""Tells from a gradient which loss it came from, and the gold classes and the loss itself with it.

With scores z of shape (batch, classes), p = softmax(z) and gold class y, the gradient that reaches a row of z is

    cross-entropy          s (p - e_y)
    of softmax(z) again    s J(p) (softmax(p) - e_y),   J(p) = diag(p) - p p'
    squared error of p     s J(p) (p - e_y), which is no loss that we judge
    of sigmoid(z)          s q (1 - q) (softmax(q) - e_y),   q = sigmoid(z), value by value
    nll of z               -s e_y

where s is the row's weight in the loss: 1/batch for a mean, times the weight of class y. Without J(p), y is the one
entry that is negative. A row J(p) v is p (v - p'v), where p may be next to nothing at y; divided by p it is v less a
constant, and there y is the least entry again, as it is in v. The loss that leaves the least of the gradient
unexplained is the one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

EXPLAINED = 0.05
"""A loss explains a gradient if it leaves at most this share of its square: label smoothing at 0.1 leaves less."""
SMALLEST = 1e-30
"""Of a probability that is divided by."""
ALL_EXPLAINED = 1e-9
"""A loss that leaves less is the one; rounding of float32 leaves about 1e-14."""


@dataclass(frozen=True)
class SeenLoss:
    """What a gradient says of its loss."""

    name: str
    """cross-entropy, softmax twice, sigmoid first, nll or other."""
    gold: Tensor
    """(batch,)."""
    weight: float
    """The sum of s over the batch: 1 for a mean without class weights."""
    class_weights: float
    """The largest over the smallest s of the gold classes of the batch."""
    cross_entropy: float
    """Mean of -log softmax(z) at gold, nats an example."""


def seen_loss(scores: Tensor, gradient: Tensor) -> SeenLoss:
    """scores and the gradient of the loss with respect to them, (batch, classes) each."""
    scores, gradient = scores.detach().double(), gradient.detach().double()
    gold = gradient.argmin(dim=1)
    name, unexplained, weights = "other", 2.0, torch.zeros_like(gold)
    for candidate, classes, shape in _shapes(scores, gradient):
        left, found = _fit(gradient, shape, classes)
        if left < unexplained:
            name, unexplained, weights, gold = candidate, left, found, classes
        if left < ALL_EXPLAINED:
            break
    least = float(weights.min())
    return SeenLoss(
        name if unexplained <= EXPLAINED and name != "squared error" else "other",
        gold,
        float(weights.sum()),
        float(weights.max()) / least if least > 0 else 1.0,
        float(-scores.log_softmax(dim=1).gather(1, gold[:, None]).mean()),
    )


def _shapes(scores: Tensor, gradient: Tensor) -> Iterator[tuple[str, Tensor, Tensor]]:
    """What each loss makes of a gradient, with its gold classes, but for the weights s; the commonest first."""
    chances = scores.softmax(dim=1)
    gold, target = _least(gradient)
    unsaid = (
        gradient.amin(dim=1) >= 0
    )  # p rounds to 1: nothing is left of the gradient where the network is right
    gold = torch.where(unsaid, scores.argmax(dim=1), gold)
    target = torch.zeros_like(scores).scatter_(1, gold[:, None], 1.0)
    yield "cross-entropy", gold, chances - target
    yield "nll", gold, -target
    bent = scores.sigmoid()
    yield "sigmoid first", gold, bent * (1 - bent) * (bent.softmax(dim=1) - target)
    gold, target = _least(gradient / chances.clamp(min=SMALLEST))
    again, miss = chances.softmax(dim=1) - target, chances - target
    yield "softmax twice", gold, chances * (again - (chances * again).sum(dim=1, keepdim=True))
    yield "squared error", gold, chances * (miss - (chances * miss).sum(dim=1, keepdim=True))


def _least(values: Tensor) -> tuple[Tensor, Tensor]:
    """The class with the least value of each row, and its one-hot row."""
    classes = values.argmin(dim=1)
    return classes, torch.zeros_like(values).scatter_(1, classes[:, None], 1.0)


def is_squeezed_again(values: Tensor, gradient: Tensor) -> bool:
    """Whether the gradient is that of a binary cross-entropy which applies a sigmoid to `values` itself.

    With v such a value and y in {0, 1}, the gradient of that loss is s (sigmoid(v) - y); that of a binary cross-entropy
    of v itself is s (v - y) / (v (1 - v)).
    """
    if values.shape != gradient.shape or not bool(gradient.any()):
        return False
    v, found = values.double().flatten(), gradient.detach().double().flatten()
    y = (found < 0).double()
    again, once = v.sigmoid() - y, (v - y) / (v * (1 - v)).clamp(min=1e-12)
    return _left(found, again) < min(EXPLAINED, _left(found, once))


def _left(gradient: Tensor, shape: Tensor) -> float:
    """The share of the gradient's square that `shape`, times one number, leaves."""
    product, square = float((gradient * shape).sum()), float((shape * shape).sum())
    return 1 - product**2 / (square * float((gradient * gradient).sum())) if square else 1.0


def _fit(gradient: Tensor, shape: Tensor, gold: Tensor) -> tuple[float, Tensor]:
    """The share of the gradient's square that `shape`, times a weight a gold class, leaves; the weights (batch,)."""
    classes = gradient.shape[1]
    products = gradient.new_zeros(classes).index_add_(0, gold, (gradient * shape).sum(dim=1))
    squares = gradient.new_zeros(classes).index_add_(0, gold, (shape * shape).sum(dim=1))
    weights = (products / squares.clamp(min=1e-30))[gold]
    left = gradient - weights[:, None] * shape
    whole = float((gradient * gradient).sum())
    return (float((left * left).sum()) / whole if whole else 1.0), weights
