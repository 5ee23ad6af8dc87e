"""What a person sees of a comparison: groups, pairs, and in sentences what follows from them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from relclf.cli.console import answers
from relclf.cli.finding_lines import print_wrapped
from relclf.cli.formatting import loss, short_count
from relclf.cli.score_tables import SCORE_WORDS
from relclf.comparison.comparing import MOST_SINGLE_RUNS
from relclf.comparison.seed_tests import FEWEST_SEEDS, Spread, seeds_for_pairs
from relclf.comparison.sentence_tests import FEW_OF_A_RELATION, FEW_SENTENCES, RARE_COVERAGE, coverage_near
from relclf.relations import printable

if TYPE_CHECKING:
    from relclf.comparison.comparing import Comparison, GroupResult, Pair
    from relclf.comparison.sentence_tests import PairedTest

_MOST_PAIRS = 15
"""With more, only the pairs of the group with the highest mean are printed."""


_ONE_SEED = (
    "This is about these networks on sentences like these. It says nothing of other seeds: another seed of the same "
    f"config scores otherwise. Train {FEWEST_SEEDS} or more seeds of each to compare the configs."
)


def print_comparison(result: "Comparison") -> None:
    """The groups, what they score, the pairs with their verdicts, and which score to report."""
    console = answers()
    what = f"{result.question.split} {SCORE_WORDS[result.question.score]}"
    console.print(Text(f"relclf compare · {what} in %", "bold"))
    console.print()
    for place, group in enumerate(result.groups):
        tried = f", one of {group.tried} variants tried" if group.tried > 1 and result.sweep is None else ""
        seeds = f"{len(group.runs)} seed{'s' if len(group.runs) != 1 else ''}"
        _line(console, f"{_label(place)}  {printable(group.name)} ({seeds}{tried})")
    for title, lines in (
        ("", _score_lines(result)),
        ("", _course_lines(result)),
        ("", _pair_lines(result)),
        (_expected_title(result), _expected_lines(result)),
        (f"what each setting changes, in points of {what}", _effect_lines(result)),
    ):
        _section(console, title, list(lines))
    for pair in result.run_pairs:
        console.print()
        adjusted = f", Holm {_p(pair.p_adjusted)}" if len(result.run_pairs) > 1 else ""
        _print_test(console, _label(pair.a), _label(pair.b), pair.test, adjusted)
    if result.run_pairs:
        print_wrapped(console, _ONE_SEED)
    console.print()
    for sentence, style in _sentences(result):
        print_wrapped(console, sentence, style)


def print_paired(a: str, b: str, test: "PairedTest") -> None:
    """Two files of answers: their scores, then the test of A - B."""
    console = answers()
    console.print(
        Text(f"relclf compare · {SCORE_WORDS[test.score]} in %, {test.sentences:,} examples", "bold")
    )
    console.print()
    _line(console, f"A  {_points(test.a):>6}  {printable(a)}")
    _line(console, f"B  {_points(test.b):>6}  {printable(b)}")
    console.print()
    _print_test(console, "A", "B", test)
    print_wrapped(console, _ONE_SEED)


def _section(console: Console, title: str, lines: list[str]) -> None:
    """Lines below their heading, which is the first of them where the section has no title."""
    if not lines:
        return
    console.print()
    if title:
        console.print(Text(title, "bold"))
    for line in lines:
        heading = not title and not line[:1].strip()
        _line(console, line, "bold" if heading else "")


def _score_lines(result: "Comparison") -> Iterator[str]:
    yield f"{'':9}{'best epoch':^29}  {'last epoch':^29}".rstrip()
    column = f"{'mean ± sd':>14} {'95 % interval':>15}"
    yield f"{'':2} seeds {column}  {column}"
    for place, group in enumerate(result.groups):
        mark = "!" if group.conditions_differ else " "
        yield f"{_label(place):<2}{mark}{len(group.scores):>5} {_scored(group.best)}  {_scored(group.last)}".rstrip()


def _course_lines(result: "Comparison") -> Iterator[str]:
    """How the trainings went, means over the runs."""
    epoch = result.question.at_epoch
    asked = f"{f'dev at {epoch}':>15}" if epoch is not None else ""
    yield f"{'':3}{'dev loss at':>14}{'95 % of its best at':>22}{'in all':>15}"
    yield f"{'':3}{'best':>7}{'last':>7}{'epoch':>12}{'updates':>10}{'epochs':>7}{'updates':>10}{'seconds':>9}{asked}"
    for place, group in enumerate(result.groups):
        mark = "*" if group.many_updates else " "
        cells = [
            f"{_label(place):<3}{loss(_mean(group.dev_loss_best)):>7}{loss(_mean(group.dev_loss_last)):>7}",
            f"{_with_sd(group.epochs_to_95, '.1f'):>12}{_count(group.updates_to_95):>10}",
            f"{_number(group.epochs, '.1f'):>7}{_count(group.updates):>9}{mark}{_number(group.seconds, ',.1f'):>9}",
            f"{_with_sd(_in_percent(group.at_epoch), '.2f'):>15}" if epoch is not None else "",
        ]
        yield "".join(cells).rstrip()


def _pair_lines(result: "Comparison") -> Iterator[str]:
    if not result.pairs:
        return
    yield f"{'':8}{'difference':>10}  {'95 % interval':<17}{'p':>6}{'Holm':>7}{'least':>7}{'80 % at':>9}  verdict"
    for pair in _shown_pairs(result):
        interval = f"{_signed(pair.low)} to {_signed(pair.high)}"
        detectable = "-" if pair.detectable is None else _points(pair.detectable)
        yield (
            f"{_label(pair.a)} - {_label(pair.b)}".ljust(8)
            + f"{_signed(pair.difference):>10}  {interval:<17}{_p(pair.p_value):>6}{_p(pair.p_adjusted):>7}"
            + f"{_p(pair.smallest_p):>7}{detectable:>9}  {_verdict(pair, result.groups)}"
        )


def _shown_pairs(result: "Comparison") -> list["Pair"]:
    """All pairs, or of many those of the group with the highest mean."""
    if len(result.pairs) <= _MOST_PAIRS:
        return list(result.pairs)
    best = _highest(result)
    return [pair for pair in result.pairs if best in (pair.a, pair.b)]


def _highest(result: "Comparison") -> int:
    tested = {place for pair in result.pairs for place in (pair.a, pair.b)}
    return max(tested, key=lambda place: _mean(result.groups[place].best) or 0.0)


def _verdict(pair: "Pair", groups: "tuple[GroupResult, ...]") -> str:
    match pair.verdict:
        case "a" | "b":
            return f"{_label(pair.a if pair.verdict == 'a' else pair.b)} is better"
        case "too few seeds":
            fewest = min(len(groups[pair.a].scores), len(groups[pair.b].scores))
            return f"none: {fewest} seeds"
        case "cannot be shown":
            return "none: least > 0.05"
        case _:
            return "not shown"


def _expected_title(result: "Comparison") -> str:
    return (
        f"expected best dev macro-F1 of so many of the {len(result.expected_best)} variants, drawn at random"
    )


def _expected_lines(result: "Comparison") -> Iterator[str]:
    total = len(result.expected_best)
    if total:
        yield f"{'variants':>10}{'mean ± sd':>16}"
    for each in result.expected_best:
        if each.variants in (1, total) or each.variants & (each.variants - 1) == 0:
            yield f"{each.variants:>10}{f'{_points(each.mean)} ±{_points(each.sd)}':>16}"


def _effect_lines(result: "Comparison") -> Iterator[str]:
    if not result.effects:
        return
    keys = max(len(f"{each.key}={each.value}") for each in result.effects)
    yield f"  {'':<{keys}}{'mean':>8}{'change':>9}  95 % interval"
    key = None
    for each in result.effects:
        change = f"{_signed(each.difference):>9}" if each.key == key else f"{'':>9}"
        interval = f"  {_signed(each.low)} to {_signed(each.high)}" if each.low is not None else ""
        yield f"  {f'{each.key}={each.value}':<{keys}}{_points(each.mean):>8}{change}{interval}".rstrip()
        key = each.key


def _print_test(console: Console, a: str, b: str, test: "PairedTest", adjusted: str = "") -> None:
    """The test of two single runs or files in sentences."""
    _line(
        console,
        f"{a} - {b}   {_signed(test.difference)} points   95 % interval {_signed(test.low)} to {_signed(test.high)}"
        f"   p {_p(test.p_value)}{adjusted}",
        "bold",
    )
    if not test.differing:
        print_wrapped(console, "Both label every sentence alike: these sentences cannot tell them apart.")
        return
    print_wrapped(
        console,
        f"{test.differing:,} of {test.sentences:,} sentences are labelled differently. p: paired approximate "
        f"randomisation; interval: bias-corrected bootstrap over the sentences; {test.samples:,} samples each.",
    )
    if test.sentences < FEW_SENTENCES:
        size, share = coverage_near(test.sentences)
        print_wrapped(
            console,
            f"few sentences: such a 95 % interval was measured to hold the true difference in {100 * share:.0f} % of "
            f"samples of {size} sentences.",
            "yellow",
        )
    elif test.rare_relations:
        print_wrapped(
            console,
            f"rare relations: {test.rare_relations} of fewer than {FEW_OF_A_RELATION} gold sentences. With 14 such "
            f"relations of 42, a 95 % interval was measured to hold the true difference in {100 * RARE_COVERAGE:.0f} % "
            "of samples.",
            "yellow",
        )


def _sentences(result: "Comparison") -> Iterator[tuple[str, str]]:
    """What follows from the tables, each sentence with its style."""
    yield from _about_pairs(result)
    yield _which_score(result), ""
    if any(group.tried > 1 for group in result.groups) and result.question.split == "dev":
        yield (
            "A variant that was chosen on dev has too good a dev score as well; --split test shows test.",
            "",
        )
    for mismatch in result.mismatches:
        values = "; ".join(f"{_label(place)} {value}" for place, value in enumerate(mismatch.values))
        yield f"! forced: not the same {mismatch.what}: {values}", "yellow"
    if any(group.many_updates for group in result.groups):
        yield "* ten times the updates of another group, or more", "yellow"
    for note in result.notes:
        yield f"note   {note}", "yellow"


def _about_pairs(result: "Comparison") -> Iterator[tuple[str, str]]:
    if not result.pairs:
        if len(result.groups) == 1:
            yield (
                "One group: all these runs have one config, seeds apart. Name others to compare it with.",
                "yellow",
            )
        elif not result.run_pairs:
            yield "No two groups have two seeds or more each, so nothing can be tested over seeds.", "yellow"
        if sum(len(group.runs) == 1 for group in result.groups) > MOST_SINGLE_RUNS:
            yield (
                f"More than {MOST_SINGLE_RUNS} single runs: name fewer to test them on their sentences.",
                "yellow",
            )
        return
    if (shown := len(_shown_pairs(result))) < len(result.pairs):
        yield (
            f"{shown} of {len(result.pairs)} pairs are shown, those of {_label(_highest(result))}; --json has all.",
            "",
        )
    yield (
        "p: two-sided permutation test over seeds. Holm: adjusted for "
        f"{len(result.pairs)} pair{'s' if len(result.pairs) > 1 else ''}; at 0.05 or below it decides. least: the "
        "smallest that so many seeds can give. 80 % at: the true difference that they show in 80 % of cases.",
        "",
    )
    if any(pair.verdict == "too few seeds" for pair in result.pairs):
        yield (
            f"No verdict below {FEWEST_SEEDS} seeds a group: relclf train --config CONFIG --seeds 5",
            "yellow",
        )
    if any(pair.verdict == "cannot be shown" for pair in result.pairs):
        yield (
            f"With {len(result.pairs)} pairs these seeds cannot show any difference: name fewer groups, or train "
            f"{seeds_for_pairs(len(result.pairs))} seeds of each.",
            "yellow",
        )
    if result.detect is not None:
        for pair in _shown_pairs(result):
            needed = "more than 1,000" if pair.seeds_needed is None else f"{pair.seeds_needed:,}"
            which = f"{_label(pair.a)} - {_label(pair.b)}"
            yield (
                f"To show {_points(result.detect)} points in 80 % of cases, {which} needs {needed} seeds a group.",
                "",
            )


def _which_score(result: "Comparison") -> str:
    """Best against last, and which to report."""
    gap, on_dev = result.best_minus_last, result.question.split == "dev"
    if gap is None:
        return "No run has a score yet."
    runs = "over 1 run" if gap.n == 1 else f"over {gap.n} runs"
    measured = f"Best against last: {_signed(gap.mean)} points {runs}"
    if gap.low is not None and gap.high is not None:
        measured += f" (95 % interval {_signed(gap.low)} to {_signed(gap.high)})"
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


def _line(console: Console, line: str, style: str = "") -> None:
    console.print(Text(line, style), no_wrap=True, overflow="ignore", crop=False)


def _label(place: int) -> str:
    """A, B, ... Z, AA, AB, ..."""
    first, second = divmod(place, 26)
    return (chr(64 + first) if first else "") + chr(65 + second)


def _scored(spread: Spread | None) -> str:
    """A mean with its standard deviation and interval, in 30 characters."""
    if spread is None or spread.low is None or spread.high is None:
        return f"{_points(spread.mean) if spread else '-':>6}{'':24}"
    return f"{_with_sd(_in_percent(spread), '.2f'):>14} {_points(spread.low):>6} to {_points(spread.high):<5}"


def _with_sd(spread: Spread | None, form: str) -> str:
    if spread is None:
        return "-"
    return f"{spread.mean:{form}}" + (f" ±{spread.sd:{form}}" if spread.sd is not None else "")


def _in_percent(spread: Spread | None) -> Spread | None:
    if spread is None or spread.sd is None:
        return spread and Spread(spread.n, 100 * spread.mean, None, None, None)
    return Spread(spread.n, 100 * spread.mean, 100 * spread.sd, None, None)


def _mean(spread: Spread | None) -> float | None:
    return spread.mean if spread else None


def _number(spread: Spread | None, form: str) -> str:
    return f"{spread.mean:{form}}" if spread else "-"


def _count(spread: Spread | None) -> str:
    return short_count(spread.mean) if spread else "-"


def _points(share: Any) -> str:
    return f"{100 * share:.2f}"


def _signed(share: Any) -> str:
    return f"{100 * share:+.2f}"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "<.001"
