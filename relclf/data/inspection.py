"""Counts what a data file holds, in one pass: relations, sentence lengths, distances, order of the mentions."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from relclf.errors import UserMistake
from relclf.example import Example


@dataclass(frozen=True)
class Quantiles:
    """Nearest-rank quantiles of whole numbers, in tokens."""

    p50: int
    p90: int
    p95: int
    p99: int
    max: int


@dataclass(frozen=True)
class DataSummary:
    """What a set of examples holds."""

    count: int
    relations: dict[str, int]
    """Examples of each relation, the most frequent first, then by name."""
    unlabelled: int
    """Examples without a relation."""
    lengths: Quantiles
    """Tokens a sentence."""
    mean_length: float
    distances: Quantiles
    """Tokens between the two mentions."""
    head_first: float
    """Share of the examples whose head stands before the tail."""
    head_types: dict[str, int]
    """Examples whose head is of each type, the most frequent first, then by name."""
    tail_types: dict[str, int]
    untyped: int
    """Examples with a mention of no type."""


def summarise(examples: Iterable[Example]) -> DataSummary:
    """The summary of examples, read once and not kept. Raises UserMistake where there are none."""
    relations: Counter[str | None] = Counter()
    lengths: Counter[int] = Counter()
    distances: Counter[int] = Counter()
    head_types: Counter[str | None] = Counter()
    tail_types: Counter[str | None] = Counter()
    head_first = untyped = 0
    for example in examples:
        first, second = example.head, example.tail
        if first.start < second.start:
            head_first += 1
        else:
            first, second = second, first
        relations[example.relation] += 1
        head_types[example.head_type] += 1
        tail_types[example.tail_type] += 1
        untyped += example.head_type is None or example.tail_type is None
        lengths[len(example.tokens)] += 1
        distances[second.start - first.end] += 1
    count = relations.total()
    if count == 0:
        raise UserMistake("no examples to summarise.")
    return DataSummary(
        count=count,
        relations=_named(relations),
        unlabelled=relations[None],
        lengths=_quantiles(lengths),
        mean_length=sum(length * number for length, number in lengths.items()) / count,
        distances=_quantiles(distances),
        head_first=head_first / count,
        head_types=_named(head_types),
        tail_types=_named(tail_types),
        untyped=untyped,
    )


def _named(counts: Counter[str | None]) -> dict[str, int]:
    """Without those of no name, the most frequent first, then by name."""
    named = [(name, number) for name, number in counts.items() if name is not None]
    return dict(sorted(named, key=lambda pair: (-pair[1], pair[0])))


def _quantiles(counts: Counter[int]) -> Quantiles:
    return Quantiles(*(_quantile(counts, percent) for percent in (50, 90, 95, 99, 100)))


def _quantile(counts: Counter[int], percent: int) -> int:
    """The smallest value that at least `percent` % of the numbers do not exceed."""
    below, total = 0, counts.total()
    for value in sorted(counts):
        below += counts[value]
        if 100 * below >= percent * total:
            return value
    raise ValueError("no quantile of nothing")
