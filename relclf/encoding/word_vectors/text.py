"""Reads word vectors from text: GloVe's, word2vec's and fastText's form, gzip too."""

from collections.abc import Callable, Collection, Sequence
from itertools import islice, takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relclf.data.lines import open_text
from relclf.encoding.word_vectors.spellings import RowsOfWords, Spellings
from relclf.errors import DataError

_BLOCK = 4096
_GREATEST = float(np.finfo(np.float32).max)


class TextVectors:
    """A file of "word number number …" lines; a first line of two whole numbers, "words width", is a header."""

    def __init__(self, path: Path, normalise: Callable[[str], str]) -> None:
        """`normalise` spells a word as the vocabulary does."""
        self.files = (path,)
        self._path = path
        self._normalise = normalise

    def lookup(self, wanted: Collection[str] | None) -> RowsOfWords:
        """The rows of the wanted words. Of the other lines only the number of fields is checked.

        Raises DataError with file:line where a row is malformed or of another width than the first.
        """
        spellings = Spellings(wanted, self._normalise)
        parts: list[NDArray[np.float32]] = []
        width = 0
        lines = ((number, line.rstrip(" ")) for number, line in open_text(self._path))
        while block := list(islice(lines, _BLOCK)):
            if not width:
                width = self._width(block)
                block = block[_is_header(block[0][1]) :]
            parts.append(self._rows(block, width, spellings))
        if not width:
            raise self._empty()
        return RowsOfWords(spellings, np.concatenate(parts))

    def _width(self, block: Sequence[tuple[int, str]]) -> int:
        """Of the header, or of the first row."""
        first = block[0][1]
        if not _is_header(first):
            fields = first.split(" ")[1:]
            width = sum(1 for _ in takewhile(lambda field: _numbers([field]) is not None, reversed(fields)))
            if width == 0:
                raise DataError(
                    f"{self._path}:1: no numbers after {first[:40]!r}. "
                    "Each line needs a word and its numbers, set apart by single blanks."
                )
            return width
        if len(block) == 1:
            raise self._empty()
        return int(first.split(" ")[1])

    def _empty(self) -> DataError:
        return DataError(
            f"{self._path}: no word vectors in the file. Each line needs a word and its numbers."
        )

    def _rows(
        self, block: Sequence[tuple[int, str]], width: int, spellings: Spellings
    ) -> NDArray[np.float32]:
        """The vectors of the block's kept words, shape (rows, width)."""
        kept: list[tuple[int, str]] = []
        for number, line in block:
            plain = line.count(" ") == width
            word = line[: line.index(" ")] if plain else self._parse(number, line, width)[0]
            if spellings.keep(word):
                kept.append((number, line))
        rows = _plain_rows(kept, width)
        if rows is None:
            rows = np.array([self._parse(number, line, width)[1] for number, line in kept], dtype=np.float32)
        return rows

    def _parse(self, number: int, line: str, width: int) -> tuple[str, list[float]]:
        """The word and its numbers; a word may hold blanks (GloVe has ". . ."), but no number after a blank."""
        fields = line.split(" ")
        place = f"{self._path}:{number}"
        parts = fields[:-width]
        if not parts or not parts[0] or any(not part or _numbers([part]) is not None for part in parts[1:]):
            raise DataError(_complaint(f"{len(fields) - 1} fields", fields[0], width, place))
        row = _numbers(fields[-width:])
        if row is None:
            raise DataError(_complaint("a field that is not a finite number", fields[0], width, place))
        return " ".join(parts), row


def _is_header(line: str) -> bool:
    fields = line.split(" ")
    return len(fields) == 2 and all(field.isascii() and field.isdigit() for field in fields)


def _plain_rows(lines: Sequence[tuple[int, str]], width: int) -> NDArray[np.float32] | None:
    """The numbers of all lines at once, shape (lines, width); None where one is not plain."""
    if not lines:
        return np.zeros((0, width), dtype=np.float32)
    parts = [line.partition(" ") for _, line in lines]
    if not all(word and numbers for word, _, numbers in parts):
        return None
    try:
        rows = np.loadtxt(
            [numbers for _, _, numbers in parts], np.float32, comments=None, delimiter=" ", ndmin=2
        )
    except ValueError:
        return None
    return rows if rows.shape[1] == width and np.isfinite(rows).all() else None


def _numbers(fields: Sequence[str]) -> list[float] | None:
    """The fields as numbers; None where one is not a finite 32-bit number."""
    try:
        row = [float(field) for field in fields]
    except ValueError:
        return None
    return row if all(abs(number) <= _GREATEST for number in row) else None


def _complaint(found: str, word: str, width: int, place: str) -> str:
    return (
        f"{place}: {found} after {word[:40]!r}, but the file's vectors are {width} wide. "
        "Each line needs a word and its numbers, set apart by single blanks."
    )
