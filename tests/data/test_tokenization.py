"""Tokens, their offsets, and the token spans of two mentions."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relclf.data.tokenization import TOKENIZERS, tokenize
from relclf.example import MentionSpan

TEXTS = st.text(
    st.one_of(
        st.sampled_from("ab_1 .-'\t\u00a0\u0301\u093f"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\u200c\u200d"),
    ),
    max_size=40,
)


@st.composite
def marked_texts(draw: st.DrawFn) -> tuple[str, tuple[tuple[int, int], tuple[int, int]]]:
    """A text with two spans apart from each other, in either order."""
    text = draw(TEXTS)
    a, b, c, d = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 4)))
    spans = ((a, b), (c, d))
    return text, draw(st.sampled_from([spans, (spans[1], spans[0])]))


def slow_tokens(
    text: str, spans: tuple[tuple[int, int], tuple[int, int]], tokenizer: str
) -> list[tuple[int, int]]:
    """The reference: character by character."""
    boundaries = {0, *spans[0], *spans[1]}
    tokens: list[tuple[int, int]] = []
    for place, character in enumerate(text):
        if character.isspace():
            continue
        before = text[place - 1] if tokens and tokens[-1][1] == place and place not in boundaries else ""
        if before and joins(text[tokens[-1][0] : place], character, tokenizer):
            tokens[-1] = (tokens[-1][0], place + 1)
        else:
            tokens.append((place, place + 1))
    return tokens


def joins(token: str, character: str, tokenizer: str) -> bool:
    """Whether a character goes on with the token before it, in a text without joiners."""
    mark = unicodedata.category(character)[0] == "M"
    if tokenizer != "words-1" and mark:
        return True
    if tokenizer == "characters-1":
        return bool(ASCII_WORD.match(token) and ASCII_WORD.match(character))
    return bool(re.match(r"\w", token) and re.match(r"\w", character))


ASCII_WORD = re.compile(r"[A-Za-z0-9_]")


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@given(marked=marked_texts())
def test_tokens_are_those_of_the_slow_reference(
    tokenizer: str, marked: tuple[str, tuple[tuple[int, int], tuple[int, int]]]
) -> None:
    tokens, offsets, _, _ = tokenize(*marked, tokenizer=tokenizer)
    assert list(offsets) == slow_tokens(*marked, tokenizer)
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("हिन्दी में लिखा", "हिन्दी में लिखा"),
        ("cafe\u0301 noir", "cafe\u0301 noir"),
        ("שָׁלוֹם עוֹלָם", "שָׁלוֹם עוֹלָם"),
        ("كِتَابٌ جَدِيد،", "كِتَابٌ جَدِيد ،"),
        ("می\u200cخواهم بروم", "می\u200cخواهم بروم"),
        ("I \u2764\ufe0f it\u200d.", "I \u2764\ufe0f it \u200d ."),
    ],
)
def test_combining_marks_and_joiners_stay_with_their_words(text: str, expected: str) -> None:
    assert list(tokenize(text, ((0, 0), (0, 0)))[0]) == expected.split(" ")


def test_words_1_splits_marks_off_as_it_always_did() -> None:
    assert tokenize("e\u0301a", ((0, 0), (0, 0)), tokenizer="words-1")[0] == ("e", "\u0301", "a")


@given(st.text(st.characters(codec="ascii"), max_size=40))
def test_in_ascii_both_versions_of_words_are_the_same(text: str) -> None:
    assert tokenize(text, ((0, 0), (0, 0))) == tokenize(text, ((0, 0), (0, 0)), tokenizer="words-1")


def test_characters_keep_runs_of_ascii_letters_and_digits() -> None:
    tokens = tokenize("他在2019年去了New York。", ((0, 1), (2, 6)), tokenizer="characters-1")[0]
    assert " ".join(tokens) == "他 在 2019 年 去 了 New York 。"


def test_right_to_left_text_counts_in_stored_order() -> None:
    text = "דוד כתב ספר"
    tokens, offsets, head, tail = tokenize(text, ((8, 11), (0, 3)))
    assert (tokens, head, tail) == (("דוד", "כתב", "ספר"), MentionSpan(2, 3), MentionSpan(0, 1))
    assert offsets is not None and [text[start:end] for start, end in offsets] == list(tokens)
