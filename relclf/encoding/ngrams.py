"""Turns words into hashed character n-grams, after Bojanowski et al. 2017 (section 3.2)."""

import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

SHORTEST, LONGEST = 3, 5
"""Characters of an n-gram."""


def ngrams(word: str) -> list[str]:
    """All n-grams of a word between marks of its beginning and its end, `<fl`, `flo`, ...; none of the empty word."""
    marked = f"<{word}>"
    return [
        marked[start : start + size]
        for size in range(SHORTEST, LONGEST + 1)
        for start in range(len(marked) - size + 1)
    ]


def hashed_ngrams(words: Iterable[str], buckets: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The buckets of all words' n-grams, one word after the other, and where each word's begin (words + 1,).

    A bucket is the n-gram's CRC-32 over UTF-8, modulo their number: the same in every process and version. An
    n-gram that a word has twice counts twice.
    """
    found: list[int] = []
    starts = [0]
    for word in words:
        found += [zlib.crc32(ngram.encode("utf-8", "surrogatepass")) % buckets for ngram in ngrams(word)]
        starts.append(len(found))
    return np.array(found, dtype=np.int64), np.array(starts, dtype=np.int64)
