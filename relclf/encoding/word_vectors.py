"""Reads word vectors from a text file in GloVe's or word2vec's form."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relclf.data.lines import open_text
from relclf.encoding.vocabulary import FIRST_WORD_ID, Vocabulary
from relclf.errors import DataError

_BLOCK = 4096
_GREATEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class WordVectors:
    """Distinct words of a file, in its order, and their vectors of shape (words, width), float32."""

    words: tuple[str, ...]
    vectors: NDArray[np.float32]


def read_word_vectors(path: Path, width: int, *, lowercase: bool, fold_digits: bool) -> WordVectors:
    """All rows of a file (gzip too) of "word number number …" lines; a first line "words width" is a header.

    Words are normalised as tokens are; of several that become one word the first counts (such files are
    sorted by frequency). Raises DataError with file:line where a row is malformed or `width` is another.
    """
    normal = Vocabulary((), FIRST_WORD_ID, lowercase, fold_digits).normalise
    blocks = [_parse_block(block, width, path) for block in _blocks(path, width)]
    if not blocks:
        raise DataError(f"{path}: no word vectors in the file. Each line needs a word and {width} numbers.")
    first: dict[str, int] = {}
    for index, word in enumerate(chain.from_iterable(words for words, _ in blocks)):
        first.setdefault(normal(word), index)
    rows = np.concatenate([rows for _, rows in blocks])
    return WordVectors(tuple(first), rows[list(first.values())])


def _blocks(path: Path, width: int) -> Iterator[list[tuple[int, str]]]:
    """The numbered rows of the file, without header and trailing blanks, some thousands at a time."""
    lines = ((number, line.rstrip(" ")) for number, line in open_text(path))
    rows = (row for row in lines if not (row[0] == 1 and _is_header(row[1].split(" "), width, path)))
    while block := list(islice(rows, _BLOCK)):
        yield block


def _is_header(fields: Sequence[str], width: int, path: Path) -> bool:
    """Whether these are the two whole numbers of word2vec's first line; with width 1 no line is one."""
    if len(fields) != 2 or not all(field.isascii() and field.isdigit() for field in fields) or width == 1:
        return False
    if int(fields[1]) != width:
        raise DataError(
            f"{path}:1: vectors of {int(fields[1])} numbers, but model.word_dim is {width}. Make them equal."
        )
    return True


def _parse_block(
    block: Sequence[tuple[int, str]], width: int, path: Path
) -> tuple[list[str], NDArray[np.float32]]:
    """The words and their vectors, shape (rows, width); all numbers at once where all rows are plain."""
    parts = [line.partition(" ") for _, line in block]
    try:
        numbers = [number for _, _, number in parts]
        rows = (
            np.loadtxt(numbers, np.float32, comments=None, delimiter=" ", ndmin=2) if all(numbers) else None
        )
    except ValueError:
        rows = None
    if rows is not None and rows.shape[1] == width and np.isfinite(rows).all() and all(p[0] for p in parts):
        return [word for word, _, _ in parts], rows
    parsed = [_parse(line.split(" "), width, f"{path}:{number}") for number, line in block]
    return [word for word, _ in parsed], np.array([row for _, row in parsed], dtype=np.float32)


def _parse(fields: Sequence[str], width: int, place: str) -> tuple[str, list[float]]:
    """The word and its numbers; a word may hold blanks (GloVe has ". . ."), but no number after a blank."""
    parts = fields[:-width]
    if not parts or not parts[0] or any(not part or _numbers([part]) is not None for part in parts[1:]):
        raise DataError(_complaint(f"{len(fields) - 1} fields", fields[0], width, place))
    row = _numbers(fields[-width:])
    if row is None:
        raise DataError(_complaint("a field that is not a finite number", fields[0], width, place))
    return " ".join(parts), row


def _numbers(fields: Sequence[str]) -> list[float] | None:
    """The fields as numbers; None where one is not a finite 32-bit number."""
    try:
        row = [float(field) for field in fields]
    except ValueError:
        return None
    return row if all(abs(number) <= _GREATEST for number in row) else None


def _complaint(found: str, word: str, width: int, place: str) -> str:
    return (
        f"{place}: {found} after {word[:40]!r}, but model.word_dim is {width}. "
        "Each line needs a word and its numbers, set apart by single blanks."
    )
