"""The set of relations of an experiment, in the order of the network's score columns."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class RelationSet:
    """Relation names in score-column order, and the negative relation where the person declared one."""

    names: tuple[str, ...]
    negative: str | None = None

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"relation names are not unique: {self.names}")
        if self.negative is not None and self.negative not in self.names:
            raise ValueError(f"the negative relation {self.negative!r} is not one of {self.names}")

    @classmethod
    def from_names(cls, names: Iterable[str], negative: str | None = None) -> "RelationSet":
        """The distinct names in alphabetical order."""
        return cls(tuple(sorted(set(names))), negative)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Relation name -> column of the scores."""
        return {name: index for index, name in enumerate(self.names)}

    @property
    def negative_id(self) -> int | None:
        """The column of the negative relation; None where none is declared."""
        return None if self.negative is None else self.ids[self.negative]

    def __len__(self) -> int:
        return len(self.names)


def printable(name: str) -> str:
    """A name as it is, or escaped as in JSON where it would break a line or steer the terminal."""
    return name if name.isprintable() else json.dumps(name)
