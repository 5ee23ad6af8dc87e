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
    """Sentences as flat arrays on one device, one after the other.

    Relative positions are token index minus mention, 0 inside it, clipped to ±max_distance and shifted by
    max_distance + 1, so that 0 is padding.
    """

    tokens: Tensor
    """(3, tokens + 1) int32: word ids, head positions from 1 to 2 max_distance + 1, tail positions likewise.
    The last column is padding's, zeros."""
    spans: Tensor
    """(sentences, 3) int64: the first token, the one after the last, and the gold relation (NO_GOLD: not known)."""
    columns: Tensor
    """(longest sentence,) int64: 0, 1, 2, ..."""
    lengths: NDArray[np.int64]
    """(sentences,) in tokens, on the host."""
    max_token_id: int

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def token_ids(self) -> Tensor:
        """(tokens,) int32."""
        return self.tokens[0, :-1]

    @property
    def head_positions(self) -> Tensor:
        """(tokens,) int32."""
        return self.tokens[1, :-1]

    @property
    def tail_positions(self) -> Tensor:
        """(tokens,) int32."""
        return self.tokens[2, :-1]

    @property
    def gold(self) -> Tensor:
        """(sentences,) int64."""
        return self.spans[:, 2]

    @property
    def device(self) -> torch.device:
        """Where the arrays lie."""
        return self.tokens.device

    @property
    def bytes(self) -> int:
        """What the arrays take."""
        return sum(array.nbytes for array in (self.tokens, self.spans, self.columns))

    def to(self, device: torch.device) -> "EncodedDataset":
        """The same data on another device."""
        return EncodedDataset(
            self.tokens.to(device),
            self.spans.to(device),
            self.columns.to(device),
            self.lengths,
            self.max_token_id,
        )


def encode(
    examples: Sequence[Example], vocabulary: Vocabulary, relations: RelationSet, max_distance: int
) -> EncodedDataset:
    """The examples as arrays, in their order; a relation that the set lacks becomes NO_GOLD."""
    return to_dataset(to_sentences(examples, vocabulary), gold_ids(examples, relations), max_distance)


def gold_ids(examples: Sequence[Example], relations: RelationSet) -> Tensor:
    """(examples,) int64: the id of each example's relation, NO_GOLD where the set lacks it."""
    relation_ids = relations.ids
    gold = [NO_GOLD if e.relation is None else relation_ids.get(e.relation, NO_GOLD) for e in examples]
    return torch.tensor(gold, dtype=torch.int64)


def to_dataset(sentences: Sentences, gold: Tensor, max_distance: int) -> EncodedDataset:
    """The sentences with their relative positions; gold: (sentences,)."""
    lengths = sentences.lengths
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    tokens = np.zeros((3, len(sentences.word_ids) + 1), dtype=np.int32)
    tokens[0, :-1] = sentences.word_ids
    for row, mention in enumerate((sentences.mentions[:, :2], sentences.mentions[:, 2:]), start=1):
        tokens[row, :-1] = _positions(mention, lengths, offsets, max_distance)
    return EncodedDataset(
        torch.from_numpy(tokens),
        torch.stack([torch.from_numpy(offsets[:-1]), torch.from_numpy(offsets[1:]), gold], dim=1),
        torch.arange(int(lengths.max(initial=0))),
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
