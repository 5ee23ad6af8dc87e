"""Chooses which sentences go into one batch, and gathers them into padded arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from relclf.compiled import compiled
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

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device, copied from pinned memory so that the host need not wait."""
        if device == self.gold.device:
            return self

        def moved(array: Tensor) -> Tensor:
            source = array.contiguous()
            return (source.pin_memory() if device.type == "cuda" else source).to(device, non_blocking=True)

        return Batch(
            moved(self.token_ids),
            moved(self.head_positions),
            moved(self.tail_positions),
            moved(self.mask),
            moved(self.gold),
            self.max_token_id,
        )


def gather(dataset: EncodedDataset, sentences: NDArray[np.int64]) -> Batch:
    """The batch of the given sentences, in the given order, on the data set's device."""
    rows = torch.from_numpy(sentences).to(dataset.device)
    return gather_rows(dataset, rows, int(dataset.lengths[sentences].max()))


def gather_rows(dataset: EncodedDataset, rows: Tensor, length: int) -> Batch:
    """The same from (batch,) numbers on the data set's device, padded to `length`, which no sentence exceeds.

    The device need not be waited for, and no array is as long as the data set.
    """
    if dataset.device.type == "cpu" and torch.is_grad_enabled():
        return _gather_to_train(dataset, rows, length)
    spans = dataset.spans.index_select(0, rows)
    place = spans[:, :1] + dataset.columns[:length]
    outside = place >= spans[:, 1:2]
    place.masked_fill_(outside, dataset.tokens.shape[1] - 1)
    token_ids, head, tail = dataset.tokens.index_select(1, place.view(-1)).view(3, *place.shape).unbind()
    return Batch(token_ids, head, tail, ~outside, spans[:, 2], dataset.max_token_id)


def _gather_to_train(dataset: EncodedDataset, rows: Tensor, length: int) -> Batch:
    """The same in one loop, a third of the time for a batch of 50; to evaluate, torch is as fast."""
    arrays = torch.empty(3, len(rows), length, dtype=torch.int32)
    mask = torch.empty(len(rows), length, dtype=torch.bool)
    gold = torch.empty(len(rows), dtype=torch.int64)
    sources = dataset.spans.numpy(), dataset.tokens.numpy(), rows.numpy()
    _copy_sentences(*sources, arrays.numpy(), mask.numpy(), gold.numpy())
    token_ids, head, tail = arrays.unbind()
    return Batch(token_ids, head, tail, mask, gold, dataset.max_token_id)


@compiled
def _copy_sentences(
    spans: NDArray[Any],
    tokens: NDArray[Any],
    rows: NDArray[Any],
    arrays: NDArray[Any],
    mask: NDArray[Any],
    gold: NDArray[Any],
) -> None:
    """Fill arrays, (3, batch, length), mask and gold from the sentences `rows` of a data set."""
    length = mask.shape[1]
    for i in range(len(rows)):
        start, end = spans[rows[i], 0], spans[rows[i], 1]
        gold[i] = spans[rows[i], 2]
        for j in range(length):
            mask[i, j] = start + j < end
        for array in range(len(arrays)):
            for j in range(length):
                arrays[array, i, j] = tokens[array, start + j] if start + j < end else 0


@dataclass(frozen=True)
class PlacedBatch:
    """Which sentences a batch has, known on the data set's device and on the host."""

    rows: Tensor
    """(batch,) int64 on the device."""
    longest: int
    """The length of the longest of them."""


def placed_batches(dataset: EncodedDataset, batches: Sequence[NDArray[np.int64]]) -> list[PlacedBatch]:
    """The batches of an epoch, their sentences brought to the device all at once."""
    order = np.concatenate(batches)
    sizes = [len(batch) for batch in batches]
    longest = np.maximum.reduceat(dataset.lengths[order], np.cumsum([0, *sizes[:-1]]))
    rows = torch.split(torch.from_numpy(order).to(dataset.device), sizes)
    return [PlacedBatch(*each) for each in zip(rows, longest.tolist(), strict=True)]


def rounded_length(length: int, longest: int) -> int:
    """The length to pad a batch to where shapes must be few; `longest` (of the data set) at most.

    Multiples of 4 up to 32, of 8 up to 64, of 16 up to 128 and so on.
    """
    step = max(4, (1 << (length - 1).bit_length()) // 8)
    return min(-(-length // step) * step, longest)


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
