"""Splits a text into tokens with character offsets, always splitting at the boundaries of its two mentions."""

import re
from collections.abc import Callable
from typing import TypeVar

from relclf.example import MentionSpan

TOKENIZER = "words-1"
"""Name of these rules, part of every score's signature; other rules get another name."""

_TOKEN = re.compile(r"\w+|[^\w\s]")

CharacterSpan = tuple[int, int]
Token = TypeVar("Token", str, CharacterSpan)


def tokenize(
    text: str, spans: tuple[CharacterSpan, CharacterSpan], with_offsets: bool = True
) -> tuple[tuple[str, ...], tuple[CharacterSpan, ...] | None, MentionSpan, MentionSpan]:
    """The tokens of a text, their character offsets, and its two mentions in the order they were given.

    A token is a run of word characters (letters, digits, underscores) or one other character that is
    not a blank. `spans` are half-open character offsets (Unicode code points); either mention may stand
    first in the text. Blanks at a mention's ends are left out; a mention of blanks alone comes out empty.
    Offsets take twice the time and are None where they are not wanted.
    """
    if not with_offsets:
        tokens, first, second = _split(_TOKEN.findall, text, spans)
        return tuple(tokens), None, first, second
    offsets, first, second = _split(_offsets, text, spans)
    return tuple([text[start:end] for start, end in offsets]), tuple(offsets), first, second


def _split(
    find: Callable[[str, int, int], list[Token]], text: str, spans: tuple[CharacterSpan, CharacterSpan]
) -> tuple[list[Token], MentionSpan, MentionSpan]:
    """Tokens found in the five pieces that two mentions cut a text into; their counts are the mentions' places."""
    in_order = spans[0] <= spans[1]
    (start, end), (next_start, next_end) = spans if in_order else spans[::-1]
    tokens = find(text, 0, start)
    first_start = len(tokens)
    tokens += find(text, start, end)
    first_end = len(tokens)
    tokens += find(text, end, next_start)
    second_start = len(tokens)
    tokens += find(text, next_start, next_end)
    second_end = len(tokens)
    tokens += find(text, next_end, len(text))
    first, second = MentionSpan(first_start, first_end), MentionSpan(second_start, second_end)
    return (tokens, first, second) if in_order else (tokens, second, first)


def _offsets(text: str, start: int, end: int) -> list[CharacterSpan]:
    return list(map(re.Match.span, _TOKEN.finditer(text, start, end)))
