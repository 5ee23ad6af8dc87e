"""Decides which of a file's words stands for a word of the vocabulary."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from relclf.encoding.word_vectors.lookup import NOT_FOUND, Found

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIGIT = re.compile(r"\d")


class Spellings:
    """The words of a file that matter, in its order, each with the number of its row.

    A word is looked for as it is spelt, then in lower case, then with its digits as 0; and the file's words count
    as they are spelt or, failing that, normalised as tokens are. The closest match wins, among equals the first of
    the file (such files are sorted by frequency).
    """

    def __init__(self, wanted: Collection[str] | None, normalise: Callable[[str], str]) -> None:
        """`wanted`: the only words that will be looked for; None: any."""
        self._wanted = None if wanted is None else {alias for word in wanted for alias, _ in _aliases(word)}
        self._normalise = normalise
        self._exact: dict[str, int] = {}
        self._normal: dict[str, tuple[int, int]] = {}
        self.duplicates = 0

    @property
    def words(self) -> tuple[str, ...]:
        """The words kept, in the order of their rows."""
        return tuple(self._exact)

    def keep(self, word: str) -> bool:
        """Whether the row of the file's next word is needed; it then has the next number."""
        normal = self._normalise(word)
        if self._wanted is not None and word not in self._wanted and normal not in self._wanted:
            return False
        row = len(self._exact)
        if self._exact.setdefault(word, row) != row:
            self.duplicates += 1
            return False
        if normal != word:
            match = 1 if normal == word.lower() else 2
            if match < self._normal.get(normal, (3, row))[0]:
                self._normal[normal] = (match, row)
        return True

    def find(self, word: str) -> tuple[int, int]:
        """The match (0 to 2) and the row of a word; NOT_FOUND and 0 where the file has none."""
        found = []
        for alias, match in _aliases(word):
            if alias in self._exact:
                found.append((match, self._exact[alias]))
            if alias in self._normal:
                other, row = self._normal[alias]
                found.append((max(match, other), row))
            if found and min(found)[0] <= match:
                return min(found)
        return min(found, default=(NOT_FOUND, 0))


class RowsOfWords:
    """A Lookup in rows that are in memory, or mapped from a file."""

    def __init__(self, spellings: Spellings, rows: "NDArray[np.floating[Any]]") -> None:
        """rows: (kept words, width)."""
        self._spellings = spellings
        self._rows = rows
        self.width: int = rows.shape[1]
        self.duplicates = spellings.duplicates

    def find(self, words: Sequence[str]) -> Found:
        """The vectors of the words; zeros for those that the file lacks."""
        matches = np.array([self._spellings.find(word) for word in words], dtype=np.int64).reshape(-1, 2)
        found = matches[:, 0] != NOT_FOUND
        rows = np.zeros((len(words), self.width), dtype=np.float32)
        rows[found] = self._rows[matches[found, 1]]
        return Found(rows, matches[:, 0].astype(np.int8))

    def everything(self) -> tuple[tuple[str, ...], "NDArray[np.floating[Any]]"]:
        """The words that were kept, and their vectors (words, width)."""
        return self._spellings.words, self._rows


def _aliases(word: str) -> Iterator[tuple[str, int]]:
    """The spellings under which a word is looked for, each once, and how far each is from the word."""
    lower = word.lower()
    folded = _DIGIT.sub("0", lower)
    return zip(dict.fromkeys((word, lower, folded)), _distances(word, lower), strict=False)


def _distances(word: str, lower: str) -> Iterator[int]:
    yield 0
    yield from count(1 if lower != word else 2)
