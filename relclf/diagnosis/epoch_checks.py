"""The checks of what `watch.epoch` was told: scores, losses, gold and predicted classes of dev."""

from collections.abc import Iterator

import numpy as np

from relclf.diagnosis.curves import still_falling
from relclf.diagnosis.findings import Finding, well
from relclf.diagnosis.independence import independence
from relclf.diagnosis.observations import SCALE_FREE, Ids, Observations, SeenEpoch
from relclf.diagnosis.prediction_checks import (
    epoch_loss_not_averaged,
    prediction_findings,
    score_averaged_over_batches,
)

LEARNED_UPDATES = 200
"""Updates before which predictions may still be those of the beginning: about 0.9 on one class is normal then."""
FITTED = 0.7
"""A share of the entropy of the gold classes; a loss below it was learned from the sentences themselves."""
FAR_APART = 30.0
"""Ratio of class weights from where on they decide what is predicted; 62 to 3 % balanced is 21."""
EPOCHS_BACK = 10
"""Epochs over which a loss is seen to fall, as the default patience has it."""
CHANCE = 0.01
IMPOSSIBLE = 1e-6
ENOUGH_SENTENCES = 100


PLAIN_UPDATES = 4_500
"""Updates that plain SGD may stay at the majority: 60 to 450 were measured at 0.1, and 0.01 is ten times slower."""


def epoch_findings(seen: Observations) -> Iterator[Finding]:
    """What the last epochs that were told say."""
    for finding in (_score(seen), _loss(seen)):
        if finding is not None:
            yield finding
    told = [epoch for epoch in seen.epochs if epoch.gold is not None and len(epoch.gold)]
    if told:
        last = told[-1]
        assert last.gold is not None and last.predicted is not None
        classes = _classes(seen, last)
        exchanged = _relation_ids(seen, last.gold, classes)
        if exchanged is not None:
            yield exchanged
        yield from prediction_findings(
            last.gold, last.predicted, classes, last.updates, still_learning=_may_be_slow(seen)
        )
        uninformative = _uninformative_input(seen, told[-3:], classes)
        if uninformative is not None:
            yield uninformative


def _may_be_slow(seen: Observations) -> bool:
    """Whether predicting one class alone may pass; with class weights that are far apart it will not."""
    plain = seen.optimizer.name not in SCALE_FREE and seen.updates < PLAIN_UPDATES
    return seen.scores.class_weights < FAR_APART and (plain or _still_learning(seen))


def _still_learning(seen: Observations) -> bool:
    """Whether dev loss, or else that of the batches, still falls: SGD can be at the majority for long."""
    dev = [epoch.dev_loss for epoch in seen.epochs if epoch.dev_loss is not None]
    own = [float(np.mean(epoch.batch_losses)) for epoch in seen.epochs if epoch.batch_losses]
    return still_falling(dev or own, EPOCHS_BACK)


def _score(seen: Observations) -> Finding | None:
    """The first epoch whose score is a mean over batches, or else what the last one says."""
    size = int(np.median([len(rows) for rows in seen.evaluated_rows])) if seen.evaluated_rows else None
    found = [
        score_averaged_over_batches(epoch.score, epoch.gold, epoch.predicted, _classes(seen, epoch), size)
        for epoch in seen.epochs
        if epoch.score is not None and epoch.gold is not None and epoch.predicted is not None
    ]
    known = [finding for finding in found if finding is not None]
    return next((finding for finding in known if finding.severity == "problem"), known[-1] if known else None)


def _loss(seen: Observations) -> Finding | None:
    batches = sentences = 0
    found = None
    for epoch in seen.epochs:
        if epoch.train_loss is not None:
            found = (
                epoch_loss_not_averaged(
                    epoch.train_loss, epoch.batch_losses, epoch.batches - batches, epoch.sentences - sentences
                )
                or found
            )
        batches, sentences = epoch.batches, epoch.sentences
    return found


def _uninformative_input(seen: Observations, epochs: list[SeenEpoch], classes: int) -> Finding | None:
    """A network that has learned its sentences, and whose answers on dev have nothing to do with gold."""
    last, losses = epochs[-1], seen.scores.losses
    assert last.gold is not None
    if last.updates < LEARNED_UPDATES or len(losses) < 4:
        return None
    chances = np.bincount(last.gold, minlength=classes) / len(last.gold)
    entropy = float(-(chances[chances > 0] * np.log(chances[chances > 0])).sum())
    late = float(np.mean(losses[-3:]))
    if late > FITTED * entropy:
        return None
    p = max(
        independence(epoch.gold, epoch.predicted, classes)
        for epoch in epochs
        if epoch.gold is not None and epoch.predicted is not None
    )
    check, expected = (
        "uninformative-input",
        f"answers on dev that go with gold (permutation test of the confusion matrix, p below {CHANCE})",
    )
    measured = f"train loss {late:.2f} ({entropy:.2f} for guessing); dev answers fit as well if exchanged: p = {p:.3f}"
    if p < CHANCE:
        return well(check, measured, expected)
    return Finding(
        "problem",
        check,
        measured,
        expected,
        "the network learns its sentences by heart, and nothing of it holds for others",
        "read 20 training sentences beside their gold relations: do they fit, as they arrive at the model?",
    )


def _relation_ids(seen: Observations, gold: Ids, classes: int) -> Finding | None:
    """Whether the classes of dev have the shares of other classes in train, as under exchanged ids."""
    known = [batch.gold for batch in seen.batches if batch.gold is not None]
    own = np.concatenate(known) if known else np.zeros(0, dtype=np.int64)
    if min(len(own), len(gold)) < ENOUGH_SENTENCES:
        return None
    train, dev = (np.bincount(ids, minlength=classes)[:classes] for ids in (own, gold))
    from scipy.optimize import linear_sum_assignment

    _, best = linear_sum_assignment(-np.sqrt(np.outer(dev, train)))  # the class of train for each of dev
    as_named, exchanged = (_same_shares(dev, train[order]) for order in (np.arange(classes), best))
    if as_named > IMPOSSIBLE or exchanged < CHANCE:
        return None
    moved = [
        f"{i} ({dev[i] / len(gold):.0%}) for {j} ({train[j] / len(own):.0%})"
        for i, j in enumerate(best)
        if i != j
    ]
    return Finding(
        "problem",
        "relation-ids-mismatch",
        f"dev has the shares of train only if its ids stand for others: {moved}",
        "the same shares under the same ids, as in any random split",
        "an id means one relation in training and another in dev",
        "make one list of relations, from train, and use it for every split",
    )


def _same_shares(dev: Ids, train: Ids) -> float:
    """The p value of both being drawn from the same shares (chi-squared)."""
    from scipy.stats import chi2_contingency

    table = np.stack([dev, train])[:, dev + train > 0]
    return float(chi2_contingency(table).pvalue) if table.shape[1] > 1 else 1.0


def _classes(seen: Observations, epoch: SeenEpoch) -> int:
    assert epoch.gold is not None and epoch.predicted is not None
    return max(seen.scores.classes, int(epoch.gold.max()) + 1, int(epoch.predicted.max()) + 1)
