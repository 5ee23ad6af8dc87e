"""Dropout draws from its own generator and keeps the expected value; sinusoids are the formula."""

import math

import pytest
import torch

from relclf.models.layers import Sinusoids, dropout


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
