"""Reads blocks of `KEY : VALUE` lines, one sentence each, whose mentions are given by their words."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, cast

from relclf.data.lines import Line
from relclf.data.options import Reading
from relclf.data.readers.matching import located
from relclf.data.readers.records import checked_text, required, text_example
from relclf.errors import DataError
from relclf.example import Example

if TYPE_CHECKING:
    from relclf.config.formats import BlocksFormat

_DEFAULT = Reading()
_Block = tuple[int, dict[str, str] | DataError]
"""The number of its first line, and its values."""


def recognises(line: str) -> bool:
    """Never: what the keys mean has to be said."""
    return False


def read(lines: Iterable[Line], name: str, reading: Reading = _DEFAULT) -> Iterator[Example | DataError]:
    """One example a block, or the DataError that says why there is none."""
    options = cast("BlocksFormat", reading.options())
    keys = (options.head, options.tail)
    needed = {options.text, *keys, options.relation}
    for count, (number, record) in enumerate(_blocks(lines, options.text, needed), 1):
        source = f"{name}:{number}"
        try:
            if isinstance(record, DataError):
                raise record
            text = checked_text(record[options.text], options.text, source)
            words = [required(record, key, source) for key in keys]
            head, tail, remark = located(text, words[0], words[1], options.several, keys, source)
            yield text_example(
                text,
                head,
                tail,
                reading,
                source,
                id=str(count),
                relation=record.get(options.relation) or None,
                group=reading.group(record, source),
                remark=remark,
            )
        except DataError as error:
            yield error


def _blocks(lines: Iterable[Line], first_key: str, needed: set[str]) -> Iterator[_Block]:
    """Keys and values from each line with the first key on; lines without " : " belong to none."""
    block: _Block | None = None
    for number, line in lines:
        if isinstance(line, DataError):
            if block and not isinstance(block[1], DataError) and needed <= block[1].keys():
                yield block  # it was whole, so the broken line is of the next
            block = (number, line)
            continue
        key, colon, value = line.partition(" : ")
        key = key.strip()
        if key == first_key and colon:
            if block:
                yield block
            block = (number, {key: value.strip()})
        elif colon and block and isinstance(block[1], dict):
            block[1].setdefault(key, value.strip())
    if block:
        yield block
