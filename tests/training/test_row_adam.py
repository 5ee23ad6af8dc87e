"""Adam by rows gives the weights of torch's dense Adam, whichever rows a batch reads and whenever."""

import copy

import pytest
import torch
from torch import nn

from relclf.models.layers import WordEmbedding
from relclf.training.optimizers import take_step
from relclf.training.row_adam import RowAdam, can_defer

ROWS, WIDTH = 300, 6


class Pair:
    """An embedding and a layer with RowAdam, and their copies with torch's own Adam."""

    def __init__(self, dtype=torch.float64, betas=(0.9, 0.999), word_share=None, **options):
        generator = torch.Generator().manual_seed(0)
        table = torch.randn(ROWS, WIDTH, generator=generator, dtype=dtype)
        self.words = WordEmbedding(table.clone(), None)
        self.layer = nn.Linear(WIDTH, 3).to(dtype)
        with torch.no_grad():
            for parameter in self.layer.parameters():
                parameter.normal_(generator=generator)
        self.table, self.copy = nn.Parameter(table.clone()), copy.deepcopy(self.layer)
        parameters = [self.words.weight, *self.layer.parameters()]
        self.optimizer = RowAdam(
            self.words, parameters, lr=1e-3, betas=betas, eps=1e-8, word_share=word_share, **options
        )
        groups = [{"params": [self.table]}, {"params": list(self.copy.parameters())}]
        self.reference = torch.optim.Adam(groups, lr=1e-3, betas=betas)
        self.shares = (1.0 if word_share is None else word_share, 1.0)
        self.generator = generator

    def update(self, number, batches=1):
        """One update from random rows; the gradients' size and the rate differ from one to the next."""
        self.words.weight.grad = None
        self.layer.zero_grad(set_to_none=True)
        self.reference.zero_grad(set_to_none=True)
        rate = 1e-3 / (1 + number / 500)
        size = 10.0 ** ((number * 7) % 9 - 7)
        for _ in range(batches):
            ids = torch.randint(0, ROWS, (10,), generator=self.generator).unique()
            factors = torch.randn(3, generator=self.generator, dtype=self.table.dtype)
            (size * (self.layer(self.words.rows(ids)) * factors).sin().sum()).backward()
            (size * (self.copy(self.table.index_select(0, ids)) * factors).sin().sum()).backward()
        take_step(self.optimizer, rate, None)
        for group, share in zip(self.reference.param_groups, self.shares, strict=True):
            group["lr"] = rate * share
        self.reference.step()

    def distance(self):
        """The largest difference of a weight."""
        settled = self.optimizer.settled_table()
        table = self.words.weight if settled is None else settled
        pairs = [(table, self.table), *zip(self.layer.parameters(), self.copy.parameters(), strict=True)]
        return max((ours - theirs).abs().max().item() for ours, theirs in pairs)


@pytest.mark.parametrize("batches", [1, 3])
def test_deferred_rows_have_the_weights_of_dense_adam(batches):
    pair = Pair(deferred=True)
    for number in range(700):
        pair.update(number, batches)
    assert pair.optimizer.settled_table() is not None, "no row was deferred, the test shows nothing"
    assert pair.distance() < 1e-9


def test_settling_at_any_time_changes_no_later_weight():
    pair = Pair(deferred=True)
    for number in range(600):
        pair.update(number)
        if number % 97 == 0:
            pair.optimizer.settle()
            assert pair.optimizer.settled_table() is None
            assert pair.distance() < 1e-9
    assert pair.distance() < 1e-9


def test_the_first_updates_are_dense_and_equal_to_rounding():
    pair = Pair(deferred=True)
    for number in range(200):
        pair.update(number)
    assert pair.optimizer.settled_table() is None
    assert pair.distance() < 1e-14


@pytest.mark.parametrize("betas", [(0.8, 0.999), (0.0, 0.999), (0.6, 0.995), (0.9, 0.9), (0.95, 0.999)])
def test_other_betas_give_the_weights_of_dense_adam_deferred_or_not(betas):
    pair = Pair(betas=betas, deferred=True)
    for number in range(800):
        pair.update(number)
    assert (pair.optimizer.settled_table() is not None) == can_defer(betas) == (betas != (0.9, 0.9))
    assert pair.distance() < 1e-9


@pytest.mark.parametrize("deferred", [True, False])
@pytest.mark.parametrize("share", [0.1, 3.0])
def test_rows_with_a_share_of_the_rate_have_the_weights_of_dense_adam_at_it(share, deferred):
    pair = Pair(word_share=share, deferred=deferred)
    for number in range(600):
        pair.update(number)
    assert (pair.optimizer.settled_table() is not None) == deferred
    assert pair.distance() < 1e-9


def test_in_float32_the_difference_is_that_of_rounding():
    pair = Pair(dtype=torch.float32, deferred=True)
    for number in range(600):
        pair.update(number)
    assert pair.distance() < 2e-5


def test_a_restored_state_goes_on_bit_for_bit_between_any_two_updates():
    pair = Pair(deferred=True)
    for number in range(450):
        pair.update(number)
    again = Pair(deferred=True)
    again.generator.set_state(pair.generator.get_state())
    again.layer.load_state_dict(pair.layer.state_dict())
    again.optimizer.load_state_dict(copy.deepcopy(pair.optimizer.state_dict()))
    for number in range(450, 500):
        pair.update(number)
        again.update(number)
    for optimizer in (pair.optimizer, again.optimizer):
        optimizer.settle()
    assert torch.equal(pair.words.weight, again.words.weight)
    assert torch.equal(pair.layer.weight, again.layer.weight)


def test_touched_only_moves_the_rows_of_the_batch_alone():
    pair = Pair(touched_only=True)
    for number in range(5):
        before = pair.words.weight.detach().clone()
        pair.update(number)
        moved = (pair.words.weight.detach() != before).any(dim=1)
        touched = (pair.words.weight.grad != 0).any(dim=1)
        assert torch.equal(moved, touched)
        assert 0 < moved.sum() < ROWS
