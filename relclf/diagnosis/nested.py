"""The tensors in what a model is called with, and in what it gives back."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists, mappings and dataclasses, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from tensors_in(each)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from tensors_in(each)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from tensors_in(getattr(value, name))


def scores_of(output: Any) -> Tensor | None:
    """The first output of shape (batch, classes), two classes at least."""
    for tensor in tensors_in(output):
        if tensor.is_floating_point() and tensor.dim() == 2 and tensor.shape[1] > 1 and len(tensor):
            return tensor
    return None


def detached(value: Any) -> Any:
    """The same nested tuples, lists and mappings with tensors that have no graph."""
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, dict):
        return {key: detached(each) for key, each in value.items()}
    if isinstance(value, list) or type(value) is tuple:
        return type(value)(detached(each) for each in value)
    return value


def by_row(tensor: Tensor, rows: int, columns: int) -> Tensor | None:
    """An input as whole numbers, (rows, up to columns); None where it has no axis of that length in front."""
    if tensor.dim() > 1 and tensor.shape[0] != rows and tensor.shape[1] == rows:
        tensor = tensor.transpose(0, 1)
    if not tensor.dim() or tensor.shape[0] != rows or tensor.is_complex() or tensor.is_sparse:
        return None
    flat = tensor.reshape(rows, -1)
    if not tensor.is_floating_point():
        return flat[:, :columns]
    step = max(1, flat.shape[1] // columns)
    return flat[:, ::step][:, :columns].float().contiguous().view(torch.int32)
