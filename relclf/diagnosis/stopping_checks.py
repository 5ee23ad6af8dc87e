"""Checks of when a run ended and what its curves did until then: too early, too late, by chance."""

from collections.abc import Sequence

from relclf.config.schema import TrainingConfig
from relclf.diagnosis.curves import (
    LEARNED,
    REPLAYS,
    SIGNIFICANT,
    TREND_EPOCHS,
    replay_stop_rule,
    still_falling,
    wobble,
)
from relclf.diagnosis.evidence import RunEvidence, points
from relclf.diagnosis.findings import Finding
from relclf.runs.records import EpochRecord
from relclf.training.stopping import smoothed_scores

EARLY_SHARE = 0.1
"""Best epoch / epochs below which most epochs were spent after the best."""
LATE_SHARE = 0.75
"""Best epoch / epochs above which training ended while it improved."""
EARLY_EPOCHS = 20
"""Epochs from which the first tenth holds more than one."""
TRAIN_GAIN = 0.05
"""Rise of train macro-F1 after the best epoch that shows that train was still being fitted."""
PREMATURE = 0.25
"""Share of replays that end too early above which patience is worth a look: one run in four."""
SAFE = 0.05
"""The share that the advised patience stays below."""
OVERCONFIDENT = 1.1
"""Dev loss over its least from which it is called rising."""
LIKE_GUESSING = 0.9
"""Dev nll over that of guessing, down to which little is known of dev but how frequent each relation is."""
WORSE_THAN_GUESSING = 1.5
"""Dev nll over that of guessing, from which probabilities are worse than none."""
BY_HEART = 0.95
"""Train macro-F1 from which train is known by heart."""


