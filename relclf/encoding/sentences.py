"""Turns examples into flat arrays of word ids and mention spans, without PyTorch."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relclf.encoding.vocabulary import Vocabulary
from relclf.example import Example


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sentences as flat arrays; each owns as many of the word ids as it is long, one sentence after the other."""

    ids: list[str]
    """The sentences' own."""
    word_ids: NDArray[np.int32]
    """(tokens,)."""
    lengths: NDArray[np.int64]
    """(sentences,) in tokens."""
    mentions: NDArray[np.int64]
    """(sentences, 4): the token spans of head and tail, half-open."""

    def __len__(self) -> int:
        return len(self.ids)

    def split(self, count: int) -> tuple["Sentences", "Sentences"]:
        """The first `count` sentences, and the rest."""
        tokens = int(self.lengths[:count].sum())
        return (
            Sentences(self.ids[:count], self.word_ids[:tokens], self.lengths[:count], self.mentions[:count]),
            Sentences(self.ids[count:], self.word_ids[tokens:], self.lengths[count:], self.mentions[count:]),
        )


def to_sentences(examples: Iterable[Example], vocabulary: Vocabulary) -> Sentences:
    """The examples as arrays, in their order; no example is kept longer than its turn."""
    ids: list[str] = []
    word_ids, lengths, mentions = array("i"), array("q"), array("q")
    for example in examples:
        head, tail = example.head, example.tail
        ids.append(example.id)
        word_ids.extend(vocabulary.ids(example.tokens))
        lengths.append(len(example.tokens))
        mentions.extend((head.start, head.end, tail.start, tail.end))
    return Sentences(
        ids,
        np.frombuffer(word_ids, dtype=np.int32),
        np.frombuffer(lengths, dtype=np.int64),
        np.frombuffer(mentions, dtype=np.int64).reshape(-1, 4),
    )


def joined(parts: list[Sentences]) -> Sentences:
    """The sentences of all parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Sentences(
        [sentence_id for part in parts for sentence_id in part.ids],
        np.concatenate([part.word_ids for part in parts]),
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([part.mentions for part in parts]),
    )
