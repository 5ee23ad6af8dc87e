"""Keeps an exponential average of the weights over epochs, and lends it to a network that is evaluated."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]
"""By the names of a network's parameters."""


@torch.no_grad()
def with_epoch(average: Weights | None, model: nn.Module, decay: float, epoch: int) -> Weights:
    """The average after epoch number `epoch`, from 1, whose weights the model has.

    It is the sum over epochs k of decay^(epoch - k) times their weights, over the sum of these powers: with its bias
    towards the start corrected as Adam corrects its moments (Kingma and Ba 2015, section 3).
    """
    share = (1 - decay) / (1 - decay**epoch)
    now = {name: weight.detach() for name, weight in model.named_parameters()}
    if average is None:
        return {name: weight.clone() for name, weight in now.items()}
    return {name: torch.lerp(average[name], weight, share) for name, weight in now.items()}


@contextlib.contextmanager
def weights_lent(average: Weights | None, model: nn.Module) -> Iterator[None]:
    """In here the model has the averaged weights, where there are any; after it its own, to the bit."""
    if average is None:
        yield
        return
    own = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    _copy(average, model)
    try:
        yield
    finally:
        _copy(own, model)


@torch.no_grad()
def _copy(weights: Weights, model: nn.Module) -> None:
    for name, weight in model.named_parameters():
        weight.copy_(weights[name])