def overfitting(run: RunEvidence) -> Finding | None:
    """Dev macro-F1 that falls beyond its noise while train is fitted better; None below five epochs with a dev set."""
    best, epochs = run.best, len(run.dev_scores)
    if best is None or epochs < TREND_EPOCHS:
        return None
    last, peak, end = run.records[-1], float(run.dev_trend.max()), float(run.dev_trend[-1])
    noise = max(2 * run.se, SIGNIFICANT * wobble(run.dev_scores[epochs // 2 :]))
    gained = last.train_macro_f1 - best.train_macro_f1
    if peak - end > noise and gained >= 0 and last.train_loss < best.train_loss:
        return _overfitting(
            run,
            best,
            f"dev macro-F1 fell from {points(peak)} to {points(end)} (trends; noise {points(noise)}) while train "
            f"loss fell on to {last.train_loss:.3g}",
        )
    if epochs >= EARLY_EPOCHS and best.epoch <= EARLY_SHARE * epochs and gained > TRAIN_GAIN and peak > end:
        return _overfitting(
            run,
            best,
            f"the best epoch is {best.epoch} of {epochs}; train macro-F1 rose by {points(gained)} points after it",
        )
    guess, nlls = run.prior_entropy, run.dev_nlls
    unknown = guess > 0 and min(nlls) > LIKE_GUESSING * guess and nlls[-1] > WORSE_THAN_GUESSING * guess
    if unknown and last.train_macro_f1 > BY_HEART:
        return _overfitting(
            run,
            best,
            f"dev nll was {min(nlls):.2f} at its least and {nlls[-1]:.2f} in the end, {guess:.2f} for guessing, while "
            f"train macro-F1 reached {points(last.train_macro_f1)}",
        )
    return _no_overfitting(run, best)


def train_longer(run: RunEvidence) -> Finding | None:
    """Whether the score was still rising where `max_epochs` or `max_seconds` ended the run; None elsewhere."""
    epochs = len(run.dev_scores)
    if run.stop_reason not in ("max_epochs", "budget") or run.best is None or epochs < 4:
        return None
    quarter = max(2, epochs // 4)
    last, before = run.dev_trend[-quarter:].mean(), run.dev_trend[-2 * quarter : -quarter].mean()
    gain = float(last - before)
    late = run.best.epoch > LATE_SHARE * epochs
    rising = late and gain > max(run.se, SIGNIFICANT * wobble(run.dev_scores) * (2 / quarter) ** 0.5)
    falling = still_falling(run.dev_nlls, quarter)
    by_design = run.config.training.schedule.name in ("linear", "cosine")
    measured = (
        f"best epoch {run.best.epoch} of {epochs}, dev macro-F1 {points(gain)} points higher in the last "
        f"{quarter} epochs than in the {quarter} before (standard error {points(run.se)})"
    )
    if falling:
        measured += f", dev nll still falling at {run.dev_nlls[-1]:.3g}"
    expected = "best epoch in the first three quarters, or no gain beyond the noise in the last"
    if by_design or not (rising or (falling and gain >= 0)):
        why = (
            "the schedule brings the rate down until the last epoch, so the best is expected there"
            if by_design
            else "the last quarter brought nothing that can be told from noise"
        )
        return Finding("ok", "train-longer", measured, expected, why, "none")
    longer = run.go_on(f"training.max_epochs={2 * epochs}")
    advice = longer if run.stop_reason == "max_epochs" else run.again(f"training.{_budget(run)}=null")
    why = "it was still improving when it was ended"
    return Finding("watch", "train-longer", measured, expected, why, advice)


def patience_too_short(run: RunEvidence) -> Finding | None:
    """How often a stop at this patience would be premature; None without a stop rule or below five epochs.

    A replay is premature where it ends before LEARNED of the trend's gain (`replay_stop_rule`), and costs something
    where that is above the standard error. A run is premature where patience ended it while dev nll still fell.
    """
    training = run.config.training
    patience = training.patience
    scores = smoothed_scores(run.records, training.model_copy(update={"smooth": 1}))
    if patience is None or training.stop.name != "patience" or len(scores) < TREND_EPOCHS:
        return None
    replay = replay_stop_rule(scores, training, patience)
    noise = 0.0 if training.monitor in ("loss", "nll") else run.se
    risky = replay.premature > PREMATURE and replay.lost > noise
    falling = run.stop_reason == "patience" and still_falling(run.dev_nlls, patience)
    measured = (
        f"patience {patience}: {100 * replay.premature:.0f} % of {REPLAYS} replays of the stop rule, on curves with "
        f"this run's trend and wobble ({wobble(scores[len(scores) // 2 :]):.2g} in its second half), end too early"
    )
    if replay.premature:
        measured += f", {replay.lost:.2g} short of the best on average (standard error {noise:.2g})"
    if falling:
        measured += f"; the run ended while dev nll still fell ({run.dev_nlls[-1]:.3g}, the least so far)"
    expected = (
        f"at most {100 * PREMATURE:.0f} % end before {100 * LEARNED:.0f} % of the gain, "
        "and dev nll is past its least"
    )
    if not risky and not falling:
        why = "the stop rule sees past the wobble"
        return Finding("ok", "patience-too-short", measured, expected, why, "none")
    why = (
        "the monitored score stood still or wobbled while the network was still learning"
        if falling
        else "a wobble can end the training before most of its gain"
    )
    advice = run.go_on(f"training.patience={_safe_patience(scores, training)}")
    return Finding("watch", "patience-too-short", measured, expected, why, advice)


def _budget(run: RunEvidence) -> str:
    return "max_updates" if run.config.training.max_seconds is None else "max_seconds"


def _safe_patience(scores: Sequence[float], training: TrainingConfig) -> int:
    """The first multiple of the patience with which few replays end too early; ten times at most."""
    patience = training.patience or 1
    safe = (
        patience * times
        for times in range(2, 10)
        if replay_stop_rule(scores, training, patience * times).premature <= SAFE
    )
    return next(safe, 10 * patience)


def _overfitting(run: RunEvidence, best: EpochRecord, measured: str) -> Finding:
    return Finding(
        "watch",
        "overfitting",
        measured,
        "dev macro-F1 holds while train loss falls (Goodfellow et al. 2016, 7.8)",
        f"after epoch {best.epoch} the network learned its train sentences by heart; relclf keeps the weights of "
        "the best epoch, so what was lost is time",
        run.again(f"model.dropout={_more_dropout(run.config.model.dropout)}"),
    )


def _no_overfitting(run: RunEvidence, best: EpochRecord) -> Finding:
    last, least = run.dev_nlls[-1], min(run.dev_nlls)
    measured = (
        f"best epoch {best.epoch} of {len(run.records)}, dev macro-F1 holds to the end within its noise"
    )
    why = "more epochs did no harm"
    if last > OVERCONFIDENT * least:
        measured += f"; dev nll rose from {least:.3g} to {last:.3g}"
        why = (
            "the rising nll is over-confidence: the same answers with larger probabilities, the wrong ones too "
            "(Guo et al. 2017); it matters only to whoever reads the probabilities"
        )
    expected = "dev macro-F1 holds while train loss falls"
    return Finding("ok", "overfitting", measured, expected, why, "none")


def _more_dropout(dropout: float) -> float:
    """Half of the features that are kept, as long as dropout stays usual."""
    return max(dropout, min(0.7, round(1 - (1 - dropout) / 2, 2)))
