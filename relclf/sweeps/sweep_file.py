"""Reads a sweep file: the base config, what varies in it, and how often each variant is trained."""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from relclf.config.draft import PATH_KEYS, Draft, absolute, draft_of_file
from relclf.config.mistakes import KeyPath, Mistake, Place, refusal, shown
from relclf.config.yaml_source import YamlDocument, read_yaml
from relclf.sweeps.distributions import Choice, Distribution, read_distribution

Kind = Literal["grid", "random", "search"]
KINDS: tuple[Kind, ...] = ("grid", "random", "search")
KEYS = ("base", *KINDS, "variants", "draw_seed", "prune_after", "seeds", "split")
OWN_KEYS = {
    "seed": "a sweep's own `seeds:` says which seeds each variant is trained with.",
    "data.sha256": "says what the data are, and is no setting.",
}
"""Config keys that cannot vary, and why."""


@dataclass(frozen=True)
class SweepFile:
    """What a sweep file says, checked but for the settings themselves."""

    path: Path
    kind: Kind
    base: Draft
    space: Mapping[str, Distribution]
    """What each key may be; a grid's are all `Choice`."""
    places: Mapping[str, Place]
    """Where each key was written."""
    variants: int
    """How many there are to be; of a grid, all."""
    draw_seed: int
    prune_after: int | None
    """Epochs before which a search ends no run early; None: it never does."""
    seeds: int | tuple[int, ...]
    """How many from the config's own on, or which."""
    split: Literal["fixed", "resample"]


def read_sweep(path: Path) -> SweepFile:
    """Read a sweep file. Raises UserMistake with every mistake in it, a line each."""
    return _Reader(path, read_yaml(path)).read()


