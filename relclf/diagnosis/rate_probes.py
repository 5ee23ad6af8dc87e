"""Is the learning rate too small or too large? Short trainings at other rates answer, each from several seeds."""

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import torch

from relclf.diagnosis.findings import Finding, well
from relclf.diagnosis.probed import Probed, Trial, in_random_order, no_limit, prior_loss

UPDATES = 200
"""Of a short training. After that many, Adam at 0.001 has learned 19 to 27 % on the corpora of docs/diagnosis.md."""
JUDGED_BATCHES = 8
"""Batches on which a short training is judged, at half, three quarters and all of its updates."""
LEARNS = 0.5
"""A network that has learned this share within a short training has a rate that is neither too small nor too large;
and a rate learns if it reaches this share of what the best of the rates does."""
SOMETHING = 0.1
"""Less than this share is nothing learned."""
HARDLY = 0.25
"""Of what the best rate learns within a short training: less than this in the whole training is hardly learning."""
HEADROOM = 1000
"""A rate is far too small where one this many times as large still learns. Of nine optimisers at their usual rates,
ten times as much still learns and a hundred times does not, but for RAdam and for SGD at 0.01 (docs/diagnosis.md)."""
SCALE_FREE_HEADROOM = 100
"""The same of optimisers that divide by the gradient's size, whose usual rates lie closer together than SGD's."""
SMALLER = (0.1, 0.01, 0.001)
"""Of the rate: a rate far too large makes nonsense at a tenth, too."""
BETTER = 0.05
"""By so much more must a smaller rate do better, for every seed, that a larger one need not be tried."""
CLEARLY = 0.3
"""By so much more of what there is to learn must a smaller rate do better, for every seed."""
PATIENT = 4
"""A rate is too large where so many times the updates do not help either."""


def rate_findings(
    trials: Sequence[Probed],
    rate: float,
    set_rate: str = "--set training.optimizer.lr={}",
    allowed: float | None = None,
    far: int = HEADROOM,
    check: Callable[[], None] = no_limit,
) -> list[Finding]:
    """The findings of learning-rate-too-small and learning-rate-too-large; none where no rate learns anything.

    `trials` are one training each, of another seed, all at the learning rate `rate`. `allowed` is the number of
    updates at full rate that the training will have in all, `far` how many times the rate must still learn to call it
    far too small. `set_rate` is how a person sets another, {} being it.
    """
    rates = _Rates(trials, check)
    if rates.all_learn(1, LEARNS):
        return [_small(rates, rate), _large(rates, rate)]
    factors = _smaller(rates)
    smaller = next((factor for factor in factors if rates.learns_clearly_more(factor)), None)
    if smaller is None and rates.diverges():
        smaller = next((factor for factor in factors if rates.holds(factor)), None)
    if smaller is not None:
        return [_small(rates, rate), _too_large(rates, rate, smaller, set_rate)]
    if rates.all_gain(SMALLER[0], BETTER):
        return [_small(rates, rate), _large(rates, rate)]
    headroom = _largest_that_learns(rates)
    if headroom is None:
        return []
    small = _too_small(rates, rate, headroom, set_rate, allowed, far) if headroom >= 100 else None
    return [small or _small(rates, rate), _large(rates, rate)]


def far_too_small(
    trials: Sequence[Probed],
    rate: float,
    set_rate: str,
    allowed: float,
    far: int = HEADROOM,
    check: Callable[[], None] = no_limit,
) -> Finding | None:
    """The finding of learning-rate-too-small alone, without that of a rate that is too large; see `rate_findings`."""
    rates = _Rates(trials, check)
    if rates.all_learn(1, LEARNS):
        return None
    headroom = _largest_that_learns(rates)
    if headroom is None or headroom < 100:
        return None
    return _too_small(rates, rate, headroom, set_rate, allowed, far)


GONE_EARLY = 0.25
"""Share of the rate, in the mean over all updates, below which a schedule is tried: a cosine leaves half of it."""


