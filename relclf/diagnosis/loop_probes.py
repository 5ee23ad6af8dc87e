"""Short trainings on copies, from where a watched loop began: can the network fit, does its rate learn?"""

import copy
import math
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from relclf.diagnosis import probed
from relclf.diagnosis.findings import Finding, well
from relclf.diagnosis.independence import independence
from relclf.diagnosis.nested import scores_of
from relclf.diagnosis.observations import SCALE_FREE, Observations
from relclf.diagnosis.probed import Probed
from relclf.diagnosis.rate_probes import HEADROOM, far_too_small

UPDATES = 100
"""Updates of each trial of a rate."""
OVERFIT_UPDATES = 300
SENTENCES = 500
"""Sentences to be learned by heart, at most."""
OVERFIT_RATE = 1e-2
"""Of Adam, which is a rate at which networks of any size here learn some hundred sentences by heart."""
FITTED = 0.1
"""Nats an example; 50 sentences alone go below 0.01 by update 50."""
CLEARLY = 0.7
"""A tenth of the rate is clearly better where its loss ends below this share."""
LEARNED_UPDATES = 200
"""Updates before which a loop may still be at the shares of the classes."""
AT_PRIOR = 0.9
"""A share of the entropy of the classes above which no more was learned than their shares."""
ENOUGH_UNSEEN = 40
"""Sentences from which answers say something."""
CHANCE = 0.01
LATE = 5
"""Losses at the end of a loop that are compared with guessing."""
FOLDS = 3
HEADROOM_OF_NOTHING = 100
"""Times the rate that must still learn to call it far too small, where the loop itself has learned nothing."""
USUAL_RATIOS = (1e-3, 5e-2)
"""Update ratios of the first updates between which no rate is doubted, as page learning-rate-too-small has them."""
SECONDS = 60.0
"""Of all probes together, of CPU time, so that a busy machine changes no finding."""


@dataclass(frozen=True)
class ProbeBatch:
    """A batch that was trained on: what the model was called with, and its gold classes (batch,)."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    gold: Tensor
    rows: Tensor | None
    """(batch,) fingerprints of its sentences."""


@dataclass(frozen=True)
class Start:
    """Copies of a model and its optimiser as they were before the loop, and the first batches of it."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batches: list[ProbeBatch]


class OutOfTime(Exception):
    """The probes have taken as long as they may."""


def probe_findings(seen: Observations, start: Start) -> Iterator[Finding | str]:
    """too-simple, learning-rate-too-small and -too-large, and what was skipped in words; changes nothing."""
    if len(start.batches) < 2 or not seen.rates:
        yield "probes: fewer than two batches with scores (batch, classes) and a cross-entropy loss were seen"
        return
    with _random_numbers_kept(start.model):
        deadline = time.process_time() + SECONDS
        try:
            yield _too_simple(start, deadline)
            yield from _learning_rate(seen, start, deadline)
            yield from _uninformative_input(seen, start, deadline)
        except OutOfTime:
            yield f"probes: what was left of them after {SECONDS:.0f} seconds"
        except Exception as error:  # whatever a model may raise that is called outside of its loop
            yield f"probes: a copy of the model failed ({type(error).__name__}: {error})"


def varies(start: Start, training: bool) -> bool:
    """Whether two calls with the first batch, in train or in eval mode, give different scores."""
    model = copy.deepcopy(start.model).train(training)
    batch = start.batches[0]
    with _random_numbers_kept(model), torch.no_grad():
        first, second = (scores_of(model(*batch.args, **batch.kwargs)) for _ in range(2))
    return first is not None and second is not None and not torch.equal(first, second)


def _too_simple(start: Start, deadline: float) -> Finding | str:
    """A network that can learn what it is shown can learn few sentences by heart; a linear model need not."""
    if sum(p.requires_grad and p.dim() > 1 for p in start.model.parameters()) < 2:
        return "too-simple: a single layer learns, which need not learn sentences by heart to be of use"
    model = copy.deepcopy(start.model)
    _without_dropout(model)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=OVERFIT_RATE)
    batches = _first_sentences(start.batches)
    first = last = _loss(model, batches)
    updates = 0
    while updates < OVERFIT_UPDATES:
        updates += 1
        last = _update(model, optimizer, batches)
        if last < FITTED or not math.isfinite(last):
            break
        if time.process_time() > deadline:
            raise OutOfTime
    sentences = sum(len(batch.gold) for batch in batches)
    check, expected = (
        "too-simple",
        f"below {FITTED} nats: any network of enough filters learns so few by heart",
    )
    measured = (
        f"{sentences} sentences by heart: the loss went from {first:.3f} to {last:.3f} in {updates} updates"
    )
    if last < FITTED:
        return well(check, measured, expected)
    return Finding(
        "problem",
        check,
        measured,
        expected,
        "a network that cannot learn a few sentences by heart cannot learn a corpus, however long",
        "more filters (or units); else look at what cuts the inputs off from the scores",
    )


