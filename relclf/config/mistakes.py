"""The mistakes of a config: where each stands, which key it is about, what is wrong."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from typing import Any

from relclf.errors import UserMistake

KeyPath = tuple[str | int, ...]
"""The way from the root of a config to a value: keys of mappings and indices of lists."""

MOST_SHOWN = 50


@dataclass(frozen=True, order=True)
class Place:
    """Where a value was written; sorts files before overrides and lines in their order."""

    order: int
    line: int
    column: int
    name: str

    def __str__(self) -> str:
        return f"{self.name}:{self.line}:{self.column}" if self.line else self.name


@dataclass(frozen=True)
class Mistake:
    """One line of an error message: "place: key: what is wrong".

    `hides`: the value itself was refused, so nothing more can be said of it.
    """

    place: Place
    key: KeyPath
    what: str
    hides: bool = False

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.place), dotted(self.key), self.what) if part)


def refusal(mistakes: Iterable[Mistake]) -> UserMistake:
    """One error that tells all mistakes, a line each, in the order of their places."""
    ordered = sorted(dict.fromkeys(mistakes), key=lambda mistake: mistake.place)
    lines = [str(mistake) for mistake in ordered[:MOST_SHOWN]]
    if len(ordered) > MOST_SHOWN:
        lines.append(f"and {len(ordered) - MOST_SHOWN} more mistakes")
    return UserMistake("\n".join(lines))


def dotted(key: Sequence[str | int]) -> str:
    """A key as people write it: `training.optimizer.lr`; an odd name is quoted."""
    return ".".join(
        part if isinstance(part, str) and re.fullmatch(r"[\w-]{1,60}", part) else shown(part) for part in key
    )


def shown(value: Any, longest: int = 60) -> str:
    """A value for a message, on one line and of bounded length, spelt as in YAML."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, str | PurePath):
        return _cut(repr(str(value)[: longest + 1]), longest)
    if isinstance(value, Mapping):
        items = (f"{key}: {shown(item, 20)}" for key, item in islice(value.items(), 5))
        return _cut("{" + ", ".join(items) + "}", longest)
    if isinstance(value, list | tuple):
        return _cut("[" + ", ".join(shown(item, 20) for item in value[:20]) + "]", longest)
    return _cut(repr(value), longest)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
