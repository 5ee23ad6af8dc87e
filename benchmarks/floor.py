"""Measures what a card can do, and says what a sentence of a training takes on it at least (docs/gpu.md)."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from relclf.encoding.batches import placed_batches, rounded_length
from relclf.training.device import products_in
from relclf.training.experiment import Experiment
from relclf.training.loop import epoch_batches

PRECISIONS = ("float32", "tf32", "bf16")
"""The first one everywhere, all of them on CUDA."""
ADAM_BYTES = 24
"""What an update of Adam moves for each parameter: the weight and two averages, read and written in float32."""


def measure_card(device: torch.device) -> dict[str, float]:
    """FLOP and bytes a second, and what the smallest operation costs, launched by itself and from a graph."""
    cuda = device.type == "cuda"
    size, length, count = (8192, 2**28, 1000) if cuda else (512, 2**22, 100)
    card = {}
    for precision in PRECISIONS if cuda else PRECISIONS[:1]:
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        left, right = torch.randn(2, size, size, device=device).to(dtype)
        with products_in(precision):
            card[f"{precision} FLOP/s"] = 2 * size**3 / _least_seconds(device, partial(torch.mm, left, right))
    source = torch.zeros(length, device=device)
    target, number = torch.empty_like(source), torch.zeros((), device=device)
    card["bytes/s"] = 2 * source.nbytes / _least_seconds(device, partial(target.copy_, source))

    def operations() -> None:
        for _ in range(count):
            number.add_(1)

    card["s a launch"] = _least_seconds(device, operations) / count
    if cuda:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            operations()
        card["s a launch from a graph"] = _least_seconds(device, graph.replay) / count
    return card


def floor_of(experiment: Experiment, card: dict[str, float], operations: int) -> dict[str, float]:
    """What a sentence takes at least on this card; what is padded; the shapes that are captured.

    operations: those of an update.
    """
    train, model = experiment.inputs.train, experiment.state.model
    batch, tokens = experiment.inputs.config.training.batch_size, int(train.lengths.sum())
    filters = sum(weight.numel() for name, weight in model.named_parameters() if _is_product(name, "filters"))
    output = sum(weight.numel() for name, weight in model.named_parameters() if _is_product(name, "output"))
    # Three products each: forward, and the gradients of both factors.
    flops = 6 * (tokens / len(train) * filters + output)
    moved = ADAM_BYTES * sum(weight.numel() for weight in model.parameters()) / batch
    placed = placed_batches(train, epoch_batches(experiment.inputs, 1))
    shapes = [(len(each.rows), rounded_length(each.longest, len(train.columns))) for each in placed]
    seconds = {
        f"s a sentence, {precision}": max(flops / card[f"{precision} FLOP/s"], moved / card["bytes/s"])
        for precision in PRECISIONS
        if f"{precision} FLOP/s" in card
    }
    launch = card.get("s a launch from a graph", card["s a launch"])
    return {
        "FLOP a sentence": flops,
        "bytes a sentence": moved,
        **seconds,
        "operations an update": operations,
        "s a sentence, launches": operations * launch / batch,
        "shapes": len(set(shapes)),
        "padding": sum(len(each.rows) * each.longest for each in placed) / tokens - 1,
        "padding, rounded": sum(rows * length for rows, length in shapes) / tokens - 1,
    }


def count_operations(work: Callable[[], Any]) -> int:
    """PyTorch's operations in there, each a kernel or more; views and bare allocations are none."""
    counting = _Counting()
    with counting:
        work()
    return counting.count


def seconds_of(device: torch.device, work: Callable[[], Any]) -> float:
    """Wall-clock seconds until the device has done all of it."""
    _wait(device)
    started = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - started


class _Counting(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func)
        self.count += int(name.startswith("aten.") and not func.is_view and "empty" not in name)
        return func(*args, **(kwargs or {}))


def _is_product(name: str, layer: str) -> bool:
    return name.startswith(layer) and name.endswith("weight")


def _least_seconds(device: torch.device, work: Callable[[], Any]) -> float:
    return min([seconds_of(device, work) for _ in range(6)][1:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
