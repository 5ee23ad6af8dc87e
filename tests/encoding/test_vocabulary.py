"""Words get ids from train and a vectors file, and a token keeps its id through a run's JSON."""

import json
from dataclasses import replace

import pytest

from relclf.encoding.vocabulary import PAD_ID, UNKNOWN_ID, Vocabulary
from relclf.errors import UserMistake
from tests.tiny import tiny_examples


def built(min_count=1, lowercase=True, fold_digits=True, **options):
    return Vocabulary.build(
        tiny_examples(), min_count=min_count, lowercase=lowercase, fold_digits=fold_digits, **options
    )


def words_with(vocabulary, *tokens):
    """The word of each token's id, "?" for the unknown word."""
    names = dict(enumerate(vocabulary.words, 2))
    return [names.get(word_id, "?") for word_id in vocabulary.ids(tokens)]


def test_the_most_frequent_words_come_first_and_ties_are_alphabetical():
    vocabulary = built()
    assert vocabulary.words[:4] == ("apples", "the", "box", "caused")
    assert vocabulary.ids(["apples", "the", "box"]) == [2, 3, 4]
    assert len(vocabulary) == 2 + len(vocabulary.words) == vocabulary.trained


def test_padding_is_0_and_an_unseen_word_is_1():
    assert (PAD_ID, UNKNOWN_ID) == (0, 1)
    assert built().ids(["zebra", "apples", "zebra"]) == [1, 2, 1]


def test_a_word_rarer_than_min_count_is_unknown():
    vocabulary = built(min_count=2)
    assert words_with(vocabulary, "the", "storms", "rain") == ["the", "storms", "?"]
    assert built(min_count=3).words == ("apples", "the")


def test_a_folded_words_count_is_the_sum_over_its_spellings():
    assert "storms" in built(min_count=2).words  # storms and Storms, once each
    assert "storms" not in built(min_count=2, lowercase=False).words


def test_case_is_kept_where_lowercase_is_off():
    vocabulary = built(lowercase=False)
    assert words_with(vocabulary, "Storms", "storms", "STORMS") == ["Storms", "storms", "?"]
    assert words_with(built(), "Storms", "STORMS") == ["storms", "storms"]


def test_every_digit_becomes_0_where_digits_are_folded():
    assert words_with(built(), "2", "7", "12", "99", "123") == ["0", "0", "00", "00", "?"]
    assert words_with(built(fold_digits=False), "2", "7", "12") == ["2", "?", "12"]


def test_words_of_the_vectors_file_follow_the_trained_ones():
    vocabulary = built(vector_words=("zebra", "apples", "yak"))
    assert vocabulary.words[-2:] == ("zebra", "yak")
    assert vocabulary.trained == len(vocabulary) - 2
    assert vocabulary.ids(["apples"])[0] < vocabulary.trained
    assert vocabulary.ids(["zebra", "yak"]) == [vocabulary.trained, vocabulary.trained + 1]


def test_a_rare_word_of_train_is_kept_where_the_file_has_it():
    assert words_with(built(min_count=2, vector_words=("rain",)), "rain", "fell") == ["rain", "?"]


def test_with_frozen_vectors_all_words_of_the_file_are_constant():
    vocabulary = built(vector_words=("zebra", "apples"), freeze_vectors=True)
    assert vocabulary.words[-2:] == ("zebra", "apples")
    assert vocabulary.ids(["the"])[0] < vocabulary.trained
    assert all(word_id >= vocabulary.trained for word_id in vocabulary.ids(["zebra", "apples"]))


def test_words_that_are_spelled_keep_an_id_however_rare_and_come_last_where_train_has_them_not_or_seldom():
    vocabulary = built(min_count=2, vector_words=("zebra", "apples"), spelled_words=("the", "rain", "gnu"))
    assert vocabulary.words[-3:] == ("zebra", "rain", "gnu")
    assert vocabulary.trained == len(vocabulary) - 3
    spelled = [word for word in vocabulary.spelled_words if word]
    assert sorted(spelled) == ["gnu", "rain", "the"]
    assert [vocabulary.spelled_words[word_id] for word_id in vocabulary.ids(spelled)] == spelled
    assert Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json())), "v") == vocabulary
    assert "spelled" not in built().to_json()
    with pytest.raises(UserMistake, match=r"v: spelled has an id that no word has\. The file was changed"):
        Vocabulary.from_json({**vocabulary.to_json(), "spelled": [len(vocabulary)]}, "v")


def test_examples_outside_train_add_no_word():
    vocabulary = Vocabulary.build(tiny_examples()[:1], min_count=1, lowercase=True, fold_digits=True)
    before = vocabulary.words
    assert vocabulary.ids(tiny_examples()[2].tokens).count(UNKNOWN_ID) == 6  # all but "the"
    assert vocabulary.words == before


@pytest.mark.parametrize(
    "options", [{}, {"lowercase": False}, {"fold_digits": False, "vector_words": ("é",)}]
)
def test_a_vocabulary_survives_json(options):
    vocabulary = built(**options)
    copy = Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json())), "vocabulary.json")
    assert copy == vocabulary
    tokens = ["Storms", "12", "zebra", "é"]
    assert copy.ids(tokens) == vocabulary.ids(tokens)


@pytest.mark.parametrize(
    "change",
    [
        {"words": "abc"},
        {"words": [1, 2]},
        {"words": ["a", "a"]},
        {"words": None},
        {"trained": "many"},
        {"trained": 1},
        {"trained": 1000},
    ],
)
def test_a_changed_vocabulary_file_is_refused(change):
    with pytest.raises(UserMistake, match=r"^vocabulary\.json: "):
        Vocabulary.from_json({**built().to_json(), **change}, "vocabulary.json")


@pytest.mark.parametrize("value", [[], None, {}, "words"])
def test_a_file_that_is_no_vocabulary_is_refused(value):
    with pytest.raises(UserMistake, match=r"^vocabulary\.json: not a vocabulary"):
        Vocabulary.from_json(value, "vocabulary.json")


def test_two_vocabularies_of_the_same_words_in_another_order_of_examples_are_equal():
    backwards = [replace(example, id=str(i)) for i, example in enumerate(reversed(tiny_examples()))]
    assert Vocabulary.build(backwards, min_count=1, lowercase=True, fold_digits=True) == built()
