"""Reads JSON lines: one object a line, with text or tokens, the spans of head and tail, and the relation."""

import json
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, NamedTuple

from relclf.data.lines import Line
from relclf.data.options import Reading
from relclf.data.readers.records import (
    Span,
    as_text,
    checked_id,
    checked_name,
    checked_span,
    checked_text,
    checked_tokens,
    checked_types,
    json_line,
    quoted,
    refuse_blank,
    refuse_overlap,
    required,
    shown,
    types_to_write,
)
from relclf.data.tokenization import tokenize
from relclf.errors import DataError
from relclf.example import Example, MentionSpan


class Keys(NamedTuple):
    """What the keys of a record are called."""

    text: str = "text"
    tokens: str = "tokens"
    head: str = "head"
    tail: str = "tail"
    relation: str = "relation"
    id: str = "id"
    head_type: str = "head_type"
    tail_type: str = "tail_type"


_KEYS = Keys()
_DEFAULT = Reading()


def recognises(line: str) -> bool:
    """Whether a file with this first line is in the format."""
    return line.lstrip().startswith("{")


def read(lines: Iterable[Line], name: str, reading: Reading = _DEFAULT) -> Iterator[Example | DataError]:
    """One example a line that is not blank, or the DataError that says why there is none."""
    keys = keys_of(reading)
    for number, line in lines:
        if line and not (isinstance(line, str) and line.isspace()):
            try:
                source = f"{name}:{number}"
                yield parse_record(parsed_line(line, source), source, str(number), reading, keys)
            except DataError as error:
                yield error


def keys_of(reading: Reading) -> Keys:
    """The names of the keys that the format's options say."""
    options = reading.format
    return _KEYS if isinstance(options, str) else Keys(*(getattr(options, name) for name in Keys._fields))


def parse_record(
    record: object, source: str, default_id: str, reading: Reading = _DEFAULT, keys: Keys = _KEYS
) -> Example:
    """The example in one record of the format.

    `record` is a dict as JSON gives it; extra keys are ignored. `source` begins the message of the DataError
    that a malformed record raises; `default_id` is the id of a record without one.
    """
    if not isinstance(record, dict):
        raise DataError(f"{source}: must be an object with keys, {{...}} (got {shown(record)}).")
    identifier = checked_id(record[keys.id], keys.id, source) if keys.id in record else default_id
    relation = checked_name(record.get(keys.relation), keys.relation, source)
    group = reading.group(record, source) if reading.group_by is not None else None
    types = checked_types(record, (keys.head_type, keys.tail_type), source)
    if keys.text not in record:
        words = checked_tokens(_token_list(record, source, keys), keys.tokens, source)
        head, tail = _spans(record, len(words), "tokens", source, keys)
        spans = MentionSpan(*head), MentionSpan(*tail)
        return Example(identifier, words, *spans, relation, source, None, group, None, None, *types)
    if keys.tokens in record:
        raise DataError(
            f"{source}: both {quoted(keys.text)} and {quoted(keys.tokens)}. Keep the one that the spans count in."
        )
    text = checked_text(record[keys.text], keys.text, source)
    head, tail = _spans(record, len(text), "characters", source, keys)
    refuse_blank(head, keys.head, text, source)
    refuse_blank(tail, keys.tail, text, source)
    tokens, places, first, second = tokenize(text, (head, tail), reading.offsets, reading.tokenizer)
    kept = text if reading.offsets else None
    return Example(identifier, tokens, first, second, relation, source, places, group, None, kept, *types)


def write(example: Example) -> str:
    """The line of an example."""
    record: dict[str, Any] = {"id": example.id}
    if example.text is not None:
        text, head, tail = as_text(example)
        record |= {"text": text, "head": head, "tail": tail}
    else:
        head, tail = (example.head.start, example.head.end), (example.tail.start, example.tail.end)
        record |= {"tokens": example.tokens, "head": head, "tail": tail}
    record |= types_to_write(example, _KEYS.head_type, _KEYS.tail_type)
    return json_line(record | {"relation": example.relation}) + "\n"


def parsed_line(line: str | DataError, source: str) -> Any:
    """The JSON value of a line. Raises DataError."""
    if isinstance(line, DataError):
        raise line
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        reason = f"broken JSON at column {error.colno}: {error.msg}"
    except RecursionError:
        reason = "brackets nested too deeply"
    except ValueError as error:  # a whole number of thousands of digits
        reason = f"broken JSON: {error}"
    raise DataError(f"{source}: {reason}. Each line must hold one JSON object.")


def _token_list(record: dict[str, Any], source: str, keys: Keys) -> Any:
    if keys.tokens not in record and (
        close := get_close_matches(keys.tokens, map(str, record), n=1)
        or get_close_matches(keys.text, map(str, record), n=1)
    ):
        raise DataError(
            f'{source}: no {quoted(keys.text)} or {quoted(keys.tokens)}. Did you mean "{close[0]}"?'
        )
    return required(record, keys.tokens, source, f"no {quoted(keys.text)} or {quoted(keys.tokens)}")


def _spans(record: dict[str, Any], length: int, unit: str, source: str, keys: Keys) -> tuple[Span, Span]:
    head = _span(record, keys.head, length, unit, source)
    tail = _span(record, keys.tail, length, unit, source)
    refuse_overlap(head, tail, source, (keys.head, keys.tail))
    return head, tail


def _span(record: dict[str, Any], key: str, length: int, unit: str, source: str) -> Span:
    """The half-open span under a key."""
    value = record[key] if key in record else required(record, key, source)
    start, end = value if isinstance(value, list | tuple) and len(value) == 2 else (None, None)
    if isinstance(value, dict):
        start, end = value.get("start"), value.get("end")
    if type(start) is not int or type(end) is not int:
        raise DataError(
            f'{source}: {quoted(key)} must be [start, end] or {{"start": ..., "end": ...}} in whole numbers '
            f"(got {shown(value)})."
        )
    return checked_span(start, end, key, length, unit, source)
