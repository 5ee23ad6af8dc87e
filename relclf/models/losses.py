"""The training objective: a loss an example, its remedies for rare relations, and its decoding rule."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from relclf.config.schema import ImbalanceConfig


@dataclass(frozen=True)
class Objective:
    """Cross-entropy with at most one remedy for rare relations; the mean over examples is minimised.

    `weights` and `shift` have shape (relations,). With weights the objective stays a plain mean of weighted
    losses: the weights are scaled to a mean of 1 over the training examples, so that no batch is divided by
    its own sum of weights and an update from several batches is the mean over their examples.
    """

    weights: Tensor | None = None
    shift: Tensor | None = None
    focal_gamma: float | None = None

    def losses(self, scores: Tensor, gold: Tensor) -> Tensor:
        """Nats an example. scores: (batch, relations), gold: (batch,) -> (batch,)."""
        if self.shift is not None:
            scores = scores + self.shift
        nll = functional.cross_entropy(scores, gold, reduction="none")
        if self.weights is not None:
            return nll * self.weights[gold]
        if self.focal_gamma is not None:
            # 1 - p without cancellation, and without an infinite slope where p rounds to 1.
            return (-torch.expm1(-nll)).clamp(min=1e-12) ** self.focal_gamma * nll
        return nll

    def decode(self, scores: Tensor) -> Tensor:
        """The predicted relation ids. scores: (batch, relations) -> (batch,)."""
        return scores.argmax(dim=1)


def build_objective(config: ImbalanceConfig, counts: Sequence[int], device: torch.device) -> Objective:
    """The objective for training counts a relation.

    Inverse frequency: w proportional to 1/n. Effective number: w proportional to (1 - beta)/(1 - beta^n)
    (Cui et al. 2019, eq. 4). Focal loss: (1 - p)^gamma nll (Lin et al. 2017, eq. 4). Logit adjustment:
    scores + tau ln prior inside the loss, plain scores to decode (Menon et al. 2021, eq. 10).
    """
    n = torch.tensor(counts, dtype=torch.float64)
    if config.class_weights != "none":
        beta = config.effective_beta
        raw = 1 / n if config.class_weights == "inverse" else (1 - beta) / (1 - beta**n)
        scaled = raw * n.sum() / (raw * n).sum()
        return Objective(weights=scaled.float().to(device))
    if config.focal_gamma is not None:
        return Objective(focal_gamma=config.focal_gamma)
    if config.logit_adjustment is not None:
        return Objective(shift=(config.logit_adjustment * (n / n.sum()).log()).float().to(device))
    return Objective()


def negative_log_likelihood(scores: Tensor, gold: Tensor) -> Tensor:
    """Unweighted cross-entropy in nats an example. scores: (batch, relations), gold: (batch,) -> (batch,)."""
    return functional.cross_entropy(scores, gold, reduction="none")
