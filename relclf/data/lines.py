"""Reads a text file line by line: UTF-8, plain or gzip, from a path or from standard input."""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from relclf.errors import DataError, UserMistake

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Line = tuple[int, str | DataError]
"""A line's number, from 1, and its text without the line end, or what is wrong with its bytes."""

STANDARD_INPUT = "-"
LONGEST_LINE = 16 * 1024 * 1024
"""The most bytes of a line; a longer one is refused, so that memory stays bounded."""

_GZIP = b"\x1f\x8b"
_BUFFER = 256 * 1024


def open_text(path: Path | str) -> Iterator[tuple[int, str]]:
    """The numbered lines of a file (or of standard input, "-"), without line ends, one at a time.

    Gzip is known by its first bytes; a byte order mark and CRLF are fine. Raises UserMistake where the
    file cannot be opened or read, DataError where a line is not UTF-8, is too long, or the gzip ends too early.
    """
    for number, text in read_lines(path):
        if isinstance(text, DataError):
            raise text
        yield number, text


def read_lines(path: Path | str) -> Iterator[Line]:
    """Like `open_text`, but a line that is not UTF-8 comes as a DataError, and reading goes on after it."""
    name = display_name(path)
    number = 0
    try:
        with open_bytes(path) as stream:
            while line := stream.readline(LONGEST_LINE):
                number += 1
                yield number, _decoded(line, number, name)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{name}: the gzip data is damaged or cut off after line {number} ({error}). "
            "Copy or download the file again."
        ) from None
    except OSError as error:
        raise UserMistake(
            f"{name}: cannot be read after line {number} ({error.strerror}). Check the disk it lies on."
        ) from None


def display_name(path: Path | str) -> str:
    """The file's name in messages."""
    return "<stdin>" if str(path) == STANDARD_INPUT else str(path)


@contextmanager
def open_bytes(path: Path | str) -> Iterator[io.BufferedIOBase]:
    """The bytes of a file or of standard input ("-"), gzip unpacked; a pipe will do, nothing is sought."""
    with ExitStack() as stack:
        if str(path) == STANDARD_INPUT:
            raw = cast("io.BufferedReader", sys.stdin.buffer)
        else:
            raw = stack.enter_context(open_file(path))
        start = raw.read(len(_GZIP))
        stream = io.BufferedReader(_Rejoined(start, raw), _BUFFER)
        if start == _GZIP:
            yield io.BufferedReader(gzip.GzipFile(fileobj=stream), _BUFFER)
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


def _decoded(line: bytes, number: int, name: str) -> str | DataError:
    if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
        raise DataError(f"{name}:{number}: a line of more than {LONGEST_LINE:,} bytes. Is this a text file?")
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        return DataError(
            f"{name}:{number}: byte {error.start + 1} of the line (0x{line[error.start]:02x}) is not UTF-8. "
            "Save the file as UTF-8."
        )
