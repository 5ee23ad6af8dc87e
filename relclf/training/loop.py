"""The training loop: update, evaluate, save, then yield one EpochRecord an epoch."""

import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from relclf.config.schema import ExperimentConfig
from relclf.encoding.batches import Batch, gather, shuffled_batches
from relclf.encoding.dataset import EncodedDataset
from relclf.errors import Failure, Interrupted
from relclf.models.cnn import Cnn
from relclf.models.losses import Objective
from relclf.relations import RelationSet
from relclf.runs.directory import RunDirectory
from relclf.runs.files import link_or_copy
from relclf.runs.records import EpochRecord, append_record, best_record
from relclf.scoring.metrics import score
from relclf.training.checkpoint import EpochProgress, EpochSums, TrainingState, save_checkpoint
from relclf.training.devset import DevScores, score_dev, write_dev_predictions
from relclf.training.evaluation import LabelledSet
from relclf.training.interruption import StopRequest
from relclf.training.optimizers import learning_rate, settle, take_step
from relclf.training.seeding import numpy_generator, torch_generator
from relclf.training.stopping import stop_reason
from relclf.training.updates import UpdatePlan, spread_evenly, update_plan

MEASURED_UPDATES = 10
"""Updates of an epoch, spread evenly, whose gradient norm and update ratio are measured."""


POLLED_UPDATES = 200
"""Updates on an accelerator between two looks of the host at what has happened there."""


class NotFinite(Failure):
    """The loss, the gradient or the weights became NaN or infinite; the message says when."""


@dataclass(frozen=True)
class LoopInputs:
    """What the loop needs beside its state; none of it changes."""

    config: ExperimentConfig
    relations: RelationSet
    train: EncodedDataset
    dev: LabelledSet | None
    objective: Objective
    run: RunDirectory
    poll_every: int = 1
    """Updates between two looks at whether all numbers are finite. With 1 the host looks before each update;
    with more, an update after a broken number is left out on the device, and so are all that follow it."""


def run_epochs(inputs: LoopInputs, state: TrainingState, request: StopRequest) -> Iterator[EpochRecord]:
    """Train until the stop rule speaks; an epoch is on disk before its record is yielded.

    Raises Interrupted (state saved, inside the epoch if need be) when `request` is set, and NotFinite when
    the loss, the gradient or the weights are NaN or infinite (the last checkpoint stands; none ever holds
    such weights).
    """
    while stop_reason(state.records, inputs.config.training, len(inputs.relations)) is None:
        if state.progress is None:
            state.progress = begin_epoch(inputs, state)
        train_epoch(inputs, state, state.progress, request)
        record = end_epoch(inputs, state, state.progress)
        yield record


def epoch_batches(inputs: LoopInputs, epoch: int) -> list[NDArray[np.int64]]:
    """The sentences of each batch of an epoch: a pure function of the config, the data and the epoch.

    With weighted sampling an epoch draws as many sentences as train has, with replacement, each relation
    with the same probability.
    """
    config = inputs.config
    sentences = len(inputs.train)
    generator = numpy_generator(config.seed, "order", epoch)
    if config.training.imbalance.weighted_sampling:
        gold = inputs.train.gold.cpu().numpy()
        weights = 1 / np.bincount(gold, minlength=len(inputs.relations))[gold]
        order = generator.choice(sentences, size=sentences, p=weights / weights.sum())
    else:
        order = generator.permutation(sentences)
    training = config.training
    return shuffled_batches(
        order, inputs.train.lengths, training.batch_size, training.bucket_batches, generator
    )


def begin_epoch(inputs: LoopInputs, state: TrainingState) -> EpochProgress:
    """A fresh epoch: sums at zero, gradients cleared, the dropout generator set to the epoch's own seed."""
    epoch = len(state.records) + 1
    device = inputs.train.gold.device
    state.model.zero_grad(set_to_none=True)
    state.dropout.set_state(torch_generator(inputs.config.seed, "dropout", epoch, device).get_state())
    return EpochProgress(epoch, EpochSums.zeros(len(inputs.relations), device))


