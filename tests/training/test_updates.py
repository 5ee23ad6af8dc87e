"""Gradients that come together over batches are exactly those of one big batch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from relclf.training.updates import spread_evenly, update_plan

SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=30)
EVERY = st.one_of(st.integers(1, 40), st.sampled_from(["batch", "epoch", "epoch_mean"]))


def gradients_at_the_steps(sizes, update_every):
    """The gradient that each update sees, float64, beside the inputs and gold relations of the batches."""
    torch.manual_seed(0)
    model = nn.Linear(5, 3, dtype=torch.float64)
    inputs = torch.randn(sum(sizes), 5, dtype=torch.float64).split(sizes)
    gold = torch.randint(0, 3, (sum(sizes),)).split(sizes)
    plan = update_plan(sizes, update_every)
    seen = []
    for x, y, divisor, step in zip(inputs, gold, plan.divisors, plan.steps, strict=True):
        if divisor is not None:
            (functional.cross_entropy(model(x), y, reduction="sum") / divisor).backward()
        if step:
            seen.append(model.weight.grad.clone())
            model.weight.grad = None
    return seen, model, inputs, gold


def gradient_of_one_batch(model, inputs, gold):
    model.zero_grad()
    functional.cross_entropy(model(torch.cat(inputs)), torch.cat(gold)).backward()
    return model.weight.grad


@pytest.mark.parametrize(
    ("update_every", "groups"),
    [
        ("batch", [[0], [1], [2], [3], [4]]),
        (1, [[0], [1], [2], [3], [4]]),
        (2, [[0, 1], [2, 3], [4]]),
        (3, [[0, 1, 2], [3, 4]]),
        (5, [[0, 1, 2, 3, 4]]),
        (7, [[0, 1, 2, 3, 4]]),
        ("epoch_mean", [[0, 1, 2, 3, 4]]),
        ("epoch", [[4]]),
    ],
)
def test_each_update_has_the_gradient_of_its_batches_laid_together(update_every, groups):
    seen, model, inputs, gold = gradients_at_the_steps([4, 7, 1, 5, 2], update_every)
    assert len(seen) == len(groups) == update_plan([4, 7, 1, 5, 2], update_every).updates
    for gradient, group in zip(seen, groups, strict=True):
        expected = gradient_of_one_batch(model, [inputs[i] for i in group], [gold[i] for i in group])
        torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-14)


def test_update_every_epoch_runs_all_batches_but_the_last_forward_only():
    plan = update_plan([4, 4, 3], "epoch")
    assert plan.divisors == (None, None, 3)
    assert plan.steps == (False, False, True)


@given(SIZES, EVERY)
def test_an_epoch_always_ends_with_an_update(sizes, update_every):
    plan = update_plan(sizes, update_every)
    assert len(plan.divisors) == len(plan.steps) == len(sizes)
    assert plan.steps[-1]
    expected = {"batch": len(sizes), "epoch": 1, "epoch_mean": 1}
    every = update_every if isinstance(update_every, int) else 1
    assert plan.updates == expected.get(update_every, -(-len(sizes) // every))


@given(SIZES, st.one_of(st.integers(1, 40), st.sampled_from(["batch", "epoch_mean"])))
def test_every_example_has_the_same_weight_in_its_update(sizes, update_every):
    plan = update_plan(sizes, update_every)
    share = 0.0
    for size, divisor, step in zip(sizes, plan.divisors, plan.steps, strict=True):
        share += size / divisor
        if step:
            assert share == pytest.approx(1)
            share = 0.0


@given(st.integers(1, 500), st.integers(1, 20))
def test_measured_updates_are_spread_evenly_from_the_first(count, most):
    chosen = sorted(spread_evenly(count, most))
    assert len(chosen) == min(count, most)
    assert chosen[0] == 0
    assert chosen[-1] < count
    gaps = [b - a for a, b in zip(chosen, [*chosen[1:], count], strict=True)]
    assert max(gaps) - min(gaps) <= 1