def schedule_finding(
    trials: Sequence[Probed],
    allowed: float,
    updates: int,
    next_step: str,
    check: Callable[[], None] = no_limit,
) -> Finding | None:
    """The finding of learning-rate-too-small where a schedule leaves too little of the rate to learn; None elsewhere.

    `allowed` is what all `updates` come to, each counted with its share of the rate.
    """
    if allowed >= GONE_EARLY * updates:
        return None
    rates = _Rates(trials, check)
    few, many = (max(1, min(round(count), 2 * UPDATES)) for count in (allowed, updates))
    left, whole = (statistics.mean(rates.of(1, max(4, count))) for count in (few, many))
    if whole < SOMETHING or left >= HARDLY * whole:
        return None
    return Finding(
        "problem",
        "learning-rate-too-small",
        f"under the schedule {updates:,} updates come to {allowed:,.1f} at the full rate: {few} learn {_percent(left)} "
        f"of what there is, {many} {_percent(whole)}",
        f"a quarter of what the full rate learns in {2 * UPDATES} updates, or more",
        "the schedule keeps the rate so low that the training ends before the network has learned",
        next_step,
    )


class _Rates:
    """What has been learned at each rate, by its factor; measured when it is first asked for."""

    def __init__(self, trials: Sequence[Probed], check: Callable[[], None]) -> None:
        self._trials = trials
        self._check = check
        self._learned: dict[tuple[float, int, int], float] = {}

    def of(self, factor: float, updates: int = UPDATES) -> list[float]:
        """The learned share of each seed."""
        return list(self._each(factor, updates))

    def _each(self, factor: float, updates: int = UPDATES) -> Iterator[float]:
        for index, trial in enumerate(self._trials):
            key = factor, updates, index
            if key not in self._learned:
                self._learned[key] = learned(trial, factor, updates, self._check)
            yield self._learned[key]

    def all_learn(self, factor: float, least: float) -> bool:
        """Whether every seed learns so much; the first that does not answers for all."""
        return all(share >= least for share in self._each(factor))

    def all_gain(self, factor: float, least: float) -> bool:
        """Whether every seed learns by more than this more than at the rate itself."""
        pairs = zip(self._each(factor), self._each(1), strict=True)
        return all(other - own > least for other, own in pairs)

    def learns_clearly_more(self, factor: float) -> bool:
        """Whether every seed learns something, and clearly more than at the rate itself."""
        return self.all_gain(factor, CLEARLY) and self.all_learn(factor, SOMETHING)

    def diverges(self) -> bool:
        """Whether every seed is left clearly worse than untrained, and than guessing."""
        pairs = zip(self._each(1), self._each(0.0, 4), strict=True)
        return all(own < min(untrained, 0.0) - CLEARLY for own, untrained in pairs)

    def holds(self, factor: float) -> bool:
        """Whether no seed is left worse than untrained: what training does at a rate that is small enough."""
        pairs = zip(self._each(factor), self._each(0.0, 4), strict=True)
        return self.all_gain(factor, CLEARLY) and all(own > untrained for own, untrained in pairs)

    def mean(self, factor: float) -> float:
        """Over the seeds."""
        return statistics.mean(self.of(factor))

    def said(self, rate: float, factors: Sequence[float]) -> str:
        """ "5 % at 1e-05, 42 % at 0.001"."""
        return ", ".join(f"{_percent(self.mean(factor))} at {rate * factor:.3g}" for factor in factors)

    @property
    def seeds(self) -> str:
        return f"{len(self._trials)} seeds" if len(self._trials) > 1 else "1 seed"