def train_epoch(
    inputs: LoopInputs, state: TrainingState, progress: EpochProgress, request: StopRequest
) -> None:
    """Go through the batches that are left of the epoch, stepping the optimiser as `update_every` says."""
    batches = epoch_batches(inputs, progress.epoch)
    plan = update_plan([len(batch) for batch in batches], inputs.config.training.update_every)
    measured = spread_evenly(plan.updates, MEASURED_UPDATES)
    started = time.perf_counter() - progress.seconds
    for index in range(progress.batches_done, len(batches)):
        _run_batch(inputs, state, progress, gather(inputs.train, batches[index]), plan.divisors[index])
        if plan.steps[index]:
            _update(inputs, state, progress, plan, measure=progress.updates in measured)
        progress.batches_done = index + 1
        progress.seconds = time.perf_counter() - started
        _honour(request, inputs, state, progress)
    _raise_if_broken(inputs, progress)
    progress.seconds = time.perf_counter() - started


def _run_batch(
    inputs: LoopInputs, state: TrainingState, progress: EpochProgress, batch: Batch, divisor: int | None
) -> None:
    """Forward, and backward where a divisor is given; add the loss and predictions to the epoch's sums."""
    with torch.set_grad_enabled(divisor is not None):
        scores = state.model(batch, state.dropout)  # (batch, relations)
        loss = inputs.objective.losses(scores, batch.gold).sum()
    _watch(loss, "the loss", inputs, progress)
    if divisor is not None:
        torch.autograd.backward(loss / divisor)
    progress.sums.add(loss.detach(), batch.gold, inputs.objective.decode(scores.detach()))
    progress.examples += len(batch.gold)


def _update(
    inputs: LoopInputs, state: TrainingState, progress: EpochProgress, plan: UpdatePlan, measure: bool
) -> None:
    """One call of the optimiser with the gradient that has come together, which is then cleared."""
    training, model = inputs.config.training, state.model
    update = total_updates(state) + progress.updates
    progress.learning_rate = learning_rate(training, update, plan.updates, state.records)
    if measure or training.clip_norm is not None:
        norm = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
        _watch(norm, "the gradient's norm", inputs, progress)
        if training.clip_norm is not None:
            nn.utils.clip_grads_with_norm_(model.parameters(), training.clip_norm, norm)
    before = [weight.detach().clone() for weight in model.watched_weights()] if measure else []
    take_step(
        state.optimizer, progress.learning_rate, progress.sums.broken if inputs.poll_every > 1 else None
    )
    model.zero_grad(set_to_none=True)
    progress.updates += 1
    if measure:
        progress.gradient_norms.append(norm)
        progress.update_ratios.append(_update_ratio(before, model))
        _watch(progress.update_ratios[-1], "the update ratio", inputs, progress)
    if progress.updates % inputs.poll_every == 0:
        _raise_if_broken(inputs, progress)


def _update_ratio(before: list[Tensor], model: Cnn) -> Tensor:
    """std(change) / std(weights), the mean over the watched weights."""
    pairs = zip(before, model.watched_weights(), strict=True)
    return torch.stack([(new.detach() - old).std() / old.std() for old, new in pairs]).mean()


def end_epoch(inputs: LoopInputs, state: TrainingState, progress: EpochProgress) -> EpochRecord:
    """Evaluate dev, make the record, and save everything; the checkpoint is what counts after a crash.

    Order: the dev predictions of a new best epoch, the checkpoint `last` (the one before becomes
    `previous`), `best` as another name of `last`, the line in records.jsonl.
    """
    started = time.perf_counter()
    settle(state.optimizer)
    check_weights(inputs, state, progress)
    dev = None
    if inputs.dev is not None:
        dev = score_dev(inputs.dev, state.model, inputs.objective, inputs.config, progress.epoch)
    record = _record(inputs, state, progress, dev, time.perf_counter() - started)
    for name, value in record.to_json().items():
        if value is not None:
            finite(value, name, inputs, progress)
    state.records.append(record)
    state.progress = None
    best = best_record(state.records, inputs.config.training.monitor, state.best_from)
    if best is record and dev is not None and inputs.dev is not None:
        write_dev_predictions(inputs.run.dev_predictions, inputs.dev, dev.evaluation)
    save_checkpoint(inputs.run, state)
    if best is record:
        link_or_copy(inputs.run.checkpoint("last"), inputs.run.checkpoint("best"))
    append_record(inputs.run.records, record)
    return record


