"""Splits a text into tokens with character offsets, always splitting at the boundaries of its two mentions."""

import re
from bisect import bisect_left
from itertools import pairwise

from relclf.example import MentionSpan

TOKENIZER = "words-1"
"""Name of these rules, part of every score's signature; other rules get another name."""

_TOKEN = re.compile(r"\w+|[^\w\s]")
_INSIDE_WORD = re.compile(r"(?<=\w)(?=\w)")

CharacterSpan = tuple[int, int]


def tokenize(
    text: str, spans: tuple[CharacterSpan, CharacterSpan]
) -> tuple[tuple[str, ...], tuple[CharacterSpan, ...], MentionSpan, MentionSpan]:
    """The tokens of a text, their character offsets, and its two mentions in the order they were given.

    A token is a run of word characters (letters, digits, underscores) or one other character that is
    not a blank. `spans` are half-open character offsets (Unicode code points); either mention may stand
    first in the text. Blanks at a mention's ends are left out; a mention of blanks alone comes out empty.
    """
    (first_start, first_end), (second_start, second_end) = spans
    boundaries = (first_start, first_end, second_start, second_end)
    if any(map(_INSIDE_WORD.match, (text,) * 4, boundaries)):
        offsets = _offsets_split_at(text, boundaries)
    else:
        offsets = tuple(map(re.Match.span, _TOKEN.finditer(text)))
    tokens = tuple([text[start:end] for start, end in offsets])
    first = MentionSpan(bisect_left(offsets, (first_start,)), bisect_left(offsets, (first_end,)))
    second = MentionSpan(bisect_left(offsets, (second_start,)), bisect_left(offsets, (second_end,)))
    return tokens, offsets, first, second


def _offsets_split_at(text: str, boundaries: tuple[int, ...]) -> tuple[CharacterSpan, ...]:
    cuts = sorted((0, *boundaries, len(text)))
    return tuple(match.span() for start, end in pairwise(cuts) for match in _TOKEN.finditer(text, start, end))
