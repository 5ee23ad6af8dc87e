"""Splits a text into tokens with character offsets, always splitting at the boundaries of its two mentions."""

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from itertools import groupby
from typing import TypeVar

from relclf.example import MentionSpan

TOKENIZERS = ("words-2", "words-1", "characters-1")
"""Names of rules, part of every score's signature; other rules get another name."""
TOKENIZER = TOKENIZERS[0]

CharacterSpan = tuple[int, int]
Token = TypeVar("Token", str, CharacterSpan)

_WORDS_1 = re.compile(r"\w+|[^\w\s]")


def tokenize(
    text: str,
    spans: tuple[CharacterSpan, CharacterSpan],
    with_offsets: bool = True,
    tokenizer: str = TOKENIZER,
) -> tuple[tuple[str, ...], tuple[CharacterSpan, ...] | None, MentionSpan, MentionSpan]:
    """The tokens of a text, their character offsets, and its two mentions in the order they were given.

    What a token is: docs/formats.md. `spans` are half-open character offsets (Unicode code points); either mention may
    stand first in the text. Blanks at a mention's ends are left out; a mention of blanks alone comes out empty.
    Offsets take twice the time and are None where they are not wanted.
    """
    token = _pattern(tokenizer, text.isascii())
    if not with_offsets:
        tokens, first, second = _split(token.findall, text, spans)
        return tuple(tokens), None, first, second

    def offsets_between(text: str, start: int, end: int) -> list[CharacterSpan]:
        return list(map(re.Match.span, token.finditer(text, start, end)))

    offsets, first, second = _split(offsets_between, text, spans)
    return tuple([text[start:end] for start, end in offsets]), tuple(offsets), first, second


def token_pattern(tokenizer: str) -> str:
    """The regular expression of a token, in the syntax of Python's `re`."""
    return _pattern(tokenizer, False).pattern


@cache
def _pattern(tokenizer: str, ascii_only: bool) -> re.Pattern[str]:
    """A token: what words-2 says of combining marks and joiners makes no difference in ASCII."""
    if tokenizer == "words-1" or (tokenizer == "words-2" and ascii_only):
        return _WORDS_1
    if tokenizer == "words-2":
        word = rf"\w[\w{_marks()}]*"
        return re.compile(rf"{word}(?:[\u200c\u200d]+{word})*|[^\w\s][{_marks()}]*")
    if tokenizer == "characters-1":
        return re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_{_marks()}]*|\S[{_marks()}]*")
    raise ValueError(f"no tokenizer {tokenizer!r}")


@cache
def _marks() -> str:
    """The combining marks (Unicode's general category M), to stand in a pattern's brackets."""
    codes = [
        code
        for codes in (range(0x300, 0x20000), range(0xE0100, 0xE01F0))
        for code in codes
        if unicodedata.category(chr(code))[0] == "M"
    ]
    runs = (list(run) for _, run in groupby(enumerate(codes), lambda pair: pair[1] - pair[0]))
    return "".join(f"{chr(run[0][1])}-{chr(run[-1][1])}" for run in runs)


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
