"""Reads a data file as a stream of examples, in the format that is named or that its first line shows."""

from collections.abc import Iterator
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Literal, overload

from relclf.data.lines import LineBlock, block_lines, display_name, open_text, read_blocks
from relclf.data.readers import READERS
from relclf.errors import DataError, UserMistake
from relclf.example import Example

__all__ = ["detect_format", "open_text", "read_examples"]


@overload
def read_examples(
    path: Path | str, format: str = "auto", *, keep_bad: Literal[False] = False, offsets: bool = True
) -> Iterator[Example]: ...
@overload
def read_examples(
    path: Path | str, format: str = "auto", *, keep_bad: bool, offsets: bool = True
) -> Iterator[Example | DataError]: ...
def read_examples(
    path: Path | str, format: str = "auto", *, keep_bad: bool = False, offsets: bool = True
) -> Iterator[Example | DataError]:
    """The examples of a data file ("-": standard input), one at a time, in its order.

    `format` is a name in READERS, or "auto": the first line that is not blank shows it. A malformed
    record is raised as a DataError ("file:line: ..."); with `keep_bad` it is yielded in its place and
    reading goes on. A file without a record is a DataError too. Without `offsets` the examples have none, which
    takes half the time.
    """
    name = display_name(path)
    format, blocks = open_blocks(path, format)
    lines = chain.from_iterable(block_lines(block, name) for block in blocks)
    empty = True
    for item in READERS[format].read(lines, name, offsets):
        if isinstance(item, DataError) and not keep_bad:
            raise item
        empty = False
        yield item
    if empty:
        raise empty_file(name)


def open_blocks(path: Path | str, format: str = "auto", size: int = 1) -> tuple[str, Iterator[LineBlock]]:
    """The format of a data file, and its lines in blocks of at least `size` bytes. Raises UserMistake."""
    blocks = read_blocks(path, size)
    if format == "auto":
        name = display_name(path)
        first, blocks = _first_line(blocks, name)
        format = _format_of(first, name)
    _check_format(format)
    return format, blocks


def empty_file(name: str) -> DataError:
    """What is raised for a file without a record."""
    return DataError(
        f"{name}: no sentences in it, the file is empty. See docs/formats.md for what it must hold."
    )


def detect_format(path: Path | str) -> str:
    """The format of a file by its first line that is not blank; DataError where no format fits."""
    name = display_name(path)
    first, _ = _first_line(read_blocks(path), name)
    return _format_of(first, name)


def _first_line(blocks: Iterator[LineBlock], name: str) -> tuple[tuple[int, str], Iterator[LineBlock]]:
    """The first line that is not blank, and the blocks from its own on."""
    for block in blocks:
        for number, text in block_lines(block, name):
            if isinstance(text, DataError):
                raise text
            if text and not text.isspace():
                return (number, text), chain([block], blocks)
    raise empty_file(name)


def _format_of(line: tuple[int, str], name: str) -> str:
    number, text = line
    for format, reader in READERS.items():
        if reader.recognises(text):
            return format
    start = text if len(text) <= 40 else text[:40] + "…"
    raise DataError(
        f"{name}:{number}: not a format that relclf reads (the line begins {start!r}). "
        f"It reads {' and '.join(READERS)}, see docs/formats.md."
    )


def _check_format(format: str) -> None:
    if format in READERS:
        return
    close = get_close_matches(format, READERS, n=1)
    raise UserMistake(
        f"unknown format {format!r}"
        + (f", did you mean {close[0]!r}?" if close else ".")
        + f" The formats are auto, {', '.join(READERS)}."
    )
