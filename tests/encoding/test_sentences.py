"""Flat arrays of sentences: equal to the examples they are from, however they are split and joined."""

import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from relclf.encoding.sentences import Sentences, joined, to_sentences
from relclf.encoding.vocabulary import Vocabulary
from relclf.example import Example, MentionSpan
from tests.tiny import tiny_examples

VOCABULARY = Vocabulary.build(tiny_examples(), min_count=1, lowercase=True, fold_digits=True)

EXAMPLES = st.lists(
    st.lists(st.sampled_from(["The", "storm", "never", "seen", "12"]), min_size=2, max_size=6).map(
        lambda words: Example("x", tuple(words), MentionSpan(1, 2), MentionSpan(0, 1), None, "f:1")
    ),
    max_size=6,
)


def rows(sentences: Sentences) -> list[tuple[str, list[int], list[int]]]:
    """Id, word ids and mentions of each sentence."""
    ends = np.cumsum(sentences.lengths).tolist()
    starts = [0, *ends][: len(ends)]
    return [
        (sentence_id, sentences.word_ids[start:end].tolist(), mentions)
        for sentence_id, start, end, mentions in zip(
            sentences.ids, starts, ends, sentences.mentions.tolist(), strict=True
        )
    ]


def expected(examples: list[Example]) -> list[tuple[str, list[int], list[int]]]:
    """The same from the examples, one at a time."""
    return [
        (e.id, VOCABULARY.ids(e.tokens), [e.head.start, e.head.end, e.tail.start, e.tail.end])
        for e in examples
    ]


@given(EXAMPLES)
def test_arrays_hold_what_the_examples_hold(examples: list[Example]) -> None:
    assert rows(to_sentences(examples, VOCABULARY)) == expected(examples)


@given(EXAMPLES, st.integers(0, 6))
def test_what_is_split_is_joined_again(examples: list[Example], count: int) -> None:
    parts = to_sentences(examples, VOCABULARY).split(count)
    assert [len(part) for part in parts] == [len(examples[:count]), len(examples[count:])]
    assert rows(parts[0]) + rows(parts[1]) == expected(examples)
    assert rows(joined(list(parts))) == expected(examples)


def test_sentences_survive_a_pickle() -> None:
    sentences = to_sentences(tiny_examples(), VOCABULARY)
    assert rows(pickle.loads(pickle.dumps(sentences, pickle.HIGHEST_PROTOCOL))) == rows(sentences)
