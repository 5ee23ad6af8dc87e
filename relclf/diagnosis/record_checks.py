"""Checks of a run's records: updates, step size, clipping, decay, dropout, and through others noise and stopping."""

import math
import statistics
from collections.abc import Callable, Sequence

from relclf.config.schema import ExperimentConfig
from relclf.diagnosis.config_checks import HIGH_DROPOUT, MEMORY_UPDATES, decay_memory, updates_finding
from relclf.diagnosis.evidence import RunEvidence, points
from relclf.diagnosis.findings import Finding, Severity
from relclf.diagnosis.noise import noise_finding
from relclf.diagnosis.stopping_checks import overfitting, patience_too_short, train_longer
from relclf.runs.records import EpochRecord
from relclf.training.stopping import StopReason

FIRST_RATIOS: dict[str, tuple[float, float]] = {
    "adam": (1e-3, 0.1),
    "adamw": (1e-3, 0.1),
    "nadam": (1e-3, 0.1),
    "radam": (1e-4, 0.1),
    "adamax": (1e-3, 0.1),
    "rmsprop": (1e-3, 0.2),
    "adagrad": (1e-3, 1.0),
    "adadelta": (1e-4, 0.2),
    "sgd": (1e-5, 0.1),
}
"""Usual update ratios of the first epoch at the full rate, an optimiser; the page of learning-rate-too-small has the
measurements. The first steps of RMSProp and Adagrad are longer by construction (their averages start at 0), RAdam's are
shorter (it waits for its own), and SGD's go with the gradient."""
LATER_RATIO = 3e-2
"""The update ratio after FIRST_UPDATES above which the weights' spread is replaced every 30 updates. Healthy runs of
nine optimisers were measured at 5e-4 to 1.2e-2, Adam at a rate of 0.1 at 4e-2."""
FIRST_UPDATES = 200
"""Updates before which little can have been learned at any rate."""
MOVED = 0.1
"""Share of the weights' spread that all updates together can have moved them, below which they are nearly as drawn."""
FULL_RATE = 0.9
"""Share of the highest rate from which an epoch counts as past its warm-up."""
ALWAYS = 0.9
"""Share of epochs whose median gradient is clipped, from which clipping is no exception."""
CLIPPED_AWAY = 100.0
"""Times that the gradient is longer than `clip_norm`, from which the threshold is out of its scale: usual ones lie
within a factor of 10 of the norm (Pascanu et al. 2013 advise half to ten times its average)."""
FITTED = 0.95
"""Train macro-F1 from which dropout has not kept the network from fitting train."""
SHRUNK = 0.6
"""Spread of the filters over that at their start, below which decay has pulled harder than the gradient."""
UNDERFIT = 0.7
"""Train macro-F1 below which a network has not fitted its train set."""


def record_findings(
    config: ExperimentConfig,
    records: Sequence[EpochRecord],
    stop_reason: StopReason | None = None,
    *,
    dev_counts: Sequence[int] = (),
    filter_std: float | None = None,
    run: str = "RUN",
) -> list[Finding]:
    """What the records of a run say, in no particular order.

    stop_reason: from summary.json, None while the run goes on and after a kill. dev_counts: dev sentences a relation.
    filter_std: of the filters' weights after the last epoch. run: the run's directory, for the commands advised.
    """
    evidence = RunEvidence(config, tuple(records), stop_reason, tuple(dev_counts), filter_std, run)
    found = (check(evidence) for check in _CHECKS)
    return [finding for finding in found if finding is not None]


def updates_per_epoch(run: RunEvidence) -> Finding | None:
    """Updates against batches, as they were counted."""
    if not run.records:
        return None
    record, every = run.records[0], run.config.training.update_every
    return updates_finding(
        every, record.updates, record.batches, f", {run.updates:,} in all", run.config_path
    )


