"""Makes an example out of the values of a record, each checked: what readers of all formats have in common."""

import json
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from relclf.data.options import Reading
from relclf.data.tokenization import tokenize
from relclf.errors import DataError
from relclf.example import Example, MentionSpan

Span = tuple[int, int]
Types = tuple[str | None, str | None]
"""Of head and tail, each None where the file says none."""


def text_example(
    text: str,
    head: Span,
    tail: Span,
    reading: Reading,
    source: str,
    *,
    id: str,
    relation: str | None,
    group: str | None = None,
    remark: str | None = None,
    types: Types = (None, None),
) -> Example:
    """The example of a text with the character spans of its mentions, which have been checked."""
    offsets = reading.offsets
    tokens, places, first, second = tokenize(text, (head, tail), offsets, reading.tokenizer)
    kept = text if offsets else None
    return Example(id, tokens, first, second, relation, source, places, group, remark, kept, *types)


def token_example(
    tokens: tuple[str, ...],
    head: Span,
    tail: Span,
    source: str,
    *,
    id: str,
    relation: str | None,
    group: str | None = None,
    remark: str | None = None,
    types: Types = (None, None),
) -> Example:
    """The example of tokens with the token spans of its mentions, which have been checked."""
    spans = MentionSpan(*head), MentionSpan(*tail)
    return Example(id, tokens, *spans, relation, source, None, group, remark, None, *types)


def required(record: dict[str, Any], key: str, source: str, what: str = "") -> Any:
    """The value of a key; a DataError that guesses what was meant where it is missing."""
    if key in record:
        return record[key]
    names = [name for name in record if isinstance(name, str)]
    close = get_close_matches(key, names, n=1)
    hint = f' Did you mean "{close[0]}"?' if close else f" It has: {', '.join(names[:10]) or 'no keys'}."
    raise DataError(f"{source}: {what or f'no {quoted(key)}'}.{hint}")


def checked_text(value: Any, key: str, source: str) -> str:
    """A sentence as text."""
    if not isinstance(value, str) or not value or value.isspace():
        raise DataError(f"{source}: {quoted(key)} must be a sentence (got {shown(value)}).")
    return encodable(value, key, source)


def checked_tokens(value: Any, key: str, source: str) -> tuple[str, ...]:
    """A sentence as a list of words."""
    if not isinstance(value, list | tuple) or not value:
        raise DataError(f"{source}: {quoted(key)} must be a list of words (got {shown(value)}).")
    for index, token in enumerate(value):
        if not isinstance(token, str) or not token or token.isspace():
            raise DataError(f"{source}: {quoted(key)}[{index}] must be a word (got {shown(token)}).")
    encodable("".join(value), key, source)
    return tuple(value)


def checked_span(start: Any, end: Any, key: str, length: int, unit: str, source: str) -> Span:
    """A half-open span, checked against the length of the sentence (in characters or tokens)."""
    if type(start) is not int or type(end) is not int:  # True is an int too, but no place in a sentence
        raise DataError(f"{source}: {quoted(key)} must be two whole numbers (got {shown([start, end])}).")
    if start == end:
        raise DataError(
            f"{source}: {quoted(key)} [{start}, {end}] is empty. The end is the first place after the mention."
        )
    if start > end:
        raise DataError(f"{source}: {quoted(key)} [{start}, {end}] is reversed. The start comes first.")
    if start < 0 or end > length:
        raise DataError(
            f"{source}: {quoted(key)} [{start}, {end}] reaches outside the sentence, which has {length} {unit}."
        )
    return start, end


def refuse_overlap(head: Span, tail: Span, source: str, keys: tuple[str, str] = ("head", "tail")) -> None:
    """Raise a DataError where the mentions share a place."""
    one, two = map(quoted, keys)
    if head == tail:
        raise DataError(f"{source}: {one} and {two} are the same span {list(head)}. Mark two mentions.")
    if head[0] < tail[1] and tail[0] < head[1]:
        raise DataError(f"{source}: {one} {list(head)} and {two} {list(tail)} overlap. Mark them apart.")


def refuse_blank(span: Span, key: str, text: str, source: str) -> None:
    """Raise a DataError where a mention has no word."""
    if text[span[0] : span[1]].isspace():
        raise DataError(
            f"{source}: {quoted(key)} {list(span)} covers only blanks. A mention needs at least one word."
        )


def checked_id(value: Any, key: str, source: str) -> str:
    """An id, of which a whole number becomes text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value:
        return encodable(value, key, source)
    raise DataError(f"{source}: {quoted(key)} must be a string or a whole number (got {shown(value)}).")


def checked_name(value: Any, key: str, source: str) -> str | None:
    """The name of a relation or of a type, None where it is not known."""
    if value is None:
        return None
    if isinstance(value, str) and value and not value.isspace():
        return encodable(value, key, source)
    raise DataError(
        f"{source}: {quoted(key)} must be a name, or null where it is not known (got {shown(value)})."
    )


def checked_types(record: dict[str, Any], keys: tuple[str, str], source: str) -> Types:
    """The types of head and tail, under the keys of a record that may lack them."""
    head, tail = keys
    if head not in record and tail not in record:  # the most frequent case
        return None, None
    return checked_type(record.get(head), head, source), checked_type(record.get(tail), tail, source)


def checked_type(value: Any, key: str, source: str) -> str | None:
    """The type of a mention; empty text is none."""
    return None if value == "" else checked_name(value, key, source)


def types_to_write(example: Example, head: str, tail: str) -> dict[str, str]:
    """The types that an example has, under these keys."""
    types = {head: example.head_type, tail: example.tail_type}
    return {key: value for key, value in types.items() if value is not None}


def encodable(value: str, key: str, source: str) -> str:
    """The string, refused where it holds half a surrogate pair, which no UTF-8 file can hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{source}: {quoted(key)} holds half a surrogate pair (\\ud800 to \\udfff). Write the character whole."
        ) from None
    return value


def shown(value: Any) -> str:
    """A value as the file writes it, cut to what fits a message."""
    text = json.dumps(value, ensure_ascii=True, default=repr)
    return text if len(text) <= 60 else text[:57] + "..."


def quoted(key: str) -> str:
    """A key as messages write it."""
    return f'"{key}"'


def as_text(example: Example) -> tuple[str, Span, Span]:
    """The sentence as text, and the character spans of head and tail; tokens alone are joined by blanks."""
    text, offsets = example.text, example.offsets
    if text is None or offsets is None:
        text, offsets = " ".join(example.tokens), tuple(_places(example.tokens))
    head, tail = (
        (offsets[mention.start][0], offsets[mention.end - 1][1]) for mention in (example.head, example.tail)
    )
    return text, head, tail


def marked_text(example: Example, head_marks: Sequence[str], tail_marks: Sequence[str]) -> str:
    """The sentence as text with marks around its mentions."""
    text, head, tail = as_text(example)
    places = [
        (head[0], head_marks[0]),
        (head[1], head_marks[1]),
        (tail[0], tail_marks[0]),
        (tail[1], tail_marks[1]),
    ]
    if tail < head:
        places = places[2:] + places[:2]
    for place, mark in reversed(places):
        text = text[:place] + mark + text[place:]
    return text


def json_line(record: dict[str, Any]) -> str:
    """A record as JSON on one line."""
    return json.dumps(record, ensure_ascii=False)


def _places(tokens: Iterable[str]) -> Iterable[Span]:
    end = -1
    for token in tokens:
        start, end = end + 1, end + 1 + len(token)
        yield start, end
