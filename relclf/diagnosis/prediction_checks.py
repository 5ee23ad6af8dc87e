"""Checks of gold and predicted relations and of the scores handed in with them, for any classifier."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relclf.diagnosis.findings import Finding, Severity
from relclf.scoring.metrics import Counts, Values, confusion_matrix, ratio

Ids = NDArray[np.int64]

COLLAPSE_UPDATES = 200
"""Updates before which predicting one relation alone is normal: SGD at 0.1 was measured to do so for 60 to 450."""
COLLAPSE_SHARE = 0.95
"""Share of predictions on one relation above which a classifier has collapsed; 0.9 is normal in the first epochs."""
COLLAPSE_PRIOR = 0.9
"""Share of gold above which predicting one relation alone is close to right."""
ENOUGH = 5
"""Dev examples from which a relation's recall of 0 says something."""
RELABELLING_Z = 4.0
"""Standard errors by which exchanged ids must do better, and by which a relation must be predicted as its partner more
often than the other relations are (else only the prior differs): 1 in 30,000 by chance."""
CLEARLY_Z = 2.0
"""Standard errors by which each of two relations must be predicted as its partner more often than as itself."""
BATCH_SIZES = (4, 5, *range(8, 65, 2), *range(72, 129, 8), 150, 200, 250, 256)
"""Batch sizes that are tried where none is known."""
_FULL_PRECISION = 1e-6
"""The rounding up to which a score is compared; float32 rounds to 1e-7."""
LOSS_TOLERANCE = 0.1
"""How far a ratio of losses may lie from a whole number: the last batch is smaller, the loss falls meanwhile."""


def prediction_findings(
    gold: Ids,
    predicted: Ids,
    relations: int,
    updates: int,
    names: Sequence[str] = (),
    still_learning: bool = False,
) -> list[Finding]:
    """What gold and predicted ids of one dev set say. gold, predicted: (sentences,) in 0..relations-1.

    Sentences whose gold relation the classifier does not know are to be left out. updates: of the training so far;
    names: of the relations, where there are any; still_learning: dev loss still falls (`curves.still_falling`).
    """
    found = (
        relation_ids_mismatch(gold, predicted, relations, names),
        majority_collapse(gold, predicted, relations, updates, names, still_learning),
    )
    return [finding for finding in found if finding is not None]


def majority_collapse(
    gold: Ids,
    predicted: Ids,
    relations: int,
    updates: int,
    names: Sequence[str] = (),
    still_learning: bool = False,
) -> Finding | None:
    """Whether one relation has nearly all predictions and no other any recall; None where it is too early to say.

    A collapse in a network whose dev loss still falls is a watch: it may only be slow.
    """
    counts = confusion_matrix(gold, predicted, relations)
    support, predictions = counts.sum(axis=1), counts.sum(axis=0)
    if updates < COLLAPSE_UPDATES or not len(gold) or support.max() > COLLAPSE_PRIOR * len(gold):
        return None
    most = int(predictions.argmax())
    others = [i for i in range(relations) if i != most and support[i] >= ENOUGH]
    if not others:
        return None
    missed = sum(counts[i, i] == 0 for i in others)
    share = predictions[most] / len(gold)
    collapsed = share > COLLAPSE_SHARE and missed == len(others)
    severity: Severity = "ok"
    why, next_step = "it tells relations apart", "none"
    if collapsed:
        severity = "problem"
        why = "it says the same of every sentence: what it reads does not reach its answer"
        next_step = "look at what stands above, then at the rate, and at class weights if there are any"
    if collapsed and still_learning:
        severity = "watch"
        why = "it says the same of every sentence so far, but dev loss still falls"
        next_step = (
            "train longer or at a larger rate, and let dev loss say when to stop: training.monitor=nll"
        )
    return Finding(
        severity,
        "majority-collapse",
        f"{_percent(share)} of {len(gold)} predictions are {_name(most, names)}, recall 0 on {missed} of "
        f"{len(others)} other relations with {ENOUGH} or more dev sentences, after {updates} updates",
        f"after {COLLAPSE_UPDATES} updates, other relations are found too, unless one has more than "
        f"{_percent(COLLAPSE_PRIOR)} of dev (measured: relclf diagnose --explain majority-collapse)",
        why,
        next_step,
    )


