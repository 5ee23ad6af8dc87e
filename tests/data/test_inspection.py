"""The summary of a data set."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relclf.data.inspection import Quantiles, summarise
from relclf.errors import UserMistake
from relclf.example import Example, MentionSpan


def example(length: int, head: int, tail: int, relation: str | None) -> Example:
    spans = MentionSpan(head, head + 1), MentionSpan(tail, tail + 1)
    return Example("1", ("w",) * length, *spans, relation, "t:1")


def test_a_summary_counts_relations_lengths_distances_and_order() -> None:
    summary = summarise(
        iter([example(4, 0, 1, "b"), example(6, 5, 1, "a"), example(8, 0, 7, "b"), example(2, 0, 1, None)])
    )
    assert (summary.count, summary.unlabelled, summary.mean_length, summary.head_first) == (4, 1, 5.0, 0.75)
    assert list(summary.relations.items()) == [("b", 2), ("a", 1)]
    assert summary.lengths == Quantiles(4, 8, 8, 8, 8)
    assert summary.distances == Quantiles(0, 6, 6, 6, 6)


@given(st.lists(st.integers(2, 50), min_size=1, max_size=300))
def test_quantiles_are_numpys_nearest_rank(lengths: list[int]) -> None:
    found = summarise(example(length, 0, 1, "r") for length in lengths).lengths
    expected = np.quantile(lengths, [0.5, 0.9, 0.95, 0.99, 1.0], method="inverted_cdf").tolist()
    assert [found.p50, found.p90, found.p95, found.p99, found.max] == expected


def test_nothing_cannot_be_summarised() -> None:
    with pytest.raises(UserMistake):
        summarise(iter([]))


def test_types_of_heads_and_tails_are_counted_apart() -> None:
    some = example(4, 0, 1, "r")
    summary = summarise([some, replace(some, head_type="P"), replace(some, head_type="Q", tail_type="P")])
    assert (summary.head_types, summary.tail_types, summary.untyped) == ({"P": 1, "Q": 1}, {"P": 1}, 2)


def test_relations_of_one_size_stand_in_the_order_of_their_names() -> None:
    summary = summarise(example(3, 0, 1, name) for name in "cabcab")
    assert summary.relations == Counter("aabbcc")
    assert list(summary.relations) == ["a", "b", "c"]
