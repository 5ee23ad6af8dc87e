"""Turns examples into ragged integer arrays: word ids, relative positions, gold relations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from relclf.encoding.sentences import Sentences, to_sentences
from relclf.encoding.vocabulary import Vocabulary
from relclf.example import Example
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
    relation_ids = relations.ids
    gold = [NO_GOLD if e.relation is None else relation_ids.get(e.relation, NO_GOLD) for e in examples]
    return to_dataset(to_sentences(examples, vocabulary), torch.tensor(gold, dtype=torch.int64), max_distance)


def to_dataset(sentences: Sentences, gold: Tensor, max_distance: int) -> EncodedDataset:
    """The sentences with their relative positions; gold: (sentences,)."""
    lengths = sentences.lengths
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    head, tail = sentences.mentions[:, :2], sentences.mentions[:, 2:]
    return EncodedDataset(
        torch.from_numpy(sentences.word_ids),
        torch.from_numpy(_positions(head, lengths, offsets, max_distance)),
        torch.from_numpy(_positions(tail, lengths, offsets, max_distance)),
        torch.from_numpy(offsets),
        gold,
        lengths,
        int(sentences.word_ids.max(initial=0)),
    )


def _positions(
    spans: NDArray[np.int64], lengths: NDArray[np.int64], offsets: NDArray[np.int64], max_distance: int
) -> NDArray[np.int32]:
    """Shifted relative positions, shape (tokens,), of every token to its sentence's mention; spans: (sentences, 2)."""
    index = np.arange(offsets[-1])
    start = np.repeat(offsets[:-1] + spans[:, 0], lengths)
    last = np.repeat(offsets[:-1] + spans[:, 1] - 1, lengths)
    distance = np.minimum(index - start, 0) + np.maximum(index - last, 0)
    clipped = np.clip(distance, -max_distance, max_distance)
    return np.asarray(clipped + max_distance + 1, dtype=np.int32)