def relation_ids_mismatch(
    gold: Ids, predicted: Ids, relations: int, names: Sequence[str] = ()
) -> Finding | None:
    """Whether predictions would be right under other relation ids; None below ten sentences.

    The best one-to-one exchange of ids is found on one half of the sentences and judged on the other, both ways
    round, so that a chance gain counts for nothing. At least two relations must clearly be predicted as the one that
    they are exchanged with: one alone is what a collapse or a shift of the prior looks like.
    """
    if len(gold) < 2 * ENOUGH:
        return None
    half = np.empty(len(gold), dtype=np.int64)
    half[np.argsort(gold, kind="stable")] = np.arange(len(gold)) % 2
    gains = np.empty(len(gold))
    for part in (0, 1):
        fitted, judged = half != part, half == part
        mapping = best_exchange(confusion_matrix(gold[fitted], predicted[fitted], relations))
        right = (mapping[predicted[judged]] == gold[judged]).astype(int)
        gains[judged] = right - (predicted[judged] == gold[judged])
    spread = math.sqrt(float((gains**2).sum()))
    counts = confusion_matrix(gold, predicted, relations)
    mapping = best_exchange(counts)
    exchanged = _exchanged(counts, mapping)
    mismatch = spread > 0 and gains.sum() > RELABELLING_Z * spread and len(exchanged) > 1
    accuracy = float((gold == predicted).mean())
    best = float((mapping[predicted] == gold).mean())
    measured = f"accuracy {_percent(accuracy)} with the ids as they are"
    if mismatch:
        measured += f", {_percent(best)} with ids exchanged: " + ", ".join(
            f"{counts[i, j]} of {counts[i].sum()} {_name(i, names)} are predicted as {_name(j, names)}"
            for i, j in exchanged[:4]
        )
    else:
        measured += ", no better with any exchange of ids beyond chance"
    return Finding(
        "problem" if mismatch else "ok",
        "relation-ids-mismatch",
        measured,
        f"no exchange of ids helps by more than {RELABELLING_Z:.0f} standard errors on sentences that it was not "
        "fitted to (assignment: Kuhn 1955)",
        (
            "the network has learned, but an id means one relation in training and another in dev"
            if mismatch
            else "ids mean the same in training and in dev"
        ),
        (
            "make one list of relations, from train, and use it for every split and for the scores' columns"
            if mismatch
            else "none"
        ),
    )


def best_exchange(counts: Counts) -> Ids:
    """(relations,) for each predicted id the gold id that makes most right, one to one; itself where that is as good.

    counts: (relations, relations), gold by predicted.
    """
    from scipy.optimize import linear_sum_assignment

    size = len(counts)
    gold, predicted = linear_sum_assignment(-(counts * (size + 1) + np.eye(size, dtype=np.int64)))
    mapping = np.empty(size, dtype=np.int64)
    mapping[predicted] = gold
    return mapping


def score_averaged_over_batches(
    score: float, gold: Ids, predicted: Ids, relations: int, batch_size: int | None = None
) -> Finding | None:
    """Whether a score that was handed in is a mean of macro-F1 over batches; None where it is neither.

    score: in [0, 1], or in % where above 1; gold, predicted: in the order of the batches. Without `batch_size` the
    usual ones are tried, and a score of fewer than six decimals is not judged: too many would fit by chance.
    """
    value, tolerance = _scaled(score)
    if not len(gold) or not math.isfinite(value) or (batch_size is None and tolerance > _FULL_PRECISION):
        return None
    counts = confusion_matrix(gold, predicted, relations)
    whole = _f1_averages(counts)
    if np.abs(value - np.array([*whole, *_other_scores(counts)])).min() <= tolerance:
        return _whole_split(value, len(gold))
    for size in (batch_size,) if batch_size else BATCH_SIZES:
        parts = [slice(start, start + size) for start in range(0, len(gold), size)]
        batches = [_f1_averages(confusion_matrix(gold[part], predicted[part], relations)) for part in parts]
        weights = [len(gold[part]) for part in parts]
        means = np.stack([np.mean(batches, axis=0), np.average(batches, axis=0, weights=weights)])
        near = np.abs(value - means) <= tolerance  # (unweighted and weighted, averages)
        if size < len(gold) and near.any():
            average = int(near.any(axis=0).argmax())
            return _mean_of_batches(value, _AVERAGES[average], whole[average], len(parts), size)
    return None


def epoch_loss_not_averaged(
    epoch_loss: float, batch_losses: Sequence[float], batches: int, sentences: int
) -> Finding | None:
    """Whether the loss reported for an epoch is a sum of its batches' losses; None where nothing fits.

    batch_losses: as the criterion returned them, of all of the epoch's `batches`, or of three or more spread over
    them; sentences: of the epoch.
    """
    if len(batch_losses) < 3 or not all(math.isfinite(value) for value in (epoch_loss, *batch_losses)):
        return None
    mean = float(np.mean(batch_losses))
    if mean <= 0:
        return None
    kinds = (
        (1.0, ""),
        (float(batches), f"for {batches} batches"),
        (float(sentences), f"for {sentences} sentences"),
        (batches / max(1, sentences), f"one over the {sentences / max(1, batches):.0f} sentences of a batch"),
    )
    for times, what in kinds:
        if times and abs(epoch_loss / mean / times - 1) <= LOSS_TOLERANCE:
            return _loss_finding(epoch_loss, mean, times, what)
    return None


