"""Reads word vectors from a NumPy array with the words in a text file beside it."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np

from relclf.data.lines import open_text
from relclf.encoding.word_vectors.spellings import RowsOfWords, Spellings
from relclf.errors import DataError, UserMistake


class ArrayVectors:
    """NAME.npy, a float array of shape (words, width), and NAME.txt, a word a line in the order of the rows."""

    def __init__(self, path: Path, normalise: Callable[[str], str]) -> None:
        """`normalise` spells a word as the vocabulary does."""
        self._words = path.with_suffix(".txt")
        self.files = (path, self._words)
        self._path = path
        self._normalise = normalise

    def lookup(self, wanted: Collection[str] | None) -> RowsOfWords:
        """The rows of the wanted words; with None the array stays on disk and rows are read when asked for.

        Raises UserMistake where a file is missing, DataError where both do not belong together.
        """
        array = self._array()
        if not self._words.is_file():
            raise UserMistake(
                f"{self._words}: no such file. It must hold the words of {self._path}, one a line."
            )
        spellings = Spellings(wanted, self._normalise)
        kept, words = [], 0
        for _, word in open_text(self._words):
            if spellings.keep(word):
                kept.append(words)
            words += 1
        if words != len(array):
            raise DataError(f"{self._words}: {words:,} words, but {self._path} has {len(array):,} rows.")
        rows = array if len(kept) == words else array[kept]
        if wanted is not None and not np.isfinite(rows).all():
            raise DataError(f"{self._path}: a vector holds numbers that are not finite.")
        return RowsOfWords(spellings, rows)

    def _array(self) -> "np.memmap[Any, np.dtype[np.floating[Any]]]":
        try:
            array = np.load(self._path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise UserMistake(f"{self._path}: no such file. Check the path.") from None
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{self._path}: not a NumPy array ({error}). numpy.save writes one.") from None
        if (
            not isinstance(array, np.memmap)
            or array.ndim != 2
            or array.dtype.kind != "f"
            or not array.shape[1]
        ):
            raise DataError(
                f"{self._path}: must be an array of floats of shape (words, width), "
                f"was: {array.dtype} of shape {array.shape}."
            )
        return array
