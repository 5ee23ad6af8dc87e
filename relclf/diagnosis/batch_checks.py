"""The checks of which sentences a watched loop trains on and evaluates."""

from itertools import combinations

import numpy as np

from relclf.diagnosis.findings import Finding, well
from relclf.diagnosis.observations import Ids, Observations, SeenBatch, rows_of

ENOUGH_BATCHES = 10
SMALL_BATCH = 256
"""Sentences that are fewer than any corpus has."""
LEAKED = 0.2
"""A share of dev sentences in train that no corpus has by chance: SemEval-2010 has 0.6 %."""
TRAIN_EVALUATED = 0.9
"""Where so much of train is evaluated, somebody looks at the score on train."""
FEW_MEANS = 4
"""Batches of each kind whose means are compared at least."""
CLEARLY, ABOUT = 8.0, 4.0
"""Standard errors by which inputs differ from themselves, and at most from each other, if they are exchanged."""
UNEVEN = 3.0
"""Times the chance bound; batches of like lengths stay far below."""


def same_batch(seen: Observations) -> Finding | None:
    """Updates see different sentences."""
    if len(seen.batches) < ENOUGH_BATCHES or seen.updates < ENOUGH_BATCHES:
        return None
    check, expected = "same-batch", "other sentences at each update, unless the batch is the whole of train"
    if not _all_one(seen.batches):
        return well(check, f"{len(seen.batches):,} batches, not all of the same sentences", expected)
    rows = len(seen.batches[0].rows)
    sentences = seen.loader.sentences if seen.loader else None
    if sentences is not None and sentences <= rows:
        return well(check, f"the batch is the whole of train, {rows:,} sentences", expected)
    closure = seen.optimizer.needs_closure
    others = max(_others(seen.batches[0], each) for each in (seen.evaluated_rows, seen.unused_rows))
    if closure and sentences is None and others <= rows:
        on_purpose = f"all {rows:,} sentences in each batch, as {seen.optimizer.name} is meant for"
        return well(check, on_purpose, expected)
    has = f"; the loader has {sentences:,}" if sentences else ""
    return Finding(
        "problem" if sentences or (not closure and (others > rows or rows <= SMALL_BATCH)) else "watch",
        check,
        f"all {len(seen.batches):,} batches had the same {rows:,} sentences{has}",
        expected,
        "the network learns these sentences by heart, and nothing else",
        "take each batch in the loop: `for batch in loader`, not `next(iter(loader))` before it",
    )


def no_shuffling(seen: Observations) -> Finding | None:
    """Each epoch brings the sentences in another order, and relations are spread over the batches."""
    if len(seen.batches) < ENOUGH_BATCHES or _all_one(seen.batches):
        return None
    check, expected = "no-shuffling", "a new random order each epoch, so that every batch is a fair sample"
    step = "DataLoader(dataset, batch_size=..., shuffle=True)"
    uneven = unevenness([batch.gold for batch in seen.batches if batch.gold is not None])
    if uneven is not None and uneven[0] > UNEVEN * uneven[1]:
        return Finding(
            "problem",
            check,
            f"relations are spread over the batches {uneven[0]:.1f} times as unevenly as chance does it",
            expected,
            "sorted sentences drag the network from relation to relation, and it forgets the one before",
            step,
        )
    shuffles = seen.loader.shuffles if seen.loader else None
    period = 0 if shuffles else _period(seen.batches[: seen.batches_in_a_row])
    if period or shuffles is False:
        return Finding(
            "watch",
            check,
            f"the same batches in the same order every {period}"
            if period
            else "the loader reads in file order",
            expected,
            "the same sentences always share a batch, and the last ones always weigh most",
            step,
        )
    return well(check, "batches are mixed", expected)


def dev_in_train(seen: Observations) -> Finding | None:
    """Sentences that are evaluated are not learned from."""
    learns = _evaluation_that_learns(seen)
    if learns is not None:
        return learns
    trained = np.unique(rows_of([batch.rows for batch in seen.batches]))
    evaluated = np.unique(rows_of(seen.evaluated_rows))
    if min(len(trained), len(evaluated)) < ENOUGH_BATCHES:
        return None
    if float(np.isin(trained, evaluated).mean()) > TRAIN_EVALUATED:
        return None  # train itself is evaluated, which says nothing about dev
    both = int(np.isin(evaluated, trained).sum())
    check, expected = (
        "dev-in-train",
        "next to none: 17 of SemEval-2010's 2,717 test sentences are also in train",
    )
    measured = f"{both:,} of {len(evaluated):,} evaluated sentences were also learned from"
    if both <= LEAKED * len(evaluated):
        return well(check, measured, expected)
    return Finding(
        "problem",
        check,
        measured,
        expected,
        "a score on sentences that were learned by heart says nothing about new ones",
        "split once, before batches are made, and give each loader its own part",
    )


