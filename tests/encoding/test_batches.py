"""Batches hold every sentence exactly once, in an order that depends on (seed, epoch) alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relclf.encoding.batches import gather, gather_rows, rounded_length, shuffled_batches, sorted_batches
from relclf.encoding.dataset import encode
from relclf.encoding.vocabulary import Vocabulary
from relclf.relations import RelationSet
from relclf.training.seeding import numpy_generator
from tests.tiny import tiny_examples

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=200)


def batches_of(lengths, batch_size, bucket_batches, seed=0, epoch=1):
    generator = numpy_generator(seed, "order", epoch)
    order = generator.permutation(len(lengths))
    return shuffled_batches(order, np.array(lengths), batch_size, bucket_batches, generator)


def padding(lengths, batches):
    return sum(
        len(batch) * max(lengths[i] for i in batch) - sum(lengths[i] for i in batch) for batch in batches
    )


@settings(max_examples=200, deadline=None)
@given(LENGTHS, st.integers(1, 30), st.integers(1, 8), st.integers(0, 99))
def test_every_sentence_is_in_exactly_one_batch_and_one_batch_at_most_is_short(lengths, size, pool, seed):
    batches = batches_of(lengths, size, pool, seed)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    short = [len(batch) for batch in batches if len(batch) != size]
    assert short == ([len(lengths) % size] if len(lengths) % size else [])


@settings(max_examples=200, deadline=None)
@given(LENGTHS, st.integers(1, 300))
def test_evaluation_batches_hold_every_sentence_once_and_at_most_their_tokens(lengths, tokens):
    batches = sorted_batches(np.array(lengths), tokens)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= tokens


def test_evaluating_nothing_takes_no_batch():
    assert sorted_batches(np.array([], dtype=np.int64), 100) == []


def test_the_order_depends_on_seed_and_epoch_alone():
    lengths = list(range(1, 41))

    def order(seed, epoch):
        return [batch.tolist() for batch in batches_of(lengths, 7, 3, seed, epoch)]

    assert order(1, 5) == order(1, 5)
    assert order(1, 5) != order(1, 6)
    assert order(1, 5) != order(2, 5)


def test_one_batch_a_bucket_is_plain_shuffling():
    lengths = np.arange(1, 24)
    order = numpy_generator(3, "order", 1).permutation(23)
    batches = shuffled_batches(order, lengths, 5, 1, numpy_generator(3, "other"))
    assert [len(batch) for batch in batches] == [5, 5, 5, 5, 3]
    assert np.concatenate(batches).tolist() == order.tolist()


def test_buckets_save_padding_and_stay_shuffled():
    lengths = np.random.default_rng(0).integers(5, 60, 1000).tolist()
    plain, bucketed = batches_of(lengths, 10, 1), batches_of(lengths, 10, 20)
    assert padding(lengths, bucketed) < 0.3 * padding(lengths, plain)
    means = [np.mean([lengths[i] for i in batch]) for batch in bucketed]
    assert abs(np.corrcoef(means, range(len(means)))[0, 1]) < 0.3


def test_sentences_of_one_length_meet_other_sentences_in_other_epochs():
    lengths = [9] * 60
    first = {frozenset(batch.tolist()) for batch in batches_of(lengths, 6, 5, epoch=1)}
    second = {frozenset(batch.tolist()) for batch in batches_of(lengths, 6, 5, epoch=2)}
    assert not first & second


@pytest.mark.parametrize("sentences", [[0], [5, 0], [3, 2, 4, 1]])
def test_a_batch_is_the_sentences_padded_with_0_to_the_longest(sentences):
    vocabulary = Vocabulary.build(tiny_examples(), min_count=1, lowercase=True, fold_digits=True)
    examples = tiny_examples()
    dataset = encode(examples, vocabulary, RelationSet(("cause", "contains", "none")), 6)
    batch = gather(dataset, np.array(sentences))
    longest = max(len(examples[i].tokens) for i in sentences)
    assert batch.mask.shape == batch.token_ids.shape == (len(sentences), longest)
    for row, i in enumerate(sentences):
        rest = [0] * (longest - len(examples[i].tokens))
        own = slice(*dataset.spans[i, :2].tolist())
        for name in ("token_ids", "head_positions", "tail_positions"):
            assert getattr(batch, name)[row].tolist() == getattr(dataset, name)[own].tolist() + rest
        assert batch.mask[row].tolist() == [True] * (longest - len(rest)) + [False] * len(rest)
        assert batch.gold[row] == dataset.gold[i]


@pytest.mark.parametrize("length", [6, 7, 11])
def test_more_padding_changes_nothing_else_of_a_batch(length):
    vocabulary = Vocabulary.build(tiny_examples(), min_count=1, lowercase=True, fold_digits=True)
    dataset = encode(tiny_examples(), vocabulary, RelationSet(("cause", "contains", "none")), 6)
    sentences = np.array([3, 0, 5])
    batch, wider = gather(dataset, sentences), gather_rows(dataset, torch.from_numpy(sentences), length)
    for name in ("token_ids", "head_positions", "tail_positions", "mask"):
        array, wide = getattr(batch, name), getattr(wider, name)
        assert wide.shape == (3, length)
        assert wide[:, : array.shape[1]].equal(array)
        assert not wide[:, array.shape[1] :].any()
    assert wider.gold.equal(batch.gold)


def test_a_batch_moved_to_another_device_keeps_shapes_and_types():
    vocabulary = Vocabulary.build(tiny_examples(), min_count=1, lowercase=True, fold_digits=True)
    batch = gather(encode(tiny_examples(), vocabulary, RelationSet(("none",)), 6), np.array([4, 1]))
    assert batch.to(batch.gold.device) is batch
    moved = batch.to(torch.device("meta"))
    for name in ("token_ids", "head_positions", "tail_positions", "mask", "gold"):
        array, there = getattr(batch, name), getattr(moved, name)
        assert (there.shape, there.dtype, there.device.type) == (array.shape, array.dtype, "meta")


def test_rounded_lengths_are_few_and_hardly_longer():
    lengths = range(1, 257)
    rounded = [rounded_length(length, 250) for length in lengths if length <= 250]
    assert rounded[:9] == [4, 4, 4, 4, 8, 8, 8, 8, 12]
    assert rounded_length(33, 250) == 40
    assert rounded[-1] == 250
    assert rounded == sorted(rounded)
    assert len(set(rounded)) == 20
    assert all(
        0 <= long - length < max(4, length / 4) for length, long in zip(lengths, rounded, strict=False)
    )
