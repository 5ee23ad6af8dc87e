"""The formats of data files: each is one file beside this one, and one line in `READERS`."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from relclf.data.lines import Line
from relclf.data.readers import jsonl, semeval2010
from relclf.errors import DataError
from relclf.example import Example


class Reader(NamedTuple):
    """How a format is read and recognised."""

    read: Callable[[Iterable[Line], str, bool], Iterator[Example | DataError]]
    """(lines, the file's name, whether tokens need their offsets) -> examples."""
    recognises: Callable[[str], bool]
    """By a file's first line."""
    record_a_line: bool
    """Whether each line can be read without those before it."""


READERS: dict[str, Reader] = {
    "semeval2010": Reader(semeval2010.read, semeval2010.recognises, record_a_line=False),
    "jsonl": Reader(jsonl.read, jsonl.recognises, record_a_line=True),
}
