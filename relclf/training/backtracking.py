"""Gradient descent whose step each update finds by backtracking: the `backtracking` optimiser.

A step s along the gradient g of a batch's loss f at the weights w is taken where (Armijo 1966)

    f(w - s g) <= f(w) - c s |g|^2

The search is two-way (Truong and Nguyen 2018, Vaswani et al. 2019): it begins a little above the step that the last
update took, and shrinks it until the test holds, so that from update to update the step can grow as well as fall.
Truong and Nguyen also grow it inside a search, which costs one more forward pass in every update; ours does not.
"""

from collections.abc import Callable, Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn

from relclf.config.schema import Backtracking as BacktrackingConfig
from relclf.training.outer_optimizers import Carrying, without_compiler

MOST_FORWARDS = 10
"""Forward passes of an update at most, the one that has the gradient included."""
TOLERANCE = 1e-6
"""Share of the loss by which the test may be missed: float32 cannot tell smaller changes."""


class Backtracking(Carrying, without_compiler(torch.optim.Optimizer)):  # type: ignore[misc]
    """The weights of one network and the step that they last took.

    `param_groups[0]` has the step (`lr`), where the next search begins (`next_step`), and counts over the whole
    training: `searches`, those without a step among them (`failures`), and `forwards`, the gradient's included.
    """

    carried: ClassVar[tuple[str, ...]] = ("lr", "next_step", "searches", "failures", "forwards")

    def __init__(self, parameters: Iterable[nn.Parameter], config: BacktrackingConfig) -> None:
        counts = {"searches": 0, "failures": 0, "forwards": 0}
        options = config.model_dump(exclude={"name"})
        super().__init__(list(parameters), {**options, "next_step": config.lr, **counts})

    @torch.no_grad()
    def search(self, loss: float, loss_again: Callable[[], float]) -> None:
        """One update. `loss` is that of the weights as they are, whose gradient they have; `loss_again` gives the
        loss of what they have become, on the same batch with the same draws.

        Where no step passes the test the weights stay as they were, which counts as a failure.
        """
        group = self.param_groups[0]
        weights = [p for p in group["params"] if p.grad is not None]
        before = [weight.clone() for weight in weights]
        decay = group["weight_decay"]
        gradient = [torch.add(p.grad, p, alpha=decay) if decay else p.grad for p in weights]
        squared = sum(each.double().square().sum().item() for each in gradient)
        objective = loss + _penalty(weights, decay)
        group["searches"] += 1
        group["forwards"] += 1
        if squared == 0:
            return
        step = min(group["next_step"], group["max_step"])
        for _ in range(MOST_FORWARDS - 1):
            _move(weights, before, gradient, step)
            group["forwards"] += 1
            limit = objective - group["decrease"] * step * squared + TOLERANCE * abs(objective)
            if loss_again() + _penalty(weights, decay) <= limit:
                group["lr"], group["next_step"] = step, step * group["growth"]
                self._add_momentum(weights, before)
                return
            step *= group["shrink"]
            if step < group["min_step"]:
                break
        _move(weights, before, gradient, 0.0)
        group["failures"] += 1
        group["lr"], group["next_step"] = 0.0, max(step, group["min_step"])

    def _add_momentum(self, weights: list[nn.Parameter], before: list[Tensor]) -> None:
        """Replace the step by the decaying mean of the steps so far, so that in sum no more is moved than was found."""
        momentum = self.param_groups[0]["momentum"]
        if momentum == 0:
            return
        for weight, old in zip(weights, before, strict=True):
            state = self.state[weight]
            mean = state.setdefault("mean_step", torch.zeros_like(weight))
            mean.lerp_(weight - old, 1 - momentum)
            torch.add(old, mean, out=weight)


def _move(weights: list[nn.Parameter], before: list[Tensor], gradient: list[Tensor], step: float) -> None:
    """Set the weights to `before` less `step` times the gradient, from the saved copy."""
    for weight, old, slope in zip(weights, before, gradient, strict=True):
        if step:
            torch.sub(old, slope, alpha=step, out=weight)
        else:
            weight.copy_(old)


def _penalty(weights: list[nn.Parameter], decay: float) -> float:
    """Half of the L2 penalty's factor times the squared norm: what its gradient, decay times the weights, is of."""
    if not decay:
        return 0.0
    return decay / 2 * sum(weight.double().square().sum().item() for weight in weights)
