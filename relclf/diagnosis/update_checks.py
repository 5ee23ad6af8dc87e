"""Do calls of the model, backward passes and updates of a watched loop go together?"""

import numpy as np

from relclf.diagnosis.findings import Finding, Severity, well
from relclf.diagnosis.observations import Observations, rows_of

ENOUGH_CALLS = 10
"""Fewer say nothing about what a loop does as a rule."""
MOST = 0.5
"""A share above which a loop does something as a rule."""
SOME_ACCUMULATED = 4
"""Batches an update up to which it is the usual accumulation, even of a small corpus."""
MANY_ACCUMULATED = 32
"""Batches an update from where on it looks more like an epoch than like accumulation."""
EXPECTED = "one backward pass and one update a batch (Goodfellow et al. 2016, section 8.1.3)"


def updates_per_epoch(seen: Observations) -> Finding | None:
    """Calls of the model, backward passes and updates must go together; None where too little was seen."""
    calls = seen.forwards.trained + seen.forwards.unused
    if not seen.updates:
        return _no_update(seen, calls) if calls >= ENOUGH_CALLS else None
    if not calls:
        return _no_call(seen)
    looks = (_updates_without_gradient, _batches_left_out, _one_batch_an_epoch, _one_update_for_many_batches)
    found = (look(seen) for look in looks)
    all_is_well = well(
        "updates-per-epoch", f"{seen.updates:,} updates for {seen.forwards.trained:,} batches", EXPECTED
    )
    return next((finding for finding in found if finding is not None), all_is_well)


def _no_update(seen: Observations, calls: int) -> Finding:
    moved = any(p.moved for p in seen.parameters)
    measured = f"{calls:,} calls of the model with gradients on, and no update"
    if moved:
        measured += " by this optimiser, though weights have moved: is another one made in the loop?"
    return _found(
        "watch" if moved else "problem",
        measured,
        "without an update no weight ever changes",
        "call loss.backward() and optimizer.step() for each batch",
    )


def _no_call(seen: Observations) -> Finding:
    return _found(
        "watch",
        f"{seen.updates:,} updates, and no call of the model was seen",
        "hooks see model(inputs), not model.forward(inputs) nor a call of its parts: most checks could not look",
        "call the model itself, and hand it to relclf.watch before it is compiled or wrapped",
    )


def _updates_without_gradient(seen: Observations) -> Finding | None:
    without = float(np.mean([each.backwards == 0 for each in seen.update_sample]))
    if without <= MOST:
        return None
    return _found(
        "problem",
        f"{seen.updates:,} updates and {seen.backwards:,} backward passes: "
        f"{without:.0%} of the updates had no new gradient",
        "an update without a backward pass before it repeats an old gradient, or does nothing",
        "put loss.backward() before optimizer.step(), both inside the loop over batches",
    )


def _batches_left_out(seen: Observations) -> Finding | None:
    """Batches that went through the model to be learned from, and were not."""
    unused = float(np.median([each.unused for each in seen.update_sample]))
    if unused < 1 or not _are_training_batches(seen):
        return None
    trained = seen.forwards.trained
    calls = trained + seen.forwards.unused
    return _found(
        "problem",
        f"{calls:,} batches went through the model in train mode, {trained:,} of them were learned from, "
        f"in {seen.updates:,} updates: 1 update for {calls / seen.updates:,.0f} batches",
        "the network learns from one of many batches alone, so that a whole epoch counts as one update",
        "move zero_grad(), backward() and step() into the loop over batches",
    )


def _one_batch_an_epoch(seen: Observations) -> Finding | None:
    """A loop over batches that ends after the first."""
    batches, visits = _batches_of_loader(seen), seen.between_evaluations
    if batches < SOME_ACCUMULATED or len(visits) < 2 or max(visits) > 1:
        return None
    return _found(
        "problem",
        f"1 batch was learned from between two evaluations, {len(visits)} times; the loader has {batches:,}",
        "the loop over batches ends after the first one",
        "look for a `break` or `return` in the loop over batches, or for `next(iter(loader))`",
    )


def _one_update_for_many_batches(seen: Observations) -> Finding | None:
    """Gradients that are added up over an epoch, or over so many batches that it may be one."""
    together, batches = (
        float(np.median([each.trained for each in seen.update_sample])),
        _batches_of_loader(seen),
    )
    an_epoch = together >= SOME_ACCUMULATED and (
        together >= 0.9 * batches if batches else _updates_see_everything(seen)
    )
    if not an_epoch and together < MANY_ACCUMULATED:
        return None
    of = f"; the loader has {batches:,}" if batches else ""
    return _found(
        "problem" if an_epoch else "watch",
        f"1 update for {together:,.0f} batches{of}",
        "the gradients of many batches make one update, so that an epoch has few",
        "call step() and zero_grad() inside the loop over batches, or every few batches",
    )


def _found(severity: Severity, measured: str, why: str, next_step: str) -> Finding:
    return Finding(severity, "updates-per-epoch", measured, EXPECTED, why, next_step)


def _batches_of_loader(seen: Observations) -> int:
    """0 where it is not known."""
    return (seen.loader.batches if seen.loader else None) or 0


def _updates_see_everything(seen: Observations) -> bool:
    """Whether the sentences of one update are all that were ever learned from."""
    sentences = len(np.unique(rows_of([batch.rows for batch in seen.batches])))
    if not seen.all_sentences or not sentences or seen.updates <= 2:
        return False
    a_batch = sum(len(batch.rows) for batch in seen.batches) / len(seen.batches)
    together = a_batch * seen.forwards.trained / seen.updates
    return (
        together >= 0.9 * sentences > a_batch
    )  # a batch of everything may be asked again, as by a line search


def _are_training_batches(seen: Observations) -> bool:
    """Whether the calls that were left unused had training sentences, and are no evaluation in train mode.

    The sentences tell, where those learned from are also among the unused ones; else the size of the batches does.
    """
    own = [batch.rows for batch in seen.batches]
    trained, unused = np.unique(rows_of(own)), rows_of(seen.unused_rows)
    if not len(trained) or not len(unused):
        return True
    if np.isin(trained, unused).mean() > MOST:
        return True
    return bool(np.median([len(rows) for rows in own]) == np.median([len(rows) for rows in seen.unused_rows]))
