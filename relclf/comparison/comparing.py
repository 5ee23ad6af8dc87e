"""Compares groups of runs: what each scores, which differences are shown, and which could not have been."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any, Literal

from relclf.comparison.conditions import Mismatch, mismatches
from relclf.comparison.gathering import Gathered, Group
from relclf.comparison.measuring import Measured, Question, as_ids, best_predictions, measure
from relclf.comparison.seed_tests import (
    ALPHA,
    FEWEST_SEEDS,
    Spread,
    detectable_difference,
    holm,
    permutation_p,
    seeds_needed,
    smallest_p,
    spread,
    welch_interval,
)
from relclf.comparison.sentence_tests import PairedTest, paired_test
from relclf.comparison.tuning import Effect, ExpectedBest, expected_best, marginal_effects
from relclf.errors import UserMistake

Verdict = Literal["a", "b", "not shown", "too few seeds", "cannot be shown"]
TENFOLD = 10.0
MOST_SINGLE_RUNS = 6
"""With more, no two of them are tested on their sentences: a sweep of one seed has a pair too many."""


@dataclass(frozen=True)
class GroupResult:
    """One group: its runs and, over those with a score, mean, standard deviation and interval of each number."""

    name: str
    runs: tuple[Measured, ...]
    best: Spread | None
    last: Spread | None
    best_minus_last: Spread | None
    dev_best: Spread | None
    dev_loss_best: Spread | None
    dev_loss_last: Spread | None
    best_epoch: Spread | None
    epochs: Spread | None
    epochs_to_95: Spread | None
    updates_to_95: Spread | None
    updates: Spread | None
    at_epoch: Spread | None
    seconds: Spread | None
    tried: int
    conditions_differ: bool
    """Forced: some condition is not the one that most groups have."""
    many_updates: bool
    """It ran ten times the updates of another group."""

    @property
    def scores(self) -> list[float]:
        """The score at the best epoch of each run that has one."""
        return [run.best for run in self.runs if run.best is not None]


@dataclass(frozen=True)
class Pair:
    """Two groups (their places): a - b over seeds. The p of the permutation test, adjusted, decides."""

    a: int
    b: int
    difference: float
    low: float
    high: float
    p_value: float
    p_adjusted: float
    smallest_p: float
    """The smallest adjusted p that these numbers of seeds can give."""
    detectable: float | None
    """The smallest true difference found in 80 % of cases; None where none can be."""
    seeds_needed: int | None
    """For the difference that was asked about; None where none was, or above 1000."""
    verdict: Verdict


@dataclass(frozen=True)
class RunPair:
    """Two single runs (their places) over the sentences of the split: it says nothing of other seeds."""

    a: int
    b: int
    test: PairedTest
    p_adjusted: float
    """By Holm, over all pairs of single runs."""


@dataclass(frozen=True)
class Comparison:
    """All that `relclf compare` prints; scores in [0, 1]."""

    question: Question
    groups: tuple[GroupResult, ...]
    mismatches: tuple[Mismatch, ...]
    pairs: tuple[Pair, ...]
    run_pairs: tuple[RunPair, ...]
    best_minus_last: Spread | None
    """Over all runs, each against itself."""
    sweep: str | None
    expected_best: tuple[ExpectedBest, ...]
    effects: tuple[Effect, ...]
    detect: float | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The form that --json prints (docs/comparison.md)."""
        value = asdict(self)
        for pair in (*value["pairs"], *value["run_pairs"]):
            pair["a"], pair["b"] = self.groups[pair["a"]].name, self.groups[pair["b"]].name
        return value


def refuse_mismatches(gathered: Gathered, force: bool) -> None:
    """Raise UserMistake where budgets, variants tried or data differ, unless forced."""
    if not force:
        _refuse(mismatches(gathered.groups), [group.name for group in gathered.groups])


