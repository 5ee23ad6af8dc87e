"""The formats that sentences can be written in: each is written by the file that reads it."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from relclf.data.readers import delimited, fewrel, jsonl, marked, opennre, semeval2010, tacred
from relclf.example import Example


def one_after_another(records: Iterable[tuple[Example, str]]) -> Iterator[str]:
    """A file of records alone."""
    for _, record in records:
        yield record


class Writer(NamedTuple):
    """How a format is written."""

    record: Callable[[Example], str]
    document: Callable[[Iterable[tuple[Example, str]]], Iterator[str]] = one_after_another
    """Examples with their records -> the file, piece by piece."""
    holds_ids: bool = True
    holds_types: bool = True


WRITERS: dict[str, Writer] = {
    "semeval2010": Writer(semeval2010.write, holds_types=False),
    "tacred": Writer(tacred.write, tacred.document),
    "opennre": Writer(opennre.write),
    "fewrel": Writer(fewrel.write, fewrel.document, holds_ids=False, holds_types=False),
    "jsonl": Writer(jsonl.write),
    "delimited": Writer(delimited.write, delimited.document),
    "marked": Writer(marked.write),
}
