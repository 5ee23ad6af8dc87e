"""A config before it is checked: its values, where each was written, and overrides applied."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relclf.config.mistakes import KeyPath, Mistake, Place, dotted, refusal, shown
from relclf.config.yaml_source import DEEPEST, parse_yaml, read_yaml
from relclf.errors import UserMistake

PATH_KEYS = (("data", "train"), ("data", "dev"), ("data", "test"), ("encoding", "vectors"))
"""The keys that hold paths, relative to the folder of their file."""


@dataclass
class Draft:
    """Values with their places and the mistakes so far; paths are relative to `base` until made absolute."""

    values: Any
    places: dict[KeyPath, Place]
    mistakes: list[Mistake]
    base: Path
    overridden: set[KeyPath] = field(default_factory=set)

    def place(self, key: KeyPath) -> Place:
        """Where a key was written, or the innermost section around it."""
        while key not in self.places:
            key = key[:-1]
        return self.places[key]

    def value(self, key: KeyPath) -> Any:
        """The value of a key, None where there is none."""
        value = self.values
        for part in key:
            if not (isinstance(value, Mapping) and part in value):
                return None
            value = value[part]
        return value


def draft_of_file(path: Path) -> Draft:
    """The draft of a YAML file; UserMistake where it cannot be read."""
    document = read_yaml(path)
    return Draft(document.values, document.places, document.mistakes, path.parent)


def draft_of_mapping(mapping: Mapping[str, Any], base: Path) -> Draft:
    """The draft of a Python mapping; every place in it is called "config"."""
    draft = Draft(None, {(): Place(0, 0, 0, "config")}, [], base)
    draft.values = _plain(mapping, (), draft)
    return draft


def override(draft: Draft, text: str, order: int) -> None:
    """Set one key from "KEY=VALUE", making the sections on its way; mistakes go to the draft."""
    origin = Place(order, 0, 0, f"--set {text}")
    name, equals, value_text = text.partition("=")
    key: KeyPath = tuple(part.strip() for part in name.split("."))
    if not equals or not all(key):
        draft.mistakes.append(Mistake(origin, (), "must be KEY=VALUE, such as training.optimizer.lr=0.01."))
    elif not value_text.strip():
        draft.mistakes.append(Mistake(origin, key, "no value. Write null to leave it empty."))
    else:
        _set(draft, key, value_text, origin)


def put(draft: Draft, key: KeyPath, value: Any, places: Mapping[KeyPath, Place]) -> None:
    """Set one key, making the sections on its way; `places` says where the value and what is in it were written."""
    section = _section_of(draft, key, places[()])
    if section is None:
        return
    for old in [place for place in draft.places if place[: len(key)] == key]:
        del draft.places[old]
    draft.places.update({(*key, *inner): place for inner, place in places.items()})
    section[key[-1]] = value


def make_paths_absolute(draft: Draft) -> None:
    """Join the paths of the file to its folder, those of overrides to the current directory."""
    for section, name in PATH_KEYS:
        value = draft.value((section, name))
        if value is not None:
            overridden = not draft.overridden.isdisjoint({(section,), (section, name)})
            draft.values[section][name] = absolute(value, Path() if overridden else draft.base)


def absolute(value: Any, base: Path) -> Any:
    """A path made absolute, and the paths in a list or mapping; what is no path is left for the schema to refuse."""
    if isinstance(value, str | Path) and str(value).strip() and "\0" not in str(value):
        return os.path.abspath(base / value)  # noqa: PTH100 (keeps symbolic links)
    if isinstance(value, list):
        return [absolute(item, base) for item in value]
    if isinstance(value, dict):
        return {key: absolute(item, base) for key, item in value.items()}
    return value


def _set(draft: Draft, key: KeyPath, value_text: str, origin: Place) -> None:
    try:
        document = parse_yaml(value_text, origin.name, origin.order, with_lines=False)
    except UserMistake as error:
        draft.mistakes.append(Mistake(origin, key, str(error).removeprefix(f"{origin}: ")))
        return
    draft.mistakes.extend(
        Mistake(each.place, (*key, *each.key), each.what, each.hides) for each in document.mistakes
    )
    draft.overridden.add(key)
    put(draft, key, document.values, document.places)


def _section_of(draft: Draft, key: KeyPath, origin: Place) -> dict[str | int, Any] | None:
    """The mapping that holds a key, made where it is missing; None where something else stands there."""
    section = draft.values
    for depth, part in enumerate(key[:-1], 1):
        if not isinstance(section, dict):
            break
        if section.get(part) is None:
            section[part] = {}
            draft.places[key[:depth]] = origin
        section = section[part]
        if not isinstance(section, dict):
            what = f"holds {shown(section)}, so it cannot have the key {dotted(key[depth:])}."
            draft.mistakes.append(Mistake(origin, key[:depth], what))
    return section if isinstance(section, dict) else None


def _plain(value: Any, key: KeyPath, draft: Draft) -> Any:
    """A Python value as YAML would give it: mappings become dicts with text keys, tuples lists."""
    root = draft.places[()]
    if len(key) > DEEPEST:
        raise refusal([Mistake(root, (), f"more than {DEEPEST} mappings and lists inside each other.")])
    if isinstance(value, Mapping):
        odd = [name for name in value if not isinstance(name, str)]
        draft.mistakes.extend(Mistake(root, key, f"a key must be text (got {shown(name)}).") for name in odd)
        return {
            name: _plain(inner, (*key, name), draft) for name, inner in value.items() if isinstance(name, str)
        }
    if isinstance(value, list | tuple):
        return [_plain(inner, (*key, index), draft) for index, inner in enumerate(value)]
    return value
