"""Turns examples into ragged integer arrays: word ids, relative positions, gold relations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from relclf.encoding.vocabulary import Vocabulary
from relclf.errors import DataError
from relclf.example import Example, MentionSpan
from relclf.relations import RelationSet

NO_GOLD = -1
"""The gold id of a sentence without a relation, or with one that the relation set lacks."""


@dataclass(frozen=True)
class EncodedDataset:
    """Sentences as flat arrays on one device; sentence i owns the tokens offsets[i] to offsets[i + 1].

    Relative positions are token index minus mention, 0 inside it, clipped to ±max_distance and shifted by
    max_distance + 1, so that 0 is padding.
    """

    token_ids: Tensor
    """(tokens,) int32."""
    head_positions: Tensor
    """(tokens,) int32, from 1 to 2 max_distance + 1."""
    tail_positions: Tensor
    """(tokens,) int32."""
    offsets: Tensor
    """(sentences + 1,) int64."""
    gold: Tensor
    """(sentences,) int64; NO_GOLD where it is not known."""
    lengths: NDArray[np.int64]
    """(sentences,) in tokens, on the host."""
    max_token_id: int

    def __len__(self) -> int:
        return len(self.lengths)

    def to(self, device: torch.device) -> "EncodedDataset":
        """The same data on another device."""
        return EncodedDataset(
            self.token_ids.to(device),
            self.head_positions.to(device),
            self.tail_positions.to(device),
            self.offsets.to(device),
            self.gold.to(device),
            self.lengths,
            self.max_token_id,
        )


def encode(
    examples: Sequence[Example], vocabulary: Vocabulary, relations: RelationSet, max_distance: int
) -> EncodedDataset:
    """The examples as arrays, in their order; a relation that the set lacks becomes NO_GOLD."""
    ids = [word_id for example in examples for word_id in vocabulary.ids(example.tokens)]
    token_ids = np.array(ids, dtype=np.int32)
    lengths = np.array([len(example.tokens) for example in examples], dtype=np.int64)
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    relation_ids = relations.ids
    gold = [NO_GOLD if e.relation is None else relation_ids.get(e.relation, NO_GOLD) for e in examples]
    return EncodedDataset(
        torch.from_numpy(token_ids),
        torch.from_numpy(_positions([e.head for e in examples], lengths, offsets, max_distance)),
        torch.from_numpy(_positions([e.tail for e in examples], lengths, offsets, max_distance)),
        torch.from_numpy(offsets),
        torch.tensor(gold, dtype=torch.int64),
        lengths,
        max(ids, default=0),
    )


def fit_length(example: Example, max_length: int, too_long: str) -> Example:
    """The example itself, or, with too_long "window", `max_length` tokens of it around both mentions.

    The tokens left over after the stretch between the mentions are shared out to both sides. Raises
    DataError for a longer sentence with too_long "refuse", or whose mentions do not fit one window.
    """
    length = len(example.tokens)
    if length <= max_length:
        return example
    if too_long == "refuse":
        raise DataError(
            f"{example.source}: a sentence of {length} tokens, more than encoding.max_length ({max_length}). "
            "Raise it, or set encoding.too_long to window to cut such sentences around their mentions."
        )
    first = min(example.head.start, example.tail.start)
    last = max(example.head.end, example.tail.end)
    spare = max_length - (last - first)
    if spare < 0:
        raise DataError(
            f"{example.source}: the mentions stand {last - first} tokens apart, "
            f"more than encoding.max_length ({max_length}). Raise it, or leave the sentence out."
        )
    start = min(max(0, first - spare // 2), length - max_length)
    return _crop(example, start, start + max_length)


def _crop(example: Example, start: int, end: int) -> Example:
    return Example(
        example.id,
        example.tokens[start:end],
        MentionSpan(example.head.start - start, example.head.end - start),
        MentionSpan(example.tail.start - start, example.tail.end - start),
        example.relation,
        example.source,
        example.offsets[start:end] if example.offsets is not None else None,
    )


def _positions(
    spans: Sequence[MentionSpan], lengths: NDArray[np.int64], offsets: NDArray[np.int64], max_distance: int
) -> NDArray[np.int32]:
    """Shifted relative positions of every token to its sentence's mention, shape (tokens,)."""
    index = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    start = np.repeat(np.array([span.start for span in spans], dtype=np.int64), lengths)
    last = np.repeat(np.array([span.end - 1 for span in spans], dtype=np.int64), lengths)
    distance = np.minimum(index - start, 0) + np.maximum(index - last, 0)
    clipped = np.clip(distance, -max_distance, max_distance)
    return np.asarray(clipped + max_distance + 1, dtype=np.int32)
