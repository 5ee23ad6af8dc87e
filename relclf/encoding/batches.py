"""Chooses which sentences go into one batch, and gathers them into padded arrays."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from relclf.encoding.dataset import EncodedDataset


@dataclass(frozen=True)
class Batch:
    """Sentences padded with id 0 to the longest of them."""

    token_ids: Tensor
    """(batch, length) int32."""
    head_positions: Tensor
    """(batch, length) int32."""
    tail_positions: Tensor
    """(batch, length) int32."""
    mask: Tensor
    """(batch, length) bool: True where a token stands."""
    gold: Tensor
    """(batch,) int64."""
    max_token_id: int
    """The largest word id of the data set that the batch is from."""


def gather(dataset: EncodedDataset, sentences: NDArray[np.int64]) -> Batch:
    """The batch of the given sentences, in the given order, on the data set's device."""
    device = dataset.token_ids.device
    rows = torch.from_numpy(sentences).to(device)
    longest = int(dataset.lengths[sentences].max())
    start = dataset.offsets[rows]
    column = torch.arange(longest, device=device)
    mask = column < (dataset.offsets[rows + 1] - start)[:, None]
    # Index 0 stands in for padding and is masked out below.
    place = torch.where(mask, start[:, None] + column, 0)
    return Batch(
        dataset.token_ids[place] * mask,
        dataset.head_positions[place] * mask,
        dataset.tail_positions[place] * mask,
        mask,
        dataset.gold[rows],
        dataset.max_token_id,
    )


def shuffled_batches(
    order: NDArray[np.int64],
    lengths: NDArray[np.int64],
    batch_size: int,
    bucket_batches: int,
    generator: np.random.Generator,
) -> list[NDArray[np.int64]]:
    """Batches over sentences in random `order`, of like lengths within pools of `bucket_batches` batches.

    Each pool of shuffled sentences is sorted by length (ties stay shuffled) and cut into batches; then all
    batches are shuffled, the short rest of the last pool among them. With 1 the order is kept: plain
    shuffling.
    """
    if bucket_batches == 1:
        return _cut(order, batch_size)
    batches: list[NDArray[np.int64]] = []
    for pool in _cut(order, batch_size * bucket_batches):
        batches += _cut(pool[np.argsort(lengths[pool], kind="stable")], batch_size)
    return [batches[index] for index in generator.permutation(len(batches))]


def sorted_batches(lengths: NDArray[np.int64], tokens: int) -> list[NDArray[np.int64]]:
    """Batches for evaluation: sentences by length, each batch at most `tokens` with its padding, or one sentence."""
    order = np.argsort(lengths, kind="stable")
    batches: list[NDArray[np.int64]] = []
    end = len(order)
    while end > 0:
        size = max(1, tokens // max(1, int(lengths[order[end - 1]])))
        batches.append(order[max(0, end - size) : end])
        end -= size
    return batches


def _cut(order: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return [order[start : start + size] for start in range(0, len(order), size)]
