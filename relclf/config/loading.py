"""Loads and writes configs: YAML and overrides in, a checked ExperimentConfig out, and back."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from relclf.config.draft import (
    PATH_KEYS,
    Draft,
    draft_of_file,
    draft_of_mapping,
    make_paths_absolute,
    override,
)
from relclf.config.mistakes import KeyPath, dotted, refusal
from relclf.config.yaml_source import plain_scalar

if TYPE_CHECKING:
    from relclf.config.schema import ExperimentConfig


def load_config(path: Path, overrides: Sequence[str] = ()) -> "ExperimentConfig":
    """Read and check a config file; `overrides` are "training.optimizer.lr=0.01", a later one wins.

    Paths come back absolute: those of the file relative to its folder, those of overrides to the current
    directory. Raises UserMistake with every mistake, a line each: "file:line:column: key: what is wrong".
    """
    return checked(draft_of_file(Path(path)), overrides)


def config_from_mapping(
    mapping: Mapping[str, Any], base: Path, overrides: Sequence[str] = ()
) -> "ExperimentConfig":
    """Check a config given as a mapping, its paths relative to `base`; mistakes read "config: key: ..."."""
    return checked(draft_of_mapping(mapping, Path(base)), overrides)


def dump_config(config: "ExperimentConfig", directory: Path) -> str:
    """The complete config as YAML, defaults filled in, its paths relative to `directory`.

    Read back from a file in that directory it is the same config.
    """
    values = config.model_dump()
    for section, key in PATH_KEYS:
        value = values[section][key]
        if isinstance(value, Path):
            values[section][key] = _relative(value, directory)
        elif isinstance(value, tuple):
            paths = [_relative(path, directory) for path in value]
            values[section][key] = paths if len(paths) > 1 else paths[0]
    return yaml.dump(values, Dumper=_ConfigDumper, sort_keys=False, allow_unicode=True, width=10**9)


def changed_keys(a: "ExperimentConfig", b: "ExperimentConfig") -> list[str]:
    """The dotted keys whose values differ, in the order of the schema."""
    before, after = dict(_leaves(a.model_dump(), ())), dict(_leaves(b.model_dump(), ()))
    missing = object()
    return [
        dotted(key)
        for key in dict.fromkeys((*before, *after))
        if before.get(key, missing) != after.get(key, missing)
    ]


def checked(draft: Draft, overrides: Sequence[str] = ()) -> "ExperimentConfig":
    """The config of a draft; raises UserMistake with every mistake in it."""
    from pydantic import ValidationError

    from relclf.config.schema import ExperimentConfig

    for order, text in enumerate(overrides, 1):
        override(draft, text, order)
    make_paths_absolute(draft)
    try:
        config = ExperimentConfig.model_validate(draft.values)
    except ValidationError as error:
        from relclf.config.explaining import explained

        raise refusal([*draft.mistakes, *explained(error, draft)]) from None
    if draft.mistakes:
        raise refusal(draft.mistakes)
    return config


def _relative(path: Path, directory: Path) -> str:
    try:
        return os.path.relpath(path, directory).replace(os.sep, "/")
    except ValueError:  # another drive, on Windows
        return path.as_posix()


def _leaves(values: Mapping[str, Any], above: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), value


class _ConfigDumper(yaml.SafeDumper):
    """Writes lists on one line, and quotes text that YAML 1.1 or 1.2 would read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if not text.isprintable():
        style = '"'  # with escapes: PyYAML's other styles lose some of the Unicode line breaks
    elif not isinstance(plain_scalar(text), str) or text == "<<":
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_list(dumper: yaml.SafeDumper, items: Sequence[Any]) -> yaml.SequenceNode:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)


_ConfigDumper.add_representer(str, _represent_text)
_ConfigDumper.add_representer(list, _represent_list)
_ConfigDumper.add_representer(tuple, _represent_list)