def _uninformative_input(seen: Observations, start: Start, deadline: float) -> Iterator[Finding]:
    """Where a loop has learned the shares of the classes alone: can a copy tell unseen sentences?"""
    ratio = seen.first_update_ratio or 0.0
    learns = seen.optimizer.name in SCALE_FREE and ratio >= USUAL_RATIOS[0]  # others may be slow
    guessing = _ended_at_guessing(seen, start)
    if not learns or guessing is None:
        return
    late, entropy = guessing
    answers, predicted = _answers_to_others(start, deadline)
    if len(answers) < ENOUGH_UNSEEN:
        return
    p = independence(answers.cpu().numpy(), predicted.cpu().numpy(), seen.scores.classes)
    check, expected = (
        "uninformative-input",
        f"answers to unseen sentences that go with gold (p below {CHANCE})",
    )
    measured = (
        f"after {seen.updates:,} updates the loss is {late:.2f}, {entropy:.2f} for guessing; {FOLDS} "
        f"copies that learned a part of {len(answers)} sentences answer the rest as well as at random (p = {p:.2f})"
    )
    if p < CHANCE:
        yield well(check, measured.replace("as well as at random", "better than at random"), expected)
    else:
        yield Finding(
            "problem",
            check,
            measured,
            expected,
            "nothing that the network sees of a sentence tells its relation",
            "read 20 training sentences beside their gold relations, as they arrive at the model",
        )


def _ended_at_guessing(seen: Observations, start: Start) -> tuple[float, float] | None:
    """The loss at the end of a loop and that of guessing, where it learned the shares of the classes at most."""
    gold = torch.cat([batch.gold for batch in start.batches])
    shares = gold.bincount().double() / len(gold)
    entropy = float(-(shares * shares.clamp(min=1e-12).log()).sum())
    late = seen.scores.losses[-LATE:]  # of single batches: they differ with the classes these happen to have
    crossed = seen.scores.cross_entropies > seen.scores.looked / 2
    if not crossed or seen.updates < LEARNED_UPDATES or len(late) < LATE:
        return None
    most = statistics.mean(late) + 2 * statistics.stdev(late) / math.sqrt(LATE)
    return (statistics.mean(late), entropy) if most >= AT_PRIOR * entropy else None


def _answers_to_others(start: Start, deadline: float) -> tuple[Tensor, Tensor]:
    """Gold, and what copies answer that have learned the other folds by heart: (sentences,) each.

    Batches that have a sentence of one before, as those of a second epoch, are left out.
    """
    batches: list[ProbeBatch] = []
    for batch in start.batches:
        if not _share_sentences(batch, batches):
            batches.append(batch)
    gold, predicted = [], []
    for fold in range(FOLDS if len(batches) >= FOLDS else 0):
        unseen = batches[fold::FOLDS]
        known = [batch for place, batch in enumerate(batches) if place % FOLDS != fold]
        model = copy.deepcopy(start.model)
        _without_dropout(model)
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=OVERFIT_RATE)
        for _ in range(UPDATES):
            loss = _update(model, optimizer, known)
            if loss < FITTED or not math.isfinite(loss):
                break
            if time.process_time() > deadline:
                raise OutOfTime
        with torch.no_grad():
            scores = [scores_of(model(*batch.args, **batch.kwargs)) for batch in unseen]
        given = [
            (batch.gold, each.argmax(dim=1))
            for batch, each in zip(unseen, scores, strict=True)
            if each is not None
        ]
        gold += [pair[0] for pair in given]
        predicted += [pair[1] for pair in given]
    return (torch.cat(gold), torch.cat(predicted)) if gold else (torch.zeros(0), torch.zeros(0))


def _share_sentences(batch: ProbeBatch, others: list[ProbeBatch]) -> bool:
    """Whether a sentence of the batch is among the others, as in a second epoch; True where it cannot be told."""
    if batch.rows is None:
        return True
    return any(other.rows is None or bool(torch.isin(batch.rows, other.rows).any()) for other in others)


def _learning_rate(seen: Observations, start: Start, deadline: float) -> Iterator[Finding]:
    """The rate is doubted where the update ratio is unusual; other rates must then learn far better."""
    ratio = seen.first_update_ratio
    if ratio is None:
        return
    check = "learning-rate-too-large" if ratio > USUAL_RATIOS[1] else "learning-rate-too-small"
    low, high = USUAL_RATIOS
    expected = f"{low:g} to {high:g} at the first updates of Adam, or else a rate that learns as well as its neighbours"
    measured = f"update ratio {ratio:.2g} at the first updates"
    if low <= ratio <= high:
        yield well(check, measured, expected)
    elif check == "learning-rate-too-large":
        yield _too_large(seen, start, measured, expected, deadline)
    else:
        yield _too_small(seen, start, measured, deadline) or well(check, measured, expected)