def compare(
    gathered: Gathered, question: Question, detect: float | None = None, force: bool = False
) -> Comparison:
    """Compare groups whose evaluations are stored (`measuring.evaluate_missing`). detect: a difference in [0, 1].

    Raises UserMistake where the groups were trained or scored under different conditions, unless forced.
    """
    groups = gathered.groups
    measured = [tuple(measure(run, question) for run in group.runs) for group in groups]
    differing = [*mismatches(groups), *_signatures(measured)]
    if not force:
        _refuse(differing, [group.name for group in groups])
    odd = {place for mismatch in differing for place in mismatch.odd_ones()}
    results = _mark_updates(
        [
            _result(group, runs, place in odd)
            for place, (group, runs) in enumerate(zip(groups, measured, strict=True))
        ]
    )
    gaps = [gap for result in results for run in result.runs if (gap := _gap(run)) is not None]
    kind = gathered.sweep.kind if gathered.sweep else None
    return Comparison(
        question=question,
        groups=tuple(results),
        mismatches=tuple(differing),
        pairs=tuple(_pairs(results, detect)),
        run_pairs=tuple(_run_pairs(gathered, question)),
        best_minus_last=spread(gaps),
        sweep=kind,
        expected_best=tuple(_expected_best(results) if kind == "random" else ()),
        effects=tuple(_effects(gathered, results) if kind == "grid" else ()),
        detect=detect,
        notes=(
            *(note for group, result in zip(groups, results, strict=True) for note in _notes(group, result)),
            *_machines(groups),
        ),
    )


def needs_sentences(gathered: Gathered) -> bool:
    """Whether groups have one run each, which only their sentences can compare."""
    return 2 <= sum(len(group.runs) == 1 for group in gathered.groups) <= MOST_SINGLE_RUNS


def _refuse(differing: Sequence[Mismatch], names: Sequence[str]) -> None:
    if not differing:
        return
    lines = []
    for each in differing:
        by_value: dict[str, list[str]] = {}
        for name, value in zip(names, each.values, strict=True):
            by_value.setdefault(value, []).append(name)
        lines.append(f"not the same {each.what}:")
        lines += [f"  {value} ({_listed(who)})" for value, who in by_value.items()]
    raise UserMistake(
        "\n".join(lines)
        + "\nA difference in score would not be one of the models alone. Train the groups under equal "
        "conditions; --force compares them all the same, and marks them."
    )


