"""Probes name a rate, a size or a wiring that cannot learn, leave healthy ones alone, and change nothing."""

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from relclf.diagnosis.capacity_probes import (
    dead_filters_finding,
    first_loss_finding,
    overfit,
    overfit_finding,
    vanishing_finding,
)
from relclf.diagnosis.findings import Finding
from relclf.diagnosis.probed import ProbeBatch, Probed, Trial, in_random_order, prior_loss
from relclf.diagnosis.rate_probes import noise_scale, rate_findings, rate_range, schedule_finding, step_sizes

Factory = Callable[[nn.Module, float], torch.optim.Optimizer]
ALLOWED = 600.0
"""Updates of the training that is probed: 30 epochs of 20 batches."""


def adam(rate: float) -> Factory:
    return lambda model, factor: torch.optim.Adam(model.parameters(), lr=rate * factor)


def sgd(rate: float, **options: float) -> Factory:
    return lambda model, factor: torch.optim.SGD(model.parameters(), lr=rate * factor, **options)  # type: ignore[arg-type]


def task(
    optimizer: Factory,
    seed: int = 1,
    hidden: int = 64,
    output: Callable[[Tensor], Tensor] = lambda scores: scores,
) -> Probed:
    """640 points in twelve clouds of four classes, and a network of one hidden layer with dropout."""
    generator = torch.Generator().manual_seed(1)
    cloud = torch.randint(0, 12, (640,), generator=generator)
    points = torch.randn(640, 20, generator=generator)
    points += 1.5 * torch.randn(12, 20, generator=generator)[cloud]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(20, hidden), nn.ReLU(), nn.Dropout(0.5), nn.Linear(hidden, 4))

    def batch(start: int) -> ProbeBatch:
        rows = points[start : start + 32]
        return ProbeBatch(lambda model: output(model(rows)), cloud[start : start + 32] % 4)

    batches = [batch(start) for start in range(0, 640, 32)]
    return Probed(model, batches, nn.functional.cross_entropy, optimizer, seed=seed)


def rates(optimizer: Factory, rate: float, allowed: float | None = ALLOWED) -> dict[str, Finding]:
    trials = [task(optimizer, seed) for seed in (1, 2)]
    return {finding.check: finding for finding in rate_findings(trials, rate, allowed=allowed)}


def test_a_rate_far_too_small_is_a_problem_with_its_evidence():
    finding = rates(adam(1e-5), 1e-5)["learning-rate-too-small"]
    assert finding.severity == "problem"
    assert "0 % at 1e-05" in finding.measured
    assert "its 600 updates would come to" in finding.measured
    assert finding.next_step == "--set training.optimizer.lr=0.01"


def test_a_rate_far_too_large_is_a_problem():
    found = rates(sgd(10.0), 10.0)
    assert found["learning-rate-too-large"].severity == "problem"
    assert found["learning-rate-too-large"].next_step == "--set training.optimizer.lr=1"
    assert found["learning-rate-too-small"].severity == "ok"


def test_a_rate_so_large_that_a_tenth_breaks_too_is_a_problem():
    finding = rates(sgd(1000.0), 1000.0)["learning-rate-too-large"]
    assert finding.severity == "problem"
    assert float(finding.next_step.rpartition("=")[2]) <= 10


def test_a_rate_that_leaves_the_network_worse_than_guessing_is_too_large_though_a_smaller_one_learns_nothing_yet():
    def hopeless(seed: int) -> Probed:
        """Classes that have nothing to do with the points."""
        generator = torch.Generator().manual_seed(seed)
        probed = task(sgd(10.0), seed)
        return replace(
            probed,
            batches=[
                replace(batch, gold=torch.randint(0, 4, batch.gold.shape, generator=generator))
                for batch in probed.batches
            ],
        )

    trials = [hopeless(seed) for seed in (1, 2)]
    finding = {each.check: each for each in rate_findings(trials, 10.0)}["learning-rate-too-large"]
    assert finding.severity == "problem"
    assert "200 updates learn less than nothing at 10" in finding.measured
    assert float(finding.next_step.rpartition("=")[2]) <= 1


@pytest.mark.parametrize(
    ("optimizer", "rate"),
    [
        (adam(1e-3), 1e-3),
        (adam(1e-2), 1e-2),
        (sgd(0.1), 0.1),
        (sgd(0.01), 0.01),
        (sgd(0.01, momentum=0.9), 0.01),
        (lambda model, factor: torch.optim.Adagrad(model.parameters(), lr=0.1 * factor), 0.1),
        (lambda model, factor: torch.optim.Adadelta(model.parameters(), lr=1.0 * factor), 1.0),
    ],
    ids=["adam 1e-3", "adam 1e-2", "sgd 0.1", "sgd 0.01", "sgd momentum", "adagrad 0.1", "adadelta"],
)
def test_usual_rates_are_in_order(optimizer: Factory, rate: float):
    assert {finding.severity for finding in rates(optimizer, rate).values()} == {"ok"}


