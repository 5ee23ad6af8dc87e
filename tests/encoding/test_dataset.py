"""Examples become arrays whose relative positions, lengths and gold relations can be checked by hand."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from relclf.encoding.dataset import NO_GOLD, encode
from relclf.encoding.vocabulary import Vocabulary
from relclf.example import Example, MentionSpan
from relclf.relations import RelationSet
from tests.tiny import tiny_examples

RELATIONS = RelationSet(("cause", "contains", "none"), "none")
VOCABULARY = Vocabulary.build(tiny_examples(), min_count=1, lowercase=True, fold_digits=True)


def sentence(length, head, tail, offsets=None):
    tokens = tuple(f"w{i}" for i in range(length))
    return Example("x", tokens, MentionSpan(*head), MentionSpan(*tail), "cause", "f.jsonl:7", offsets)


def relative(example, max_distance):
    """Head and tail positions as distances, the shift taken off."""
    dataset = encode([example], VOCABULARY, RELATIONS, max_distance)
    shift = max_distance + 1
    return (dataset.head_positions - shift).tolist(), (dataset.tail_positions - shift).tolist()


def test_relative_positions_count_from_the_mentions_ends_and_are_0_inside():
    head, tail = relative(sentence(7, (2, 4), (6, 7)), 50)
    assert head == [-2, -1, 0, 0, 1, 2, 3]
    assert tail == [-6, -5, -4, -3, -2, -1, 0]


def test_relative_positions_are_clipped():
    head, tail = relative(sentence(8, (3, 4), (0, 1)), 2)
    assert head == [-2, -2, -1, 0, 1, 2, 2, 2]
    assert tail == [0, 1, 2, 2, 2, 2, 2, 2]


def test_stored_positions_are_shifted_so_that_0_is_left_to_padding():
    dataset = encode([sentence(9, (0, 1), (8, 9))], VOCABULARY, RELATIONS, 3)
    assert dataset.head_positions.tolist() == [4, 5, 6, 7, 7, 7, 7, 7, 7]
    assert dataset.tail_positions.tolist() == [1, 1, 1, 1, 1, 1, 2, 3, 4]


def test_each_sentence_owns_its_tokens():
    examples = tiny_examples()
    dataset = encode(examples, VOCABULARY, RELATIONS, 6)
    assert len(dataset) == 6
    assert dataset.lengths.tolist() == [len(example.tokens) for example in examples]
    for i, example in enumerate(examples):
        own = slice(*dataset.spans[i, :2].tolist())
        assert dataset.token_ids[own].tolist() == VOCABULARY.ids(example.tokens)
    assert dataset.max_token_id == int(dataset.token_ids.max())


def test_a_relation_that_the_set_lacks_has_no_gold_id():
    unknown = sentence(3, (0, 1), (2, 3))
    examples = [*tiny_examples()[:3], Example("y", ("a", "b"), unknown.head, MentionSpan(1, 2), None, "f:1")]
    dataset = encode(examples, VOCABULARY, RelationSet(("contains", "none")), 6)
    assert dataset.gold.tolist() == [NO_GOLD, NO_GOLD, 0, NO_GOLD]


@st.composite
def sentences(draw):
    length = draw(st.integers(2, 40))
    a, b, c, d = sorted(draw(st.lists(st.integers(0, length), min_size=4, max_size=4)))
    if not a < b <= c < d:
        a, b, c, d = 0, 1, length - 1, length
    head, tail = ((a, b), (c, d)) if draw(st.booleans()) else ((c, d), (a, b))
    return sentence(length, head, tail)


@settings(max_examples=200, deadline=None)
@given(sentences())
def test_the_mentions_can_be_read_back_from_the_positions(example):
    head, tail = relative(example, 50)
    for positions, span in ((head, example.head), (tail, example.tail)):
        inside = [index for index, position in enumerate(positions) if position == 0]
        assert inside == list(range(span.start, span.end))
        assert positions == sorted(positions)


def test_moving_a_data_set_keeps_every_array():
    dataset = encode(tiny_examples(), VOCABULARY, RELATIONS, 6)
    moved = dataset.to(dataset.gold.device)
    for name in ("tokens", "spans", "columns", "gold"):
        assert getattr(moved, name).equal(getattr(dataset, name))
    np.testing.assert_array_equal(moved.lengths, dataset.lengths)
    assert moved.max_token_id == dataset.max_token_id
