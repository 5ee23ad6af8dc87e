"""Says in sentences what follows from a comparison, for whoever prints it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from relclf.comparison.comparing import MOST_SINGLE_RUNS, Comparison, GroupResult, Pair
from relclf.comparison.seed_tests import FEWEST_SEEDS, seeds_for_pairs
from relclf.comparison.sentence_tests import (
    FEW_OF_A_RELATION,
    FEW_SENTENCES,
    RARE_COVERAGE,
    PairedTest,
    coverage_near,
)

_MOST_PAIRS = 15
"""With more, only the pairs of the group with the highest mean are shown."""

ONE_SEED = (
    "This is about these networks on sentences like these. It says nothing of other seeds: another seed of the same "
    f"config scores otherwise. Train {FEWEST_SEEDS} or more seeds of each to compare the configs."
)


class Said(NamedTuple):
    """A sentence, and whether it is a warning."""

    text: str
    warning: bool = False


def what_follows(result: Comparison) -> Iterator[Said]:
    """What a reader should know beside the tables and notes: the tests, which score to report, and warnings."""
    yield from _about_pairs(result)
    yield Said(_which_score(result))
    if any(group.tried > 1 for group in result.groups) and result.question.split == "dev":
        yield Said(
            "A variant that was chosen on dev has too good a dev score as well; --split test shows test."
        )
    for mismatch in result.mismatches:
        values = "; ".join(f"{label(place)} {value}" for place, value in enumerate(mismatch.values))
        yield Said(f"! forced: not the same {mismatch.what}: {values}", True)
    if any(group.many_updates for group in result.groups):
        yield Said("* ten times the updates of another group, or more", True)


def about_test(test: PairedTest) -> Iterator[Said]:
    """What a test of two single runs or files rests on."""
    if not test.differing:
        yield Said("Both label every sentence alike: these sentences cannot tell them apart.")
        return
    yield Said(
        f"{test.differing:,} of {test.sentences:,} sentences are labelled differently. p: paired approximate "
        f"randomisation; interval: bias-corrected bootstrap over the sentences; {test.samples:,} samples each."
    )
    if test.sentences < FEW_SENTENCES:
        size, share = coverage_near(test.sentences)
        yield Said(
            f"few sentences: such a 95 % interval was measured to hold the true difference in {100 * share:.0f} % of "
            f"samples of {size} sentences.",
            True,
        )
    elif test.rare_relations:
        yield Said(
            f"rare relations: {test.rare_relations} of fewer than {FEW_OF_A_RELATION} gold sentences. With 14 such "
            f"relations of 42, a 95 % interval was measured to hold the true difference in {100 * RARE_COVERAGE:.0f} % "
            "of samples.",
            True,
        )


def shown_pairs(result: Comparison) -> list[Pair]:
    """All pairs, or of many those of the group with the highest mean."""
    if len(result.pairs) <= _MOST_PAIRS:
        return list(result.pairs)
    best = _highest(result)
    return [pair for pair in result.pairs if best in (pair.a, pair.b)]


def verdict(pair: Pair, groups: Sequence[GroupResult]) -> str:
    """The verdict on a pair in a few words."""
    match pair.verdict:
        case "a" | "b":
            return f"{label(pair.a if pair.verdict == 'a' else pair.b)} is better"
        case "too few seeds":
            fewest = min(len(groups[pair.a].scores), len(groups[pair.b].scores))
            return f"none: {fewest} seeds"
        case "cannot be shown":
            return "none: least > 0.05"
        case _:
            return "not shown"


def expected_title(result: Comparison) -> str:
    """What the table of the expected best score shows."""
    return (
        f"expected best dev macro-F1 of so many of the {len(result.expected_best)} variants, drawn at random"
    )


def label(place: int) -> str:
    """The letter of a group: A, B, ... Z, AA, AB, ..."""
    first, second = divmod(place, 26)
    return (chr(64 + first) if first else "") + chr(65 + second)


def points(share: float) -> str:
    """0.8283 -> "82.83"."""
    return f"{100 * share:.2f}"


def signed_points(share: float) -> str:
    """0.0112 -> "+1.12"."""
    return f"{100 * share:+.2f}"


def p_words(value: float) -> str:
    """A p value with three digits, or "<.001"."""
    return f"{value:.3f}" if value >= 0.001 else "<.001"


def _about_pairs(result: Comparison) -> Iterator[Said]:
    if not result.pairs:
        yield from _nothing_to_test(result)
        return
    if (shown := len(shown_pairs(result))) < len(result.pairs):
        yield Said(
            f"{shown} of {len(result.pairs)} pairs are shown, those of {label(_highest(result))}; --json has all."
        )
    yield Said(
        "p: two-sided permutation test over seeds. Holm: adjusted for "
        f"{len(result.pairs)} pair{'s' if len(result.pairs) > 1 else ''}; at 0.05 or below it decides. least: the "
        "smallest that so many seeds can give. 80 % at: the true difference that they show in 80 % of cases."
    )
    if any(pair.verdict == "too few seeds" for pair in result.pairs):
        yield Said(
            f"No verdict below {FEWEST_SEEDS} seeds a group: relclf train --config CONFIG --seeds 5", True
        )
    if any(pair.verdict == "cannot be shown" for pair in result.pairs):
        yield Said(
            f"With {len(result.pairs)} pairs these seeds cannot show any difference: name fewer groups, or train "
            f"{seeds_for_pairs(len(result.pairs))} seeds of each.",
            True,
        )
    if result.detect is not None:
        for pair in shown_pairs(result):
            needed = "more than 1,000" if pair.seeds_needed is None else f"{pair.seeds_needed:,}"
            which = f"{label(pair.a)} - {label(pair.b)}"
            yield Said(
                f"To show {points(result.detect)} points in 80 % of cases, {which} needs {needed} seeds a group."
            )


def _nothing_to_test(result: Comparison) -> Iterator[Said]:
    if len(result.groups) == 1:
        yield Said(
            "One group: all these runs have one config, seeds apart. Name others to compare it with.", True
        )
    elif not result.run_pairs:
        yield Said("No two groups have two seeds or more each, so nothing can be tested over seeds.", True)
    if sum(len(group.runs) == 1 for group in result.groups) > MOST_SINGLE_RUNS:
        yield Said(
            f"More than {MOST_SINGLE_RUNS} single runs: name fewer to test them on their sentences.", True
        )


def _which_score(result: Comparison) -> str:
    """Best against last, and which to report."""
    gap, on_dev = result.best_minus_last, result.question.split == "dev"
    if gap is None:
        return "No run has a score yet."
    runs = "over 1 run" if gap.n == 1 else f"over {gap.n} runs"
    measured = f"Best against last: {signed_points(gap.mean)} points {runs}"
    if gap.low is not None and gap.high is not None:
        measured += f" (95 % interval {signed_points(gap.low)} to {signed_points(gap.high)})"
    if on_dev:
        return (
            f"{measured}. On dev the best is the highest of many epochs, and too good for that reason: report the "
            "best epoch's score on test."
        )
    if not (gap.mean or gap.sd):
        measured = f"Best against last: the same epoch, {runs}"
    elif gap.low is not None and gap.high is not None and gap.low <= 0 <= gap.high:
        measured += ", no more than the seeds' noise"
    return (
        f"{measured}. Report the best epoch's: dev picked that epoch, so test had no part in it; and of every group "
        "the same."
    )


def _highest(result: Comparison) -> int:
    tested = {place for pair in result.pairs for place in (pair.a, pair.b)}

    def mean(place: int) -> float:
        best = result.groups[place].best
        return best.mean if best else 0.0

    return max(tested, key=mean)
