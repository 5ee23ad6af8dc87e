"""The manual of the config is the schema's."""

from pathlib import Path

from relclf.config.keys import SectionKeys, config_keys
from relclf.config.reference import config_reference
from relclf.config.schema import json_schema

DOCS = Path(__file__).resolve().parents[2] / "docs" / "config.md"


def test_the_manual_is_fresh() -> None:
    fresh = config_reference()
    assert DOCS.read_text(encoding="utf-8") == fresh, (
        "run: python -m relclf.config.reference > docs/config.md"
    )


def test_every_section_has_its_table() -> None:
    text = config_reference()
    assert "\n## `data`\n" in text
    assert "\n#### `training.optimizer`: `adadelta`\n" in text
    assert "\n#### `training.schedule`: `plateau`\n" in text
    assert (
        "| `max_epochs` | a whole number of at least 1 | `50` | the most epochs; too many over-fit. |" in text
    )


def test_every_key_says_what_it_means() -> None:
    def silent(section: SectionKeys) -> list[str]:
        keys = list(section.keys.values())
        inner = [each for key in keys for each in (key.section, *key.variants.values()) if each is not None]
        return [key.name for key in keys if not key.meaning] + [
            name for each in inner for name in silent(each)
        ]

    assert silent(config_keys()) == []


def test_the_json_schema_lets_editors_refuse_unknown_keys() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    sections = [schema, *schema["$defs"].values()]
    assert all(section["additionalProperties"] is False for section in sections)
    assert all(section["description"] for section in sections)
