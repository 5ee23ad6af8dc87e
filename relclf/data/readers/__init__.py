"""The formats of data files: each is one file beside this one, and one line in `READERS`."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from relclf.data.lines import Line
from relclf.data.readers import jsonl, semeval2010
from relclf.errors import DataError
from relclf.example import Example


class Reader(NamedTuple):
    """How a format is read (lines, the file's name -> examples) and recognised (by its first line)."""

    read: Callable[[Iterable[Line], str], Iterator[Example | DataError]]
    recognises: Callable[[str], bool]


READERS: dict[str, Reader] = {
    "semeval2010": Reader(semeval2010.read, semeval2010.recognises),
    "jsonl": Reader(jsonl.read, jsonl.recognises),
}
