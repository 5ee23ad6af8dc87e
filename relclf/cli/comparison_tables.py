"""What a person sees of a comparison: groups, pairs, and in sentences what follows from them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from relclf.cli.console import answers
from relclf.cli.finding_lines import print_wrapped
from relclf.cli.formatting import loss, short_count
from relclf.comparison.seed_tests import Spread
from relclf.comparison.wording import (
    ONE_SEED,
    about_test,
    expected_title,
    label,
    p_words,
    points,
    shown_pairs,
    signed_points,
    verdict,
    what_follows,
)
from relclf.relations import printable
from relclf.scoring.metrics import SCORE_WORDS

if TYPE_CHECKING:
    from relclf.comparison.comparing import Comparison
    from relclf.comparison.sentence_tests import PairedTest


def print_comparison(result: "Comparison") -> None:
    """The groups, what they score, the pairs with their verdicts, and which score to report."""
    console = answers()
    what = f"{result.question.split} {SCORE_WORDS[result.question.score]}"
    console.print(Text(f"relclf compare · {what} in %", "bold"))
    console.print()
    for place, group in enumerate(result.groups):
        tried = f", one of {group.tried} variants tried" if group.tried > 1 and result.sweep is None else ""
        seeds = f"{len(group.runs)} seed{'s' if len(group.runs) != 1 else ''}"
        _line(console, f"{label(place)}  {printable(group.name)} ({seeds}{tried})")
    for title, lines in (
        ("", _score_lines(result)),
        ("", _course_lines(result)),
        ("", _pair_lines(result)),
        (expected_title(result), _expected_lines(result)),
        (f"what each setting changes, in points of {what}", _effect_lines(result)),
    ):
        _section(console, title, list(lines))
    for pair in result.run_pairs:
        console.print()
        adjusted = f", Holm {p_words(pair.p_adjusted)}" if len(result.run_pairs) > 1 else ""
        _print_test(console, label(pair.a), label(pair.b), pair.test, adjusted)
    if result.run_pairs:
        print_wrapped(console, ONE_SEED)
    console.print()
    for said in what_follows(result):
        print_wrapped(console, said.text, "yellow" if said.warning else "")
    for note in result.notes:
        print_wrapped(console, f"note   {note}", "yellow")


def print_paired(a: str, b: str, test: "PairedTest") -> None:
    """Two files of answers: their scores, then the test of A - B."""
    console = answers()
    console.print(
        Text(f"relclf compare · {SCORE_WORDS[test.score]} in %, {test.sentences:,} examples", "bold")
    )
    console.print()
    _line(console, f"A  {points(test.a):>6}  {printable(a)}")
    _line(console, f"B  {points(test.b):>6}  {printable(b)}")
    console.print()
    _print_test(console, "A", "B", test)
    print_wrapped(console, ONE_SEED)


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
        yield f"{label(place):<2}{mark}{len(group.scores):>5} {_scored(group.best)}  {_scored(group.last)}".rstrip()


def _course_lines(result: "Comparison") -> Iterator[str]:
    """How the trainings went, means over the runs."""
    epoch = result.question.at_epoch
    asked = f"{f'dev at {epoch}':>15}" if epoch is not None else ""
    yield f"{'':3}{'dev loss at':>14}{'95 % of its best at':>22}{'in all':>15}"
    yield f"{'':3}{'best':>7}{'last':>7}{'epoch':>12}{'updates':>10}{'epochs':>7}{'updates':>10}{'seconds':>9}{asked}"
    for place, group in enumerate(result.groups):
        mark = "*" if group.many_updates else " "
        cells = [
            f"{label(place):<3}{loss(_mean(group.dev_loss_best)):>7}{loss(_mean(group.dev_loss_last)):>7}",
            f"{_with_sd(group.epochs_to_95, '.1f'):>12}{_count(group.updates_to_95):>10}",
            f"{_number(group.epochs, '.1f'):>7}{_count(group.updates):>9}{mark}{_number(group.seconds, ',.1f'):>9}",
            f"{_with_sd(_in_percent(group.at_epoch), '.2f'):>15}" if epoch is not None else "",
        ]
        yield "".join(cells).rstrip()


def _pair_lines(result: "Comparison") -> Iterator[str]:
    if not result.pairs:
        return
    yield f"{'':8}{'difference':>10}  {'95 % interval':<17}{'p':>6}{'Holm':>7}{'least':>7}{'80 % at':>9}  verdict"
    for pair in shown_pairs(result):
        interval = f"{signed_points(pair.low)} to {signed_points(pair.high)}"
        detectable = "-" if pair.detectable is None else points(pair.detectable)
        yield (
            f"{label(pair.a)} - {label(pair.b)}".ljust(8)
            + f"{signed_points(pair.difference):>10}  {interval:<17}{p_words(pair.p_value):>6}"
            + f"{p_words(pair.p_adjusted):>7}{p_words(pair.smallest_p):>7}{detectable:>9}  "
            + verdict(pair, result.groups)
        )


def _expected_lines(result: "Comparison") -> Iterator[str]:
    total = len(result.expected_best)
    if total:
        yield f"{'variants':>10}{'mean ± sd':>16}"
    for each in result.expected_best:
        if each.variants in (1, total) or each.variants & (each.variants - 1) == 0:
            yield f"{each.variants:>10}{f'{points(each.mean)} ±{points(each.sd)}':>16}"


def _effect_lines(result: "Comparison") -> Iterator[str]:
    if not result.effects:
        return
    keys = max(len(f"{each.key}={each.value}") for each in result.effects)
    yield f"  {'':<{keys}}{'mean':>8}{'change':>9}  95 % interval"
    key = None
    for each in result.effects:
        change = f"{signed_points(each.difference):>9}" if each.key == key else f"{'':>9}"
        interval = ""
        if each.low is not None and each.high is not None:
            interval = f"  {signed_points(each.low)} to {signed_points(each.high)}"
        yield f"  {f'{each.key}={each.value}':<{keys}}{points(each.mean):>8}{change}{interval}".rstrip()
        key = each.key


def _print_test(console: Console, a: str, b: str, test: "PairedTest", adjusted: str = "") -> None:
    """The test of two single runs or files in sentences."""
    _line(
        console,
        f"{a} - {b}   {signed_points(test.difference)} points   "
        f"95 % interval {signed_points(test.low)} to {signed_points(test.high)}   p {p_words(test.p_value)}{adjusted}",
        "bold",
    )
    for said in about_test(test):
        print_wrapped(console, said.text, "yellow" if said.warning else "")


def _line(console: Console, line: str, style: str = "") -> None:
    console.print(Text(line, style), no_wrap=True, overflow="ignore", crop=False)


def _scored(spread: Spread | None) -> str:
    """A mean with its standard deviation and interval, in 30 characters."""
    if spread is None or spread.low is None or spread.high is None:
        return f"{points(spread.mean) if spread else '-':>6}{'':24}"
    return f"{_with_sd(_in_percent(spread), '.2f'):>14} {points(spread.low):>6} to {points(spread.high):<5}"


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