@pytest.mark.parametrize(("far", "severity"), [(100, "problem"), (10**6, "watch")])
def test_how_far_off_a_rate_is_goes_by_what_its_optimiser_is_used_to(far: int, severity: str):
    trials = [task(adam(1e-5), seed) for seed in (1, 2)]
    found = {each.check: each for each in rate_findings(trials, 1e-5, allowed=ALLOWED, far=far)}
    assert found["learning-rate-too-small"].severity == severity


def test_a_cautious_rate_is_in_order_where_the_training_is_long_enough():
    assert rates(adam(1e-4), 1e-4, allowed=100_000.0)["learning-rate-too-small"].severity == "ok"


def test_where_no_rate_learns_anything_the_rate_is_not_blamed():
    assert rates(lambda model, factor: torch.optim.SGD(model.parameters(), lr=0.0), 0.1) == {}


def test_a_schedule_that_leaves_no_rate_is_a_problem_and_one_that_leaves_half_is_none():
    trials = [task(adam(1e-3), seed) for seed in (1, 2)]
    finding = schedule_finding(trials, 2.0, 600, "a longer schedule")
    assert finding is not None and finding.severity == "problem"
    assert finding.measured.startswith(
        "under the schedule 600 updates come to 2.0 at the full rate: 2 learn "
    )
    assert schedule_finding(trials, 300.0, 600, "") is None
    assert schedule_finding(trials, 140.0, 600, "") is None  # which is enough to learn


def heart(probed: Probed) -> Finding:
    fits = [overfit(probed, probed.batches[:1], 300), overfit(probed, probed.batches[:4], 400)]
    return overfit_finding(fits, "more filters")


def test_a_few_sentences_are_learned_by_heart():
    finding = heart(task(adam(1e-2)))
    assert finding.severity == "ok"
    assert finding.measured.startswith("32 sentences: 100 % right, loss ")
    assert "with the training's own optimiser" in finding.measured


@pytest.mark.parametrize(
    "broken",
    [
        task(adam(1e-3), hidden=1),
        task(adam(1e-3), output=lambda scores: scores.softmax(dim=1)),
        task(adam(1e-3), output=lambda scores: scores.detach() + 0 * scores),
    ],
    ids=["one hidden unit", "softmax before the loss", "scores cut off"],
)
def test_what_cannot_be_learned_by_heart_is_a_problem(broken: Probed):
    assert heart(broken).severity == "problem"


def test_a_rate_too_small_is_not_taken_for_a_network_too_small():
    finding = heart(task(adam(1e-6)))
    assert finding.severity == "ok"
    assert "with Adam at 0.001" in finding.measured


def test_probes_change_neither_the_model_nor_the_random_numbers_of_the_process():
    probed = task(adam(1e-3))
    before, state = copy.deepcopy(probed.model.state_dict()), torch.get_rng_state()
    rate_findings([probed], 1e-3)
    heart(probed)
    step_sizes([probed], 1e-3, 32)
    assert all(torch.equal(before[name], weight) for name, weight in probed.model.state_dict().items())
    assert all(weight.grad is None for weight in probed.model.parameters())
    assert probed.model.training
    assert torch.equal(torch.get_rng_state(), state)


def test_a_probe_gives_the_same_again():
    first, second = (rate_findings([task(adam(1e-3))], 1e-3) for _ in range(2))
    assert first == second


