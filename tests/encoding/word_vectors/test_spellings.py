"""A word gets the vector of the file's word that is spelt most like it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relclf.encoding.vocabulary import FIRST_WORD_ID, Vocabulary
from relclf.encoding.word_vectors.lookup import MATCHES, NOT_FOUND
from relclf.encoding.word_vectors.spellings import RowsOfWords, Spellings


def lookup(words, wanted=None, lowercase=True, fold_digits=True):
    """The rows 0, 1, … of a file with these words, those that are kept."""
    spellings = Spellings(wanted, Vocabulary((), FIRST_WORD_ID, lowercase, fold_digits).normalise)
    kept = [row for row, word in enumerate(words) if spellings.keep(word)]
    return RowsOfWords(spellings, np.array(kept, dtype=np.float32).reshape(-1, 1))


def found(word, file, **options):
    """The file's word whose vector the word gets, and how."""
    result = lookup(file, **options).find([word])
    match = int(result.match[0])
    return (file[int(result.rows[0, 0])], MATCHES[match]) if match != NOT_FOUND else None


@pytest.mark.parametrize(
    ("word", "file", "expected"),
    [
        ("the", ["The", "THE", "the"], ("the", "exact")),
        ("the", ["The", "THE"], ("The", "lower-cased")),
        ("in0000", ["in1984", "in2001"], ("in1984", "digits folded")),
        ("in0000", ["In1984", "in0000"], ("in0000", "exact")),
        ("cat", ["dog"], None),
        ("", ["dog"], None),
    ],
)
def test_the_closest_spelling_of_a_normalised_word_wins(word, file, expected):
    assert found(word, file) == expected


@pytest.mark.parametrize(
    ("word", "file", "expected"),
    [
        ("Paris", ["paris", "Paris"], ("Paris", "exact")),
        ("Paris", ["paris"], ("paris", "lower-cased")),
        ("paris", ["Paris"], None),
        ("1998", ["0000"], ("0000", "digits folded")),
        ("1998", ["2005"], None),
        ("A1", ["a0", "a1"], ("a1", "lower-cased")),
    ],
)
def test_a_word_as_it_is_written_falls_back_to_lower_case_and_folded_digits(word, file, expected):
    assert found(word, file, lowercase=False, fold_digits=False) == expected


def test_a_word_that_stands_twice_counts_once_and_is_counted():
    twice = lookup(["a", "b", "a", "a"])
    assert twice.duplicates == 2
    assert twice.find(["a", "b", "c"]).rows[:, 0].tolist() == [0, 1, 0]
    assert twice.find(["a", "b", "c"]).match.tolist() == [0, 0, NOT_FOUND]


WORDS = st.lists(st.text(alphabet="aAbB01", min_size=1, max_size=3), max_size=12)


@given(WORDS, WORDS, st.booleans(), st.booleans())
def test_reading_only_wanted_words_finds_what_reading_all_does(file, asked, lowercase, fold_digits):
    vocabulary = Vocabulary((), FIRST_WORD_ID, lowercase, fold_digits)
    words = [vocabulary.normalise(word) for word in asked]
    everything = lookup(file, lowercase=lowercase, fold_digits=fold_digits).find(words)
    wanted = lookup(file, set(words), lowercase, fold_digits).find(words)
    np.testing.assert_array_equal(wanted.match, everything.match)
    np.testing.assert_array_equal(wanted.rows, everything.rows)
