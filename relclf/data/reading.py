"""Reads a data file as a stream of examples, in the format that is named or that its first line shows."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple, overload

from relclf.data.lines import (
    LONGEST_LINE,
    STANDARD_INPUT,
    LineBlock,
    block_lines,
    display_name,
    open_text,
    read_blocks,
)
from relclf.data.options import Reading
from relclf.data.readers import FOLDERS, READERS
from relclf.data.readers.brat import documents_of
from relclf.errors import DataError, UserMistake
from relclf.example import Example

__all__ = ["LoadedFile", "detect_format", "load_examples", "open_blocks", "open_text", "read_examples"]

LONGEST_DOCUMENT = 1024 * 1024 * 1024
"""The most bytes of a line in a format whose file is one document."""


@dataclass(frozen=True)
class LoadedFile:
    """All examples of a file, and what a person should know of how they were read."""

    examples: list[Example]
    notes: tuple[str, ...]
    """Records passed over (with `skip_bad`), choices that the reader made, each counted."""


class OpenedFile(NamedTuple):
    """A file about to be read."""

    format: str
    reading: Reading
    """With the format that was recognised."""
    blocks: Iterator[LineBlock]


@overload
def read_examples(
    path: Path | str,
    reading: Reading | str = "auto",
    *,
    keep_bad: Literal[False] = False,
    offsets: bool = True,
) -> Iterator[Example]: ...
@overload
def read_examples(
    path: Path | str, reading: Reading | str = "auto", *, keep_bad: bool, offsets: bool = True
) -> Iterator[Example | DataError]: ...
def read_examples(
    path: Path | str, reading: Reading | str = "auto", *, keep_bad: bool = False, offsets: bool = True
) -> Iterator[Example | DataError]:
    """The examples of a data file ("-": standard input) or folder, one at a time, in its order.

    `reading` may be the name of a format alone; with "auto" the first line that is not blank shows it. A malformed
    record is raised as a DataError ("file:line: ..."); with `keep_bad` it is yielded in its place and
    reading goes on. A file without a record is a DataError too. Without `offsets` the examples have neither these nor
    their text, which takes half the time.
    """
    if isinstance(reading, str):
        reading = Reading(reading)
    opened = open_blocks(path, replace(reading, offsets=reading.offsets and offsets))
    name, reading = display_name(path), opened.reading
    lines = chain.from_iterable(block_lines(block, name, reading.charset) for block in opened.blocks)
    empty = True
    for item in READERS[opened.format].read(lines, name, reading):
        if isinstance(item, DataError) and not keep_bad:
            raise item
        empty = False
        yield item
    if empty:
        raise empty_file(name)


def load_examples(path: Path | str, reading: Reading, *, offsets: bool = True) -> LoadedFile:
    """All examples of a file, and notes. Malformed records are raised, or counted with `reading.skip_bad`."""
    examples: list[Example] = []
    bad: list[DataError] = []
    remarks: Counter[str] = Counter()
    for item in read_examples(path, reading, keep_bad=reading.skip_bad, offsets=offsets):
        if isinstance(item, DataError):
            bad.append(item)
            continue
        examples.append(item)
        if item.remark is not None:
            remarks[item.remark] += 1
    if not examples:
        raise DataError(f"{bad[0]} No record of the file can be read ({len(bad):,} are malformed).")
    return LoadedFile(examples, (*passed_over(bad), *remark_notes(remarks)))


def passed_over(bad: list[DataError]) -> list[str]:
    """What to say of records that were passed over."""
    records = "1 malformed record" if len(bad) == 1 else f"{len(bad):,} malformed records"
    return [f"{records} passed over, the first: {bad[0]}"] if bad else []


def remark_notes(remarks: Counter[str]) -> list[str]:
    """What to say of the choices that a reader made."""
    return [
        f"{count:,} sentence{'s have' if count > 1 else ' has'} {remark}" for remark, count in remarks.items()
    ]


def open_blocks(path: Path | str, reading: Reading | None = None, size: int = 1) -> OpenedFile:
    """The format of a data file, and its lines in blocks of at least `size` bytes. Raises UserMistake."""
    reading = reading or Reading()
    name = display_name(path)
    format = reading.format if isinstance(reading.format, str) else str(reading.format.name)
    if format != "auto":
        _check_format(format)
    if format == FOLDERS or (format == "auto" and is_folder_of_documents(path)):
        return OpenedFile(
            FOLDERS, replace(reading, format=FOLDERS) if format == "auto" else reading, iter(())
        )
    if format != "auto":
        longest = LONGEST_DOCUMENT if READERS[format].document else LONGEST_LINE
        return OpenedFile(format, reading, read_blocks(path, size, lambda start: longest))
    blocks = read_blocks(path, size, _longest_by_its_beginning)
    first, blocks = _first_line(blocks, name, reading.charset)
    format = _format_of(first, name)
    return OpenedFile(format, replace(reading, format=format), blocks)


def is_folder_of_documents(path: Path | str) -> bool:
    """Whether a path is a folder that brat's reader can read."""
    return str(path) != STANDARD_INPUT and Path(path).is_dir() and bool(documents_of(Path(path)))


def empty_file(name: str) -> DataError:
    """What is raised for a file without a record."""
    return DataError(
        f"{name}: no sentences in it, the file is empty. See docs/formats.md for what it must hold."
    )


def detect_format(path: Path | str, reading: Reading | None = None) -> str:
    """The format of a file by its first line that is not blank; DataError where no format fits."""
    return open_blocks(path, replace(reading or Reading(), format="auto")).format


def _longest_by_its_beginning(start: bytes) -> int:
    """A long line of a format that is still to be found."""
    text = start[:4096].decode("utf-8", "ignore").lstrip("\ufeff")
    for reader in READERS.values():
        if reader.recognises(text):
            return LONGEST_DOCUMENT if reader.document else LONGEST_LINE
    return LONGEST_LINE


def _first_line(
    blocks: Iterator[LineBlock], name: str, charset: str
) -> tuple[tuple[int, str], Iterator[LineBlock]]:
    """The first line that is not blank, and the blocks from its own on."""
    for block in blocks:
        for number, text in block_lines(block, name, charset):
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
        f"{name}:{number}: no format that shows itself (the line begins {start!r}). "
        f"Name the file's format, with its options where it has some: {', '.join(READERS)}, see docs/formats.md."
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
