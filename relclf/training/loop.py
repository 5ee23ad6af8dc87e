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
from relclf.encoding.batches import Batch, PlacedBatch, gather_rows, placed_batches, shuffled_batches
from relclf.encoding.dataset import EncodedDataset
from relclf.errors import Failure, Interrupted
from relclf.models.cnn import Cnn
from relclf.models.losses import Objective
from relclf.relations import RelationSet
from relclf.runs.directory import RunDirectory
from relclf.runs.files import link_or_copy
from relclf.runs.records import EpochRecord, append_record, best_record
from relclf.scoring.metrics import score
from relclf.training.averaging import weights_lent, with_epoch
from relclf.training.backtracking import Backtracking
from relclf.training.captured import CapturedUpdates
from relclf.training.checkpoint import (
    EpochProgress,
    EpochSums,
    TrainingState,
    save_checkpoint,
    save_weights,
)
from relclf.training.device import TO_TRAIN, filters_in, memory_explained, products_in
from relclf.training.devset import DevScores, score_dev, write_scored
from relclf.training.evaluation import LabelledSet
from relclf.training.interruption import StopRequest
from relclf.training.optimizers import (
    learning_rate,
    own_word_share,
    settle,
    share_with_words,
    take_step,
    unsettle,
)
from relclf.training.seeding import numpy_generator, torch_generator
from relclf.training.stopping import stop_reason
from relclf.training.updates import spread_evenly, update_plan

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
    captured: bool = False
    """Whether updates are captured and replayed: each batch is one, and `poll_every` is above 1."""


def run_epochs(inputs: LoopInputs, state: TrainingState, request: StopRequest) -> Iterator[EpochRecord]:
    """Train until the stop rule speaks; an epoch is on disk before its record is yielded.

    Raises Interrupted (state saved, inside the epoch if need be) when `request` is set, and NotFinite when
    the loss, the gradient or the weights are NaN or infinite (the last checkpoint stands; none ever holds
    such weights).
    """
    captured = captured_updates(inputs, state)
    while stop_reason(state.records, inputs.config.training, len(inputs.relations)) is None:
        if state.progress is None:
            state.progress = begin_epoch(inputs, state)
        remedy = f"The last checkpoint is kept: relclf train --resume {inputs.run.path}. {TO_TRAIN}"
        with memory_explained(f"in epoch {state.progress.epoch}", remedy):
            train_epoch(inputs, state, state.progress, request, captured)
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
    device = state.model.output.weight.device
    state.model.zero_grad(set_to_none=True)
    state.dropout.set_state(torch_generator(inputs.config.seed, "dropout", epoch, device).get_state())
    return EpochProgress(epoch, EpochSums.zeros(len(inputs.relations), device))


def train_epoch(
    inputs: LoopInputs,
    state: TrainingState,
    progress: EpochProgress,
    request: StopRequest,
    captured: CapturedUpdates | None = None,
) -> None:
    """Go through the batches that are left of the epoch, stepping the optimiser as `update_every` says.

    With `captured`, updates are replayed. The host waits for an accelerator only where it polls, and at the end.
    """
    training = inputs.config.training
    batches = placed_batches(inputs.train, epoch_batches(inputs, progress.epoch))
    plan = update_plan([len(batch.rows) for batch in batches], training.update_every)
    measured = spread_evenly(plan.updates, MEASURED_UPDATES)
    started = time.perf_counter() - progress.seconds
    unsettle(state.optimizer)
    share_with_words(state.optimizer, own_word_share(training, progress.epoch))
    if captured is not None:
        progress.sums = captured.adopt(progress.sums)
    with products_in(training.precision):
        for index in range(progress.batches_done, len(batches)):
            batch, step = batches[index], plan.steps[index]
            measure = step and progress.updates in measured
            before = _copies(state.model) if measure else None
            if step:
                update = total_updates(state) + progress.updates
                progress.learning_rate = learning_rate(training, update, plan.updates, state.records)
            norm: Tensor | None
            if captured is not None:
                norm = captured.run(batch, progress.learning_rate)
            else:
                norm = _train_batch(inputs, state, progress, batch, plan.divisors[index], step, measure)
            if step:
                _after_update(inputs, state, progress, norm, before)
            progress.examples += len(batch.rows)
            progress.batches_done = index + 1
            progress.seconds = time.perf_counter() - started
            _honour(request, inputs, state, progress)
    _raise_if_broken(inputs, progress)
    progress.seconds = time.perf_counter() - started


