"""Reads JSON lines: one object a line, with text or tokens, the spans of head and tail, and the relation."""

import json
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from relclf.data.lines import Line
from relclf.data.tokenization import tokenize
from relclf.errors import DataError
from relclf.example import Example, MentionSpan


def recognises(line: str) -> bool:
    """Whether a file with this first line is in the format."""
    return line.lstrip().startswith("{")


def read(lines: Iterable[Line], name: str, offsets: bool = True) -> Iterator[Example | DataError]:
    """One example a line that is not blank, or the DataError that says why there is none."""
    for number, line in lines:
        if line and not (isinstance(line, str) and line.isspace()):
            try:
                source = f"{name}:{number}"
                yield parse_record(_parsed(line, source), source, str(number), offsets)
            except DataError as error:
                yield error


def parse_record(record: object, source: str, default_id: str, offsets: bool = True) -> Example:
    """The example in one record of the format.

    `record` is a dict as JSON gives it; extra keys are ignored. `source` begins the message of the DataError
    that a malformed record raises; `default_id` is the id of a record without one; without `offsets` the example has
    none, which takes half the time.
    """
    if not isinstance(record, dict):
        raise DataError(f"{source}: must be an object with keys, {{...}} (got {_shown(record)}).")
    if "text" in record:
        if "tokens" in record:
            raise DataError(f'{source}: both "text" and "tokens". Keep the one that the spans count in.')
        text = _text(record["text"], source)
        head, tail = _spans(record, len(text), "characters", source)
        _refuse_blank("head", head, text, source)
        _refuse_blank("tail", tail, text, source)
        tokens, places, head_span, tail_span = tokenize(text, (head, tail), offsets)
    else:
        tokens, places = _tokens(_required(record, "tokens", source, 'no "text" or "tokens"'), source), None
        head, tail = _spans(record, len(tokens), "tokens", source)
        head_span, tail_span = MentionSpan(*head), MentionSpan(*tail)
    identifier = _id(record["id"], source) if "id" in record else default_id
    relation = _relation(record.get("relation"), source)
    return Example(identifier, tokens, head_span, tail_span, relation, source, places)


def _parsed(line: str | DataError, source: str) -> Any:
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


def _required(record: dict[str, Any], key: str, source: str, what: str) -> Any:
    if key in record:
        return record[key]
    names = [name for name in record if isinstance(name, str)]
    close = get_close_matches(key, names, n=1) or (
        get_close_matches("text", names, n=1) if key == "tokens" else []
    )
    hint = f' Did you mean "{close[0]}"?' if close else f" It has: {', '.join(names[:10]) or 'no keys'}."
    raise DataError(f"{source}: {what}.{hint}")


def _text(value: Any, source: str) -> str:
    if not isinstance(value, str) or not value or value.isspace():
        raise DataError(f'{source}: "text" must be a sentence (got {_shown(value)}).')
    return _encodable(value, "text", source)


def _tokens(value: Any, source: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise DataError(f'{source}: "tokens" must be a list of words (got {_shown(value)}).')
    for index, token in enumerate(value):
        if not isinstance(token, str) or not token or token.isspace():
            raise DataError(f'{source}: "tokens"[{index}] must be a word (got {_shown(token)}).')
    _encodable("".join(value), "tokens", source)
    return tuple(value)


def _spans(
    record: dict[str, Any], length: int, unit: str, source: str
) -> tuple[tuple[int, int], tuple[int, int]]:
    head = _span(record, "head", length, unit, source)
    tail = _span(record, "tail", length, unit, source)
    if head == tail:
        raise DataError(f'{source}: "head" and "tail" are the same span {list(head)}. Mark two mentions.')
    if head[0] < tail[1] and tail[0] < head[1]:
        raise DataError(f'{source}: "head" {list(head)} and "tail" {list(tail)} overlap. Mark them apart.')
    return head, tail


def _span(record: dict[str, Any], key: str, length: int, unit: str, source: str) -> tuple[int, int]:
    """The half-open span under a key, checked against the length of the sentence (in characters or tokens)."""
    value = _required(record, key, source, f'no "{key}"')
    start, end = value if isinstance(value, list | tuple) and len(value) == 2 else (None, None)
    if isinstance(value, dict):
        start, end = value.get("start"), value.get("end")
    if type(start) is not int or type(end) is not int:  # True is an int too, but no place in a sentence
        raise DataError(
            f'{source}: "{key}" must be [start, end] or {{"start": ..., "end": ...}} in whole numbers '
            f"(got {_shown(value)})."
        )
    if start == end:
        raise DataError(
            f'{source}: "{key}" [{start}, {end}] is empty. The end is the first place after the mention.'
        )
    if start > end:
        raise DataError(f'{source}: "{key}" [{start}, {end}] is reversed. The start comes first.')
    if start < 0 or end > length:
        raise DataError(
            f'{source}: "{key}" [{start}, {end}] reaches outside the sentence, which has {length} {unit}.'
        )
    return start, end


def _refuse_blank(key: str, span: tuple[int, int], text: str, source: str) -> None:
    if text[span[0] : span[1]].isspace():
        raise DataError(
            f'{source}: "{key}" {list(span)} covers only blanks. A mention needs at least one word.'
        )


def _id(value: Any, source: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value:
        return _encodable(value, "id", source)
    raise DataError(f'{source}: "id" must be a string or a whole number (got {_shown(value)}).')


def _relation(value: Any, source: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and value and not value.isspace():
        return _encodable(value, "relation", source)
    raise DataError(
        f'{source}: "relation" must be a name, or null where it is not known (got {_shown(value)}).'
    )


def _encodable(value: str, key: str, source: str) -> str:
    """The string, refused where it holds half a surrogate pair, which no UTF-8 file can hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DataError(
            f'{source}: "{key}" holds half a surrogate pair (\\ud800 to \\udfff). Write the character whole.'
        ) from None
    return value


def _shown(value: Any) -> str:
    """A value as the file writes it, cut to what fits a message."""
    text = json.dumps(value, ensure_ascii=True, default=repr)
    return text if len(text) <= 60 else text[:57] + "..."