def _loss_finding(epoch_loss: float, mean: float, times: float, what: str) -> Finding:
    check = "epoch-loss-not-averaged"
    measured = f"{epoch_loss:.4g} reported for the epoch, {mean:.4g} the mean of its batches"
    expected = "the mean of the batches' losses, so that epochs, splits and batch sizes compare"
    if not what:
        return Finding("ok", check, measured, expected, "the epoch's loss is a mean", "none")
    why = "the loss is summed up and not divided: it grows with the data, and train and dev do not compare"
    if times < 1:
        why = "means over batches are summed up and divided by the sentences: it shrinks as batches grow"
    return Finding(
        "problem",
        check,
        f"{measured}: {epoch_loss / mean:.3g} times as much, {what}",
        expected,
        f"{why}; learning itself is not touched",
        "total += loss.item() * len(gold) for each batch, and total / sentences at the end",
    )


def _whole_split(value: float, sentences: int) -> Finding:
    return Finding(
        "ok",
        "score-averaged-over-batches",
        f"{100 * value:.2f} is the score of all {sentences} sentences together",
        "one score from all predictions",
        "the score is what it says",
        "none",
    )


def _mean_of_batches(value: float, name: str, whole: float, batches: int, size: int) -> Finding:
    return Finding(
        "problem",
        "score-averaged-over-batches",
        f"{100 * value:.2f} is the mean over {batches} batches of {size} of {name}; over all sentences it is "
        f"{100 * whole:.2f}",
        "one score from all predictions (Opitz and Burst 2019 on what macro-F1 means)",
        "most batches lack the rare relations, so their F1 is averaged away or counted as 0, and the score "
        "changes with the batch size",
        "collect gold and predicted of all batches, then f1_score(gold, predicted, average='macro') once",
    )


_AVERAGES = (
    "macro-F1 (relations in gold or predicted)",
    "macro-F1 (relations in gold)",
    "macro-F1 (all relations)",
    "F1 weighted by support",
)


def _f1_averages(counts: Counts) -> Values:
    """(averages,) what goes by the name of F1, in the order of _AVERAGES."""
    support, predictions = counts.sum(axis=1), counts.sum(axis=0)
    f1 = ratio(2 * np.diagonal(counts), support + predictions)
    in_gold, in_either = support > 0, support + predictions > 0
    return np.array([f1[in_either].mean(), f1[in_gold].mean(), f1.mean(), f1 @ support / support.sum()])


def _other_scores(counts: Counts) -> list[float]:
    """Accuracy, and macro and micro F1 that leave out one relation, as is done with the negative one."""
    support, predictions = counts.sum(axis=1), counts.sum(axis=0)
    correct = np.diagonal(counts)
    f1 = ratio(2 * correct, support + predictions)
    scores = [float(correct.sum() / support.sum())]
    for left_out in range(len(counts)):
        others = np.arange(len(counts)) != left_out
        for kept in (others, others & (support > 0), others & (support + predictions > 0)):
            scores += [float(f1[kept].mean())] if kept.any() else []
        examples = (support + predictions)[others].sum()
        scores.append(float(2 * correct[others].sum() / examples) if examples else 0.0)
    return scores


def _scaled(score: float) -> tuple[float, float]:
    """The score in [0, 1] and the rounding that its decimals show."""
    decimals = len(repr(float(score)).partition(".")[2]) if "e" not in repr(float(score)) else 17
    value, decimals = (score / 100, decimals + 2) if abs(score) > 1 else (score, decimals)
    return value, max(1e-6, 0.5001 * 10.0**-decimals)


def _exchanged(counts: Counts, mapping: Ids) -> list[tuple[int, int]]:
    """(gold, predicted) pairs of other ids where a gold relation is clearly predicted as its partner, largest first."""
    pairs = []
    for j, i in enumerate(mapping.tolist()):
        as_partner, as_itself = int(counts[i, j]), int(counts[i, i])
        mostly = as_partner - as_itself > CLEARLY_Z * math.sqrt(as_partner + as_itself)
        if i != j and mostly and _more_than_elsewhere(counts, i, j) > RELABELLING_Z:
            pairs.append((i, j))
    return sorted(pairs, key=lambda pair: -int(counts[pair]))


def _more_than_elsewhere(counts: Counts, gold: int, predicted: int) -> float:
    """Standard errors by which an id is predicted more often for one gold relation than for the others together."""
    here, elsewhere = counts[gold], counts.sum(axis=0) - counts[gold]
    sizes = np.array([here.sum(), elsewhere.sum()])
    if not sizes.all():
        return 0.0
    rate = (here[predicted] + elsewhere[predicted]) / sizes.sum()
    error = math.sqrt(rate * (1 - rate) * (1 / sizes).sum())
    return float(here[predicted] / sizes[0] - elsewhere[predicted] / sizes[1]) / error if error else 0.0


def _name(relation: int, names: Sequence[str]) -> str:
    return names[relation] if len(names) else f"relation {relation}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
