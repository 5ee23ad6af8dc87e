"""What the shell offers for a half-typed word: runs, configs, and the keys of --set."""

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relclf.config.keys import Key, SectionKeys

# Where nothing is offered the shell goes on with files and folders, and quotes what it has to. Such names are never
# offered here: bash takes our words as they are, and zsh evaluates them.


def runs(incomplete: str) -> list[str]:
    """Run directories, folders of folds and sweeps; without a folder typed, those in `runs/` and `sweeps/` too."""
    return _paths(incomplete, ("runs/", "sweeps/"), _is_run)


def configs(incomplete: str) -> list[str]:
    """YAML files; without a folder typed, those in `configs/` too."""
    return _paths(incomplete, ("configs/",), _is_yaml)


def configs_and_runs(incomplete: str) -> list[str]:
    """Both."""
    return [*configs(incomplete), *runs(incomplete)]


def settings(incomplete: str) -> list[str]:
    """KEY= for each key of the config; where one is left, KEY=VALUE too for the values that it is known to take.

    Several words that begin alike are what keeps the shell from adding a blank behind "=".
    """
    from relclf.config.keys import config_keys

    found: dict[str, list[str]] = {}
    for path, key in _leaves(config_keys(), ""):
        if path.startswith(incomplete.partition("=")[0]):
            found.setdefault(path, [""]).extend(_values(key))
    if len(found) > 1 and "=" not in incomplete:
        return [f"{path}=" for path in found]
    words = dict.fromkeys(f"{path}={value}" for path, values in found.items() for value in values)
    return [word for word in words if word.startswith(incomplete) and _is_plain(word)]


def _paths(incomplete: str, usual: tuple[str, ...], wanted: Callable[[Path], bool]) -> list[str]:
    folder, slash, _ = incomplete.rpartition("/")
    places = [folder + slash] if slash else ["", *usual]
    words = [f"{place}{path.name}" for place in places for path in _entries(place) if wanted(path)]
    return [word for word in words if word.startswith(incomplete) and _is_plain(word)]


def _entries(place: str) -> list[Path]:
    """What a folder holds, by name; nothing where it cannot be read."""
    try:
        return sorted(path for path in Path(place or ".").iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def _is_run(path: Path) -> bool:
    return any((path / name).exists() for name in ("environment.json", "sweep.json", "fold-1"))


def _is_yaml(path: Path) -> bool:
    return path.suffix in (".yaml", ".yml")


def _is_plain(word: str) -> bool:
    """Whether the word means itself in a shell."""
    return shlex.quote(word) == word and word.isprintable()


def _leaves(section: "SectionKeys", prefix: str) -> "Iterator[tuple[str, Key]]":
    """Every key that may hold a plain value, with its dotted path; of variants the keys of all of them."""
    for name, key in section.keys.items():
        path = f"{prefix}{name}"
        if key.section is None and (not key.variants or isinstance(key.default, str)):
            yield path, key
        for inner in [key.section] if key.section is not None else key.variants.values():
            yield from _leaves(inner, f"{path}.")


def _values(key: "Key") -> list[str]:
    """The values that a key is known to take; of one that takes many, its default."""
    values = [*(key.choices or key.variants), *(["true", "false"] if "true or false" in key.allowed else ())]
    if values:
        return values
    return [json.dumps(key.default)] if isinstance(key.default, int | float) else []
