"""The stratified split: exact sizes, rare relations, order and determinism."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relclf.data.reading import read_examples
from relclf.data.splitting import stratified_split
from relclf.errors import UserMistake
from relclf.example import Example, MentionSpan


def corpus(relations: str) -> list[Example]:
    """One example a letter, its id the place."""
    return [
        Example(str(place), ("a", "b"), MentionSpan(0, 1), MentionSpan(1, 2), relation, f"t:{place}")
        for place, relation in enumerate(relations)
    ]


@given(st.text("abcd", min_size=2, max_size=60), st.floats(0.05, 0.95), st.integers(0, 5))
def test_a_split_keeps_every_example_once_in_order_and_each_relation_near_its_share(
    relations: str, share: float, seed: int
) -> None:
    examples = corpus(relations)
    try:
        rest, taken = stratified_split(examples, share, seed)
    except UserMistake:
        repeated = sum(relations.count(letter) for letter in "abcd" if relations.count(letter) > 1)
        assert share * repeated < 1 or all(relations.count(letter) <= 2 for letter in "abcd")
        return
    assert sorted(rest + taken, key=lambda example: int(example.id)) == examples
    for side in (rest, taken):
        assert [int(example.id) for example in side] == sorted(int(example.id) for example in side)
    for letter in set(relations):
        got = sum(example.relation == letter for example in taken)
        assert got < relations.count(letter)
        assert abs(got - share * relations.count(letter)) <= 1
    assert stratified_split(examples, share, seed) == (rest, taken)


def test_semeval_at_a_tenth_gives_exactly_7200_and_800(shared_data: Path) -> None:
    examples = list(read_examples(shared_data / "semeval2010" / "TRAIN_FILE.TXT"))
    rest, taken = stratified_split(examples, 0.1, 1)
    assert (len(rest), len(taken)) == (7200, 800)
    assert "Entity-Destination(e2,e1)" not in {example.relation for example in taken}
    assert [example.id for example in stratified_split(examples, 0.1, 2)[1]] != [
        example.id for example in taken
    ]


def test_the_split_of_a_seed_never_changes() -> None:
    pinned = ["1", "6", "8", "17", "19"]
    _, taken = stratified_split(corpus("aaaaaaaabbbbbbbbbbbbc"), 0.25, 1)
    assert [example.id for example in taken] == pinned
    _, taken = stratified_split(corpus("zzzzzzzzyyyyyyyyyyyyx"), 0.25, 1)
    assert [example.id for example in taken] == pinned


def test_a_share_that_takes_nothing_is_refused() -> None:
    with pytest.raises(UserMistake) as caught:
        stratified_split(corpus("abc"), 0.5, 1)
    assert str(caught.value) == (
        "data.dev: a share of 0.5 of 3 sentences takes none, since each relation keeps one in train. "
        "Take a larger share, or name a file."
    )
