"""Each remedy for rare relations is its paper's formula, finite in value and gradient."""

import math

import pytest
import torch
from torch.nn import functional

from relclf.config.schema import CrossEntropyLoss, ImbalanceConfig, RankingLoss
from relclf.models.losses import build_objective, negative_log_likelihood

COUNTS = (5, 3, 30, 62)
CPU = torch.device("cpu")
GENERATOR = torch.Generator().manual_seed(0)
SCORES = torch.randn(40, 4, generator=GENERATOR) * 2
GOLD = torch.randint(0, 4, (40,), generator=GENERATOR)
P = SCORES.double().softmax(dim=1)[torch.arange(40), GOLD]


def losses(**remedy):
    return build_objective(ImbalanceConfig(**remedy), COUNTS, CPU).losses(SCORES, GOLD).double()


def close(actual, expected):
    torch.testing.assert_close(actual, expected.double(), rtol=1e-5, atol=1e-6)


def test_without_a_remedy_the_loss_is_cross_entropy():
    close(losses(), -P.log())
    close(negative_log_likelihood(SCORES, GOLD).double(), -P.log())


def test_inverse_frequency_weights():
    weights = torch.tensor([100 / (4 * n) for n in COUNTS])
    close(losses(class_weights="inverse"), -P.log() * weights[GOLD])


def test_effective_number_weights_of_cui_et_al():
    raw = [(1 - 0.99) / (1 - 0.99**n) for n in COUNTS]
    scale = 100 / sum(w * n for w, n in zip(raw, COUNTS, strict=True))
    weights = torch.tensor([w * scale for w in raw])
    close(losses(class_weights="effective", effective_beta=0.99), -P.log() * weights[GOLD])


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.999, 0.999999])
def test_effective_numbers_lie_between_no_weights_and_inverse_frequency(beta):
    config = ImbalanceConfig(class_weights="effective", effective_beta=beta)
    weights = build_objective(config, COUNTS, CPU).weights
    inverse = build_objective(ImbalanceConfig(class_weights="inverse"), COUNTS, CPU).weights
    if beta == 0:
        torch.testing.assert_close(weights, torch.ones(4))
    assert weights.max() / weights.min() <= inverse.max() / inverse.min() * (1 + 1e-5)


@pytest.mark.parametrize("kind", ["inverse", "effective"])
@pytest.mark.parametrize("counts", [COUNTS, (1, 1, 1, 7997), (4, 4, 4, 4)])
def test_the_mean_weight_of_a_training_example_is_1(kind, counts):
    weights = build_objective(ImbalanceConfig(class_weights=kind), counts, CPU).weights
    mean = (weights.double() * torch.tensor(counts)).sum() / sum(counts)
    assert mean.item() == pytest.approx(1, rel=1e-6)
    assert weights.argmax().item() == counts.index(min(counts))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_loss_of_lin_et_al(gamma):
    close(losses(focal_gamma=gamma), -((1 - P) ** gamma) * P.log())


@pytest.mark.parametrize("tau", [0.5, 1.0])
def test_logit_adjustment_of_menon_et_al(tau):
    priors = torch.tensor(COUNTS, dtype=torch.float64) / 100
    adjusted = SCORES.double() + tau * priors.log()
    close(losses(logit_adjustment=tau), functional.cross_entropy(adjusted, GOLD, reduction="none"))


def test_decoding_takes_the_highest_plain_score_whatever_the_remedy():
    for remedy in ({}, {"logit_adjustment": 1.0}, {"focal_gamma": 2.0}, {"class_weights": "inverse"}):
        objective = build_objective(ImbalanceConfig(**remedy), COUNTS, CPU)
        assert torch.equal(objective.decode(SCORES), SCORES.argmax(dim=1))


@pytest.mark.parametrize(
    "remedy",
    [{}, {"focal_gamma": 0.1}, {"focal_gamma": 0.5}, {"focal_gamma": 2.0}, {"logit_adjustment": 1.0}],
    ids=str,
)
@pytest.mark.parametrize("size", [0.0, 1e-6, 20.0, 1e3, 1e30])
def test_extreme_scores_have_finite_losses_and_gradients(remedy, size):
    scores = torch.tensor([[size, 0, 0, 0], [-size, 0, 0, 0], [size, size, 0, -size]], requires_grad=True)
    objective = build_objective(ImbalanceConfig(**remedy), COUNTS, CPU)
    values = objective.losses(scores, torch.tensor([0, 0, 3]))
    values.sum().backward()
    assert values.isfinite().all()
    assert (values >= 0).all()
    assert scores.grad.isfinite().all()


def test_a_sure_and_right_prediction_costs_nothing_and_a_sure_and_wrong_one_its_margin():
    scores = torch.tensor([[50.0, 0], [50.0, 0]])
    values = negative_log_likelihood(scores, torch.tensor([0, 1]))
    assert values.tolist() == pytest.approx([0, 50])
    assert negative_log_likelihood(torch.zeros(1, 4), torch.tensor([2])).item() == pytest.approx(math.log(4))


def test_label_smoothing_of_szegedy_et_al():
    objective = build_objective(ImbalanceConfig(), COUNTS, CPU, CrossEntropyLoss(label_smoothing=0.2))
    logs = SCORES.double().log_softmax(dim=1)
    close(objective.losses(SCORES, GOLD).double(), -0.8 * P.log() - 0.2 * logs.mean(dim=1))


def ranking(negative=None, **config):
    loss = RankingLoss(name="ranking", **config)
    return build_objective(ImbalanceConfig(), COUNTS, CPU, loss, negative)


def reference_ranking_loss(scores, gold, negative):
    """dos Santos et al. 2015, equation 1 with its constants: gamma 2, m+ 2.5, m- 0.5."""
    others = [score for relation, score in enumerate(scores) if relation not in (gold, negative)]
    below = math.log(1 + math.exp(2 * (0.5 + max(others))))
    return below if gold == negative else below + math.log(1 + math.exp(2 * (2.5 - scores[gold])))


@pytest.mark.parametrize("negative", [None, 0, 3])
def test_the_ranking_loss_is_the_papers(negative):
    pairs = zip(SCORES.double().tolist(), GOLD.tolist(), strict=True)
    expected = [reference_ranking_loss(scores, gold, negative) for scores, gold in pairs]
    close(ranking(negative).losses(SCORES, GOLD).double(), torch.tensor(expected))


def test_the_ranking_loss_gives_the_negative_relation_no_gradient():
    scores = SCORES.clone().requires_grad_()
    ranking(negative=2).losses(scores, GOLD).sum().backward()
    assert not scores.grad[:, 2].any()
    assert (scores.grad[:, [0, 1, 3]] != 0).any(dim=1).all()


def test_the_ranking_loss_of_one_relation_and_the_negative_one_is_finite_with_its_gradient():
    scores = SCORES[:, :2].clone().requires_grad_()
    losses = ranking(negative=1).losses(scores, GOLD.clamp(max=1))
    losses.sum().backward()
    assert losses.isfinite().all() and scores.grad.isfinite().all()


def test_class_weights_multiply_the_ranking_loss():
    loss = RankingLoss(name="ranking")
    weighted = build_objective(ImbalanceConfig(class_weights="inverse"), COUNTS, CPU, loss, 1)
    close(
        weighted.losses(SCORES, GOLD).double(),
        (ranking(1).losses(SCORES, GOLD) * weighted.weights[GOLD]).double(),
    )
