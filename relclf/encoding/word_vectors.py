"""Reads word vectors from a text file in GloVe's or word2vec's form."""

import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relclf.data.lines import open_bytes
from relclf.encoding.vocabulary import Vocabulary
from relclf.errors import DataError, UserMistake


@dataclass(frozen=True)
class WordVectors:
    """Distinct words of a file, in its order, and their vectors of shape (words, width), float32."""

    words: tuple[str, ...]
    vectors: NDArray[np.float32]


def read_word_vectors(path: Path, width: int, *, lowercase: bool, fold_digits: bool) -> WordVectors:
    """All rows of a file of "word number number …" lines; a first line "words width" is a header.

    Words are normalised as tokens are; of several that become one word the first counts (such files are
    sorted by frequency). Raises DataError with file:line where a row is malformed or `width` is another.
    """
    normal = Vocabulary((), 2, lowercase, fold_digits).normalise
    rows: list[NDArray[np.float32]] = []
    ids: dict[str, int] = {}
    with open_bytes(path) as file:
        try:
            for number, line in enumerate(file, 1):
                if number == 1 and _is_header(line, width, path):
                    continue
                word, row = _parse(line, width, f"{path}:{number}")
                if ids.setdefault(normal(word), len(rows)) == len(rows):
                    rows.append(row)
        except (EOFError, OSError, zlib.error) as error:
            raise UserMistake(f"{path}: cannot be read ({error}). Fetch the file again.") from None
    if not rows:
        raise UserMistake(f"{path}: no word vectors in the file. Each line needs a word and {width} numbers.")
    return WordVectors(tuple(ids), np.stack(rows))


def _is_header(line: bytes, width: int, path: Path) -> bool:
    fields = line.split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields):
        return False
    if width == 1:
        return False
    if int(fields[1]) != width:
        raise DataError(
            f"{path}:1: vectors of {int(fields[1])} numbers, but model.word_dim is {width}. Make them equal."
        )
    return True


def _parse(line: bytes, width: int, place: str) -> tuple[str, NDArray[np.float32]]:
    """The word and its numbers; the word is what stands before the last `width` fields."""
    raw_word, _, numbers = line.strip(b"\r\n ").partition(b" ")
    try:
        word = raw_word.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not UTF-8 ({error.reason}). Convert the file to UTF-8.") from None
    row = _numbers(numbers)
    if row is None or len(row) != width:
        found = "a field that is not a number" if row is None else f"{len(row)} numbers"
        raise DataError(
            f"{place}: {found} after {word[:40]!r}, but model.word_dim is {width}. "
            "Each line needs a word and its numbers, set apart by single blanks."
        )
    return word, row


def _numbers(text: bytes) -> NDArray[np.float32] | None:
    """The numbers of a row; None where a field is not a finite number."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            row = np.fromstring(text, dtype=np.float32, sep=" ")
    except (DeprecationWarning, ValueError):
        return None
    return row if bool(np.isfinite(row).all()) else None
