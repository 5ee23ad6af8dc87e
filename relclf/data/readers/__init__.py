"""The formats of data files: each is one file beside this one, and one line in `READERS`."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from relclf.data.lines import Line
from relclf.data.options import Reading
from relclf.data.readers import (
    blocks,
    brat,
    delimited,
    fewrel,
    json_array,
    jsonl,
    marked,
    opennre,
    semeval2010,
    tacred,
)
from relclf.errors import DataError
from relclf.example import Example


class Reader(NamedTuple):
    """How a format is read and recognised."""

    read: Callable[[Iterable[Line], str, Reading], Iterator[Example | DataError]]
    """(lines, the file's name, how) -> examples."""
    recognises: Callable[[str], bool]
    """By a file's first line; never where a format needs to be told what is what."""
    record_a_line: bool = False
    """Whether each line can be read without those before it."""
    document: bool = False
    """Whether the file is one document, which may stand on one line."""


READERS: dict[str, Reader] = {
    "semeval2010": Reader(semeval2010.read, semeval2010.recognises),
    "tacred": Reader(tacred.read, tacred.recognises, document=True),
    "opennre": Reader(opennre.read, opennre.recognises, record_a_line=True),
    "fewrel": Reader(fewrel.read, fewrel.recognises, document=True),
    "jsonl": Reader(jsonl.read, jsonl.recognises, record_a_line=True),
    "json": Reader(json_array.read, json_array.recognises, document=True),
    "delimited": Reader(delimited.read, delimited.recognises),
    "marked": Reader(marked.read, marked.recognises, record_a_line=True),
    "blocks": Reader(blocks.read, blocks.recognises),
    "brat": Reader(brat.read, brat.recognises),
}
"""In the order in which they are asked whether they recognise a file."""
FOLDERS = "brat"
"""The format of a folder."""
