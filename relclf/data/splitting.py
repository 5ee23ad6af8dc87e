"""Splits examples in two, each relation in proportion, the same way for the same relations, share and seed."""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from relclf.errors import UserMistake
from relclf.example import Example
from relclf.seeding import named_seed


def stratified_split(
    examples: Sequence[Example], share: float, seed: int
) -> tuple[list[Example], list[Example]]:
    """The rest and the taken `share` of the examples, both in their order.

    Each relation gives its share, fractions going to the largest remainders, and always keeps one
    example in the rest: a relation with a single one gives none. Which examples are taken depends on
    the relations in their order, the share and the seed alone. Raises UserMistake where a side is empty.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, example in enumerate(examples):
        places[example.relation or ""].append(place)
    counts = _taken_counts({relation: len(members) for relation, members in places.items()}, share)
    draws = np.random.Generator(np.random.PCG64(named_seed(seed, "split"))).random(len(examples))
    taken = {
        place
        for relation, count in counts.items()
        for place in sorted(places[relation], key=lambda place: draws[place])[:count]
    }
    if not taken:
        raise UserMistake(
            f"data.dev: a share of {share:g} of {len(examples)} sentences takes none, since each relation keeps one "
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
