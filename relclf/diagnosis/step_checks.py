"""The checks of the sizes of a watched loop's steps, and of what limits them."""

import numpy as np

from relclf.diagnosis.findings import Finding, well
from relclf.diagnosis.observations import Observations, SeenParameter

FIRST_UPDATES = 10
STRONG_DROPOUT = 0.9
HIGH_DROPOUT = 0.8
"""Srivastava et al. 2014 (appendix A.4) tried no less than a tenth kept, and advise a half to four fifths."""
STRONG_DECAY = 0.5
"""Pull of decay over pull of the gradient at the start, when the gradient is at its strongest."""
CLIPPED_HARD = 10.0
"""The factor by which clipping shortens gradients from where on it, and not the loss, sets the steps."""
MOSTLY_GONE = 0.3
"""A share of the updates: a cosine spends 6 % of them there, a square 10 %."""
NARROW = 8
"""Values from which on a last layer is wide enough for any number of classes: language models have thousands."""
GONE = 0.01
"""A share of the largest rate below which next to nothing is learned."""
DEAD = 0.75
SOME_DEAD = 0.5
"""Ordinary ReLU networks were seen with up to 42 % at five looked-at updates."""


def weight_decay_dominates(seen: Observations) -> Finding | None:
    """At the first updates the gradient pulls harder than weight decay."""
    ratios = [float(np.median(p.decay_ratios[:FIRST_UPDATES])) for p in _weights(seen) if p.decay_ratios]
    if not seen.optimizer.decay or not ratios:
        return None
    decay, ratio = seen.optimizer.decay, float(np.median(ratios))
    check, expected = (
        "weight-decay-dominates",
        "well below 1 at the start: the loss decides where weights go (Loshchilov and Hutter 2019)",
    )
    measured = f"weight decay {decay:g} pulls {ratio:.2g} times as hard as the gradient at the first updates"
    if ratio <= STRONG_DECAY:
        return well(check, measured, expected)
    return Finding(
        "problem",
        check,
        measured,
        expected,
        "weights shrink towards zero faster than they learn",
        f"weight_decay={decay / max(100.0, 10 * ratio):.1g}, or 0",
    )


def clipping_always(seen: Observations) -> Finding | None:
    """Clipping is for the rare gradient that is too long."""
    if len(seen.clipped) < 3:
        return None
    before, after = np.array(seen.clipped).T
    short = (before > 1.001 * after) & (after > 0)
    # Clipping by norm ends at one and the same norm; what else shortens gradients (unscaling) does not.
    by_norm = short.sum() >= 3 and float(after[short].std()) < 1e-3 * float(after[short].mean())
    clipped = int(short.sum()) if by_norm else 0
    check, expected = (
        "clipping-always",
        "now and then: a limit above the usual norm (Pascanu et al. 2013, section 3.2)",
    )
    if clipped <= 0.9 * len(before):
        return well(check, f"{clipped} of {len(before)} looked-at gradients were clipped", expected)
    usual, limit = float(np.median(before)), float(np.median(after))
    return Finding(
        "problem" if usual > CLIPPED_HARD * limit else "watch",
        check,
        f"{clipped} of {len(before)} looked-at gradients were clipped, from {usual:.3g} (median) to {limit:.3g}",
        expected,
        "all steps have one length, however far there is to go",
        f"torch.nn.utils.clip_grad_norm_(model.parameters(), {3 * usual:.2g})",
    )


def dropout_too_high(seen: Observations) -> Finding | None:
    """Dropout leaves enough of a layer to learn from."""
    if not seen.dropout:
        return None
    name, rate = max(seen.dropout.items(), key=lambda each: each[1])
    check, expected = "dropout-too-high", "20 to 50 % (Srivastava et al. 2014, appendix A.4)"
    measured = f"{name} drops {rate:.0%} of its values"
    if rate <= HIGH_DROPOUT:
        return well(check, measured, expected)
    return Finding(
        "problem" if rate >= STRONG_DROPOUT else "watch",
        check,
        measured,
        expected,
        "the next layer sees mostly noise, and learning takes many times as long",
        f"model.{name}.p = 0.5",
    )


def dead_filters(seen: Observations) -> Finding | None:
    """Every filter and unit has a gradient at some time."""
    weights = [p for p in _weights(seen) if p.in_optimizer]
    if not weights or seen.empty_steps > seen.looked / 2:
        return None
    worst = max(weights, key=lambda p: p.dead_rows)
    check, expected = "dead-filters", "next to none"
    measured = (
        f"{worst.dead_rows:.0%} of the {worst.shape[0]} outputs of {worst.name} had no gradient of late"
    )
    if worst.dead_rows <= SOME_DEAD:
        return well(check, measured, expected)
    return Finding(
        "problem" if worst.dead_rows > DEAD else "watch",
        check,
        measured,
        expected,
        "a unit that passes no gradient, as a ReLU that is always below zero, never learns again",
        "a smaller learning rate, no large negative bias, or tanh or LeakyReLU instead of ReLU",
    )


def rate_fell_early(seen: Observations) -> Finding | None:
    """A schedule may end at a rate near zero, but not spend most of the training there."""
    rates = np.array(seen.rates)
    if len(rates) < 50 or not rates.max():
        return None
    gone = int((rates < GONE * rates.max()).sum())
    if gone <= MOSTLY_GONE * len(rates):
        return None
    return Finding(
        "problem",
        "learning-rate-too-small",
        f"for {gone:,} of {len(rates):,} updates the learning rate was below {GONE:.0%} of the largest, "
        f"{rates.max():.2g}; it ended at {rates[-1]:.2g}",
        "a rate that is of use for most of the updates",
        "the schedule falls so fast that the network stops learning long before the loop ends",
        "call scheduler.step() once an epoch, after the loop over batches, or let it fall more slowly",
    )


def too_narrow(seen: Observations) -> Finding | None:
    """The scores are made of at least as many values as there are classes."""
    classes = seen.scores.classes
    outputs = [p for p in _weights(seen) if len(p.shape) == 2 and p.shape[0] == classes]
    if not classes or not outputs or outputs[-1].shape[1] >= min(classes, NARROW):
        return None
    width = outputs[-1].shape[1]
    return Finding(
        "problem",
        "too-simple",
        f"the scores of {classes} classes are made of {width} values each ({outputs[-1].name} {[classes, width]})",
        "as many values as classes at least: scores of fewer cannot be set one by one (Yang et al. 2018, section 2)",
        "so few filters or units cannot keep the classes apart, however long they learn",
        "more filters or units before the last layer: 100 and more are usual",
    )


CHECKS = (
    rate_fell_early,
    too_narrow,
    weight_decay_dominates,
    clipping_always,
    dropout_too_high,
    dead_filters,
)


def _weights(seen: Observations) -> list[SeenParameter]:
    """Trainable weights with an axis of outputs: no embeddings, no biases."""
    return [p for p in seen.parameters if p.trainable and not p.is_embedding and len(p.shape) > 1]
