"""Dropout draws from its own generator and keeps the expected value; sinusoids and n-grams are their formulas."""

import math

import pytest
import torch

from relclf.encoding.batches import Batch
from relclf.encoding.ngrams import hashed_ngrams
from relclf.models.layers import NgramEmbedding, RowGradient, Sinusoids, WordEmbedding, dropout


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_zeroes_the_stated_share_and_keeps_the_mean(rate):
    values = torch.ones(400, 500)
    dropped = dropout(values, rate, torch.Generator().manual_seed(0))
    assert (dropped == 0).double().mean().item() == pytest.approx(rate, abs=0.005)
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)
    kept = dropped[dropped != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - rate)))


def test_the_same_generator_state_gives_the_same_mask():
    generator = torch.Generator().manual_seed(5)
    state = generator.get_state()
    first = dropout(torch.ones(100), 0.5, generator)
    second = dropout(torch.ones(100), 0.5, generator)
    generator.set_state(state)
    assert torch.equal(dropout(torch.ones(100), 0.5, generator), first)
    assert not torch.equal(first, second)


def test_a_rate_of_0_changes_nothing_and_draws_nothing():
    generator = torch.Generator().manual_seed(5)
    before = generator.get_state()
    values = torch.randn(10, generator=torch.Generator().manual_seed(1))
    assert torch.equal(dropout(values, 0.0, generator), values)
    assert torch.equal(generator.get_state(), before)


def test_the_gradient_passes_only_where_a_value_was_kept():
    values = torch.ones(50, requires_grad=True)
    dropped = dropout(values, 0.5, torch.Generator().manual_seed(0))
    dropped.sum().backward()
    assert torch.equal(values.grad, dropped.detach())


@pytest.mark.parametrize("width", [4, 5])
def test_sinusoids_are_those_of_vaswani_et_al_with_the_spread_of_position_embeddings(width):
    table = Sinusoids(positions=22, width=width)
    assert not table.weight[0].any()
    assert list(table.parameters()) == [] and not table.state_dict()
    for position in range(1, 22):
        distance = position - 11  # 10 tokens either way
        for column in range(width):
            angle = distance / 10000 ** (column // 2 * 2 / width)
            expected = math.sqrt(2) * 0.1 * (math.cos(angle) if column % 2 else math.sin(angle))
            assert table.weight[position, column].item() == pytest.approx(expected, abs=1e-7)


WORDS = ["", "", "storm", "", "gnu", "", "a", "banana"]
"""Padding, the unknown word, three trained words, then three constant ones; those with n-grams by name."""


def embedding(buckets=7):
    generator = torch.Generator().manual_seed(3)
    own, constant, rows = (
        torch.randn(size, 4, generator=generator, dtype=torch.float64) for size in (5, 3, buckets)
    )
    own[0] = 0
    return WordEmbedding(own, constant, NgramEmbedding(rows, WORDS))


def slow_row(words, word_id, word):
    """The reference: the word's own row, and the mean over its n-grams one by one."""
    row = torch.cat([words.weight, words.constant])[word_id]
    buckets = hashed_ngrams([word], len(words.ngrams.weight))[0].tolist()
    return row + sum(words.ngrams.weight[bucket] for bucket in buckets) / len(buckets) if buckets else row


def batch_of(*sentences):
    token_ids = torch.tensor(sentences)
    return Batch(token_ids, token_ids, token_ids, token_ids > 0, token_ids[:, 0], int(token_ids.max()))


@pytest.mark.parametrize("buffered", [False, True])
def test_a_words_row_is_its_own_and_the_mean_of_its_ngrams(buffered):
    words = embedding()
    words.row_gradient = RowGradient() if buffered else None
    for word_id, word in enumerate(WORDS):
        expected = slow_row(words, word_id, word)
        torch.testing.assert_close(words.rows(torch.tensor([word_id]))[0], expected)
        torch.testing.assert_close(words(batch_of([4, word_id], [0, 0]))[0, 1], expected)
    assert not words(batch_of([4, 2], [0, 0]))[1].any()


def test_words_that_come_later_are_the_mean_of_their_ngrams_for_as_long_as_they_are_known():
    words, late = embedding(), ["gnu", "", "emu"]
    vectors = torch.zeros(3, 4, dtype=torch.float64)
    vectors[1] = torch.arange(4)
    with words.extended(vectors, late):
        gnu, known, emu = words.rows(torch.tensor([8, 9, 10]))
        torch.testing.assert_close(gnu, words.rows(torch.tensor([4]))[0] - words.weight[4])
        assert known.tolist() == [0, 1, 2, 3]
        torch.testing.assert_close(emu, slow_row(words, 8, "emu"))
    assert (len(words.constant), len(words.ngrams.starts)) == (3, 9)


def test_the_gradient_of_a_words_row_is_that_of_its_own_and_of_its_ngrams():
    words = embedding()
    ids = torch.tensor([0, 1, 2, 4, 6, 7])

    def rows(own, ngrams):
        parameters = {"weight": own, "ngrams.weight": ngrams}
        return torch.func.functional_call(words, parameters, (batch_of(ids.tolist()),)).sin()

    parameters = (words.weight.detach().requires_grad_(), words.ngrams.weight.detach().requires_grad_())
    rows(*parameters).sum().backward()
    assert not parameters[0].grad[0].any(), "padding learns nothing"
    parameters = tuple(each.detach()[:].requires_grad_() for each in parameters)
    ids = ids[1:]
    assert torch.autograd.gradcheck(rows, parameters)


def test_without_any_word_of_ngrams_rows_are_the_words_own():
    words = WordEmbedding(torch.ones(3, 4), None, NgramEmbedding(torch.ones(5, 4), ["", "", ""]))
    assert words.rows(torch.tensor([1, 2])).tolist() == [[1] * 4] * 2
