"""The schema as a tree of sections and keys, with what each may hold in plain words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any


@dataclass(frozen=True)
class Key:
    """One key of a section.

    `allowed` says in words what it may hold, `choices` are its literal values. A key that holds a section has
    `section`; one that holds one of several, chosen by their `name`, has `variants`.
    """

    name: str
    meaning: str
    allowed: str
    required: bool
    default: Any
    choices: tuple[str, ...] = ()
    section: "SectionKeys | None" = None
    variants: Mapping[str, "SectionKeys"] = field(default_factory=dict)


@dataclass(frozen=True)
class SectionKeys:
    """A section of the config: what it is about, and its keys in their order."""

    meaning: str
    keys: Mapping[str, Key]


@cache
def config_keys() -> SectionKeys:
    """The root section of a config."""
    from relclf.config.schema import json_schema

    schema = json_schema()
    return _section(schema, schema["$defs"])


def _section(schema: dict[str, Any], definitions: dict[str, Any]) -> SectionKeys:
    required = schema.get("required", ())
    keys = {
        name: _key(name, value, name in required, definitions) for name, value in schema["properties"].items()
    }
    return SectionKeys(schema.get("description", ""), keys)


def _key(name: str, schema: dict[str, Any], required: bool, definitions: dict[str, Any]) -> Key:
    meaning, default = schema.get("description", ""), schema.get("default")
    if "$ref" in schema:
        section = _section(_definition(schema["$ref"], definitions), definitions)
        return Key(name, meaning, "a mapping", required, default, section=section)
    several = next((each for each in (schema, *schema.get("anyOf", ())) if "oneOf" in each), None)
    if several is not None:
        variants = {
            inner["properties"]["name"]["const"]: _section(inner, definitions)
            for inner in (_definition(each["$ref"], definitions) for each in several["oneOf"])
        }
        return Key(name, meaning, "a mapping", required, default, variants=variants)
    return Key(name, meaning, allowed_words(schema), required, default, choices=_choices(schema))


def _definition(reference: str, definitions: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = definitions[reference.rpartition("/")[2]]
    return found


def _choices(schema: dict[str, Any]) -> tuple[str, ...]:
    if "const" in schema:
        return (schema["const"],)
    inner = (choice for each in schema.get("anyOf", ()) for choice in _choices(each))
    return (*schema.get("enum", ()), *schema.get("examples", ()), *inner)


def allowed_words(schema: dict[str, Any]) -> str:
    """What a JSON schema of a plain value allows, in words that follow "must be"."""
    if "anyOf" in schema:
        ordered = sorted(schema["anyOf"], key=lambda each: (each.get("type") == "null", "enum" not in each))
        return either([words for each in ordered for words in _alternatives(each)])
    return either(_alternatives(schema))


def _alternatives(schema: dict[str, Any]) -> list[str]:
    if choices := _choices(schema):
        return [f"`{choice}`" for choice in choices]
    match schema["type"]:
        case "null":
            return ["null"]
        case "boolean":
            return ["true or false"]
        case "integer":
            return [("a whole number " + _range(schema)).rstrip()]
        case "number":
            return [("a number " + _range(schema)).rstrip()]
        case "string":
            text = "one character" if schema.get("maxLength") == 1 else "text"
            return ["a path" if schema.get("format") == "path" else text]
        case "object":
            inner = ", ".join(f"{name}: {allowed_words(each)}" for name, each in schema["properties"].items())
            return [f"`{{{inner}}}`"]
        case "array" if "prefixItems" in schema:
            items = schema["prefixItems"]
            return [f"a list of {len(items)}, each {allowed_words(items[0])}"]
        case "array":
            amount = "a list of one or more, each" if schema.get("minItems") else "a list, each"
            return [f"{amount} {allowed_words(schema['items'])}"]
    raise ValueError(f"no words for the JSON schema {schema}")


def _range(schema: dict[str, Any]) -> str:
    bounds = [
        words.format(f"{schema[key]:g}")
        for key, words in (
            ("minimum", "of at least {}"),
            ("exclusiveMinimum", "above {}"),
            ("maximum", "at most {}"),
            ("exclusiveMaximum", "below {}"),
        )
        if key in schema
    ]
    return " and ".join(bounds)


def either(words: list[str]) -> str:
    """Words joined by commas and a last "or"."""
    if len(words) == 1:
        return words[0]
    comma = "," if any(" and " in each for each in words) else ""
    return f"{', '.join(words[:-1])}{comma} or {words[-1]}"
