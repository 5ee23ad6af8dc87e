"""Words are taken apart into the n-grams of the paper, and hashed the same everywhere."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relclf.encoding.ngrams import hashed_ngrams, ngrams


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("", []),
        ("a", ["<a>"]),
        ("ab", ["<ab", "ab>", "<ab>"]),
        (
            "where",
            ["<wh", "whe", "her", "ere", "re>", "<whe", "wher", "here", "ere>", "<wher", "where", "here>"],
        ),
        ("日本", ["<日本", "日本>", "<日本>"]),
    ],
)
def test_ngrams_have_three_to_five_characters_marks_of_both_ends_among_them(word, expected):
    assert ngrams(word) == expected


def test_a_bucket_is_a_crc_of_the_utf_8_bytes():
    buckets, starts = hashed_ngrams(["a", "", "é"], 2**14)
    assert buckets.tolist() == [zlib.crc32(b"<a>") % 2**14, zlib.crc32(b"<\xc3\xa9>") % 2**14] == [683, 10775]
    assert starts.tolist() == [0, 1, 1, 2]


@given(words=st.lists(st.text(max_size=12).filter(str.isprintable), max_size=6), buckets=st.integers(1, 99))
def test_each_words_buckets_are_those_that_it_has_alone(words, buckets):
    found, starts = hashed_ngrams(words, buckets)
    assert starts[-1] == len(found)
    for number, word in enumerate(words):
        alone, _ = hashed_ngrams([word], buckets)
        assert found[starts[number] : starts[number + 1]].tolist() == alone.tolist()
        assert len(alone) == len(ngrams(word)) and all(0 <= bucket < buckets for bucket in alone)
