"""Reads TACRED's JSON: one array of objects with tokens and inclusive spans of subject and object."""

from collections.abc import Iterable, Iterator
from typing import Any

from relclf.data.lines import Line
from relclf.data.options import Reading
from relclf.data.readers.json_values import array_values
from relclf.data.readers.records import (
    Span,
    checked_id,
    checked_name,
    checked_span,
    checked_tokens,
    checked_types,
    json_line,
    refuse_overlap,
    required,
    shown,
    token_example,
    types_to_write,
)
from relclf.errors import DataError
from relclf.example import Example

_DEFAULT = Reading()
_TYPES = ("subj_type", "obj_type")


def recognises(line: str) -> bool:
    """Whether a file with this first line is in the format."""
    return line.lstrip().startswith("[")


def read(lines: Iterable[Line], name: str, reading: Reading = _DEFAULT) -> Iterator[Example | DataError]:
    """One example an object of the array, the subject its head and the object its tail, or its DataError."""
    try:
        for number, (source, record) in enumerate(array_values(lines, name), 1):
            try:
                yield _example(record, source, str(number), reading)
            except DataError as error:
                yield error
    except DataError as error:
        yield error


def write(example: Example) -> str:
    """The object of an example."""
    return json_line(
        {
            "id": example.id,
            "relation": example.relation,
            "token": example.tokens,
            "subj_start": example.head.start,
            "subj_end": example.head.end - 1,
            "obj_start": example.tail.start,
            "obj_end": example.tail.end - 1,
            **types_to_write(example, *_TYPES),
        }
    )


def document(records: Iterable[tuple[Example, str]]) -> Iterator[str]:
    """The array of the objects, each on its line."""
    before = "[\n"
    for _, record in records:
        yield before + record
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"


def _example(record: Any, source: str, default_id: str, reading: Reading) -> Example:
    if not isinstance(record, dict):
        raise DataError(f"{source}: must be an object with keys, {{...}} (got {shown(record)}).")
    tokens = checked_tokens(required(record, "token", source), "token", source)
    head, tail = (_span(record, role, len(tokens), source) for role in ("subj", "obj"))
    refuse_overlap(head, tail, source, ("subj", "obj"))
    return token_example(
        tokens,
        head,
        tail,
        source,
        id=checked_id(record["id"], "id", source) if "id" in record else default_id,
        relation=checked_name(record.get("relation"), "relation", source),
        group=reading.group(record, source),
        types=checked_types(record, _TYPES, source),
    )


def _span(record: dict[str, Any], role: str, length: int, source: str) -> Span:
    """Half-open; the file's ends are the last tokens of the mentions."""
    start, last = (required(record, f"{role}_{end}", source) for end in ("start", "end"))
    if type(start) is not int or type(last) is not int:
        raise DataError(
            f'{source}: "{role}_start" and "{role}_end" must be whole numbers (got {shown([start, last])}).'
        )
    if start > last:
        raise DataError(
            f'{source}: "{role}_start" {start} stands behind "{role}_end" {last}, which is the mention\'s last token.'
        )
    return checked_span(start, last + 1, role, length, "tokens", source)
