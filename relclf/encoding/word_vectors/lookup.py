"""What every source of word vectors offers: the vectors of words that are asked for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MATCHES = ("exact", "lower-cased", "digits folded", "mean of pieces")
"""How a word was found; the place in this tuple is a match's number."""
NOT_FOUND = -1


@dataclass(frozen=True)
class Found:
    """The vectors of some words, in the order in which they were asked for."""

    rows: NDArray[np.float32]
    """(words, width); zeros where a word was not found."""
    match: NDArray[np.int8]
    """(words,) the place in MATCHES, or NOT_FOUND."""


class Lookup(Protocol):
    """Gives words their vectors."""

    @property
    def width(self) -> int:
        """Numbers a vector."""

    @property
    def duplicates(self) -> int:
        """Words that the source has once more, as far as they were looked for; the first counts."""

    def find(self, words: Sequence[str]) -> Found:
        """The vectors of words that are spelt as the vocabulary spells them."""


class VectorSource(Protocol):
    """A file or folder with word vectors, not yet read."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What a hash of the source is made of."""

    def lookup(self, wanted: Collection[str] | None) -> Lookup:
        """Read what is needed to find the `wanted` words; None: any word may be asked for."""


@dataclass(frozen=True)
class WordVectors:
    """Distinct words and their vectors of shape (words, width), float32."""

    words: tuple[str, ...]
    vectors: NDArray[np.float32]
