"""The tensors in what a model is called with, and in what it gives back."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

MOST_NODES = 20_000
"""Nodes of a graph that are gone through."""


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors in nested tuples, lists, mappings and dataclasses, in order."""
    if isinstance(value, Tensor):
        return [value]
    found: list[Tensor] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[Tensor]) -> None:
    if isinstance(value, Tensor):
        found.append(value)
    elif isinstance(value, tuple | list):
        for each in value:
            _collect(each, found)
    elif isinstance(value, dict | Mapping):  # in this order, since asking for a Mapping is slow
        for each in value.values():
            _collect(each, found)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            _collect(getattr(value, name), found)


def scores_of(output: Any) -> Tensor | None:
    """The first output of shape (batch, classes), two classes at least."""
    return scores_among(tensors_in(output))


def scores_among(tensors: Iterable[Tensor]) -> Tensor | None:
    """The first of that shape."""
    for tensor in tensors:
        shape = tensor.shape
        if len(shape) == 2 and shape[1] > 1 and shape[0] and tensor.is_floating_point():
            return tensor
    return None


def copied(value: Any) -> Any:
    """The same nested tuples, lists and mappings with copies of their tensors, which have no graph."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    if isinstance(value, list) or type(value) is tuple:
        return type(value)(copied(each) for each in value)
    return copy.deepcopy(value)


def leaves_of(outputs: Iterable[Tensor], inputs: Iterable[Tensor], known: set[int]) -> list[Tensor]:
    """The tensors with gradients that the outputs are made of, without the inputs, what those are made of, and `known`.

    known: the `id` of each tensor that is accounted for.
    """
    inputs = list(inputs)
    passed = {id(each) for each in inputs} | known
    done = {each.grad_fn for each in inputs if each.grad_fn is not None}
    found: list[Tensor] = []
    waiting = [each.grad_fn for each in outputs if each.grad_fn is not None]
    while waiting and len(done) < MOST_NODES:
        node = waiting.pop()
        if node in done:
            continue
        done.add(node)
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, Tensor) and id(leaf) not in passed:
            found.append(leaf)
        waiting += [following for following, _ in node.next_functions if following is not None]
    return found


def comes_out_of_a_sigmoid(tensor: Tensor) -> bool:
    """Whether the last function that made it, but for changes of its shape, is a sigmoid."""
    node = tensor.grad_fn
    while node is not None and node.name().partition("Backward")[0] in _SAME_VALUES:
        node = node.next_functions[0][0]
    return node is not None and node.name().startswith("SigmoidBackward")


_SAME_VALUES = (
    "Squeeze",
    "Unsqueeze",
    "View",
    "UnsafeView",
    "Select",
    "Permute",
    "Transpose",
    "T",
    "Clone",
    "ToCopy",
)
"""Functions that change the shape of a tensor, and no value."""


def by_row(tensor: Tensor, rows: int, columns: int) -> Tensor | None:
    """An input as whole numbers, (rows, up to columns); None where it has no axis of that length in front."""
    if (
        tensor.dim() == 2
        and tensor.shape[0] == rows
        and tensor.shape[1] <= columns
        and tensor.dtype is torch.int64
    ):
        return tensor  # as most are, for fewer calls
    if tensor.dim() > 1 and tensor.shape[0] != rows and tensor.shape[1] == rows:
        tensor = tensor.transpose(0, 1)
    if not tensor.dim() or tensor.shape[0] != rows or tensor.is_complex() or tensor.is_sparse:
        return None
    flat = tensor.detach().reshape(rows, -1)
    if not tensor.is_floating_point():
        return flat[:, :columns]
    step = max(1, flat.shape[1] // columns)
    return flat[:, ::step][:, :columns].float().contiguous().view(torch.int32)
