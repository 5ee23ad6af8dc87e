"""A model as probes see it: batches that it scores, the loss of the scores, and optimisers for copies of it."""

import contextlib
import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from relclf.seeding import named_seed
from relclf.training.backtracking import Backtracking
from relclf.training.optimizers import Optimizer, settle, unsettle


@dataclass(frozen=True)
class ProbeBatch:
    """One batch of sentences with gold relations; `scores(model)` are (batch, relations), without dropout."""

    scores: Callable[[nn.Module], Tensor]
    gold: Tensor


@dataclass(frozen=True)
class Probed:
    """What a probe needs of a training; it trains copies of the model and never the model itself."""

    model: nn.Module
    batches: Sequence[ProbeBatch]
    loss: Callable[[Tensor, Tensor], Tensor]
    """(scores, gold) -> the mean that is minimised."""
    optimizer: Callable[[nn.Module, float], Optimizer]
    """(a copy of the model, factor) -> the training's optimiser for it, all its rates times the factor."""
    clip_norm: float | None = None
    warmup: int = 0
    """Updates over which the rate rises linearly."""
    seed: int = 0


def no_limit() -> None:
    """The default `check` of a probe; another may raise where a probe has to end."""


@dataclass(frozen=True)
class Judged:
    """How well a model in eval mode does on batches."""

    loss: float
    """The mean over sentences; infinite where it is no number."""
    accuracy: float


class Trial:
    """A copy of the model that trains without dropout, as the training would or with something changed."""

    def __init__(
        self,
        probed: Probed,
        optimizer: Callable[[nn.Module, float], Optimizer] | None = None,
        factor: float = 1.0,
    ) -> None:
        """`factor` multiplies the learning rate; `optimizer` takes the place of the training's own."""
        self._probed = probed
        self.model = _without_dropout(probed.model)
        self._optimizer = (optimizer or probed.optimizer)(self.model, factor)
        self._factor = 1.0
        self._rates = [float(group["lr"]) for group in self._optimizer.param_groups]
        self._parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        self.updates = 0
        self.broken = False
        """Whether a loss was no number; no update follows."""
        self.last_loss = math.nan
        """Of the last batch, before its update."""

    def train(self, batches: Iterable[ProbeBatch], check: Callable[[], None] = no_limit) -> None:
        """One update a batch."""
        unsettle(self._optimizer)
        self.model.train()
        with own_randomness(self._probed, self.updates), torch.enable_grad():
            for batch in batches:
                check()
                if self.broken:
                    return
                self._update(batch)

    @torch.no_grad()
    def judge(self, batches: Sequence[ProbeBatch]) -> Judged:
        """Loss and accuracy in eval mode."""
        self.settle()
        self.model.eval()
        total, right, sentences = 0.0, 0, 0
        with own_randomness(self._probed, self.updates):
            for batch in batches:
                scores = batch.scores(self.model)
                loss = self._probed.loss(scores, batch.gold).item()
                total += loss * len(batch.gold) if math.isfinite(loss) else math.inf
                right += int((scores.argmax(dim=1) == batch.gold).sum())
                sentences += len(batch.gold)
        return Judged(total / sentences, right / sentences)

    def settle(self) -> None:
        """Bring all weights up to date, for whoever reads them."""
        settle(self._optimizer)

    def scale(self, factor: float) -> None:
        """Make the rates of the next updates so many times those of the training."""
        self._factor = factor

    def gradients(self, batch: ProbeBatch) -> dict[str, Tensor]:
        """The gradient of a batch's loss, by the names of the parameters that have one."""
        self.settle()
        self.model.train()
        self.model.zero_grad(set_to_none=True)
        with own_randomness(self._probed, self.updates), torch.enable_grad():
            torch.autograd.backward(self._probed.loss(batch.scores(self.model), batch.gold))
        found = {name: p.grad.clone() for name, p in self.model.named_parameters() if p.grad is not None}
        self.model.zero_grad(set_to_none=True)
        return found

    def _update(self, batch: ProbeBatch) -> None:
        self.model.zero_grad(set_to_none=True)
        loss = self._probed.loss(batch.scores(self.model), batch.gold)
        self.last_loss = loss.item()
        if not math.isfinite(self.last_loss):
            self.broken = True
            return
        torch.autograd.backward(loss)
        if self._probed.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._parameters, self._probed.clip_norm)
        self._step(batch)
        self.model.zero_grad(set_to_none=True)
        self.updates += 1

    def _step(self, batch: ProbeBatch) -> None:
        if isinstance(self._optimizer, Backtracking):
            self._optimizer.search(
                self.last_loss, lambda: self._probed.loss(batch.scores(self.model), batch.gold).item()
            )
            return
        share = min(1.0, (self.updates + 1) / self._probed.warmup) if self._probed.warmup else 1.0
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * share * self._factor
        self._optimizer.step()


def in_random_order(probed: Probed, updates: int, purpose: str) -> Iterator[ProbeBatch]:
    """So many batches, shuffled anew in each round."""
    generator = np.random.Generator(np.random.PCG64(named_seed(probed.seed, purpose)))
    count = len(probed.batches)
    rounds = max(1, -(-updates // count))
    order = np.concatenate([generator.permutation(count) for _ in range(rounds)])[:updates]
    return (probed.batches[index] for index in order)


def prior_loss(probed: Probed, batches: Sequence[ProbeBatch]) -> float:
    """The loss of a network that has learned the shares of the relations and nothing else, nats a sentence."""
    gold = torch.cat([batch.gold for batch in batches])
    columns = score_columns(probed)
    with torch.no_grad():
        counts = torch.bincount(gold, minlength=columns)[:columns]
        constant = torch.log(counts.float().clamp(min=1e-3) / counts.sum())
        return min(
            probed.loss(scores.expand(len(gold), columns).contiguous(), gold).item()
            for scores in (constant, torch.zeros_like(constant))
        )


def score_columns(probed: Probed) -> int:
    """How many relations the scores tell apart."""
    with torch.no_grad(), own_randomness(probed, 0):
        return probed.batches[0].scores(probed.model).shape[1]


@contextlib.contextmanager
def own_randomness(probed: Probed, index: int) -> Iterator[None]:
    """torch's global generators, which a model may draw from, are the probe's in here and as before after it."""
    devices = {p.device for p in probed.model.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)):
        torch.manual_seed(named_seed(probed.seed, "probe", index))
        yield


def _without_dropout(model: nn.Module) -> nn.Module:
    """A copy whose layers drop nothing while training."""
    copied = copy.deepcopy(model)
    for module in copied.modules():
        if isinstance(module, _Dropout):
            module.p = 0.0
        elif isinstance(module, nn.RNNBase | nn.MultiheadAttention):
            module.dropout = 0.0
    return copied


_Dropout = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)