def test_a_trial_trains_without_dropout_as_a_plain_loop_would():
    probed = task(adam(1e-2))
    trial = Trial(probed)
    batches = list(in_random_order(probed, 30, "test"))
    trial.train(batches)
    reference = copy.deepcopy(probed.model)
    reference[2] = nn.Identity()  # type: ignore[operator]
    optimizer = torch.optim.Adam(reference.parameters(), lr=1e-2)
    for batch in batches:
        optimizer.zero_grad()
        probed.loss(batch.scores(reference), batch.gold).backward()
        optimizer.step()
    for ours, theirs in zip(trial.model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_warm_up_and_clipping_are_the_trainings():
    probed = task(sgd(1.0))
    changed = Probed(
        probed.model, probed.batches, probed.loss, probed.optimizer, clip_norm=1e-3, warmup=10, seed=1
    )
    trial = Trial(changed)
    trial.train(probed.batches[:1])
    moved = sum(
        (new - old).square().sum().item()
        for new, old in zip(trial.model.parameters(), probed.model.parameters(), strict=True)
    )
    assert moved**0.5 == pytest.approx(1e-3 * 0.1, rel=1e-3)


def test_a_loss_that_is_no_number_ends_a_trial():
    trial = Trial(task(sgd(1e30)))
    trial.train(list(task(sgd(1e30)).batches))
    assert trial.broken
    assert trial.updates < 20


def test_the_order_of_batches_has_each_once_a_round():
    probed = task(adam(1e-3))
    order = [id(batch) for batch in in_random_order(probed, 50, "test")]
    assert sorted(order[:20]) == sorted(order[20:40]) == sorted(id(batch) for batch in probed.batches)
    assert order[:20] != order[20:40]


def test_the_prior_loss_is_the_entropy_of_the_relations():
    probed = task(adam(1e-3))
    gold = torch.cat([batch.gold for batch in probed.batches])
    shares = gold.bincount().float() / len(gold)
    assert prior_loss(probed, probed.batches) == pytest.approx(
        -(shares * shares.log()).sum().item(), rel=1e-5
    )


def test_the_noise_scale_is_that_of_its_definition():
    """tr(S) / |G|^2 over single examples (McCandlish et al. 2018, equation 2.9); the estimate is from 20 batches."""
    probed = task(sgd(0.1))
    rows = []
    for batch in probed.batches:
        scores = batch.scores(probed.model.eval())
        losses = nn.functional.cross_entropy(scores, batch.gold, reduction="none")
        for loss in losses:
            gradients = torch.autograd.grad(loss, list(probed.model.parameters()), retain_graph=True)
            rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    per_example = torch.stack(rows)
    mean = per_example.mean(dim=0)
    exact = (per_example - mean).square().sum(dim=1).mean() / mean.square().sum()
    assert noise_scale(probed, updates=0) == pytest.approx(exact.item(), rel=0.15)


def test_a_range_test_gives_a_range_that_learns_and_sets_nothing():
    test = rate_range([task(adam(1e-3), seed) for seed in (1, 2, 3)], 1e-3)
    assert len(test.losses) == len(test.learns) == len(test.breaks) == 3
    assert test.range is not None
    low, high = test.range
    assert low < 1e-2 < high
    assert max(test.learns) == low
    assert test.rates[0] == pytest.approx(1e-6)
    assert test.rates[-1] == pytest.approx(10.0)
    assert all(len(row) < len(test.rates) for row in test.losses)  # it ends where the loss explodes


@pytest.mark.parametrize(
    ("shift", "activation", "severity"),
    [(0.0, "relu", "ok"), (-100.0, "relu", "problem"), (0.0, "tanh", "ok"), (100.0, "tanh", "problem")],
)
def test_filters_that_pass_no_gradient_are_dead(shift: float, activation: str, severity: str):
    before = torch.from_numpy(np.random.default_rng(1).normal(size=(200, 30)) + shift)
    features = torch.relu(before) if activation == "relu" else torch.tanh(before)
    finding = dead_filters_finding(features, activation, "another rate")  # type: ignore[arg-type]
    assert finding.severity == severity
    assert finding.measured.startswith("30 of 30" if severity == "problem" else "0 of 30")


def test_a_few_dead_filters_are_a_watch_and_fewer_nothing():
    features = torch.ones(50, 30)
    features[:, :5] = 0
    assert dead_filters_finding(features, "relu", "").severity == "watch"
    features[:, 1:5] = 1
    assert dead_filters_finding(features, "relu", "").severity == "ok"


def test_a_first_loss_far_from_guessing_is_a_watch():
    usual = task(adam(1e-3))
    assert first_loss_finding(usual, usual.batches, "usual inputs", "").severity == "ok"
    loud = task(adam(1e-3), output=lambda scores: 100 * scores)
    finding = first_loss_finding(loud, loud.batches, "inputs of spread 1", "smaller inputs")
    assert finding.severity == "watch"
    assert "ln 4 = 1.39; inputs of spread 1" in finding.measured


@pytest.mark.parametrize(("layers", "severity"), [(1, "ok"), (12, "watch")])
def test_gradients_that_are_lost_on_their_way_are_a_watch(layers: int, severity: str):
    probed = task(adam(1e-3))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        inner = [module for _ in range(layers) for module in (nn.Linear(64, 64), nn.Sigmoid())]
        deep = nn.Sequential(nn.Linear(20, 64), nn.Sigmoid(), *inner, nn.Linear(64, 4))
    finding = vanishing_finding(Trial(replace(probed, model=deep)), probed.batches[:4], "")
    assert finding is not None
    assert finding.severity == severity
    if severity == "watch":
        assert "the gradient of 0.weight is" in finding.measured


def test_rows_of_an_embedding_that_no_batch_has_do_not_count_as_vanished():
    ids = torch.arange(6).view(3, 2)
    model = nn.Sequential(nn.EmbeddingBag(10_000, 8), nn.Linear(8, 3))
    batches = [ProbeBatch(lambda model: model(ids), torch.arange(3))]
    probed = Probed(model, batches, nn.functional.cross_entropy, adam(1e-3))
    finding = vanishing_finding(Trial(probed), batches, "")
    assert finding is not None
    assert finding.severity == "ok"
