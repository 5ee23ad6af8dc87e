"""Turns examples into flat arrays of word ids and mention spans, without PyTorch."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from relclf.encoding.vocabulary import UNKNOWN_ID, Vocabulary
from relclf.example import Example


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sentences as flat arrays; each owns as many of the word ids as it is long, one sentence after the other."""

    ids: list[str]
    """The sentences' own."""
    word_ids: NDArray[np.int32]
    """(tokens,); -1 - i for the word `late_words[i]`, which the vocabulary lacks."""
    lengths: NDArray[np.int64]
    """(sentences,) in tokens."""
    mentions: NDArray[np.int64]
    """(sentences, 4): the token spans of head and tail, half-open."""
    late_words: tuple[str, ...] = ()
    """Words that word vectors may still know; empty where nobody asked for them."""

    def __len__(self) -> int:
        return len(self.ids)

    def split(self, count: int) -> tuple["Sentences", "Sentences"]:
        """The first `count` sentences, and the rest."""
        tokens = int(self.lengths[:count].sum())
        return (
            Sentences(
                self.ids[:count],
                self.word_ids[:tokens],
                self.lengths[:count],
                self.mentions[:count],
                self.late_words,
            ),
            Sentences(
                self.ids[count:],
                self.word_ids[tokens:],
                self.lengths[count:],
                self.mentions[count:],
                self.late_words,
            ),
        )


def to_sentences(examples: Iterable[Example], vocabulary: Vocabulary, *, late: bool = False) -> Sentences:
    """The examples as arrays, in their order; no example is kept longer than its turn.

    With `late`, words that the vocabulary lacks are listed and numbered apart; else they are the unknown word.
    """
    ids: list[str] = []
    word_ids, lengths, mentions = array("i"), array("q"), array("q")
    late_words: dict[str, int] = {}
    for example in examples:
        head, tail = example.head, example.tail
        ids.append(example.id)
        of_tokens = vocabulary.ids(example.tokens)
        if late and UNKNOWN_ID in of_tokens:
            for place, (word_id, token) in enumerate(zip(of_tokens, example.tokens, strict=True)):
                if word_id == UNKNOWN_ID:
                    word = vocabulary.normalise(token)
                    of_tokens[place] = -1 - late_words.setdefault(word, len(late_words))
        word_ids.extend(of_tokens)
        lengths.append(len(example.tokens))
        mentions.extend((head.start, head.end, tail.start, tail.end))
    return Sentences(
        ids,
        np.frombuffer(word_ids, dtype=np.int32),
        np.frombuffer(lengths, dtype=np.int64),
        np.frombuffer(mentions, dtype=np.int64).reshape(-1, 4),
        tuple(late_words),
    )


def joined(parts: list[Sentences]) -> Sentences:
    """The sentences of all parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    numbers = {
        word: number for number, word in enumerate(dict.fromkeys(chain(*(p.late_words for p in parts))))
    }
    return Sentences(
        [sentence_id for part in parts for sentence_id in part.ids],
        np.concatenate([_renumbered(part, numbers) for part in parts]),
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([part.mentions for part in parts]),
        tuple(numbers),
    )


def with_rows(sentences: Sentences, rows: NDArray[np.int64]) -> NDArray[np.int32]:
    """The word ids with each late word's, -1 - i, replaced by `rows[i]`."""
    if not sentences.late_words:
        return sentences.word_ids
    word_ids = sentences.word_ids.copy()
    late = word_ids < 0
    word_ids[late] = rows[-1 - word_ids[late]]
    return word_ids


def _renumbered(part: Sentences, numbers: dict[str, int]) -> NDArray[np.int32]:
    return with_rows(part, np.array([-1 - numbers[word] for word in part.late_words], dtype=np.int64))
