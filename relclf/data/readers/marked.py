"""Reads sentences whose mentions are marked in the text, as JSON lines or as plain lines."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

from relclf.data.lines import Line
from relclf.data.options import Reading
from relclf.data.readers.jsonl import parsed_line
from relclf.data.readers.records import (
    Span,
    checked_id,
    checked_name,
    checked_text,
    checked_types,
    json_line,
    marked_text,
    required,
    shown,
    text_example,
    types_to_write,
)
from relclf.errors import DataError
from relclf.example import Example

if TYPE_CHECKING:
    from relclf.config.formats import MarkedFormat

_DEFAULT = Reading()


def recognises(line: str) -> bool:
    """Never: which marks are the head's has to be said."""
    return False


def read(lines: Iterable[Line], name: str, reading: Reading = _DEFAULT) -> Iterator[Example | DataError]:
    """One example a line that is not blank, or the DataError that says why there is none."""
    options = cast("MarkedFormat", reading.options())
    record_of = _json_record if options.lines == "json" else _plain_record
    for number, line in lines:
        if line and not (isinstance(line, str) and line.isspace()):
            source = f"{name}:{number}"
            try:
                yield _example(record_of(line, options, source), source, str(number), reading, options)
            except DataError as error:
                yield error


def write(example: Example) -> str:
    """The line of an example: JSON, with the marks <e1> and <e2>."""
    text = marked_text(example, ("<e1>", "</e1>"), ("<e2>", "</e2>"))
    record = {"id": example.id, "text": text, "relation": example.relation}
    return json_line(record | types_to_write(example, "head_type", "tail_type")) + "\n"


def unmarked(text: str, head: tuple[str, str], tail: tuple[str, str], source: str) -> tuple[str, Span, Span]:
    """The text without its four marks, and the character spans of head and tail in it. Raises DataError."""
    places: dict[str, int] = {}
    for mark in (*head, *tail):
        at = text.find(mark)
        if at < 0 or text.find(mark, at + 1) >= 0:
            how = "no" if at < 0 else "more than one"
            raise DataError(
                f"{source}: {how} {mark!r} in the sentence. Each mark stands once: {_all_marks(head, tail)}."
            )
        places[mark] = at
    spans = [(places[before] + len(before), places[after]) for before, after in (head, tail)]
    for (start, end), (before, after) in zip(spans, (head, tail), strict=True):
        if end < start:
            raise DataError(f"{source}: {after!r} stands before {before!r}. A mention is between its marks.")
        if not text[start:end].strip():
            raise DataError(
                f"{source}: nothing between {before!r} and {after!r}. A mention needs at least one word."
            )
    outer = [(places[before], places[after] + len(after)) for before, after in (head, tail)]
    if outer[0][0] < outer[1][1] and outer[1][0] < outer[0][1]:
        raise DataError(f"{source}: the two mentions overlap. Mark them apart.")
    return _without(text, places, spans)


def _without(text: str, places: dict[str, int], spans: list[Span]) -> tuple[str, Span, Span]:
    marks = sorted((at, len(mark)) for mark, at in places.items())

    def moved(place: int) -> int:
        return place - sum(length for at, length in marks if at < place)

    head, tail = ((moved(start), moved(end)) for start, end in spans)
    for at, length in reversed(marks):
        text = text[:at] + text[at + length :]
    return text, head, tail


def _all_marks(head: tuple[str, str], tail: tuple[str, str]) -> str:
    return ", ".join(map(repr, (*head, *tail)))


def _json_record(line: str | DataError, options: "MarkedFormat", source: str) -> dict[str, Any]:
    record = parsed_line(line, source)
    if not isinstance(record, dict):
        raise DataError(f"{source}: must be an object with keys, {{...}} (got {shown(record)}).")
    return record


def _plain_record(line: str | DataError, options: "MarkedFormat", source: str) -> dict[str, Any]:
    if isinstance(line, DataError):
        raise line
    columns = [column.strip() for column in line.split("\t")]
    if len(columns) > 3:
        raise DataError(
            f"{source}: {len(columns)} columns. A line is the sentence, and after tabs its relation and its id."
        )
    names = (options.text, options.relation, options.id)
    return {name: column for name, column in zip(names, columns, strict=False) if column}


def _example(
    record: dict[str, Any], source: str, default_id: str, reading: Reading, options: "MarkedFormat"
) -> Example:
    marked = checked_text(required(record, options.text, source), options.text, source)
    text, head, tail = unmarked(marked, options.head, options.tail, source)
    return text_example(
        text,
        head,
        tail,
        reading,
        source,
        id=checked_id(record[options.id], options.id, source) if options.id in record else default_id,
        relation=checked_name(record.get(options.relation), options.relation, source),
        types=checked_types(record, (options.head_type, options.tail_type), source),
        group=reading.group(record, source),
    )