def not_finite(run: RunEvidence) -> Finding | None:
    """Whether the loss, the gradient or the weights became NaN or infinite; the loop looks at every update."""
    expected = "finite losses, gradients and weights"
    if run.stop_reason == "not_finite":
        rate = run.config.training.optimizer.lr
        return Finding(
            "problem",
            "not-finite",
            f"NaN or infinite in epoch {len(run.records) + 1}, after {run.updates:,} updates in whole epochs",
            expected,
            "nothing can be learned from a number that is none; a rate that is too large is the usual cause",
            run.again(f"training.optimizer.lr={rate / 10:g}"),
        )
    if not run.records:
        return None
    measured = f"all numbers of {run.updates:,} updates are finite"
    return Finding("ok", "not-finite", measured, expected, "the loop looks at each update", "none")


def learning_rate(run: RunEvidence) -> Finding | None:
    """The size of updates at first, later and in sum; never more than a watch, unless the loss has diverged.

    None for optimisers that find their own steps, or whose usual ratios have not been measured.
    """
    optimizer = run.config.training.optimizer
    if not run.records or optimizer.name not in FIRST_RATIOS:
        return None
    first = _first_at_full_rate(run.records)
    low, high = FIRST_RATIOS[optimizer.name]
    later = [record.update_ratio for record in run.records if record.total_updates > FIRST_UPDATES]
    settled = statistics.median(later) if later else 0.0
    moved = sum(record.updates * record.update_ratio for record in run.records)
    measured = (
        f"update ratio {first.update_ratio:.2g} in epoch {first.epoch} ({optimizer.name}, rate "
        f"{first.learning_rate:g})"
    )
    if later:
        measured += f", {settled:.2g} after the first {FIRST_UPDATES} updates"
    expected = f"{low:g} to {high:g} at first, under {LATER_RATIO:g} later, with {optimizer.name}"
    # Weights that decay has shrunk make any update look large.
    large = max(first.update_ratio / high, settled / LATER_RATIO) > 1 and _spread_kept(run) >= SHRUNK
    if large or run.stop_reason == "diverged":
        return _too_large(run, large, measured, expected)
    over = run.updates >= FIRST_UPDATES or run.ended
    if first.update_ratio < low or (over and moved < MOVED):
        measured += (
            f"; all {run.updates:,} updates in sum can have moved the weights by {moved:.2g} of their spread"
        )
        return Finding(
            "watch",
            "learning-rate-too-small",
            measured,
            f"{expected}; in sum more than {MOVED:g}",
            "the weights are nearly as they were drawn",
            run.again(f"training.optimizer.lr={optimizer.lr * 10:g}"),
        )
    return Finding("ok", "learning-rate-too-small", measured, expected, "updates are of a usual size", "none")


