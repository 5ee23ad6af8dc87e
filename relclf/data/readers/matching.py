"""Finds mentions that are given by their words, and chooses where they stand at several places."""

from collections.abc import Sequence
from itertools import product

from relclf.data.readers.records import Span, quoted, shown
from relclf.errors import DataError

SEVERAL = "a mention that stands at several places"
"""The remark of an example for which a choice was made."""


def located(
    text: str, head: str, tail: str, several: str, keys: tuple[str, str], source: str
) -> tuple[Span, Span, str | None]:
    """The character spans of both mentions, given by their words, and the remark where there was a choice."""
    heads, tails = (places(text, words, key, source) for words, key in zip((head, tail), keys, strict=True))
    return chosen(heads, tails, several, keys, source)


def places(text: str, words: str, key: str, source: str) -> list[Span]:
    """Where the words stand in a text: where they cut no word in two, or, if they do everywhere, everywhere.

    Raises DataError where they are nowhere.
    """
    size = len(words)
    start = text.find(words) if words else -1
    if start < 0:
        raise DataError(f"{source}: {quoted(key)} {shown(words)} does not stand in the sentence.")
    found = []
    while start >= 0:
        found.append((start, start + size))
        start = text.find(words, start + 1)
    whole = [span for span in found if _cuts_no_word(text, *span)]
    return whole or found


def chosen(
    heads: Sequence[Span], tails: Sequence[Span], several: str, keys: tuple[str, str], source: str
) -> tuple[Span, Span, str | None]:
    """One place of each mention, apart from each other, by the rule `several`; and a remark where there were more.

    Where only one pair of places does not overlap, there is no choice.
    """
    if len(heads) == len(tails) == 1:
        head, tail = heads[0], tails[0]
        if head[0] < tail[1] and tail[0] < head[1]:
            raise _overlap(heads, tails, keys, source)
        return head, tail, None
    pairs = [(head, tail) for head, tail in product(heads, tails) if head[1] <= tail[0] or tail[1] <= head[0]]
    if not pairs:
        raise _overlap(heads, tails, keys, source)
    if len(pairs) > 1 and several == "refuse":
        counts = " and ".join(
            f"{quoted(key)} at {len(spans)} places"
            for key, spans in zip(keys, (heads, tails), strict=True)
            if len(spans) > 1
        )
        raise DataError(
            f"{source}: {counts} of the sentence. The format's option `several` says which to take: first or nearest."
        )
    head, tail = min(pairs, key=_gap) if several == "nearest" else pairs[0]
    return head, tail, SEVERAL if len(pairs) > 1 else None


def _gap(pair: tuple[Span, Span]) -> int:
    (_, end), (next_start, _) = sorted(pair)
    return next_start - end


def _overlap(heads: Sequence[Span], tails: Sequence[Span], keys: tuple[str, str], source: str) -> DataError:
    one, two = (f"{quoted(key)} {list(spans[0])}" for key, spans in zip(keys, (heads, tails), strict=True))
    return DataError(f"{source}: {one} and {two} overlap wherever they stand. Mark two mentions apart.")


def _cuts_no_word(text: str, start: int, end: int) -> bool:
    return not (start > 0 and _inside_a_word(text, start)) and not (
        end < len(text) and _inside_a_word(text, end)
    )


def _inside_a_word(text: str, place: int) -> bool:
    """Whether letters or digits stand on both sides of a place."""
    return text[place - 1].isalnum() and text[place].isalnum()
