"""The stratified split: exact sizes, rare relations, order and determinism."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relclf.config.schema import DataConfig
from relclf.data.reading import read_examples
from relclf.data.splitting import Splits, equal_parts, split_train, stratified_split
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


def split(relations: str, groups: str, **keys: object) -> Splits:
    """The splits of a corpus whose examples have a letter as their group each."""
    examples = [
        replace(example, group=group) for example, group in zip(corpus(relations), groups, strict=True)
    ]
    return split_train(examples, DataConfig.model_validate({"train": Path("t"), "group_by": "g", **keys}))


GROUPED = st.integers(20, 60).flatmap(
    lambda size: st.tuples(
        st.text("abc", min_size=size, max_size=size), st.text("pqrstuvwxyz", min_size=size, max_size=size)
    )
)


@given(GROUPED, st.integers(2, 4), st.integers(0, 3))
def test_folds_hold_every_example_once_and_part_no_group(
    grouped: tuple[str, str], folds: int, seed: int
) -> None:
    relations, groups = grouped
    if len(set(groups)) < 2 * folds:
        return
    tested: list[str] = []
    for fold in range(1, folds + 1):
        try:
            splits = split(relations, groups, folds=folds, fold=fold, split_seed=seed, dev=0.3)
        except UserMistake:
            return
        sides = [{example.group for example in side} for side in (splits.train, splits.dev, splits.test)]
        assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
        everything = splits.train + splits.dev + splits.test
        assert sorted(int(example.id) for example in everything) == list(range(len(relations)))
        tested += [example.id for example in splits.test]
    assert sorted(map(int, tested)) == list(range(len(relations)))


@given(st.text("abcd", min_size=12, max_size=60), st.integers(2, 5))
def test_ungrouped_folds_share_each_relation_evenly(relations: str, folds: int) -> None:
    parts = equal_parts(corpus(relations), list(range(len(relations))), folds, 1)
    for letter in set(relations):
        counts = [
            sum(part == k and r == letter for part, r in zip(parts, relations, strict=True))
            for k in range(folds)
        ]
        assert max(counts) - min(counts) <= 1
    sizes = [parts.count(k) for k in range(folds)]
    assert max(sizes) - min(sizes) <= len(set(relations))


def test_test_is_taken_first_then_dev_each_by_its_share() -> None:
    data = DataConfig(train=Path("t"), test=0.2, dev=0.25)
    splits = split_train(corpus("ab" * 50), data)
    assert [len(side) for side in (splits.train, splits.dev, splits.test)] == [60, 20, 20]
    assert split_train(corpus("ab" * 50), data) == splits


def test_one_sentence_is_never_on_both_sides() -> None:
    examples = corpus("abca" * 30)
    twice = [replace(example, tokens=("same", str(place // 3))) for place, example in enumerate(examples)]
    splits = split_train(twice, DataConfig(train=Path("t"), test=0.2, group_by="sentence"))
    sides = [{example.tokens for example in side} for side in (splits.train, splits.dev, splits.test)]
    assert sides[0] | sides[1] | sides[2] == {example.tokens for example in twice}
    assert sum(map(len, sides)) == 40


def test_groups_too_large_for_a_share_are_refused() -> None:
    with pytest.raises(
        UserMistake, match=r"data\.dev: a share of 0\.1 of 20 sentences, in groups of one g, leaves one"
    ):
        split("ab" * 10, "p" * 20)
