"""Can the network fit what it is shown? Overfits a few sentences, looks at the first loss and at dead filters."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Literal

import torch
from torch import Tensor, nn

from relclf.diagnosis.findings import Finding, Severity, well
from relclf.diagnosis.probed import Judged, ProbeBatch, Probed, Trial, no_limit, prior_loss, score_columns
from relclf.training.optimizers import Optimizer

FIT_LOSS = 0.01
"""A few sentences are fitted at this loss, nats a sentence."""
FIT_SHARE = 0.95
"""Or where all are predicted right and this share of the prior's loss is gone: some losses never come near 0."""
ONE_BATCH_UPDATES = 300
SEVERAL_BATCHES_UPDATES = 400
_JUDGED_EVERY = 50


@dataclass(frozen=True)
class Fit:
    """How far a few sentences were fitted, and how."""

    sentences: int
    updates: int
    judged: Judged
    how: str
    """ "with the training's own optimiser", or what took its place."""
    fitted: bool

    def __str__(self) -> str:
        right = f"{100 * self.judged.accuracy:.0f} % right, loss {self.judged.loss:.2g}"
        return f"{self.sentences} sentences: {right} after {self.updates} updates {self.how}"


def overfit_finding(fits: Sequence[Fit], next_step: str) -> Finding:
    """The finding of too-simple from what `overfit` gave for one batch and for several."""
    failed = [fit for fit in fits if not fit.fitted]
    measured = "; ".join(str(fit) for fit in failed or fits)
    expected = "all right, loss below 0.01, dropout off, in eval mode (Goodfellow et al. 2016, section 11.5)"
    if not failed:
        return well("too-simple", measured, expected)
    why = "what a network cannot learn by heart it cannot learn at all: it is too small, or part of it is cut off"
    return Finding("problem", "too-simple", measured, expected, why, next_step)


def overfit(
    probed: Probed, batches: Sequence[ProbeBatch], updates: int, check: Callable[[], None] = no_limit
) -> Fit:
    """Fit these batches with the training's optimiser or, where that is too slow, with Adam at usual rates.

    So a rate that is too small, or a weight decay, is not taken for a network that is too small.
    """
    best: Fit | None = None
    for how, optimizer in _OPTIMIZERS.items():
        fit = _fit(probed, batches, updates, how, optimizer, check)
        if fit.fitted:
            return fit
        if best is None or fit.judged.loss < best.judged.loss:
            best = fit
    assert best is not None
    return best


def _adam(rate: float) -> Callable[[nn.Module, float], Optimizer]:
    return lambda model, factor: torch.optim.Adam(
        [p for p in model.parameters() if p.requires_grad], lr=rate * factor
    )


_OPTIMIZERS: dict[str, Callable[[nn.Module, float], Optimizer] | None] = {
    "with the training's own optimiser": None,
    "with Adam at 0.001": _adam(1e-3),
    "with Adam at 0.01": _adam(1e-2),
    "with Adam at 0.0001": _adam(1e-4),
}