def _evaluation_that_learns(seen: Observations) -> Finding | None:
    """Sentences that are learned from in eval mode, and never in train mode, are those of an evaluation."""
    own = rows_of([batch.rows for batch in seen.batches if not batch.in_eval_mode])
    others = np.unique(rows_of([batch.rows for batch in seen.batches if batch.in_eval_mode]))
    new = int((~np.isin(others, own)).sum())
    if not len(own) or new < ENOUGH_BATCHES or new < 0.5 * len(others):
        return None
    return Finding(
        "problem",
        "dev-in-train",
        f"{new:,} sentences were learned from in eval mode only",
        "none: an evaluation calls neither backward() nor step()",
        "the evaluation trains on the very sentences that it scores",
        "take backward() and step() out of the evaluation, and put it into torch.no_grad()",
    )


def mentions_swapped(seen: Observations) -> Finding | None:
    """An input has the values in evaluation that it has in training, and not those of another input."""
    trained, evaluated = (seen.input_means.get(kind, []) for kind in ("trained", "evaluated"))
    places = sorted(set.intersection(*(set(means) for means in [*trained, *evaluated]))) if trained else []
    if len(trained) < FEW_MEANS or len(evaluated) < FEW_MEANS or len(places) < 2:
        return None
    own, theirs = (np.array([[means[p] for p in places] for means in kind]) for kind in (trained, evaluated))
    spread = own.std(axis=0, ddof=1) / len(own) ** 0.5 + theirs.std(axis=0, ddof=1) / len(theirs) ** 0.5
    left, right = own.mean(axis=0), theirs.mean(axis=0)
    check, expected = (
        "mentions-swapped",
        "each input of the model means the same in training and in evaluation",
    )
    for i, j in combinations(range(len(places)), 2):
        noise = max(spread[i], spread[j], 1e-9)
        apart = min(abs(left[i] - right[i]), abs(left[j] - right[j])) / noise
        crossed = max(abs(left[i] - right[j]), abs(left[j] - right[i])) / noise
        if apart > CLEARLY and crossed < ABOUT:
            return Finding(
                "problem",
                check,
                f"inputs {places[i] + 1} and {places[j] + 1} have the means {left[i]:.2f} and {left[j]:.2f} in "
                f"training, and {right[i]:.2f} and {right[j]:.2f} in evaluation",
                expected,
                "the two are exchanged: what was learned of the head is asked of the tail",
                "make the batches of both splits with the same function",
            )
    return well(check, f"{len(places)} inputs of ids have like means in training and evaluation", expected)


def positions_unused(seen: Observations) -> Finding | None:
    """Every embedding is asked for more than one row."""
    embeddings = [p for p in seen.parameters if p.is_embedding and p.shape[0] > 1]
    if not embeddings or seen.updates < ENOUGH_BATCHES:
        return None
    check, expected = "positions-unused", "ids that differ from token to token"
    constant = [p for p in embeddings if p.one_row_asked]
    if not constant:
        return well(check, f"all {len(embeddings)} embeddings are asked for several rows", expected)
    return Finding(
        "problem",
        check,
        f"{constant[0].name} {list(constant[0].shape)} was asked for one and the same row in all looked-at batches",
        expected,
        "a constant input says nothing: without positions a network cannot tell which mentions are meant",
        "print the ids that it is given for one batch, and follow them back to where they are made",
    )


CHECKS = (same_batch, no_shuffling, dev_in_train, mentions_swapped, positions_unused)


def unevenness(golds: list[np.ndarray]) -> tuple[float, float] | None:
    """How unevenly relations fall on batches, and how unevenly chance does it: (measured, 1 + 2 sd).

    Measured is Pearson's X2 of the table of batches by relations over its degrees of freedom, which is 1 for batches
    drawn at random, with a standard deviation of sqrt(2 / degrees of freedom).
    """
    golds = [gold for gold in golds if len(gold) > 1]
    if len(golds) < ENOUGH_BATCHES:
        return None
    relations = 1 + max(int(gold.max()) for gold in golds)
    table = np.stack([np.bincount(gold, minlength=relations) for gold in golds])
    table = table[:, table.sum(axis=0) >= len(golds)]  # relations with one sentence a batch at least
    if table.shape[1] < 2:
        return None
    chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    measured = float(((table - chance) ** 2 / np.maximum(chance, 1e-9)).sum() / freedom)
    return measured, 1 + 2 * (2 / freedom) ** 0.5


def _others(batch: SeenBatch, rows: list[Ids]) -> int:
    """How many of the sentences are not in the batch."""
    return len(np.setdiff1d(rows_of(rows), batch.rows))


def _all_one(batches: list[SeenBatch]) -> bool:
    first = np.sort(batches[0].rows)
    return all(np.array_equal(np.sort(batch.rows), first) for batch in batches)


def _period(batches: list[SeenBatch]) -> int:
    """After how many batches the very same ones come again in the same order; 0 where they do not."""
    keys = [int(np.bitwise_xor.reduce(batch.rows)) for batch in batches]
    for period in (index for index in range(2, len(keys) - 2) if keys[index] == keys[0]):
        again = min(period, len(keys) - period)
        if again >= 3 and keys[:again] == keys[period : period + again]:
            return period
    return 0
