"""Tokens, their offsets, and the token spans of two mentions."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relclf.data.tokenization import tokenize
from relclf.example import MentionSpan

TEXTS = st.text(
    st.one_of(st.sampled_from("ab_1 .-'\t\u00a0"), st.characters(exclude_categories=["Cs"])), max_size=40
)


@st.composite
def marked_texts(draw: st.DrawFn) -> tuple[str, tuple[tuple[int, int], tuple[int, int]]]:
    """A text with two spans apart from each other, in either order."""
    text = draw(TEXTS)
    a, b, c, d = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 4)))
    spans = ((a, b), (c, d))
    return text, draw(st.sampled_from([spans, (spans[1], spans[0])]))


def slow_tokens(text: str, spans: tuple[tuple[int, int], tuple[int, int]]) -> list[tuple[int, int]]:
    """The reference: character by character."""
    boundaries = {0, *spans[0], *spans[1]}
    tokens: list[tuple[int, int]] = []
    for place, character in enumerate(text):
        if character.isspace():
            continue
        joins = (
            re.match(r"\w", character)
            and place not in boundaries
            and tokens
            and tokens[-1][1] == place
            and re.match(r"\w", text[place - 1])
        )
        if joins:
            tokens[-1] = (tokens[-1][0], place + 1)
        else:
            tokens.append((place, place + 1))
    return tokens


@given(marked_texts())
def test_tokens_are_those_of_the_slow_reference(
    marked: tuple[str, tuple[tuple[int, int], tuple[int, int]]],
) -> None:
    tokens, offsets, _, _ = tokenize(*marked)
    assert list(offsets) == slow_tokens(*marked)
    assert [marked[0][start:end] for start, end in offsets] == list(tokens)


@given(marked_texts())
def test_without_offsets_tokens_and_mentions_are_the_same(
    marked: tuple[str, tuple[tuple[int, int], tuple[int, int]]],
) -> None:
    tokens, _, *mentions = tokenize(*marked)
    assert tokenize(*marked, with_offsets=False) == (tokens, None, *mentions)


@given(marked_texts())
def test_a_mentions_tokens_cover_exactly_its_characters_that_are_not_blank(
    marked: tuple[str, tuple[tuple[int, int], tuple[int, int]]],
) -> None:
    text, spans = marked
    tokens, offsets, *mentions = tokenize(text, spans)
    for mention, (start, end) in zip(mentions, spans, strict=True):
        characters = {
            place for token in range(mention.start, mention.end) for place in range(*offsets[token])
        }
        assert characters == {place for place in range(start, end) if not text[place].isspace()}
        assert "".join(tokens[mention.start : mention.end]) == re.sub(r"\s", "", text[start:end])


@pytest.mark.parametrize(
    ("text", "spans", "tokens", "first", "second"),
    [
        ("The cat's 3.5 mats.", ((4, 7), (14, 18)), "The cat ' s 3 . 5 mats .", (1, 2), (7, 8)),
        ("Überfälle im café", ((13, 17), (0, 9)), "Überfälle im café", (2, 3), (0, 1)),
        ("sunflower", ((0, 3), (3, 9)), "sun flower", (0, 1), (1, 2)),
        ("sunflowers", ((3, 9), (0, 3)), "sun flower s", (1, 2), (0, 1)),
        ("a  b c ", ((0, 3), (3, 7)), "a b c", (0, 1), (1, 3)),
    ],
)
def test_words_punctuation_and_mention_boundaries_split(
    text: str,
    spans: tuple[tuple[int, int], tuple[int, int]],
    tokens: str,
    first: tuple[int, int],
    second: tuple[int, int],
) -> None:
    found, _, found_first, found_second = tokenize(text, spans)
    assert found == tuple(tokens.split())
    assert (found_first, found_second) == (MentionSpan(*first), MentionSpan(*second))
