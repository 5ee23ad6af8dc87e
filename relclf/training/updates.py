"""Says after which batches the optimiser steps, and what each batch adds to its gradient."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

UpdateEvery = int | Literal["batch", "epoch", "epoch_mean"]


@dataclass(frozen=True)
class UpdatePlan:
    """One entry a batch of the epoch."""

    divisors: tuple[int | None, ...]
    """The batch's summed loss is divided by this before its backward pass; None: no backward pass."""
    steps: tuple[bool, ...]
    """Whether the optimiser steps after the batch."""

    @property
    def updates(self) -> int:
        """Updates in the epoch."""
        return sum(self.steps)


def update_plan(sizes: Sequence[int], update_every: UpdateEvery) -> UpdatePlan:
    """The plan for batches of these sizes.

    An integer N: each N batches (the rest at the end too) give one update with the mean gradient over all
    their examples. "epoch": one update from the last batch alone, as when `zero_grad`, `backward` and `step`
    stand after the batch loop; the other batches are only run forward.
    """
    last = len(sizes) - 1
    match update_every:
        case "epoch":
            return UpdatePlan(
                tuple(size if index == last else None for index, size in enumerate(sizes)),
                tuple(index == last for index in range(len(sizes))),
            )
        case "epoch_mean":
            batches = len(sizes)
        case "batch":
            batches = 1
        case _:
            batches = update_every
    groups = [sizes[start : start + batches] for start in range(0, len(sizes), batches)]
    divisors = [divisor for group in groups for divisor in [sum(group)] * len(group)]
    steps = [index == last or (index + 1) % batches == 0 for index in range(len(sizes))]
    return UpdatePlan(tuple(divisors), tuple(steps))


def spread_evenly(count: int, most: int) -> frozenset[int]:
    """At most `most` of the numbers 0 to count - 1, spread evenly, the first always among them."""
    return frozenset(round(index * count / min(count, most)) for index in range(min(count, most)))