def _record(
    inputs: LoopInputs,
    state: TrainingState,
    progress: EpochProgress,
    dev: DevScores | None,
    evaluation_seconds: float,
) -> EpochRecord:
    relations = len(inputs.relations)
    train_f1 = score(
        "macro_f1", progress.sums.counts.cpu().numpy().reshape(relations, relations), inputs.relations
    )
    return EpochRecord(
        epoch=progress.epoch,
        updates=progress.updates,
        total_updates=total_updates(state) + progress.updates,
        batches=progress.batches_done,
        train_loss=progress.sums.loss.item() / progress.examples,
        dev_loss=dev.loss if dev else None,
        dev_nll=dev.nll if dev else None,
        train_macro_f1=float(train_f1) if train_f1 is not None else 0.0,
        dev_macro_f1=dev.macro_f1 if dev else None,
        dev_macro_f1_se=dev.macro_f1_se if dev else None,
        monitored=dev.monitored if dev else None,
        learning_rate=progress.learning_rate,
        gradient_norm=statistics.median(torch.stack(progress.gradient_norms).tolist()),
        update_ratio=statistics.median(torch.stack(progress.update_ratios).tolist()),
        seconds=progress.seconds + evaluation_seconds,
        sentences_per_second=progress.examples / max(progress.seconds, 1e-9),
    )


def check_weights(inputs: LoopInputs, state: TrainingState, progress: EpochProgress) -> None:
    """Raise NotFinite before broken weights are saved: an epoch's last update has no training loss after it."""
    norm = nn.utils.get_total_norm([weight.detach() for weight in state.model.parameters()])
    finite(norm.item(), "the norm of the weights", inputs, progress)


def _watch(value: Tensor, what: str, inputs: LoopInputs, progress: EpochProgress) -> None:
    """Raise NotFinite where the value is not; where the host polls, mark it on the device instead."""
    if inputs.poll_every == 1:
        finite(value.item(), what, inputs, progress)
    else:
        progress.sums.broken.logical_or_(value.detach().isfinite().logical_not_())


def _raise_if_broken(inputs: LoopInputs, progress: EpochProgress) -> None:
    """Raise NotFinite where a number on the device was not finite since the last look."""
    if inputs.poll_every > 1 and progress.sums.broken.item():
        finite(math.nan, f"a loss or gradient of the last {inputs.poll_every} updates", inputs, progress)


def finite(value: float, what: str, inputs: LoopInputs, progress: EpochProgress) -> float:
    """The value itself; raises NotFinite where it is NaN or infinite."""
    if not math.isfinite(value):
        raise NotFinite(
            f"{what} is {value} in epoch {progress.epoch}, after update {progress.updates} of the epoch. "
            f"The last good weights are kept in {inputs.run.path}. "
            "A smaller training.optimizer.lr is the usual remedy, training.clip_norm another."
        )
    return value


def total_updates(state: TrainingState) -> int:
    return state.records[-1].total_updates if state.records else 0


def _honour(request: StopRequest, inputs: LoopInputs, state: TrainingState, progress: EpochProgress) -> None:
    """Where a signal has come: save the state inside the epoch and raise Interrupted."""
    if request.signal_number is None:
        return
    _raise_if_broken(inputs, progress)
    check_weights(inputs, state, progress)
    save_checkpoint(inputs.run, state)
    raise Interrupted(
        f"interrupted in epoch {progress.epoch}; everything is saved. "
        f"To go on: relclf train --resume {inputs.run.path}",
        request.signal_number,
    )