@dataclass
class _Reader:
    path: Path
    document: YamlDocument
    mistakes: list[Mistake] = field(init=False)

    def __post_init__(self) -> None:
        self.mistakes = list(self.document.mistakes)

    def read(self) -> SweepFile:
        values = self.document.values
        if not isinstance(values, dict):
            raise refusal([*self.mistakes, Mistake(self._place(()), (), "must be `key: value` lines.")])
        self._check_keys(values)
        kind = self._kind(values)
        space = self._space(kind, values.get(kind) if kind else None)
        count = self._count(kind, values)
        seeds, split = self._seeds(values), self._split(values)
        draw_seed = self._whole("draw_seed", 1, least=0)
        prune_after = self._whole("prune_after", 5, least=1) if values.get("prune_after", 5) else None
        base = self._base(values)
        if self.mistakes or base is None or kind is None:
            raise refusal(self.mistakes)
        for distribution in space.values():
            count = (
                count * len(distribution.values)
                if isinstance(distribution, Choice) and kind == "grid"
                else count
            )
        places = {key: self._place((kind, key)) for key in space}
        return SweepFile(self.path, kind, base, space, places, count, draw_seed, prune_after, seeds, split)

    def _wrong(self, key: KeyPath, what: str) -> None:
        parts = tuple(part for each in key for part in str(each).split("."))
        self.mistakes.append(Mistake(self._place(key), parts, what))

    def _place(self, key: KeyPath) -> Place:
        while key not in self.document.places:
            key = key[:-1]
        return self.document.places[key]

    def _check_keys(self, values: Mapping[str, Any]) -> None:
        for key in values:
            if key not in KEYS:
                close = difflib.get_close_matches(key.lower(), KEYS, n=1)
                hint = f"; did you mean `{close[0]}`?" if close else f". A sweep has {', '.join(KEYS)}."
                self._wrong((key,), f"unknown key{hint}")

    def _kind(self, values: Mapping[str, Any]) -> Kind | None:
        found = [kind for kind in KINDS if kind in values]
        if len(found) != 1:
            got = f"it has {' and '.join(found)}" if found else "it has none"
            self._wrong((), f"a sweep has exactly one of grid, random and search ({got}).")
            return None
        return found[0]

    def _base(self, values: Mapping[str, Any]) -> Draft | None:
        base = values.get("base")
        if not isinstance(base, str) or not base.strip() or "\0" in base:
            self._wrong(("base",), f"must be the path of the config that is varied (got {shown(base)}).")
            return None
        return draft_of_file(Path(os.path.normpath(self.path.parent / base)))

    def _space(self, kind: Kind | None, given: Any) -> dict[str, Distribution]:
        if kind is None:
            return {}
        if not isinstance(given, dict) or not given:
            self._wrong((kind,), f"is empty: name the keys that vary (got {shown(given)}).")
            return {}
        space: dict[str, Distribution] = {}
        for key, value in given.items():
            own = next(
                (why for name, why in OWN_KEYS.items() if key == name or key.startswith(f"{name}.")), None
            )
            found: Distribution | str
            if own is not None:
                found = f"cannot vary: {own}"
            elif not all(part.strip() for part in key.split(".")):
                found = "must be a key of the config, such as training.optimizer.lr."
            else:
                found = self._values(value) if kind == "grid" else read_distribution(value)
            if isinstance(found, str):
                self._wrong((kind, key), found)
            else:
                space[key] = found
        return space

    def _values(self, given: Any) -> Choice | str:
        """The values of a grid's key, or what is wrong with them."""
        if isinstance(given, dict):
            return f"must be a list of values (got {shown(given)}). Write keys whole: training.optimizer.lr: [...]"
        if not isinstance(given, list):
            return f"must be a list of values (got {shown(given)}); did you mean [{shown(given)}]?"
        if not given:
            return "an empty list: the grid has no variant. Give one value or more."
        twice = [value for index, value in enumerate(given) if any(_same(value, v) for v in given[:index])]
        if twice:
            return f"has {shown(twice[0])} twice; the two variants would be the same."
        return Choice(tuple(given))

    def _count(self, kind: Kind | None, values: Mapping[str, Any]) -> int:
        if kind == "grid":
            if "variants" in values:
                self._wrong(("variants",), "a grid has as many variants as its values make. Remove it.")
            return 1
        return self._whole("variants", None, least=1)

    def _whole(self, key: str, default: int | None, least: int) -> int:
        value = self.document.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            self._wrong((key,), f"must be a whole number of at least {least} (got {shown(value)}).")
            return least
        return value

    def _seeds(self, values: Mapping[str, Any]) -> int | tuple[int, ...]:
        given = values.get("seeds", 1)
        numbers = given if isinstance(given, list) else [given]
        least = 0 if isinstance(given, list) else 1
        if not numbers or not all(
            isinstance(n, int) and not isinstance(n, bool) and n >= least for n in numbers
        ):
            self._wrong(
                ("seeds",), f"must be how many, such as 5, or which, such as [1, 2, 3] (got {shown(given)})."
            )
            return 1
        if len(set(numbers)) < len(numbers):
            self._wrong(("seeds",), f"has a seed twice (got {shown(given)}); its two runs would be the same.")
        return tuple(numbers) if isinstance(given, list) else numbers[0]

    def _split(self, values: Mapping[str, Any]) -> Literal["fixed", "resample"]:
        split = values.get("split", "fixed")
        if split not in ("fixed", "resample"):
            self._wrong(("split",), f"must be `fixed` or `resample` (got {shown(split)}).")
        if split == "resample":
            for kind in KINDS:
                if isinstance(values.get(kind), dict) and "data.split_seed" in values[kind]:
                    self._wrong(
                        (kind, "data.split_seed"), "cannot vary: `split: resample` sets it to the run's seed."
                    )
            return "resample"
        return "fixed"


def absolute_paths(key: KeyPath, value: Any, folder: Path) -> Any:
    """A setting whose relative paths, if it holds any, are made absolute from the sweep file's folder."""
    for section, name in PATH_KEYS:
        if key == (section, name):
            return absolute(value, folder)
        if key == (section,) and isinstance(value, Mapping) and name in value:
            value = {**value, name: absolute_paths((section, name), value[name], folder)}
    return value


def _same(a: Any, b: Any) -> bool:
    """Whether two values are one to the config; true is not 1."""
    return type(a) is type(b) and bool(a == b)