def captured_updates(inputs: LoopInputs, state: TrainingState) -> CapturedUpdates | None:
    """What replays the updates of a training, or None where each is run by itself."""
    if not inputs.captured:
        return None
    device = inputs.train.device
    sums = EpochSums.zeros(len(inputs.relations), device)

    def update(batch: Batch, rate: Tensor) -> Tensor:
        progress = EpochProgress(0, sums)
        _run_batch(inputs, state, progress, batch, len(batch.gold))
        norm = _norm(inputs, state, progress)
        _step(inputs, state, progress, rate, norm)
        return norm

    return CapturedUpdates(inputs.train, sums, state.dropout, update)


def _train_batch(
    inputs: LoopInputs,
    state: TrainingState,
    progress: EpochProgress,
    placed: PlacedBatch,
    divisor: int | None,
    step: bool,
    measure: bool,
) -> Tensor | None:
    """One batch, and the update that it completes where `step` says so; returns the gradient's norm if known."""
    # The data set may lie on the host, where it is too large for the network's device.
    batch = gather_rows(inputs.train, placed.rows, placed.longest).to(state.model.output.weight.device)
    if isinstance(state.optimizer, Backtracking):
        return _search_step(inputs, state, state.optimizer, progress, batch)
    _run_batch(inputs, state, progress, batch, divisor)
    if not step:
        return None
    norm = _norm(inputs, state, progress) if measure or inputs.config.training.clip_norm else None
    _step(inputs, state, progress, progress.learning_rate, norm)
    return norm


def _run_batch(
    inputs: LoopInputs, state: TrainingState, progress: EpochProgress, batch: Batch, divisor: int | None
) -> Tensor:
    """Forward, and backward where a divisor is given; add the loss and predictions to the epoch's sums.

    Returns the () loss summed over the batch.
    """
    with torch.set_grad_enabled(divisor is not None):
        scores, loss = _forward(inputs, state, batch)
    _watch(loss, "the loss", inputs, progress)
    if divisor is not None:
        torch.autograd.backward(loss / divisor)
    progress.sums.add(loss.detach(), batch.gold, inputs.objective.decode(scores.detach()))
    return loss.detach()


def _forward(inputs: LoopInputs, state: TrainingState, batch: Batch) -> tuple[Tensor, Tensor]:
    """The scores, (batch, relations), and the () loss summed over the batch."""
    model = state.model
    with filters_in(inputs.config.training.precision):
        features = model.features(batch, state.dropout)
    scores = model.scores(features.to(model.output.weight.dtype), state.dropout)
    return scores, inputs.objective.losses(scores, batch.gold).sum()


def _search_step(
    inputs: LoopInputs,
    state: TrainingState,
    optimizer: Backtracking,
    progress: EpochProgress,
    batch: Batch,
) -> Tensor:
    """An update by line search: one batch, and one dropout mask for all of its forward passes."""
    update = total_updates(state) + progress.updates
    mask = torch_generator(inputs.config.seed, "line search", update, batch.gold.device).get_state()
    size = len(batch.gold)
    state.dropout.set_state(mask)
    loss = _run_batch(inputs, state, progress, batch, size)
    norm = _norm(inputs, state, progress)

    def loss_again() -> float:
        state.dropout.set_state(mask)
        return _forward(inputs, state, batch)[1].item() / size

    optimizer.search(loss.item() / size, loss_again)
    progress.learning_rate = optimizer.param_groups[0]["lr"]
    state.model.zero_grad(set_to_none=True)
    return norm


