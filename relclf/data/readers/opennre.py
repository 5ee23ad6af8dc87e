"""Reads OpenNRE's lines: an object with `text` or `token`, and `h` and `t` with their `pos`, a line."""

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Any

from relclf.data.lines import Line
from relclf.data.options import Reading
from relclf.data.readers.jsonl import parsed_line
from relclf.data.readers.records import (
    Span,
    Types,
    as_text,
    checked_id,
    checked_name,
    checked_span,
    checked_text,
    checked_tokens,
    checked_type,
    json_line,
    refuse_blank,
    refuse_overlap,
    required,
    shown,
    text_example,
    token_example,
)
from relclf.errors import DataError
from relclf.example import Example

_DEFAULT = Reading()
_PYTHON = re.compile(r"\s*\{\s*'")
_MENTION = re.compile(r"""["'][ht]["']\s*:\s*\{""")


def recognises(line: str) -> bool:
    """Whether a file with this first line is in the format."""
    return line.lstrip().startswith("{") and _MENTION.search(line) is not None


def read(lines: Iterable[Line], name: str, reading: Reading = _DEFAULT) -> Iterator[Example | DataError]:
    """One example a line that is not blank, or the DataError that says why there is none."""
    for number, line in lines:
        if line and not (isinstance(line, str) and line.isspace()):
            source = f"{name}:{number}"
            try:
                yield _example(_parsed(line, source), source, str(number), reading)
            except DataError as error:
                yield error


def write(example: Example) -> str:
    """The line of an example."""
    record: dict[str, Any]
    if example.text is not None:
        text, *spans = as_text(example)
        record = {"text": text}
        names = [text[start:end] for start, end in spans]
    else:
        spans = [(mention.start, mention.end) for mention in (example.head, example.tail)]
        record = {"token": example.tokens}
        names = [" ".join(example.tokens[start:end]) for start, end in spans]
    types = (example.head_type, example.tail_type)
    for key, name, span, kind in zip("ht", names, spans, types, strict=True):
        record[key] = {"name": name, "pos": span} | ({"type": kind} if kind is not None else {})
    return json_line(record | {"relation": example.relation, "id": example.id}) + "\n"


def _parsed(line: str | DataError, source: str) -> Any:
    """The value of a line: JSON, or a Python literal, which is parsed and never evaluated."""
    if isinstance(line, DataError) or not _PYTHON.match(line):
        return parsed_line(line, source)
    try:
        return ast.literal_eval(line.strip())
    except SyntaxError as error:
        reason = f"broken Python literal at column {error.offset}: {error.msg}"
    except (ValueError, TypeError) as error:
        reason = f"no plain Python literal ({str(error)[:60]})"
    except (RecursionError, MemoryError):
        reason = "brackets nested too deeply"
    raise DataError(
        f"{source}: {reason}. Each line must hold one JSON object or Python dictionary of plain values."
    )


def _example(record: Any, source: str, default_id: str, reading: Reading) -> Example:
    if not isinstance(record, dict):
        raise DataError(f"{source}: must be an object with keys, {{...}} (got {shown(record)}).")
    if "text" in record and "token" in record:
        raise DataError(f'{source}: both "text" and "token". Keep the one that the positions count in.')
    rest: dict[str, Any] = {
        "id": checked_id(record["id"], "id", source) if "id" in record else default_id,
        "relation": checked_name(record.get("relation"), "relation", source),
        "group": reading.group(record, source),
    }
    if "text" in record:
        text = checked_text(record["text"], "text", source)
        head, tail = _spans(record, len(text), "characters", source)
        refuse_blank(head, "h", text, source)
        refuse_blank(tail, "t", text, source)
        return text_example(text, head, tail, reading, source, **rest, types=_types(record, source))
    tokens = checked_tokens(required(record, "token", source, 'no "text" or "token"'), "token", source)
    head, tail = _spans(record, len(tokens), "tokens", source)
    return token_example(tokens, head, tail, source, **rest, types=_types(record, source))


def _spans(record: dict[str, Any], length: int, unit: str, source: str) -> tuple[Span, Span]:
    head, tail = (_span(record, key, length, unit, source) for key in "ht")
    refuse_overlap(head, tail, source, ("h", "t"))
    return head, tail


def _types(record: dict[str, Any], source: str) -> Types:
    head, tail = (checked_type(record[key].get("type"), f"{key}.type", source) for key in "ht")
    return head, tail


def _span(record: dict[str, Any], key: str, length: int, unit: str, source: str) -> Span:
    mention = required(record, key, source)
    position = mention.get("pos") if isinstance(mention, dict) else None
    if not isinstance(position, list | tuple) or len(position) != 2:
        raise DataError(f'{source}: "{key}" must be {{"pos": [start, end], ...}} (got {shown(mention)}).')
    return checked_span(position[0], position[1], key, length, unit, source)
