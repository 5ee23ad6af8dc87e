"""A sentence is cut, masked and marked as asked, and its mentions are still where its mentions are."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relclf.encoding.rewriting import Rewriting
from relclf.encoding.vocabulary import UNKNOWN_ID, Vocabulary
from relclf.errors import DataError
from relclf.example import Example, MentionSpan

WORDS = ("a", "b", "c", "d", "e", "f", "g", "h", "i")


def example(head, tail, tokens=WORDS):
    return Example("1", tokens, MentionSpan(*head), MentionSpan(*tail), "r", "x:1")


def read(rewritten):
    """The sentence, and the words of both mentions."""
    head, tail = (" ".join(rewritten.tokens[m.start : m.end]) for m in (rewritten.head, rewritten.tail))
    return " ".join(rewritten.tokens), head, tail


def test_by_default_the_sentence_is_the_same_one():
    sentence = example((1, 2), (4, 6))
    assert Rewriting()(sentence) is sentence
    assert Rewriting(span=9)(sentence) is sentence


@pytest.mark.parametrize(
    ("span", "expected"),
    [(0, "c d e f"), (1, "b c d e f g"), (2, "a b c d e f g h"), (3, "a b c d e f g h i")],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_a_span_keeps_the_mentions_what_is_between_and_so_many_tokens_around(span, expected, swapped):
    spans = ((4, 6), (2, 3)) if swapped else ((2, 3), (4, 6))
    words = ("e f", "c") if swapped else ("c", "e f")
    assert read(Rewriting(span=span)(example(*spans))) == (expected, *words)


def test_masks_stand_for_each_word():
    rewritten = read(Rewriting(mask_mentions=True)(example((2, 3), (4, 6))))
    assert rewritten == ("a b [HEAD] d [TAIL] [TAIL] g h i", "[HEAD]", "[TAIL] [TAIL]")


def test_masks_by_type_name_what_each_mention_is():
    typed = replace(example((2, 3), (4, 6)), head_type="PERSON", tail_type="City, small")
    assert Rewriting(mask_mentions="types")(typed).tokens == (
        *("a", "b", "[HEAD-PERSON]", "d", "[TAIL-City, small]", "[TAIL-City, small]", "g", "h", "i"),
    )


@pytest.mark.parametrize("role", ["head", "tail"])
def test_a_mention_without_a_type_cannot_be_masked_by_it(role):
    typed = replace(example((2, 3), (4, 6)), head_type="PERSON", tail_type="City")
    with pytest.raises(DataError, match=f"x:1: the {role} has no type, which encoding.mask_mentions: types"):
        Rewriting(mask_mentions="types")(replace(typed, **{f"{role}_type": None}))


def test_types_that_differ_in_case_or_digits_are_two_words_of_any_vocabulary():
    types = ("T1", "T2", "Place", "PLACE")
    sentences = [
        Rewriting(mask_mentions="types")(replace(example((2, 3), (4, 6)), head_type=one, tail_type=two))
        for one, two in zip(types, reversed(types), strict=True)
    ]
    vocabulary = Vocabulary.build(sentences, min_count=1, lowercase=True, fold_digits=True)
    masks = [sentence.tokens[place] for sentence in sentences for place in (2, 4)]
    assert len(set(vocabulary.ids(masks))) == 8
    assert UNKNOWN_ID not in vocabulary.ids(masks)


def test_a_word_of_both_mentions_is_masked_as_the_heads():
    sentence = example((1, 2), (0, 3), ("a", "b", "c"))
    assert Rewriting(mask_mentions=True)(sentence).tokens == ("[TAIL]", "[HEAD]", "[TAIL]")


@pytest.mark.parametrize(
    ("head", "tail", "expected"),
    [
        ((0, 1), (2, 3), ("<head> a </head> b <tail> c </tail>", "a", "c")),
        ((2, 3), (0, 1), ("<tail> a </tail> b <head> c </head>", "c", "a")),
        ((0, 1), (1, 3), ("<head> a </head> <tail> b c </tail>", "a", "b c")),
        ((0, 3), (1, 2), ("<head> a <tail> b </tail> c </head>", "a <tail> b </tail> c", "b")),
        ((0, 3), (0, 1), ("<head> <tail> a </tail> b c </head>", "a </tail> b c", "a")),
        ((0, 3), (2, 3), ("<head> a b <tail> c </tail> </head>", "a b <tail> c", "c")),
    ],
)
def test_markers_stand_around_each_mention(head, tail, expected):
    assert read(Rewriting(markers=True)(example(head, tail, ("a", "b", "c")))) == expected


@given(data=st.data())
def test_whatever_is_done_the_mentions_words_stay_in_their_order(data):
    def spans():
        start = data.draw(st.integers(0, 8))
        return start, data.draw(st.integers(start + 1, 9))

    sentence = example(spans(), spans())
    rewritten = Rewriting(span=data.draw(st.integers(0, 9)), markers=True)(sentence)
    for before, after in ((sentence.head, rewritten.head), (sentence.tail, rewritten.tail)):
        words = [word for word in rewritten.tokens[after.start : after.end] if word in WORDS]
        assert words == list(sentence.tokens[before.start : before.end])
        assert rewritten.tokens[after.start] == words[0] and rewritten.tokens[after.end - 1] == words[-1]
