"""Says in plain words what pydantic found wrong with a config: one mistake a key, with place and hint."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from relclf.config.draft import Draft
from relclf.config.keys import Key, SectionKeys, config_keys, either
from relclf.config.mistakes import KeyPath, Mistake, dotted, shown


def explained(error: ValidationError, draft: Draft) -> Iterator[Mistake]:
    """The mistakes that pydantic found, one for each key, without those that only follow from another."""
    refused = {mistake.key for mistake in draft.mistakes if mistake.hides}
    found: dict[KeyPath, tuple[str, str, SectionKeys, Key | None]] = {}
    for each in error.errors(include_url=False, include_input=False):
        key, section, about = _locate(each["loc"])
        if not any(key[:length] in refused for length in range(1, len(key) + 1)):
            found.setdefault(key, (each["type"], each["msg"], section, about))
    misspelt = {
        (*key[:-1], suggestion)
        for key, (kind, _, section, _) in found.items()
        if kind == "extra_forbidden" and (suggestion := _closest(str(key[-1]), section.keys))
    }
    for key, (kind, message, section, about) in found.items():
        if kind == "missing":
            if key not in misspelt:
                yield Mistake(draft.place(key), key, "missing. It has no default; add it.")
        elif kind == "extra_forbidden":
            yield Mistake(draft.place(key), key, _unknown_key(key, section, draft))
        elif about is not None and about.variants and kind == "union_tag_invalid":
            alone = isinstance(draft.value(key), str)
            name = key if alone else (*key, "name")
            words = _must_be(_name_key(about), draft.value(name))
            yield Mistake(draft.place(name), name, words)
        elif about is None or about.section or about.variants:
            yield Mistake(draft.place(key), key, _wrong_section(kind, message, about, draft.value(key)))
        else:
            yield Mistake(draft.place(key), key, _must_be(about, draft.value(key)))


def _locate(location: tuple[str | int, ...]) -> tuple[KeyPath, SectionKeys, Key | None]:
    """The key that pydantic's location is about, the section it stands in, and the key's description.

    Names of union members and indices of lists are left out: a mistake is told of the key.
    """
    section, about = config_keys(), None
    path: tuple[str, ...] = ()
    parts = iter(location)
    for part in parts:
        path, about = (*path, str(part)), section.keys.get(str(part))
        if about is not None and about.section is not None:
            section = about.section
        elif about is not None and about.variants and (tag := next(parts, None)) is not None:
            section = about.variants[str(tag)]
        else:
            break
    return path, section, about


def _unknown_key(key: KeyPath, section: SectionKeys, draft: Draft) -> str:
    name, whole, variant = str(key[-1]), key[:-1], draft.value((*key[:-1], "name"))
    elsewhere = list(_paths_of(name, config_keys(), ()))
    if key in elsewhere:  # of another optimiser or schedule than the one chosen
        chosen = draft.place((*whole, "name"))
        if chosen.order == draft.place(key).order:
            return f"no key of `{variant}`. It has: {', '.join(section.keys)}."
        return (
            f"no key of `{variant}`, which {chosen} chose. Remove it, or replace the whole section: "
            f"--set '{dotted(whole)}={{name: {variant}}}'."
        )
    if suggestion := _closest(name, section.keys):
        return f"unknown key; did you mean `{suggestion}`?"
    if elsewhere:
        return f"unknown key here; did you mean `{dotted(elsewhere[0])}`?"
    return f"unknown key. Known here: {', '.join(section.keys)}."


def _paths_of(name: str, section: SectionKeys, above: KeyPath) -> Iterator[KeyPath]:
    """Where in the schema a key of this name stands."""
    for key in section.keys.values():
        path = (*above, key.name)
        if key.name == name:
            yield path
        for inner in (*([key.section] if key.section else []), *key.variants.values()):
            yield from _paths_of(name, inner, path)


def _wrong_section(kind: str, message: str, about: Key | None, value: Any) -> str:
    if kind == "value_error":
        return message.removeprefix("Value error, ") + "."
    if about is not None and kind == "union_tag_not_found" and isinstance(value, Mapping):
        return f"needs a `name`: {_name_key(about).allowed}."
    if about is not None and isinstance(value, str) and value in about.variants:
        return f"must be a mapping (got {shown(value)}); did you mean `{{name: {value}}}`?"
    return f"must be a mapping of keys to values (got {shown(value)})."


def _name_key(about: Key) -> Key:
    names = tuple(about.variants)
    allowed = either([f"`{name}`" for name in names])
    return Key("name", "", allowed, required=True, default=None, choices=names)


def _must_be(about: Key, value: Any) -> str:
    hint = ""
    switches = {"yes": "true", "on": "true", "no": "false", "off": "false"}
    if isinstance(value, str):
        if about.allowed.startswith("true or false"):
            hint = switches.get(value.lower(), "")
        else:
            hint = _closest(value, about.choices)
    return f"must be {about.allowed} (got {shown(value)})" + (f"; did you mean `{hint}`?" if hint else "")


def _closest(word: str, candidates: Sequence[str] | Mapping[str, Any]) -> str:
    """The candidate most like a misspelt word, "" where none is."""
    return next(iter(difflib.get_close_matches(word[:100].lower(), list(candidates), n=1)), "")