def _fit(
    probed: Probed,
    batches: Sequence[ProbeBatch],
    updates: int,
    how: str,
    optimizer: Callable[[nn.Module, float], Optimizer] | None,
    check: Callable[[], None],
) -> Fit:
    prior = prior_loss(probed, batches)
    trial = Trial(probed, optimizer)
    now = trial.judge(batches)
    sentences = sum(len(batch.gold) for batch in batches)
    while trial.updates < updates and not _is_fit(now, prior) and not trial.broken:
        rounds = max(1, min(_JUDGED_EVERY, updates - trial.updates) // len(batches))
        trial.train(chain.from_iterable(repeat(batches, rounds)), check)
        now = trial.judge(batches)
    return Fit(sentences, trial.updates, now, how, _is_fit(now, prior))


def _is_fit(now: Judged, prior: float) -> bool:
    return now.loss < FIT_LOSS or (now.accuracy == 1.0 and now.loss <= (1 - FIT_SHARE) * prior)


FAR_OFF = 2.0
"""A first loss above this many times ln(relations) is far from that of guessing."""


def first_loss_finding(probed: Probed, batches: Sequence[ProbeBatch], scale: str, next_step: str) -> Finding:
    """The finding of loss-at-init: the loss before the first update beside that of guessing.

    `scale` says what the inputs' spread is, which explains much of a large one.
    """
    loss = Trial(probed).judge(batches).loss
    columns = score_columns(probed)
    guess = math.log(columns)
    measured = f"loss {loss:.2f} before the first update, ln {columns} = {guess:.2f}; {scale}"
    expected = f"near ln(relations) with word vectors of 0.1, below {FAR_OFF:g} times it with any usual ones"
    if loss <= FAR_OFF * guess:
        return well("loss-at-init", measured, expected)
    why = "the first updates only unlearn what the network was born with"
    return Finding("watch", "loss-at-init", measured, expected, why, next_step)


Activation = Literal["tanh", "relu", "gelu"]
SATURATED = 1e-3
"""A tanh passes less than this share of its gradient where it is within this of +-1, to first order twice it."""
MANY_DEAD, SOME_DEAD = 0.5, 0.1
"""Half of the filters gone is a network of half the size; one in ten is worth a look."""


def dead_filters_finding(features: Tensor, activation: Activation, next_step: str) -> Finding:
    """The finding of dead-filters from the pooled activations of many sentences, (sentences, filters).

    A filter is dead where its gradient is zero for every sentence: a ReLU at 0, a tanh at its end, or a GELU far
    below 0, where its value is next to 0.
    """
    with torch.no_grad():
        slope = {
            "tanh": 1 - features.square(),
            "relu": (features > 0).float(),
            "gelu": features.abs(),
        }[activation]
        dead = float((slope.amax(dim=0) <= (0 if activation == "relu" else SATURATED)).float().mean())
    count = round(dead * features.shape[1])
    word = "saturated" if activation == "tanh" else "dead"
    measured = f"{count} of {features.shape[1]} filters are {word} for each of {len(features):,} sentences"
    expected = "none, or a few (a missing zero_grad was measured to kill 87 %, a healthy training none)"
    if dead <= SOME_DEAD:
        return well("dead-filters", measured, expected)
    severity: Severity = "problem" if dead > MANY_DEAD else "watch"
    why = "a filter that passes no gradient never changes again"
    return Finding(severity, "dead-filters", measured, expected, why, next_step)


VANISHED = 1e-6
"""Of the layer with the largest gradient, relative to its weights. Measured after 200 updates: 1e-4 to 1e-1 in networks
that learn; 2e-9 and less with ten sigmoid layers and more, 4e-7 with twenty ReLU layers as PyTorch draws them."""


def vanishing_finding(trial: Trial, batches: Sequence[ProbeBatch], next_step: str) -> Finding | None:
    """The finding of gradients-vanish: which layer's gradient is smallest beside its weights; None for one layer.

    Only rows with a gradient count, since a batch lacks most words of an embedding.
    """
    ratios = _relative_gradients(trial, batches)
    if len(ratios) < 2:
        return None
    least, most = min(ratios, key=ratios.__getitem__), max(ratios, key=ratios.__getitem__)
    share = ratios[least] / ratios[most] if ratios[most] else 0.0
    measured = f"relative to its weights, the gradient of {least} is {share:.1g} of that of {most}"
    expected = "1e-4 to 1e-1 between the layers of a network that learns"
    if share > VANISHED:
        return well("gradients-vanish", measured, expected)
    why = "the gradient is all but lost on its way, so that this layer hardly learns, or the others overshoot"
    return Finding("watch", "gradients-vanish", measured, expected, why, next_step)


def _relative_gradients(trial: Trial, batches: Sequence[ProbeBatch]) -> dict[str, float]:
    """The root mean square of each weight's gradient over that of the weight; biases and unused rows left out."""
    weights = {
        name: weight.detach().flatten(1)
        for name, weight in trial.model.named_parameters()
        if weight.dim() > 1
    }
    total: dict[str, Tensor] = {}
    for batch in batches:
        for name, gradient in trial.gradients(batch).items():
            if name in weights:
                total[name] = total.get(name, torch.zeros_like(weights[name])) + gradient.flatten(1)
    ratios = {}
    for name, gradient in total.items():
        used = gradient.abs().amax(dim=1) > 0
        if used.any() and bool((weights[name][used] != 0).any()):
            scale = weights[name][used].square().mean().sqrt()
            ratios[name] = (gradient[used].square().mean().sqrt() / scale / len(batches)).item()
    return ratios
