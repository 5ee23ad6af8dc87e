"""Writes the manual of the config, docs/config.md, from the schema."""

import json
from collections.abc import Iterator
from typing import Any

from relclf.config.keys import Key, SectionKeys, config_keys

_INTRODUCTION = """\
# The config

One YAML file describes an experiment. Only `data.train` has no default; the smallest config is

```yaml
data:
  train: train.txt
```

- Paths are relative to the config's own file.
- `--set KEY=VALUE` overrides any key on the command line, checked like the file:
  `--set training.optimizer.lr=0.01 --set model.windows=[2,3,4]`. A later one wins; its paths are relative to
  the current directory. Quote what your shell would take apart:
  `--set 'training.optimizer={name: sgd, lr: 0.1}'`.
- Everything is checked before anything runs. All mistakes are told at once, with file, line and column, and
  for a misspelt key or value what was probably meant:
  ``my.yaml:7:3: training.optimzer: unknown key; did you mean `optimizer`?``
- `relclf config show CONFIG` prints a config with its defaults filled in, which is also what a run keeps as
  its `config.yaml`. `relclf config schema` prints the JSON schema, with which editors complete and check.
- The YAML is that of version 1.2, less its surprises: `1e-3` is a number, `no` and `on` are text; a key
  written twice, aliases, anchors, merge keys, foreign tags, files over 1 MiB and more than 50 levels are
  refused.

Where a table says `null`, write `null` (or `~`) to switch the key off.

This page is made from the schema: `python -m relclf.config.reference > docs/config.md`.
"""


def config_reference() -> str:
    """The text of docs/config.md: a table for each section, optimiser and schedule."""
    root = config_keys()
    return "\n".join([_INTRODUCTION, *_section("The top level", "", root, 2), *_inner("", root, 2)])


def _inner(path: str, section: SectionKeys, level: int) -> Iterator[str]:
    """The sections inside a section, depth first."""
    for key in section.keys.values():
        inner_path = f"{path}.{key.name}".lstrip(".")
        if key.section is not None:
            yield from _section(f"`{inner_path}`", key.section.meaning, key.section, level)
            yield from _inner(inner_path, key.section, level + 1)
        elif key.variants:
            yield from _variants(inner_path, key, level)


def _section(title: str, meaning: str, section: SectionKeys, level: int) -> Iterator[str]:
    """A heading, a sentence and the table of a section's keys."""
    yield f"{'#' * level} {title}\n"
    if meaning:
        yield f"{_one_line(meaning)}\n"
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for key in section.keys.values():
        cells = (f"`{key.name}`", _value(key), _default(key), _one_line(key.meaning))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _variants(path: str, key: Key, level: int) -> Iterator[str]:
    """A heading for a key that holds one of several sections, and each of them below it."""
    default = _default_variant(key)
    names = ", ".join(f"`{name}`" for name in key.variants)
    yield f"{'#' * level} `{path}`\n"
    yield f"{_sentence(key.meaning)} `name` chooses one of {names}; without it, `{default}`.\n"
    for name, section in key.variants.items():
        yield from _section(f"`{path}`: `{name}`", section.meaning, section, level + 1)


def _value(key: Key) -> str:
    return "a section, below" if key.section is not None or key.variants else key.allowed


def _default(key: Key) -> str:
    if key.required:
        return "required"
    if key.section is not None:
        return "its defaults"
    if key.variants:
        return f"`{_default_variant(key)}`"
    return f"`{_yaml(key.default)}`"


def _default_variant(key: Key) -> str:
    """A section that has nothing but defaults may be its name alone."""
    return str(key.default if isinstance(key.default, str) else key.default["name"])


def _yaml(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    print(config_reference(), end="")
