"""Splits examples, each relation in proportion, the same way for the same relations, shares and seed."""

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from relclf.errors import UserMistake
from relclf.example import Example
from relclf.seeding import named_seed

if TYPE_CHECKING:
    from relclf.config.schema import DataConfig

_MOST_PARTS = 100
"""Into which groups are dealt to take a share of them."""


@dataclass(frozen=True)
class Splits:
    """What a config makes of the examples of its train file, each part in their order."""

    train: list[Example]
    dev: list[Example]
    """Empty where dev is a file, and with `all_data`."""
    test: list[Example]
    """The held-out fold or share; empty where test is a file or none."""


def split_train(examples: list[Example], data: "DataConfig") -> Splits:
    """Take test out of the examples of the train file, where it is a fold or a share of it, then dev likewise."""
    train, dev, test = examples, list[Example](), list[Example]()
    if data.folds is not None and data.fold is not None:
        of_fold = equal_parts(train, _groups(train, data), data.folds, data.split_seed)
        test = [example for example, part in zip(train, of_fold, strict=True) if part == data.fold - 1]
        train = [example for example, part in zip(train, of_fold, strict=True) if part != data.fold - 1]
        if not test or not train:
            raise UserMistake(
                f"data.folds: fold {data.fold} of {data.folds} is empty or everything. Make fewer folds."
            )
    elif isinstance(data.test, float):
        train, test = _share_taken(train, data.test, data, "test")
    if not data.all_data and not isinstance(data.dev, Path):
        train, dev = _share_taken(train, data.dev, data, "dev")
    return Splits(train, dev, test)


def _share_taken(
    examples: list[Example], share: float, data: "DataConfig", name: str
) -> tuple[list[Example], list[Example]]:
    if data.group_by is None:
        return stratified_split(examples, share, data.split_seed, name)
    nearest = Fraction(share).limit_denominator(_MOST_PARTS)
    parts = equal_parts(
        examples, _groups(examples, data), nearest.denominator, data.split_seed, f"{name} split"
    )
    rest = [example for example, part in zip(examples, parts, strict=True) if part >= nearest.numerator]
    taken = [example for example, part in zip(examples, parts, strict=True) if part < nearest.numerator]
    if not rest or not taken:
        raise UserMistake(
            f"data.{name}: a share of {share:g} of {len(examples)} sentences, in groups of one {data.group_by}, leaves "
            "one side empty. Take another share, or name a file."
        )
    return rest, taken


def _groups(examples: Sequence[Example], data: "DataConfig") -> list[Hashable]:
    """What may not be parted: the group of each example, which may be its sentence; where there is no rule, each alone.

    An example that was cut to a window carries its whole sentence as its group.
    """
    if data.group_by is None:
        return list(range(len(examples)))
    return [" ".join(example.tokens) if example.group is None else example.group for example in examples]


def equal_parts(
    examples: Sequence[Example], groups: Sequence[Hashable], count: int, seed: int, purpose: str = "folds"
) -> list[int]:
    """The part of each example, from 0: a group is in one part, and every part has about as many of each relation.

    The groups are dealt out in an order drawn from the seed, each to the part where the squares of what its relations
    have too little or too much become least.
    """
    totals = Counter(example.relation for example in examples)
    own: dict[Hashable, Counter[str | None]] = defaultdict(Counter)
    for example, group in zip(examples, groups, strict=True):
        own[group][example.relation] += 1
    draws = np.random.Generator(np.random.PCG64(named_seed(seed, purpose))).random(len(own))
    held = [Counter[str | None]() for _ in range(count)]
    sizes = [0] * count
    part_of: dict[Hashable, int] = {}
    for _, group in sorted(zip(draws.tolist(), own, strict=True), key=lambda pair: pair[0]):
        numbers = own[group].items()
        growth = [sum(n * (n + 2 * part[name]) / totals[name] for name, n in numbers) for part in held]
        least = min(growth)
        best = min((k for k in range(count) if growth[k] <= least + 1e-9), key=lambda k: sizes[k])
        part_of[group] = best
        held[best].update(own[group])
        sizes[best] += own[group].total()
    return [part_of[group] for group in groups]


def stratified_split(
    examples: Sequence[Example], share: float, seed: int, name: str = "dev"
) -> tuple[list[Example], list[Example]]:
    """The rest and the taken `share` of the examples, both in their order; `name` is that of the taken one.

    Each relation gives its share, fractions going to the largest remainders, and always keeps one
    example in the rest: a relation with a single one gives none. Which examples are taken depends on
    the relations in their order, the share and the seed alone. Raises UserMistake where a side is empty.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, example in enumerate(examples):
        places[example.relation or ""].append(place)
    counts = _taken_counts({relation: len(members) for relation, members in places.items()}, share)
    draws = np.random.Generator(
        np.random.PCG64(named_seed(seed, "split" if name == "dev" else f"{name} split"))
    ).random(len(examples))
    taken = {
        place
        for relation, count in counts.items()
        for place in sorted(places[relation], key=lambda place: draws[place])[:count]
    }
    if not taken:
        raise UserMistake(
            f"data.{name}: a share of {share:g} of {len(examples)} sentences takes none, since each relation keeps one "
            "in train. Take a larger share, or name a file."
        )
    rest = [example for place, example in enumerate(examples) if place not in taken]
    return rest, [example for place, example in enumerate(examples) if place in taken]


def _taken_counts(sizes: dict[str, int], share: float) -> dict[str, int]:
    """How many examples each relation gives: the largest-remainder method over relations with two or more."""
    quotas = {relation: share * size for relation, size in sorted(sizes.items()) if size > 1}
    counts = {relation: math.floor(quota) for relation, quota in quotas.items()}
    total = math.floor(share * sum(sizes[relation] for relation in quotas) + 0.5)
    for relation in sorted(quotas, key=lambda relation: counts[relation] - quotas[relation]):
        if sum(counts.values()) < total and counts[relation] + 1 < sizes[relation]:
            counts[relation] += 1
    return counts