def _too_small(seen: Observations, start: Start, measured: str, deadline: float) -> Finding | None:
    """The finding of `relclf diagnose`, from the batches that were kept.

    A loop that ended where it could have guessed has come to nothing itself, and needs less evidence than one that
    may just have been watched for too few updates.
    """

    def check() -> None:
        if time.process_time() > deadline:
            raise OutOfTime

    rate, mean = max(seen.rates), sum(seen.rates) / len(seen.rates)
    set_rate = "a learning rate of {}"
    rising = seen.rates[-1] > seen.rates[0]  # a loop that ended within its warm-up has not had its rate yet
    guessing = None if rising else _ended_at_guessing(seen, start)
    far = HEADROOM if guessing is None else HEADROOM_OF_NOTHING
    if guessing is not None:
        measured += f", and a loss of {guessing[0]:.2f} at the last ({guessing[1]:.2f} for guessing)"
    finding = far_too_small([_probed(start, rate)], rate, set_rate, seen.updates * mean / rate, far, check)
    return replace(finding, measured=f"{measured}; {finding.measured}") if finding else None


def _probed(start: Start, rate: float) -> Probed:
    """The loop at this rate as probes of `relclf diagnose` see it."""

    def scores(batch: ProbeBatch, model: nn.Module) -> Tensor:
        found = scores_of(model(*batch.args, **batch.kwargs))
        assert found is not None
        return found

    def optimizer(model: nn.Module, factor: float) -> torch.optim.Optimizer:
        own = {id(old): new for old, new in zip(start.model.parameters(), model.parameters(), strict=True)}
        copied = copy.deepcopy(start.optimizer, own)
        _set_rate(copied, factor * rate)
        return copied

    batches = [probed.ProbeBatch(partial(scores, batch), batch.gold) for batch in start.batches]
    return Probed(start.model, batches, functional.cross_entropy, optimizer)


def _too_large(seen: Observations, start: Start, measured: str, expected: str, deadline: float) -> Finding:
    """A tenth of the rate is tried."""
    rate = max(seen.rates)
    first = _loss(start.model, start.batches)
    own, smaller = _trial(start, rate, deadline), _trial(start, rate / 10, deadline)
    measured += (
        f"; {UPDATES} updates on copies took the loss from {first:.3f} to {own:.3f} at the rate {rate:g}, "
        f"and to {smaller:.3f} at {rate / 10:g}"
    )
    check = "learning-rate-too-large"
    if not math.isfinite(smaller) or smaller >= CLEARLY * own:
        return well(check, measured, expected)
    why = "each update overshoots: it undoes what the one before has learned"
    return Finding("problem", check, measured, expected, why, f"a learning rate of {rate / 10:g}")


def _trial(start: Start, rate: float, deadline: float) -> float:
    """The loss of the batches after UPDATES updates at this rate."""
    model, optimizer = copy.deepcopy((start.model, start.optimizer))
    _set_rate(optimizer, rate)
    model.train()
    for index in range(UPDATES):
        loss = _update(model, optimizer, [start.batches[index % len(start.batches)]])
        if not math.isfinite(loss):
            return math.inf
        if time.process_time() > deadline:
            raise OutOfTime
    return _loss(model, start.batches)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Make this the largest rate of the groups, whose proportions stay."""
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    for group, own in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * own / max(rates) if max(rates) else rate


def _update(model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[ProbeBatch]) -> float:
    """One update on the mean loss of the batches, which is returned."""
    optimizer.zero_grad()
    with torch.enable_grad():
        loss = _mean_loss(model, batches)
        torch.autograd.backward(loss)
    optimizer.step()
    return float(loss.detach())


def _loss(model: nn.Module, batches: list[ProbeBatch]) -> float:
    """Mean cross-entropy in eval mode; the model's mode is left as it was."""
    training = model.training
    model.eval()
    with torch.no_grad():
        loss = float(_mean_loss(model, batches))
    model.train(training)
    return loss


def _mean_loss(model: nn.Module, batches: list[ProbeBatch]) -> Tensor:
    total = torch.zeros((), device=batches[0].gold.device)
    for batch in batches:
        scores = scores_of(model(*batch.args, **batch.kwargs))
        if scores is None:
            raise ValueError("a model that gave scores of shape (batch, classes) gives none")
        total = total + functional.cross_entropy(scores, batch.gold, reduction="sum")
    return total / sum(len(batch.gold) for batch in batches)


def _first_sentences(batches: list[ProbeBatch]) -> list[ProbeBatch]:
    """Whole batches, up to SENTENCES sentences, one at least."""
    chosen, sentences = [batches[0]], len(batches[0].gold)
    for batch in batches[1:]:
        sentences += len(batch.gold)
        if sentences > SENTENCES:
            break
        chosen.append(batch)
    return chosen


def _without_dropout(model: nn.Module) -> None:
    """Eval mode; recurrent layers, which cannot learn in it on CUDA, stay in train mode without their dropout."""
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.RNNBase):
            module.dropout = 0.0
            module.train()


@contextmanager
def _random_numbers_kept(model: nn.Module) -> Iterator[None]:
    """Give the process its random numbers back as they were."""
    devices = {p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices)):
        torch.manual_seed(0)
        yield
