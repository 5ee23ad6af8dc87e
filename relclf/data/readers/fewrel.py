"""Reads FewRel's JSON: one object with a list of sentences for each relation, mentions as lists of token indices."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

from relclf.data.lines import Line
from relclf.data.options import Reading
from relclf.data.readers.json_values import lists_of_an_object
from relclf.data.readers.matching import chosen
from relclf.data.readers.records import (
    Span,
    checked_name,
    checked_tokens,
    json_line,
    required,
    shown,
    token_example,
)
from relclf.errors import DataError
from relclf.example import Example

if TYPE_CHECKING:
    from relclf.config.formats import FewRelFormat

_DEFAULT = Reading()
_BEGINNING = re.compile(r'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\[\s*[{\]]')


def recognises(line: str) -> bool:
    """Whether a file with this first line is in the format."""
    return _BEGINNING.match(line) is not None


def read(lines: Iterable[Line], name: str, reading: Reading = _DEFAULT) -> Iterator[Example | DataError]:
    """One example a sentence, `h` its head and `t` its tail, or the DataError that says why there is none.

    Blank tokens, which the corpus has, are left out.
    """
    several = cast("FewRelFormat", reading.options()).several
    try:
        for number, (source, relation, record) in enumerate(lists_of_an_object(lines, name), 1):
            try:
                yield _example(record, relation, source, str(number), reading, several)
            except DataError as error:
                yield error
    except DataError as error:
        yield error


def write(example: Example) -> str:
    """The object of an example."""
    if example.relation is None:
        raise DataError(f"{example.source}: no relation, and fewrel lists sentences by their relation.")
    record: dict[str, Any] = {"tokens": example.tokens}
    for key, mention in (("h", example.head), ("t", example.tail)):
        words = " ".join(example.tokens[mention.start : mention.end])
        record[key] = [words.lower(), "", [list(range(mention.start, mention.end))]]
    return json_line(record)


def document(records: Iterable[tuple[Example, str]]) -> Iterator[str]:
    """One object: the sentences of each relation in their order, relations as they first come."""
    lists: dict[str, list[str]] = {}
    for example, record in records:
        lists.setdefault(str(example.relation), []).append(record)
    before = "{\n"
    for relation, items in lists.items():
        yield f"{before}{json.dumps(relation, ensure_ascii=False)}: [\n"
        yield from (item + ",\n" for item in items[:-1])
        yield f"{items[-1]}\n]"
        before = ",\n"
    yield "\n}\n" if lists else "{}\n"


def _example(
    record: Any, relation: str, source: str, default_id: str, reading: Reading, several: str
) -> Example:
    if not isinstance(record, dict):
        raise DataError(f"{source}: must be an object with keys, {{...}} (got {shown(record)}).")
    given = required(record, "tokens", source)
    if not isinstance(given, list) or not all(isinstance(token, str) for token in given):
        checked_tokens(given, "tokens", source)
    kept = [index for index, token in enumerate(given) if token and not token.isspace()]
    heads, tails = (_spans(record, key, len(given), kept, source) for key in "ht")
    head, tail, remark = chosen(heads, tails, several, ("h", "t"), source)
    return token_example(
        checked_tokens([given[index] for index in kept], "tokens", source),
        head,
        tail,
        source,
        id=default_id,
        relation=checked_name(relation, "relation", source),
        group=reading.group(record, source),
        remark=remark,
    )


def _spans(record: dict[str, Any], key: str, length: int, kept: list[int], source: str) -> list[Span]:
    """Where a mention stands among the tokens that are kept: each list of indices is one place."""
    value = required(record, key, source)
    places = value[2] if isinstance(value, list) and len(value) == 3 else None
    if not isinstance(places, list) or not places:
        raise DataError(f'{source}: "{key}" must be [words, id, [[index, ...], ...]] (got {shown(value)}).')
    spans = []
    for place in places:
        if not isinstance(place, list) or not place or any(type(index) is not int for index in place):
            raise DataError(
                f'{source}: "{key}" has a list that is none of token indices (got {shown(place)}).'
            )
        if place != list(range(place[0], place[-1] + 1)):
            raise DataError(f'{source}: "{key}" has tokens that are not next to each other: {shown(place)}.')
        if place[0] < 0 or place[-1] >= length:
            raise DataError(
                f'{source}: "{key}" {shown(place)} reaches outside the sentence, which has {length} tokens.'
            )
        words = [index for index in kept if place[0] <= index <= place[-1]]
        if not words:
            raise DataError(
                f'{source}: "{key}" {shown(place)} covers only blanks. A mention needs at least one word.'
            )
        spans.append((kept.index(words[0]), kept.index(words[-1]) + 1))
    return spans
