"""The variants of a sweep: their settings, their checked configs, and the names of their folders."""

import copy
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relclf.config.draft import Draft, put
from relclf.config.loading import checked
from relclf.config.mistakes import KeyPath, Place
from relclf.errors import UserMistake
from relclf.sweeps.distributions import Choice, draw
from relclf.sweeps.sweep_file import SweepFile, absolute_paths

if TYPE_CHECKING:
    from relclf.config.schema import ExperimentConfig

LONGEST_NAME = 60
"""Characters; a longer name is replaced by a number."""
_MOST_REFUSED = 20
"""Variants whose mistakes are told at once."""


@dataclass(frozen=True)
class Variant:
    """One setting of the keys that vary, as the sweep file writes them, and the config that it makes."""

    name: str
    settings: Mapping[str, Any]
    config: "ExperimentConfig"


def all_settings(sweep: SweepFile) -> Iterator[dict[str, Any]]:
    """The settings of every variant of a grid, or of every draw of a random sweep, in order."""
    if sweep.kind == "grid":
        lists = [choice.values for choice in sweep.space.values() if isinstance(choice, Choice)]
        for values in itertools.product(*lists):
            yield dict(zip(sweep.space, values, strict=True))
    else:
        for index in range(sweep.variants):
            yield {
                key: draw(distribution, key, sweep.draw_seed, index)
                for key, distribution in sweep.space.items()
            }


def checked_variants(sweep: SweepFile, settings: Iterable[Mapping[str, Any]]) -> list[Variant]:
    """The variants, not yet named, each once. Raises UserMistake with the mistakes of all of them."""
    variants: dict[str, Variant] = {}
    refused: list[str] = []
    for each in settings:
        try:
            config = variant_config(sweep, each)
        except UserMistake as error:
            refused += [line for line in str(error).splitlines() if line not in refused]
            if len(refused) >= _MOST_REFUSED:
                break
            continue
        variants.setdefault(fingerprint(config, sweep), Variant("", each, config))
    if refused:
        raise UserMistake("\n".join(refused))
    return list(variants.values())


def variant_config(sweep: SweepFile, settings: Mapping[str, Any]) -> "ExperimentConfig":
    """The base config with some settings, checked. Raises UserMistake."""
    base = sweep.base
    draft = Draft(copy.deepcopy(base.values), dict(base.places), list(base.mistakes), base.base)
    for key in sorted(settings, key=lambda key: key.count(".")):  # a section before a key in it
        path = tuple(part.strip() for part in key.split("."))
        # A mistake in the sweep file comes after those in the base config, which comes first.
        place = replace(sweep.places[key], order=1) if key in sweep.places else _set_by(sweep, key)
        value = absolute_paths(path, settings[key], sweep.path.parent)
        put(draft, path, copy.deepcopy(value), dict.fromkeys(_inner_paths(value), place))
    return checked(draft)


def fingerprint(config: "ExperimentConfig", sweep: SweepFile) -> str:
    """What makes a variant: its config without what differs between its runs, or between machines."""
    values = config.model_dump(mode="json")
    del values["seed"], values["data"]["sha256"]
    if sweep.split == "resample":
        del values["data"]["split_seed"]
    for name in ("device", "threads"):
        if f"training.{name}" not in sweep.space:
            del values["training"][name]
    return repr(values)


def readable_name(settings: Mapping[str, Any], sweep: SweepFile, taken: Collection[str]) -> str:
    """A short folder name such as `lr=0.01,filters=100`; a number where that is too long or `taken`.

    Keys that have one value in all variants are left out. Names are compared without case, since not every file
    system tells `A` from `a`.
    """
    varying = {
        key: value
        for key, value in settings.items()
        if not (isinstance(choice := sweep.space.get(key), Choice) and len(choice.values) == 1)
    }
    settings = varying or settings
    folded = {name.casefold() for name in taken}
    name = ",".join(f"{_short(key, settings)}={_text(value)}" for key, value in settings.items())
    if len(name) <= LONGEST_NAME and name.casefold() not in folded:
        return name
    return next(name for number in itertools.count(1) if (name := f"variant-{number:03d}") not in folded)


def _set_by(sweep: SweepFile, key: str) -> Place:
    return Place(1, 0, 0, f"{sweep.path} (a variant that was trained before)")


def _inner_paths(value: Any, above: KeyPath = ()) -> Iterator[KeyPath]:
    """The path of a value and of everything in it."""
    yield above
    items = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    )
    for part, inner in items:
        yield from _inner_paths(inner, (*above, part))


def _short(key: str, settings: Mapping[str, Any]) -> str:
    """The last part of a key, or the last two where another key ends alike."""
    parts = key.split(".")
    alike = [other for other in settings if other.split(".")[-1] == parts[-1]]
    return _safe(".".join(parts[-2:] if len(alike) > 1 else parts[-1:]))


def _text(value: Any) -> str:
    """A value in characters that are safe in a file name."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, Mapping):
        return "-".join(
            _text(inner) if name == "name" else f"{_safe(name)}{_text(inner)}"
            for name, inner in value.items()
        )
    if isinstance(value, list | tuple):
        return "-".join(map(_text, value))
    text = str(value)
    return _safe(Path(text).stem if "/" in text else text)


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]", "-", text) or "-"
