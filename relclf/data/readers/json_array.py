"""Reads one JSON array of the objects of jsonl."""

from collections.abc import Iterable, Iterator

from relclf.data.lines import Line
from relclf.data.options import Reading
from relclf.data.readers.json_values import array_values
from relclf.data.readers.jsonl import keys_of, parse_record
from relclf.errors import DataError
from relclf.example import Example

_DEFAULT = Reading()


def recognises(line: str) -> bool:
    """Never: an array that shows itself is taken for TACRED's."""
    return False


def read(lines: Iterable[Line], name: str, reading: Reading = _DEFAULT) -> Iterator[Example | DataError]:
    """One example an object of the array, or the DataError that says why there is none."""
    keys = keys_of(reading)
    try:
        for number, (source, record) in enumerate(array_values(lines, name), 1):
            try:
                yield parse_record(record, source, str(number), reading, keys)
            except DataError as error:
                yield error
    except DataError as error:
        yield error
