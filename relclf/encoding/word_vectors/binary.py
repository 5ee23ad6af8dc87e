"""Reads word vectors in word2vec's binary form, gzip too."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO, cast

import numpy as np

from relclf.data.lines import open_bytes
from relclf.encoding.word_vectors.spellings import RowsOfWords, Spellings
from relclf.errors import DataError

_LONGEST_WORD = 10_000
"""Bytes; a longer "word" is no word, and the file none of these."""


class BinaryVectors:
    """A header line "words width", then for each word its bytes, a blank, and `width` 32-bit floats."""

    def __init__(self, path: Path, normalise: Callable[[str], str]) -> None:
        """`normalise` spells a word as the vocabulary does."""
        self.files = (path,)
        self._path = path
        self._normalise = normalise

    def lookup(self, wanted: Collection[str] | None) -> RowsOfWords:
        """The rows of the wanted words. Raises DataError where the file ends early or holds something else."""
        spellings = Spellings(wanted, self._normalise)
        kept = bytearray()
        with open_bytes(self._path) as stream:
            file = cast("IO[bytes]", stream)
            words, width = self._header(file.readline(100))
            for number in range(1, words + 1):
                word = self._word(file, number, words)
                row = file.read(4 * width)
                if len(row) < 4 * width:
                    raise self._cut_off(number, words)
                if spellings.keep(word):
                    kept += row
        rows = np.frombuffer(kept, dtype="<f4").astype(np.float32).reshape(-1, width)
        if not np.isfinite(rows).all():
            raise DataError(f"{self._path}: a vector holds numbers that are not finite. Is the file damaged?")
        return RowsOfWords(spellings, rows)

    def _header(self, line: bytes) -> tuple[int, int]:
        fields = line.split()
        if len(fields) != 2 or not all(field.isdigit() for field in fields) or not int(fields[1]):
            raise DataError(
                f"{self._path}:1: no header of two numbers, words and width. "
                "Is this word2vec's binary form? A text file must not end in .bin."
            )
        return int(fields[0]), int(fields[1])

    def _word(self, file: IO[bytes], number: int, words: int) -> str:
        """The bytes up to the next blank, less the line end that some writers put after a vector."""
        letters = bytearray()
        while (letter := file.read(1)) != b" ":
            if not letter:
                raise self._cut_off(number, words)
            letters += letter
            if len(letters) > _LONGEST_WORD:
                raise DataError(f"{self._path}: word {number:,} has no end. Is this word2vec's binary form?")
        try:
            return letters.lstrip(b"\n").decode()
        except UnicodeDecodeError:
            raise DataError(f"{self._path}: word {number:,} is not UTF-8. Is the file damaged?") from None

    def _cut_off(self, number: int, words: int) -> DataError:
        return DataError(
            f"{self._path}: ends within word {number:,} of {words:,}. Copy or download the file again."
        )
