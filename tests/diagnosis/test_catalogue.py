"""Every check of the catalogue is emitted, as something to watch or as a problem, for an input that has its fault."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest
import torch
from torch import nn

from relclf.config.schema import EncodingConfig
from relclf.diagnosis.capacity_probes import first_loss_finding, vanishing_finding
from relclf.diagnosis.catalogue import CHECKS
from relclf.diagnosis.data_checks import drift_finding, linear_findings
from relclf.diagnosis.findings import Finding
from relclf.diagnosis.linear import linear_baselines
from relclf.diagnosis.noise import noise_finding
from relclf.diagnosis.prediction_checks import (
    epoch_loss_not_averaged,
    majority_collapse,
    relation_ids_mismatch,
    score_averaged_over_batches,
)
from relclf.diagnosis.probed import Trial
from relclf.diagnosis.probes import Difference, more_data_finding, shuffled_finding
from relclf.diagnosis.record_checks import record_findings
from relclf.example import Example, MentionSpan
from tests.diagnosis.hand_written import healthy
from tests.diagnosis.runs import config, records, rising
from tests.diagnosis.test_data_checks import findings, swapped, toy
from tests.diagnosis.test_prediction_checks import over_batches, split
from tests.diagnosis.test_probes import adam, task
from tests.diagnosis.test_watching import FAULTS, findings_of

Seen = Iterable[Finding | None]


def watched(fault: str) -> Callable[[], Seen]:
    """A hand-written loop with one of the faults of `test_watching`."""

    def seen() -> Seen:
        _, change, run = FAULTS[fault]
        return findings_of(change(healthy()), run)

    return seen


def data(train: Sequence[Example], dev: Sequence[Example] | None = None, **encoding: object) -> Seen:
    return findings(train, dev, **encoding).values()


def renamed(examples: Sequence[Example], relation: str) -> list[Example]:
    return [dataclasses.replace(each, relation=relation) for each in examples]


def beyond_the_window() -> Seen:
    far = Example("x", tuple("abcdefghijkl"), MentionSpan(0, 1), MentionSpan(11, 12), "none", "toy:x")
    return data([*toy(), far], max_length=11, too_long="window")


def doubted() -> Seen:
    train = toy(600)
    wrong = {"friend": "employer", "employer": "none", "none": "friend"}
    flipped = [dataclasses.replace(each, relation=wrong[str(each.relation)]) for each in train[:40]]
    baselines = linear_baselines([*flipped, *train[40:]], None, EncodingConfig())
    assert baselines is not None
    return linear_findings(baselines)


def of_other_words() -> Seen:
    dev = toy(40, 2)
    return data(
        toy(), [dataclasses.replace(each, tokens=tuple(f"{t}xx" for t in each.tokens)) for each in dev]
    )


def deep() -> Seen:
    probed = task(adam(1e-3))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        inner = [module for _ in range(12) for module in (nn.Linear(64, 64), nn.Sigmoid())]
        model = nn.Sequential(nn.Linear(20, 64), nn.Sigmoid(), *inner, nn.Linear(64, 4))
    return [vanishing_finding(Trial(dataclasses.replace(probed, model=model)), probed.batches[:4], "")]


def loud() -> Seen:
    probed = task(adam(1e-3), output=lambda scores: 100 * scores)
    return [first_loss_finding(probed, probed.batches, "inputs of spread 1", "")]


def exchanged() -> Seen:
    gold, predicted = split()
    return [relation_ids_mismatch((gold + 1) % 4, predicted, 4)]


def collapsed() -> Seen:
    gold, _ = split()
    return [majority_collapse(gold, np.zeros_like(gold), 4, 200)]


def batch_averaged() -> Seen:
    gold, predicted = split()
    return [score_averaged_over_batches(over_batches(gold, predicted, 50), gold, predicted, 4)]


def over_fitted() -> Seen:
    scores = [0.8 - 0.02 * abs(epoch - 5) for epoch in range(20)]
    return record_findings(config(), records(scores))


def short_of_patience() -> Seen:
    wobbly = records(rising(40, wobble=0.03))
    return record_findings(config(training__patience=1, training__smooth=1), wobbly)


def ended_too_early() -> Seen:
    return record_findings(config(), records([0.2 + 0.03 * epoch for epoch in range(20)]), "max_epochs")


CLEAR, UNCLEAR = Difference(0.05, 0.01), Difference(0.05, 0.04)
EMITTED: dict[str, Callable[[], Seen]] = {
    "relation-ids-mismatch": exchanged,
    "spans-misaligned": lambda: data(toy(shift=lambda draw: (draw.randint(0, 2), 0))),
    "mentions-swapped": lambda: data(toy(), swapped(toy(40, 2))),
    "mentions-truncated": beyond_the_window,
    "dev-in-train": lambda: data(toy(), toy()[:60]),
    "parameters-not-in-optimizer": watched("another model's optimiser"),
    "updates-per-epoch": watched("one update an epoch"),
    "gradients-not-cleared": watched("zero_grad missing"),
    "not-finite": watched("log of zero"),
    "same-batch": watched("the same batch"),
    "softmax-before-loss": watched("softmax outside"),
    "accumulation-not-averaged": watched("not averaged, SGD"),
    "embeddings-frozen": watched("random words frozen"),
    "eval-mode-while-training": watched("never train() again"),
    "train-mode-while-evaluating": watched("never eval()"),
    "no-shuffling": watched("sorted, not shuffled"),
    "loss-kept-with-graph": watched("loss summed with its graph"),
    "gradients-while-evaluating": watched("no no_grad()"),
    "learning-rate-too-large": watched("a rate that is far too large"),
    "weight-decay-dominates": watched("weight decay in Adam"),
    "clipping-always": watched("clipped to nothing"),
    "learning-rate-too-small": watched("a rate that is far too small"),
    "parameters-not-moving": watched("zero_grad before step"),
    "dropout-too-high": watched("dropout 0.95"),
    "dead-filters": watched("dead filters"),
    "gradients-vanish": deep,
    "positions-unused": watched("positions are zeros"),
    "too-simple": watched("one filter"),
    "uninformative-input": lambda: [shuffled_finding(0.21, 0.2, UNCLEAR, 1000, "config.yaml")],
    "loss-at-init": loud,
    "score-averaged-over-batches": batch_averaged,
    "epoch-loss-not-averaged": lambda: [epoch_loss_not_averaged(56.0, [1.0] * 56, 56, 2800)],
    "majority-collapse": collapsed,
    "overfitting": over_fitted,
    "patience-too-short": short_of_patience,
    "train-longer": ended_too_early,
    "noise-larger-than-gain": lambda: [noise_finding([0.191] * 20, 0.004, (372, 180, 30, 18))],
    "more-data-helps": lambda: [more_data_finding([(1400, 0.6), (2800, 0.65)], CLEAR, 1000)],
    "relation-in-one-split": lambda: data(toy(), [*toy(40, 2), *renamed(toy(20, 3), "new")]),
    "few-examples": lambda: data([*toy(), *renamed(toy(3, 3), "rare")], toy(40, 2)),
    "duplicates": lambda: data([*toy(100), *renamed(toy(100)[:5], "odd")]),
    "likely-wrong-relations": doubted,
    "unknown-words": of_other_words,
    "splits-differ": lambda: [drift_finding((0.95, 0.01))],
}
"""For each check the findings of an input that has its fault, and of little else."""


@pytest.mark.parametrize("check", CHECKS)
def test_a_fault_makes_its_check_a_finding(check):
    found = [finding for finding in EMITTED[check]() if finding is not None and finding.check == check]
    assert [finding for finding in found if finding.severity in ("watch", "problem")]


def test_no_row_is_of_a_check_that_does_not_exist():
    assert EMITTED.keys() == CHECKS.keys()
