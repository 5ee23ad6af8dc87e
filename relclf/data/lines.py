"""Reads a text file line by line: plain, gzip or bzip2, from a path or from standard input."""

import bz2
import gzip
import io
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from relclf.errors import DataError, RelclfError, UserMistake

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Line = tuple[int, str | DataError]
"""A line's number, from 1, and its text without the line end, or what is wrong with its bytes."""


class LineBlock(NamedTuple):
    """Whole lines as they stand in a file, and the number of the first of them, from 1."""

    first: int
    content: bytes


STANDARD_INPUT = "-"
LONGEST_LINE = 16 * 1024 * 1024
"""The most bytes of a line; a longer one is refused, so that memory stays bounded."""
UTF_8 = "utf-8"

_BZIP2 = re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)")
"""The first bytes: the block size, and the mark of a block or of an end without one."""
_BUFFER = 256 * 1024


def open_text(path: Path | str, charset: str = UTF_8) -> Iterator[tuple[int, str]]:
    """The numbered lines of a file (or of standard input, "-"), without line ends, one at a time.

    Gzip and bzip2 are known by their first bytes; a byte order mark and CRLF are fine. Raises UserMistake where the
    file cannot be opened or read, DataError where a line is not UTF-8, is too long, or packed data end too early.
    """
    for number, text in read_lines(path, charset):
        if isinstance(text, DataError):
            raise text
        yield number, text


def read_lines(path: Path | str, charset: str = UTF_8) -> Iterator[Line]:
    """Like `open_text`, but a line that is not in the charset comes as a DataError, and reading goes on after it."""
    name = display_name(path)
    for block in read_blocks(path):
        yield from block_lines(block, name, charset)


def read_blocks(
    path: Path | str, size: int = 1, longest: Callable[[bytes], int] = lambda start: LONGEST_LINE
) -> Iterator[LineBlock]:
    """The lines of a file in blocks of at least `size` bytes, but for the last; raises what `open_text` raises.

    With a size of 1 a pipe hands on each line before the next is written. All lines before an error come first.
    `longest` says from a long line's beginning how long it may be.
    """
    held = LineBlock(1, b"")
    try:
        for block in _read_blocks(path, longest):
            held = LineBlock(held.first, held.content + block.content) if held.content else block
            if len(held.content) >= size:
                yield held
                held = LineBlock(1, b"")
    except RelclfError:
        if held.content:
            yield held
        raise
    if held.content:
        yield held


def block_lines(block: LineBlock, name: str, charset: str = UTF_8) -> Iterator[Line]:
    """The numbered lines of a block of the file `name`; one that is not in the charset comes as a DataError."""
    lines: list[str] | list[str | DataError]
    try:
        lines = block.content.decode(_encoding(block.first, charset)).split("\n")
    except UnicodeDecodeError:
        content = block.content.split(b"\n")
        lines = [_decoded(line, number, name, charset) for number, line in enumerate(content, block.first)]
    else:
        if b"\r" in block.content:
            lines = [line.rstrip("\r") for line in lines]
    if block.content.endswith(b"\n"):
        lines.pop()
    return enumerate(lines, block.first)


def _read_blocks(path: Path | str, longest: Callable[[bytes], int]) -> Iterator[LineBlock]:
    name = display_name(path)
    number = 0
    try:
        with open_bytes(path) as stream:
            for lines in _whole_lines(stream):
                if len(lines) == LONGEST_LINE and not lines.endswith(b"\n"):
                    most = longest(lines)
                    lines += stream.readline(most - LONGEST_LINE)
                    if len(lines) == most and not lines.endswith(b"\n"):
                        raise DataError(
                            f"{name}:{number + 1}: a line of more than {most:,} bytes. Is this a text file?"
                        )
                yield LineBlock(number + 1, lines)
                number += lines.count(b"\n")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{name}: the packed data are damaged or cut off after line {number} ({error}). "
            "Copy or download the file again."
        ) from None
    except OSError as error:
        if error.errno is None:  # bzip2's way to say it
            raise DataError(
                f"{name}: the packed data are damaged after line {number} ({error}). Copy or download the file again."
            ) from None
        raise UserMistake(
            f"{name}: cannot be read after line {number} ({error.strerror}). Check the disk it lies on."
        ) from None


def display_name(path: Path | str) -> str:
    """The file's name in messages."""
    return "<stdin>" if str(path) == STANDARD_INPUT else str(path)


@contextmanager
def open_bytes(path: Path | str) -> Iterator[io.BufferedIOBase]:
    """The bytes of a file or of standard input ("-"), unpacked; a pipe will do, nothing is sought."""
    with ExitStack() as stack:
        if str(path) == STANDARD_INPUT:
            raw = cast("io.BufferedReader", sys.stdin.buffer)
        else:
            raw = stack.enter_context(open_file(path))
        start = raw.read(2)
        if start == b"BZ":  # as a text may begin too
            start += raw.read(8)
        stream = io.BufferedReader(_Rejoined(start, raw), _BUFFER)
        if start == b"\x1f\x8b":
            yield io.BufferedReader(gzip.GzipFile(fileobj=stream), _BUFFER)
        elif _BZIP2.match(start):
            yield io.BufferedReader(bz2.BZ2File(stream), _BUFFER)
        else:
            yield stream


def open_file(path: Path | str) -> io.BufferedReader:
    """The bytes of a file as they are on disk; UserMistake where it cannot be opened."""
    try:
        return Path(path).open("rb")
    except FileNotFoundError:
        raise UserMistake(f"{path}: no such file. Check the path.") from None
    except IsADirectoryError:
        raise UserMistake(f"{path}: is a folder, not a file. Name a file in it.") from None
    except OSError as error:
        raise UserMistake(f"{path}: cannot be opened ({error.strerror}). Check its permissions.") from None


class _Rejoined(io.RawIOBase):
    """A byte stream of which the start has been read already, whole again."""

    def __init__(self, start: bytes, rest: io.BufferedReader) -> None:
        self._start = start
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        data = self._start or self._rest.read1(len(view))
        self._start = b""
        view[: len(data)] = data
        return len(data)


def _whole_lines(stream: io.BufferedIOBase) -> Iterator[bytes]:
    """The whole lines of what a stream has ready, then the line that this cuts through; no more than LONGEST_LINE."""
    while chunk := stream.read1(_BUFFER):
        end = chunk.rfind(b"\n") + 1
        if end:
            yield chunk[:end]
        if end < len(chunk):
            yield chunk[end:] + stream.readline(LONGEST_LINE - len(chunk) + end)


def _decoded(line: bytes, number: int, name: str, charset: str) -> str | DataError:
    try:
        return line.decode(_encoding(number, charset)).rstrip("\r")
    except UnicodeDecodeError as error:
        what = "UTF-8" if charset == UTF_8 else charset
        return DataError(
            f"{name}:{number}: byte {error.start + 1} of the line (0x{line[error.start]:02x}) is not {what}. "
            "Save the file as UTF-8, or name the encoding of its sentences: data.charset or --charset, such as latin-1."
        )


def _encoding(number: int, charset: str) -> str:
    """Of a line: a byte order mark may stand before the first."""
    return "utf-8-sig" if number == 1 and charset == UTF_8 else charset