def learned(
    probed: Probed, factor: float, updates: int = UPDATES, check: Callable[[], None] = no_limit
) -> float:
    """The share of the prior's loss that a short training gets rid of, between -1 and 1.

    0 is a network that knows how frequent each relation is, 1 one that knows each sentence's relation; a mean
    over the second half of the updates, so that a training that swings does not pass by luck.
    """
    judges = probed.batches[:JUDGED_BATCHES]
    prior = prior_loss(probed, judges)
    trial = Trial(probed, factor=factor)
    batches = in_random_order(probed, updates, "rate probe")
    shares = []
    for part in (updates // 2, updates // 4, updates - updates // 2 - updates // 4):
        trial.train(islice(batches, part), check)
        loss = math.inf if trial.broken else trial.judge(judges).loss
        shares.append(max(-1.0, 1 - loss / prior) if math.isfinite(loss) else -1.0)
    return statistics.mean(shares)


def _smaller(rates: _Rates) -> tuple[float, ...]:
    """Factors that may tell that the rate is too large; more of them where the network gets worse by training."""
    untrained = statistics.mean(rates.of(0.0, 4))
    return SMALLER if rates.mean(1) < untrained - BETTER else SMALLER[:1]


def _largest_that_learns(rates: _Rates) -> int | None:
    """The largest power of ten times the rate with which every seed learns; None where no rate learns anything."""
    factor, best, largest = 1, -1.0, None
    while factor <= 10**7:
        if rates.all_learn(factor, max(SOMETHING, LEARNS * best)):
            largest, best = factor, max(best, min(rates.of(factor)))
        elif best >= SOMETHING:
            break
        factor *= 10
    return largest


def _too_small(
    rates: _Rates, rate: float, headroom: int, set_rate: str, allowed: float | None, far_off: int
) -> Finding | None:
    """The finding where the training ends before it has learned what a larger rate learns at once."""
    best = max(rates.mean(headroom), rates.mean(headroom // 10))
    in_all = ""
    reached = rates.mean(1)
    if allowed is not None:
        reached = _in_fast_motion(rates, headroom // 10, allowed)
        in_all = f"; its {allowed:,.0f} updates would come to {_percent(reached)}"
    far = headroom >= far_off and reached < HARDLY * best
    if not far and reached >= (LEARNS * best if headroom >= HEADROOM else SOMETHING):
        return None
    return Finding(
        "problem" if far else "watch",
        "learning-rate-too-small",
        f"{UPDATES} updates learn {rates.said(rate, (1, headroom // 10, headroom))} ({rates.seeds}){in_all}",
        "at usual rates of nine optimisers a hundred times as much learns nothing (docs/diagnosis.md)",
        f"the network learns with {headroom} times the rate, so each update could go much further",
        set_rate.format(f"{rate * headroom / 10:.3g}"),
    )


def _in_fast_motion(rates: _Rates, largest: int, allowed: float) -> float:
    """What a training of so many updates at the rate learns: with a larger rate that is still small, fewer do.

    Not fewer than a quarter of a short training; no more than two of them, which then is too low an estimate.
    """
    factor = 1
    while 10 * factor <= largest and allowed / (10 * factor) >= UPDATES / 4:
        factor *= 10
    return statistics.mean(rates.of(factor, max(4, min(round(allowed / factor), 2 * UPDATES))))


def _too_large(rates: _Rates, rate: float, smaller: float, set_rate: str) -> Finding:
    """The finding where a smaller rate learns clearly more: a problem if patience does not help either."""
    patient = rates.of(1, PATIENT * UPDATES)
    helps = any(own >= LEARNS * other for own, other in zip(patient, rates.of(smaller), strict=True))
    return Finding(
        "watch" if helps else "problem",
        "learning-rate-too-large",
        f"{UPDATES} updates learn {rates.said(rate, (1, smaller))} ({rates.seeds}); "
        f"{PATIENT * UPDATES} at {rate:.3g} learn {_percent(statistics.mean(patient))}",
        "a tenth of the rate does not learn clearly more within so few updates",
        "each update throws the weights further than the gradient's direction holds",
        set_rate.format(f"{rate * smaller:.3g}"),
    )


def _small(rates: _Rates, rate: float) -> Finding:
    measured = (
        f"{UPDATES} updates at {rate:.3g} learn {_percent(rates.mean(1))} of what there is ({rates.seeds})"
    )
    return well("learning-rate-too-small", measured, f"a rate {HEADROOM} times as large learns nothing")


def _large(rates: _Rates, rate: float) -> Finding:
    measured = (
        f"{UPDATES} updates at {rate:.3g} learn {_percent(rates.mean(1))} of what there is ({rates.seeds})"
    )
    expected = "a tenth of the rate does not learn clearly more within so few updates"
    return well("learning-rate-too-large", measured, expected)


def _percent(share: float) -> str:
    return "less than nothing" if share < -BETTER else f"{100 * max(0.0, share):.0f} %"


@dataclass(frozen=True)
class RateRange:
    """A learning-rate range test (Smith 2017, section 3.3): the rate rises with every update."""

    rates: tuple[float, ...]
    losses: tuple[tuple[float, ...], ...]
    """The smoothed training loss at each rate, a row a seed; as many as until the loss exploded."""
    learns: tuple[float, ...]
    """A seed each: the rate at which a tenth of the whole fall of the loss has come."""
    breaks: tuple[float, ...]
    """A seed each: the rate at which the loss has risen by a tenth of its fall again."""

    @property
    def range(self) -> tuple[float, float] | None:
        """Rates that learn and break nothing, whatever the seed; None where the seeds have none in common."""
        low, high = max(self.learns), min(self.breaks)
        return (low, high) if low < high else None


def rate_range(
    trials: Sequence[Probed],
    rate: float,
    lowest: float = 1e-6,
    highest: float = 10.0,
    updates: int = 400,
    check: Callable[[], None] = no_limit,
) -> RateRange:
    """The range test from `lowest` to `highest`, for each seed; `rate` is the rate of the trials."""
    step = (highest / lowest) ** (1 / (updates - 1))
    rates = tuple(lowest * step**index for index in range(updates))
    rows = [_rising(trial, [each / rate for each in rates], check) for trial in trials]
    edges = [_edges(rates, row) for row in rows]
    return RateRange(rates, tuple(rows), tuple(a for a, _ in edges), tuple(b for _, b in edges))


SMOOTHING = 0.9
"""Of the running mean of the loss."""


def _rising(probed: Probed, factors: Sequence[float], check: Callable[[], None]) -> tuple[float, ...]:
    """The smoothed loss before each update, without warm-up, until it is twice what it began with."""
    trial = Trial(replace(probed, warmup=0))
    smoothed: list[float] = []
    mean = 0.0
    for index, batch in enumerate(in_random_order(probed, len(factors), "rate range")):
        trial.scale(factors[index])
        trial.train([batch], check)
        loss = trial.last_loss
        if not math.isfinite(loss):
            break
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smoothed.append(mean / (1 - SMOOTHING ** (index + 1)))
        if smoothed[-1] > 2 * smoothed[0]:
            break
    return tuple(smoothed)


def _edges(rates: Sequence[float], losses: Sequence[float]) -> tuple[float, float]:
    lowest = min(range(len(losses)), key=losses.__getitem__)
    fall = losses[0] - losses[lowest]
    learns = next(index for index, loss in enumerate(losses) if losses[0] - loss >= 0.1 * fall)
    breaks = next(
        (i for i in range(lowest, len(losses)) if losses[i] - losses[lowest] > 0.1 * fall), len(losses) - 1
    )
    return rates[learns], rates[breaks]


def noise_scale(
    probed: Probed, updates: int = 100, most: int = 40, check: Callable[[], None] = no_limit
) -> float:
    """The simple gradient noise scale after some updates, in sentences (McCandlish et al. 2018, appendix A.1).

    tr(S) / |G|^2, both without bias, from the gradients of single batches and their mean. Batches much smaller
    than this are mostly noise, much larger ones are wasted. Infinite where the batches cannot show it.
    """
    size = max(len(batch.gold) for batch in probed.batches)
    batches = [batch for batch in probed.batches if len(batch.gold) == size][:most]
    if len(batches) < 2:
        return math.inf
    trial = Trial(probed)
    trial.train(in_random_order(probed, updates, "noise scale"), check)
    total, squares = None, 0.0
    for batch in batches:
        check()
        gradient = torch.cat([each.flatten() for each in trial.gradients(batch).values()])
        squares += gradient.square().sum().item() / len(batches)
        total = gradient if total is None else total + gradient
    if total is None:
        return math.inf
    of_mean = (total / len(batches)).square().sum().item()
    big = size * len(batches)
    signal = (big * of_mean - size * squares) / (big - size)
    noise = (squares - of_mean) / (1 / size - 1 / big)
    return noise / signal if signal > 0 else math.inf


@dataclass(frozen=True)
class StepSizes:
    """A range test and the gradient noise scale, of several seeds; nothing is set by them."""

    rate: float
    """The training's own."""
    batch_size: int
    seeds: tuple[int, ...]
    test: RateRange
    noise_scales: tuple[float, ...]
    """In sentences; infinite where the batches could not show it."""


def step_sizes(
    trials: Sequence[Probed], rate: float, batch_size: int, check: Callable[[], None] = no_limit
) -> StepSizes:
    """Both, for trainings of several seeds at the learning rate `rate`."""
    test = rate_range(trials, rate, check=check)
    noise = tuple(noise_scale(trial, check=check) for trial in trials)
    return StepSizes(rate, batch_size, tuple(trial.seed for trial in trials), test, noise)