def _norm(inputs: LoopInputs, state: TrainingState, progress: EpochProgress) -> Tensor:
    """The norm of the gradient that has come together."""
    norm = nn.utils.get_total_norm([p.grad for p in state.model.parameters() if p.grad is not None])
    _watch(norm, "the gradient's norm", inputs, progress)
    return norm


def _step(
    inputs: LoopInputs,
    state: TrainingState,
    progress: EpochProgress,
    rate: float | Tensor,
    norm: Tensor | None,
) -> None:
    """Clip the gradient where the config says so (its norm is known then), update, and clear it."""
    clip_norm = inputs.config.training.clip_norm
    if clip_norm is not None and norm is not None:
        nn.utils.clip_grads_with_norm_(state.model.parameters(), clip_norm, norm)
    take_step(state.optimizer, rate, progress.sums.broken if inputs.poll_every > 1 else None)
    # Every parameter that learns, without a walk through the modules.
    for group in state.optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def _after_update(
    inputs: LoopInputs,
    state: TrainingState,
    progress: EpochProgress,
    norm: Tensor | None,
    before: list[Tensor] | None,
) -> None:
    """Count an update and note what was measured of it; `before`: the watched weights, where it was measured."""
    progress.updates += 1
    if before is not None and norm is not None:
        progress.gradient_norms.append(norm.clone())
        progress.update_ratios.append(_update_ratio(before, state.model))
        _watch(progress.update_ratios[-1], "the update ratio", inputs, progress)
    if progress.updates % inputs.poll_every == 0:
        _raise_if_broken(inputs, progress)


def _copies(model: Cnn) -> list[Tensor]:
    return [weight.detach().clone() for weight in model.watched_weights()]


def _update_ratio(before: list[Tensor], model: Cnn) -> Tensor:
    """std(change) / std(weights), the mean over the watched weights."""
    pairs = zip(before, model.watched_weights(), strict=True)
    return torch.stack([(new.detach() - old).std() / old.std() for old, new in pairs]).mean()


def end_epoch(inputs: LoopInputs, state: TrainingState, progress: EpochProgress) -> EpochRecord:
    """Evaluate dev, make the record, and save everything; the checkpoint is what counts after a crash.

    Order: the dev predictions of a new best epoch, the epoch's weights where all are kept, the checkpoint
    `last` (the one before becomes `previous`), `best` as another name of `last`, the line in records.jsonl.
    """
    record, dev = complete_epoch(inputs, state, progress)
    best = best_record(state.records, inputs.config.training.monitor, state.best_from)
    if best is record and dev is not None and inputs.dev is not None:
        write_scored(inputs.run.dev_predictions, inputs.dev, dev.evaluation)
    if inputs.config.training.keep == "all":
        with weights_lent(state.average, state.model):
            save_weights(inputs.run.epoch_weights(record.epoch), state.model, record.epoch)
    save_checkpoint(inputs.run, state)
    if best is record:
        link_or_copy(inputs.run.checkpoint("last"), inputs.run.checkpoint("best"))
    append_record(inputs.run.records, record)
    return record


def complete_epoch(
    inputs: LoopInputs, state: TrainingState, progress: EpochProgress
) -> tuple[EpochRecord, DevScores | None]:
    """Evaluate dev and add the epoch's record to the state; nothing is saved."""
    started = time.perf_counter()
    settle(state.optimizer)
    check_weights(inputs, state, progress)
    if (decay := inputs.config.training.weight_average) is not None:
        state.average = with_epoch(state.average, state.model, decay, progress.epoch)
    dev = None
    if inputs.dev is not None:
        with weights_lent(state.average, state.model):
            dev = score_dev(inputs.dev, state.model, inputs.objective, inputs.config, progress.epoch)
    record = _record(inputs, state, progress, dev, time.perf_counter() - started)
    for name, value in record.to_json().items():
        if value is not None:
            finite(value, name, inputs, progress)
    state.records.append(record)
    state.progress = None
    return record, dev


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
        value = value.detach()
        progress.sums.broken.logical_or_(value - value)  # 0 of finite numbers alone; two kernels, not six


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
