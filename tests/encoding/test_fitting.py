"""Sentences longer than a config allows are cut around their mentions, or refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relclf.encoding.fitting import fit_length
from relclf.errors import DataError
from relclf.example import MentionSpan
from tests.encoding.test_dataset import sentence, sentences


@settings(max_examples=300, deadline=None)
@given(sentences(), st.integers(3, 40))
def test_a_cropped_sentence_keeps_both_mentions_or_is_refused(example, max_length):
    reach = max(example.head.end, example.tail.end) - min(example.head.start, example.tail.start)
    if reach > max_length:
        with pytest.raises(DataError, match=f"^f.jsonl:7: the mentions stand {reach} tokens apart"):
            fit_length(example, max_length, "window")
        return
    fitted = fit_length(example, max_length, "window")
    assert len(fitted.tokens) == min(max_length, len(example.tokens))
    for before, after in ((example.head, fitted.head), (example.tail, fitted.tail)):
        assert fitted.tokens[after.start : after.end] == example.tokens[before.start : before.end]
        assert 0 <= after.start < after.end <= len(fitted.tokens)
    start = example.tokens.index(fitted.tokens[0])
    assert fitted.tokens == example.tokens[start : start + len(fitted.tokens)]


def test_the_window_lies_around_the_mentions_and_keeps_the_offsets():
    offsets = tuple((i * 3, i * 3 + 2) for i in range(20))
    fitted = fit_length(sentence(20, (8, 9), (11, 12), offsets), 8, "window")
    assert fitted.tokens == tuple(f"w{i}" for i in range(6, 14))
    assert (fitted.head, fitted.tail) == (MentionSpan(2, 3), MentionSpan(5, 6))
    assert fitted.offsets == offsets[6:14]


@pytest.mark.parametrize("too_long", ["refuse", "window"])
def test_a_sentence_that_fits_is_the_same_value(too_long):
    example = sentence(8, (0, 1), (7, 8))
    assert fit_length(example, 8, too_long) is example


def test_a_longer_sentence_is_refused_by_default_with_its_place_and_the_remedy():
    with pytest.raises(DataError) as caught:
        fit_length(sentence(9, (0, 1), (2, 3)), 8, "refuse")
    assert str(caught.value).startswith(
        "f.jsonl:7: a sentence of 9 tokens, more than encoding.max_length (8)."
    )
    assert "too_long to window" in str(caught.value)
