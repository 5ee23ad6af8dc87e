"""Maps words to ids, from training examples and a vectors file only, never from dev or test."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from relclf.encoding.rewriting import TYPED_MASKS
from relclf.errors import UserMistake
from relclf.example import Example

PAD_ID = 0
UNKNOWN_ID = 1
FIRST_WORD_ID = 2
_REMEMBERED_TOKENS = 200_000
"""Spellings whose id is remembered before all are forgotten: there is no end of them, and memory must not grow."""
_DIGIT = re.compile(r"\d")
_AS_SPELT = tuple(TYPED_MASKS.values())
"""Types that differ in case or digits alone are still two."""


@dataclass(frozen=True)
class Vocabulary:
    """Words in id order after padding (id 0) and the unknown word (id 1).

    The first `trained` ids (padding and unknown word among them) have rows that training may change; the
    rest have constant rows from the vectors file: words that train does not have, or, with frozen vectors,
    every word of the file.

    `spelled` are the ids of words without a vector, where n-grams stand for these; they rise.
    """

    words: tuple[str, ...]
    trained: int
    lowercase: bool
    fold_digits: bool
    spelled: tuple[int, ...] = ()

    @classmethod
    def build(
        cls,
        examples: Iterable[Example],
        *,
        min_count: int,
        lowercase: bool,
        fold_digits: bool,
        vector_words: Sequence[str] = (),
        freeze_vectors: bool = False,
        spelled_words: Sequence[str] = (),
    ) -> "Vocabulary":
        """Words of train with at least `min_count` occurrences, the most frequent first; then the file's.

        `vector_words` are normalised already. A word of train that the file has is kept however rare it is. So are
        the `spelled_words`, which the file lacks: those that are rare, or that train lacks, come last.
        """
        counts = Counter(token for example in examples for token in example.tokens)
        folded: Counter[str] = Counter()
        for token, count in counts.items():
            folded[_normalise(token, lowercase, fold_digits)] += count
        in_file = set(vector_words)
        by_frequency = sorted(folded, key=lambda word: (-folded[word], word))
        kept = [word for word in by_frequency if folded[word] >= min_count or word in in_file]
        trained = [word for word in kept if word not in in_file] if freeze_vectors else kept
        chosen = set(trained)
        constant = [word for word in (*vector_words, *spelled_words) if word not in chosen]
        words = (*trained, *constant)
        no_vector = set(spelled_words)
        spelled = tuple(index for index, word in enumerate(words, FIRST_WORD_ID) if word in no_vector)
        return cls(words, FIRST_WORD_ID + len(trained), lowercase, fold_digits, spelled)

    def __len__(self) -> int:
        """The number of ids, padding and the unknown word among them."""
        return FIRST_WORD_ID + len(self.words)

    @property
    def trained_words(self) -> tuple[str, ...]:
        """The words whose rows training may change, in id order."""
        return self.words[: self.trained - FIRST_WORD_ID]

    @property
    def constant_words(self) -> tuple[str, ...]:
        """The words whose rows stay as the vectors file has them, in id order."""
        return self.words[self.trained - FIRST_WORD_ID :]

    @property
    def spelled_words(self) -> list[str]:
        """For each id its word, "" where n-grams do not stand for it."""
        words = [""] * len(self)
        for index in self.spelled:
            words[index] = self.words[index - FIRST_WORD_ID]
        return words

    def normalise(self, token: str) -> str:
        """The word that a token counts as."""
        return _normalise(token, self.lowercase, self.fold_digits)

    def ids(self, tokens: Iterable[str]) -> list[int]:
        """The id of each token."""
        return list(map(self._lookup.__getitem__, tokens))

    def to_json(self) -> dict[str, Any]:
        """The vocabulary as a JSON object."""
        return {
            "lowercase": self.lowercase,
            "fold_digits": self.fold_digits,
            "pad_id": PAD_ID,
            "unknown_id": UNKNOWN_ID,
            "first_word_id": FIRST_WORD_ID,
            "trained": self.trained,
            "words": list(self.words),
        } | ({"spelled": list(self.spelled)} if self.spelled else {})

    @classmethod
    def from_json(cls, value: Any, source: str) -> "Vocabulary":
        """The inverse of `to_json`. Raises UserMistake where the file was changed."""
        try:
            words = value["words"]
            if type(words) is not list or {type(word) for word in words} - {str}:
                raise TypeError("words must be a list of strings")
            if len(set(words)) < len(words):
                raise ValueError("a word stands twice")
            vocabulary = cls(
                tuple(words),
                int(value["trained"]),
                bool(value["lowercase"]),
                bool(value["fold_digits"]),
                tuple(int(index) for index in value.get("spelled", ())),
            )
        except (KeyError, TypeError, ValueError):
            raise UserMistake(
                f"{source}: not a vocabulary. The file was changed after the run was made."
            ) from None
        if not FIRST_WORD_ID <= vocabulary.trained <= len(vocabulary):
            raise UserMistake(f"{source}: {vocabulary.trained} trained words of {len(vocabulary)} cannot be.")
        if not all(FIRST_WORD_ID <= index < len(vocabulary) for index in vocabulary.spelled):
            raise UserMistake(f"{source}: spelled has an id that no word has. The file was changed.")
        return vocabulary

    @cached_property
    def _lookup(self) -> "_TokenIds":
        return _TokenIds(self)


class _TokenIds(dict[str, int]):
    """Token -> id; normalises a token when it is first seen."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self._vocabulary = vocabulary
        self._word_ids = {word: index for index, word in enumerate(vocabulary.words, FIRST_WORD_ID)}

    def __missing__(self, token: str) -> int:
        word_id = self._word_ids.get(self._vocabulary.normalise(token), UNKNOWN_ID)
        if len(self) >= _REMEMBERED_TOKENS:
            self.clear()
        self[token] = word_id
        return word_id


def _normalise(token: str, lowercase: bool, fold_digits: bool) -> str:
    if token.startswith(_AS_SPELT):
        return token
    if lowercase:
        token = token.lower()
    if fold_digits:
        token = _DIGIT.sub("0", token)
    return token