def _listed(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _signatures(measured: Sequence[Sequence[Measured]]) -> list[Mismatch]:
    """The score must be the same one everywhere: the same relations, tokens, zero division and version."""
    found = [sorted({run.signature for run in runs if run.signature is not None}) for runs in measured]
    if len({signature for signatures in found for signature in signatures}) < 2:
        return []
    return [Mismatch("score", tuple(" and ".join(signatures) or "none" for signatures in found))]


def _result(group: Group, runs: Sequence[Measured], odd: bool) -> GroupResult:
    def over(number: Callable[[Measured], float | None]) -> Spread | None:
        return spread([value for run in runs if (value := number(run)) is not None])

    return GroupResult(
        name=group.name,
        runs=tuple(runs),
        best=over(lambda run: run.best),
        last=over(lambda run: run.last),
        best_minus_last=over(_gap),
        dev_best=over(lambda run: run.dev_best),
        dev_loss_best=over(lambda run: run.dev_loss_best),
        dev_loss_last=over(lambda run: run.dev_loss_last),
        best_epoch=over(lambda run: run.best_epoch),
        epochs=over(lambda run: run.epochs),
        epochs_to_95=over(lambda run: run.epochs_to_95),
        updates_to_95=over(lambda run: run.updates_to_95),
        updates=over(lambda run: run.updates),
        at_epoch=over(lambda run: run.at_epoch),
        seconds=over(lambda run: run.seconds),
        tried=group.tried,
        conditions_differ=odd,
        many_updates=False,
    )


def _gap(run: Measured) -> float | None:
    return None if run.best is None or run.last is None else run.best - run.last


def _mark_updates(results: Sequence[GroupResult]) -> list[GroupResult]:
    least = min(
        (result.updates.mean for result in results if result.updates and result.updates.mean), default=0.0
    )
    return [
        replace(
            result, many_updates=bool(least and result.updates and result.updates.mean >= TENFOLD * least)
        )
        for result in results
    ]


def _pairs(results: Sequence[GroupResult], detect: float | None) -> list[Pair]:
    """Every two groups of two seeds or more; Holm's adjustment is over all of them."""
    places = [place for place, result in enumerate(results) if len(result.scores) > 1]
    tested = [(a, b, results[a].scores, results[b].scores) for a, b in combinations(places, 2)]
    p_values = [permutation_p(one, other) for _, _, one, other in tested]
    return [
        _pair(a, b, results[a], results[b], p_value, adjusted, len(tested), detect)
        for (a, b, _, _), p_value, adjusted in zip(tested, p_values, holm(p_values), strict=True)
    ]


def _pair(
    a: int,
    b: int,
    one: GroupResult,
    other: GroupResult,
    p_value: float,
    adjusted: float,
    pairs: int,
    detect: float | None,
) -> Pair:
    assert (
        one.best is not None
        and one.best.sd is not None
        and other.best is not None
        and other.best.sd is not None
    )
    interval = welch_interval(one.scores, other.scores)
    assert interval is not None
    difference, sizes = one.best.mean - other.best.mean, (one.best.n, other.best.n)
    smallest = min(1.0, pairs * smallest_p(*sizes))
    verdict: Verdict = "not shown"
    if min(sizes) < FEWEST_SEEDS:
        verdict = "too few seeds"
    elif smallest > ALPHA:
        verdict = "cannot be shown"
    elif adjusted <= ALPHA:
        verdict = "a" if difference > 0 else "b"
    return Pair(
        a,
        b,
        difference,
        *interval,
        p_value,
        adjusted,
        smallest,
        detectable_difference(one.best.sd, other.best.sd, *sizes, pairs),
        seeds_needed(detect, one.best.sd, other.best.sd, pairs) if detect is not None else None,
        verdict,
    )


def _run_pairs(gathered: Gathered, question: Question) -> list[RunPair]:
    """Every two groups of one run each, by what their best epochs say of the sentences."""
    if not needs_sentences(gathered):
        return []
    single = {
        place: group.runs[0]
        for place, group in enumerate(gathered.groups)
        if len(group.runs) == 1 and group.runs[0].best is not None
    }
    said = {place: best_predictions(run, question.split) for place, run in single.items()}
    tests = []
    for a, b in combinations(single, 2):
        relations, (gold, one, other) = as_ids(said[a], said[b], single[a].config.data.negative_relation)
        tests.append((a, b, paired_test(question.score, gold, one, other, relations)))
    adjusted = holm([test.p_value for _, _, test in tests])
    return [RunPair(a, b, test, p) for (a, b, test), p in zip(tests, adjusted, strict=True)]


def _expected_best(results: Sequence[GroupResult]) -> list[ExpectedBest]:
    return expected_best([result.dev_best.mean for result in results if result.dev_best])


def _effects(gathered: Gathered, results: Sequence[GroupResult]) -> list[Effect]:
    assert gathered.sweep is not None
    settings = [gathered.sweep.variants[group.variant or ""] for group in gathered.groups]
    cells = [(each, result.scores) for each, result in zip(settings, results, strict=True)]
    return marginal_effects(gathered.sweep.keys, cells)


_STATES = {
    "training": "still training: the last record is used",
    "killed": "killed before the end: the last record is used",
    "interrupted": "interrupted before the end: the last record is used",
    "error": "ended by an error: the last record is used",
    "diverged": "diverged: the best epoch before counts",
    "not_finite": "ended by a loss that is no number: the best epoch before counts",
}


def _notes(group: Group, result: GroupResult) -> list[str]:
    """What a reader of the table should know of the group's runs."""
    notes = []
    for state, meaning in _STATES.items():
        if seeds := [run.seed for run in result.runs if run.state == state and run.epochs]:
            notes.append(f"{group.name}: {_seeds(seeds)} {meaning}")
    if seeds := [run.seed for run in result.runs if run.best is None]:
        notes.append(f"{group.name}: {_seeds(seeds)} left out, without a score (no complete epoch)")
    if group.sweep is not None and group.whole and len(group.runs) < group.sweep.seeds:
        notes.append(f"{group.name}: {len(group.runs)} of the sweep's {group.sweep.seeds} seeds")
    return notes


def _machines(groups: Sequence[Group]) -> list[str]:
    """Seconds compare only where one kind of machine counted them."""
    environments = [run.environment for group in groups for run in group.runs]
    names = {
        f"{each.get('device_name') or each.get('device')} ({each.get('threads')} threads)"
        for each in environments
    }
    return (
        [f"seconds do not compare: the runs were made on {' and '.join(sorted(names))}"]
        if len(names) > 1
        else []
    )


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