def clipping_always(run: RunEvidence) -> Finding | None:
    """Whether clipping acts on nearly every update; None where nothing is clipped."""
    clip_norm = run.config.training.clip_norm
    if clip_norm is None or not run.records:
        return None
    norms = [record.gradient_norm for record in run.records]
    share = sum(norm > clip_norm for norm in norms) / len(norms)
    usual = statistics.median(norms[: (len(norms) + 1) // 2])
    factor = usual / clip_norm
    severity: Severity = "ok" if share < ALWAYS else "watch" if factor < CLIPPED_AWAY else "problem"
    scale_free = run.config.training.optimizer.name != "sgd"
    why = "clipping is an exception"
    if severity != "ok":
        why = (
            "the size of a gradient no longer counts, a small one is stepped as far as a large one"
            if scale_free
            else f"in effect the rate is {factor:.3g} times smaller than it reads"
        )
    return Finding(
        severity,
        "clipping-always",
        f"the median gradient norm is above clip_norm {clip_norm:g} in {share:.0%} of {len(norms)} epochs, ".replace(
            "%", " %"
        )
        + f"{factor:.3g} times as large in their first half",
        f"a threshold of half to ten times the usual norm (Pascanu et al. 2013), which is {usual:.2g} here",
        why,
        run.again(f"training.clip_norm={10 * max(norms):.1g}") if severity != "ok" else "none",
    )


def dropout_too_high(run: RunEvidence) -> Finding | None:
    """Whether so much dropout kept the network from fitting even its train set; None without a dev set."""
    model = run.config.model
    if run.best is None:
        return None
    last = run.records[-1]
    left = (1 - model.dropout) * model.filters * len(model.windows)
    train = max(record.train_macro_f1 for record in run.records)
    unfitted = train < FITTED and train < max(run.dev_scores) + 2 * run.se
    severity: Severity = "ok"
    if model.dropout > HIGH_DROPOUT:
        severity = "problem" if unfitted and run.updates >= FIRST_UPDATES else "watch"
    return Finding(
        severity,
        "dropout-too-high",
        f"dropout {model.dropout:g} leaves {left:.0f} of {model.filters * len(model.windows)} features a sentence; "
        f"train macro-F1 reached {points(train)}, dev {points(max(run.dev_scores))}, train loss {last.train_loss:.3g}",
        "0.2 to 0.5 (Srivastava et al. 2014; Kim 2014 for sentences), train fitted better than dev in the end",
        "so few features are left that even train is not fitted"
        if severity == "problem"
        else "enough is left",
        run.again("model.dropout=0.5") if severity != "ok" else "none",
    )


def weight_decay_dominates(run: RunEvidence) -> Finding | None:
    """Whether decay has shrunk the filters and train stayed unfitted; None without decay or the filters' spread."""
    optimizer = run.config.training.optimizer
    decay = optimizer.weight_decay
    if not decay or run.filter_std is None or run.updates < FIRST_UPDATES:
        return None
    kept, train = _spread_kept(run), max(record.train_macro_f1 for record in run.records)
    memory = decay_memory(optimizer)
    short = memory is not None and memory < MEMORY_UPDATES
    dominated = train < UNDERFIT and (kept < SHRUNK or short)
    measured = (
        f"weight_decay {decay:g} ({optimizer.name}): the filters' spread is {run.filter_std:.2g}, {kept:.2f} of what "
        f"it was at the start, train macro-F1 reached {points(train)}"
    )
    if memory is not None:
        measured += f", weights forget in {memory:,.0f} updates"
    return Finding(
        "problem" if dominated else "ok",
        "weight-decay-dominates",
        measured,
        f"filters grow while they learn and forget in more than {MEMORY_UPDATES} updates, or train is fitted all the "
        f"same (above {points(UNDERFIT)})",
        (
            "decay pulls the weights to 0 faster than the gradient can build them up"
            if dominated
            else "the gradient outweighs decay"
        ),
        run.again(f"training.optimizer.weight_decay={decay / 100:g}") if dominated else "none",
    )


def noise_larger_than_gain(run: RunEvidence) -> Finding | None:
    """The noise of dev macro-F1 beside its gain; None below three epochs with a dev set."""
    if run.best is None:
        return None
    return noise_finding(run.dev_scores, run.se, run.dev_counts)


def _too_large(run: RunEvidence, large: bool, measured: str, expected: str) -> Finding:
    """A problem where the ratio is too large and the loss has diverged; one alone is a watch."""
    diverged = run.stop_reason == "diverged"
    losses = [record.train_loss for record in run.records]
    measured += f", train loss {losses[0]:.3g} in epoch 1 and {losses[-1]:.3g} in epoch {len(losses)}"
    if diverged:
        measured += f", diverged ({run.config.training.divergence:g} ln(relations) for three epochs)"
    return Finding(
        "problem" if diverged and large else "watch",
        "learning-rate-too-large",
        measured,
        expected,
        "updates overshoot: each undoes what those before it have learned",
        run.again(f"training.optimizer.lr={run.config.training.optimizer.lr / 10:g}"),
    )


def _spread_kept(run: RunEvidence) -> float:
    """The filters' spread over that of uniform weights by fan-in, as they are drawn; 1 where it is not known."""
    if run.filter_std is None:
        return 1.0
    model = run.config.model
    width = model.word_dim + 2 * model.position_dim
    return run.filter_std / statistics.fmean(1 / math.sqrt(3 * window * width) for window in model.windows)


def _first_at_full_rate(records: Sequence[EpochRecord]) -> EpochRecord:
    """The first record past the warm-up."""
    highest = max(record.learning_rate for record in records)
    return next(record for record in records if record.learning_rate >= FULL_RATE * highest)


_CHECKS: tuple[Callable[[RunEvidence], Finding | None], ...] = (
    updates_per_epoch,
    not_finite,
    learning_rate,
    clipping_always,
    weight_decay_dominates,
    dropout_too_high,
    overfitting,
    patience_too_short,
    train_longer,
    noise_larger_than_gain,
)
