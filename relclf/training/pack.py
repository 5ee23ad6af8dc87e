"""Several runs as one for an epoch: their weights, sums and optimiser states stacked, and given back at its end."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from relclf.encoding.batches import gather
from relclf.errors import RelclfError
from relclf.models.layers import keep_mask
from relclf.models.stacked import StackedCnn
from relclf.training.checkpoint import EpochProgress, EpochSums, save_checkpoint
from relclf.training.device import filters_in, memory_explained, products_in
from relclf.training.experiment import Experiment
from relclf.training.interruption import StopRequest
from relclf.training.loop import (
    MEASURED_UPDATES,
    NotFinite,
    begin_epoch,
    check_weights,
    epoch_batches,
    finite,
    total_updates,
)
from relclf.training.optimizers import build_optimizer, learning_rate, settle, take_step
from relclf.training.updates import UpdatePlan, spread_evenly, update_plan

TO_TRAIN_PACKED = (
    "The runs' last checkpoints are kept: resume fewer of them at once, or one after the other without --pack"
)


class Pack:
    """Runs at the same place of an epoch, stacked: the state of one training whose tensors have one more axis."""

    def __init__(self, experiments: list[Experiment], failures: dict[Path, RelclfError]) -> None:
        self.experiments = experiments
        self._failures = failures
        self._inputs = experiments[0].inputs
        self._states = [each.state for each in experiments]
        for each in experiments:
            settle(each.state.optimizer)
            each.state.progress = each.state.progress or begin_epoch(each.inputs, each.state)
        self._network = StackedCnn([state.model for state in self._states], self._inputs.config.model)
        self._weights = list(self._network.weights.values())
        self._device = self._weights[0].device
        self._optimizer = build_optimizer(self._inputs.config.training.optimizer, self._weights, self._device)
        self._stack_optimizers()
        self._stack_gradients()
        self._sums = self._stacked_sums()

    @property
    def _progresses(self) -> list[EpochProgress]:
        return [state.progress for state in self._states if state.progress is not None]

    def train_epoch(self, request: StopRequest) -> bool:
        """Go through the batches that are left, until the epoch ends (True) or a request stops it (False)."""
        progresses, training = self._progresses, self._inputs.config.training
        before = [progress.seconds for progress in progresses]
        batches = [
            epoch_batches(each.inputs, p.epoch) for each, p in zip(self.experiments, progresses, strict=True)
        ]
        plans = [update_plan([len(batch) for batch in run], training.update_every) for run in batches]
        plan, count = plans[0], len(batches[0])
        measured = spread_evenly(plan.updates, MEASURED_UPDATES)
        started = time.perf_counter()
        for index in range(progresses[0].batches_done, count):
            with products_in(training.precision), memory_explained("for the pack", TO_TRAIN_PACKED):
                self._run_batch([run[index] for run in batches], [each.divisors[index] for each in plans])
                if plan.steps[index]:
                    self._update(plan, measure=progresses[0].updates in measured)
            share = (time.perf_counter() - started) / len(progresses)
            for progress, seconds in zip(progresses, before, strict=True):
                progress.batches_done, progress.seconds = index + 1, seconds + share
            if request.signal_number is not None or self._all_have_failed():
                break
        self._look_for_broken()
        self._unstack()
        return request.signal_number is None

    def save(self) -> None:
        """Save the states of all runs inside the epoch, but of those that have failed."""
        for each in self.experiments:
            if each.run.path in self._failures:
                continue
            try:
                assert each.state.progress is not None
                check_weights(each.inputs, each.state, each.state.progress)
                save_checkpoint(each.run, each.state)
            except RelclfError as error:
                self._failures[each.run.path] = error

    def _run_batch(self, batches: list[NDArray[np.int64]], divisors: list[int | None]) -> None:
        """Forward, and backward where divisors are given, for the batch of every run; add up what came of it.

        A batch shorter than the longest is filled up with sentences whose losses are left out.
        """
        sizes = [len(batch) for batch in batches]
        filled = [np.pad(batch, (0, max(sizes) - len(batch)), mode="edge") for batch in batches]
        batch = gather(self._inputs.train, np.concatenate(filled)).to(self._device)
        gold = batch.gold.view(len(sizes), -1)
        real = torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]  # (runs, batch)
        real = real.to(self._device)
        with torch.set_grad_enabled(divisors[0] is not None):
            with filters_in(self._inputs.config.training.precision):
                features = self._network.features(batch)
            # (runs, batch, relations)
            scores = self._network.scores(features.to(self._weights[0].dtype), self._dropout_mask(sizes))
            losses = self._inputs.objective.losses(scores.flatten(0, 1), batch.gold).view_as(gold)
            loss = torch.where(real, losses, 0).sum(dim=1)  # (runs,)
        self._watch(loss, "the loss")
        if divisors[0] is not None:
            divisor = torch.tensor(divisors, dtype=loss.dtype).to(self._device)
            torch.autograd.backward((loss / divisor).sum())
        predicted = self._inputs.objective.decode(scores.detach().flatten(0, 1)).view_as(gold)
        self._add(loss.detach(), gold, predicted, real)
        for progress, size in zip(self._progresses, sizes, strict=True):
            progress.examples += size

    def _dropout_mask(self, sizes: list[int]) -> Tensor | None:
        """(runs, batch, features) zeros and ones, each run's drawn from its own generator as it would alone."""
        model = self._inputs.config.model
        if model.dropout == 0:
            return None
        keep = self._weights[0].new_zeros(len(sizes), max(sizes), model.features)
        for mask, state, size in zip(keep, self._states, sizes, strict=True):
            keep_mask(mask[:size], model.dropout, state.dropout)
        return keep

    def _add(self, loss: Tensor, gold: Tensor, predicted: Tensor, real: Tensor) -> None:
        """Add a batch to the sums of every run; loss: (runs,), the others (runs, batch)."""
        self._sums.loss.add_(loss)
        runs, relations = len(gold), len(self._inputs.relations)
        first = torch.arange(runs, device=self._device)[:, None] * relations**2
        cells = first + gold * relations + predicted
        self._sums.counts.view(-1).index_add_(0, cells.view(-1), real.view(-1).long())

    def _update(self, plan: UpdatePlan, measure: bool) -> None:
        """One call of the optimiser with the gradients that have come together, which are then cleared."""
        training, state, progresses = self._inputs.config.training, self._states[0], self._progresses
        update = total_updates(state) + progresses[0].updates
        rate = learning_rate(training, update, plan.updates, state.records)
        gradients = [weight.grad for weight in self._weights if weight.grad is not None]
        norms = _norms(gradients) if measure or training.clip_norm is not None else None
        if norms is not None:
            self._watch(norms, "the gradient's norm")
            if training.clip_norm is not None:
                _clip(gradients, norms, training.clip_norm)
        watched = self._network.watched_weights()
        before = [weight.detach().clone() for weight in watched] if measure else []
        take_step(self._optimizer, rate, None)
        for weight in self._weights:
            weight.grad = None
        for progress in progresses:
            progress.learning_rate = rate
            progress.updates += 1
        if measure and norms is not None:
            ratios = torch.stack(
                [_spread(w.detach() - b) / _spread(b) for w, b in zip(watched, before, strict=True)]
            )
            for progress, norm, ratio in zip(progresses, norms, ratios.mean(dim=0), strict=True):
                progress.gradient_norms.append(norm)
                progress.update_ratios.append(ratio)
            self._watch(ratios.mean(dim=0), "the update ratio")
        if progresses[0].updates % self._inputs.poll_every == 0:
            self._look_for_broken()

    def _watch(self, values: Tensor, what: str) -> None:
        """Note the runs whose value, of (runs,), is not finite; where the host polls, mark them on the device."""
        if self._inputs.poll_every == 1:
            self._note(values.tolist(), what)
        else:
            self._sums.broken.logical_or_(values.detach().isfinite().logical_not_())

    def _look_for_broken(self) -> None:
        """Note the runs in which a number on the device was not finite since the last look."""
        if self._inputs.poll_every > 1:
            what = f"a loss or gradient of the last {self._inputs.poll_every} updates"
            self._note([float("nan") if broken else 0.0 for broken in self._sums.broken.tolist()], what)

    def _note(self, values: list[float], what: str) -> None:
        for each, progress, value in zip(self.experiments, self._progresses, values, strict=True):
            try:
                finite(value, what, each.inputs, progress)
            except NotFinite as error:
                self._failures.setdefault(each.run.path, error)

    def _all_have_failed(self) -> bool:
        return all(each.run.path in self._failures for each in self.experiments)

    def _stacked_sums(self) -> EpochSums:
        """The runs' sums side by side; each run's own become views of them."""
        sums = [progress.sums for progress in self._progresses]
        loss, counts, broken = (
            torch.stack([getattr(each, name) for each in sums]) for name in ("loss", "counts", "broken")
        )
        for progress, *views in zip(self._progresses, loss, counts, broken, strict=True):
            progress.sums = EpochSums(*views)
        return EpochSums(loss, counts, broken)

    def _stack_optimizers(self) -> None:
        """What is of a weight's shape is stacked; counts of updates, which are equal, are the first run's."""
        states = [state.optimizer.state_dict()["state"] for state in self._states]

        def stacked(index: int, key: str, weight: Tensor) -> Any:
            values = [state[index][key] for state in states]
            if not isinstance(values[0], Tensor):
                return values[0]
            return torch.stack(values) if values[0].shape == weight.shape[1:] else values[0].clone()

        together = {
            index: {key: stacked(index, key, self._weights[index]) for key in values}
            for index, values in states[0].items()
        }
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": together})

    def _stack_gradients(self) -> None:
        """Take over the gradients that wait for their update, which are there after a stop inside an epoch."""
        for weight, own in zip(self._weights, self._parameters(), strict=True):
            gradients = [parameter.grad for parameter in own if parameter.grad is not None]
            if gradients:
                weight.grad = torch.stack(gradients)

    @torch.no_grad()
    def _unstack(self) -> None:
        """Give each run its weights, pending gradients and optimiser state back."""
        for weight, own in zip(self._weights, self._parameters(), strict=True):
            for number, parameter in enumerate(own):
                parameter.copy_(weight[number])
                parameter.grad = weight.grad[number].clone() if weight.grad is not None else None
        together = self._optimizer.state_dict()["state"]
        for number, state in enumerate(self._states):
            own_state = {
                index: {key: _part(value, number, self._weights[index]) for key, value in values.items()}
                for index, values in together.items()
            }
            state.optimizer.load_state_dict({**state.optimizer.state_dict(), "state": own_state})

    def _parameters(self) -> Iterator[tuple[Tensor, ...]]:
        """The parameter of every run for each stacked weight."""
        return zip(*(state.model.parameters() for state in self._states), strict=True)


def _part(value: Any, number: int, weight: Tensor) -> Any:
    """One run's part of a value of the stacked optimiser's state."""
    if not isinstance(value, Tensor):
        return value
    return value[number].clone() if value.shape == weight.shape else value.clone()


def _norms(gradients: list[Tensor]) -> Tensor:
    """(runs,) the L2 norm over all gradients, (runs, ...) each."""
    each = [torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients]
    norms: Tensor = torch.linalg.vector_norm(torch.stack(each), dim=0)
    return norms


def _clip(gradients: list[Tensor], norms: Tensor, most: float) -> None:
    """Scale the gradients of the runs whose norm exceeds `most`, as torch's clip_grads_with_norm_ does."""
    scale = (most / (norms + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(scale.view(-1, *[1] * (gradient.dim() - 1)))


def _spread(weights: Tensor) -> Tensor:
    """(runs,) the standard deviation of (runs, ...)."""
    return weights.flatten(1).std(dim=1)
