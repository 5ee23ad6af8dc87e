"""The training objective: a loss an example, its remedies for rare relations, and its decoding rule."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from relclf.config.schema import CrossEntropyLoss, ImbalanceConfig, LossConfig, RankingLoss

CROSS_ENTROPY = CrossEntropyLoss()


@dataclass(frozen=True)
class Objective:
    """A loss with at most one remedy for rare relations; the mean over examples is minimised.

    `weights` and `shift` have shape (relations,). With weights the objective stays a plain mean of weighted
    losses: the weights are scaled to a mean of 1 over the training examples, so that no batch is divided by
    its own sum of weights and an update from several batches is the mean over their examples.
    """

    weights: Tensor | None = None
    shift: Tensor | None = None
    focal_gamma: float | None = None
    loss: LossConfig = CROSS_ENTROPY
    negative: int | None = None
    """The negative relation's id; only the ranking loss treats it apart."""

    def losses(self, scores: Tensor, gold: Tensor) -> Tensor:
        """One a sentence, of the cross-entropy in nats. scores: (batch, relations), gold: (batch,) -> (batch,)."""
        if self.shift is not None:
            scores = scores + self.shift
        if self.loss.name == "ranking":
            nll = ranking_losses(scores, gold, self.loss, self.negative)
        else:
            smoothing = self.loss.label_smoothing
            nll = functional.cross_entropy(scores, gold, reduction="none", label_smoothing=smoothing)
        if self.weights is not None:
            return nll * self.weights[gold]
        if self.focal_gamma is not None:
            # 1 - p without cancellation, and without an infinite slope where p rounds to 1.
            return (-torch.expm1(-nll)).clamp(min=1e-12) ** self.focal_gamma * nll
        return nll

    def decode(self, scores: Tensor) -> Tensor:
        """The predicted relation ids. scores: (batch, relations) -> (batch,).

        With the ranking loss the negative relation's score is 0 (`Cnn.scores`), so that it is predicted exactly
        where no other relation's is above 0: the rule of dos Santos et al. 2015 for their artificial class.
        """
        return scores.argmax(dim=1)


def ranking_losses(scores: Tensor, gold: Tensor, config: RankingLoss, negative: int | None) -> Tensor:
    """dos Santos et al. 2015, equation 1: softplus(g (m+ - s_gold)) + softplus(g (m- + s_other)), (batch,).

    s_other is the highest score of a relation that is not gold. The negative relation has no score: it is never
    the other one, and where it is gold the first summand is left out.
    """
    gold_scores = scores.gather(1, gold[:, None])[:, 0]
    above = functional.softplus(config.scale * (config.gold_margin - gold_scores))
    others = scores.scatter(1, gold[:, None], -torch.inf)
    if negative is not None:
        above = above.masked_fill(gold == negative, 0)
        others.select(1, negative).fill_(-torch.inf)
    below = functional.softplus(config.scale * (config.other_margin + others.amax(dim=1)))
    return above + below


def build_objective(
    config: ImbalanceConfig,
    counts: Sequence[int],
    device: torch.device,
    loss: LossConfig = CROSS_ENTROPY,
    negative: int | None = None,
) -> Objective:
    """The objective for training counts a relation.

    Inverse frequency: w proportional to 1/n. Effective number: w proportional to (1 - beta)/(1 - beta^n)
    (Cui et al. 2019, eq. 4). Focal loss: (1 - p)^gamma nll (Lin et al. 2017, eq. 4). Logit adjustment:
    scores + tau ln prior inside the loss, plain scores to decode (Menon et al. 2021, eq. 10).
    """
    plain = Objective(loss=loss, negative=negative)
    n = torch.tensor(counts, dtype=torch.float64)
    if config.class_weights != "none":
        beta = config.effective_beta
        raw = 1 / n if config.class_weights == "inverse" else (1 - beta) / (1 - beta**n)
        scaled = raw * n.sum() / (raw * n).sum()
        return replace(plain, weights=scaled.float().to(device))
    if config.focal_gamma is not None:
        return replace(plain, focal_gamma=config.focal_gamma)
    if config.logit_adjustment is not None:
        shift = config.logit_adjustment * (n / n.sum()).log()
        return replace(plain, shift=shift.float().to(device))
    return plain


def negative_log_likelihood(scores: Tensor, gold: Tensor) -> Tensor:
    """Unweighted cross-entropy in nats an example. scores: (batch, relations), gold: (batch,) -> (batch,)."""
    return functional.cross_entropy(scores, gold, reduction="none")
