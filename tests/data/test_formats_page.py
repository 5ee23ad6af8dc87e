"""What docs/formats.md shows is what the readers do."""

import re
from pathlib import Path

import pytest
import yaml

from relclf.config.formats import FORMATS
from relclf.config.schema import DataConfig
from relclf.data.options import Reading
from relclf.data.readers import READERS
from relclf.data.reading import detect_format, read_examples
from relclf.data.tokenization import TOKENIZERS, tokenize
from relclf.example import Example

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


def fences(format: str) -> list[tuple[str, str]]:
    """Language and text of each fenced block in the section of a format."""
    section = PAGE.split(f"\n## {format}\n")[1].split("\n## ")[0]
    return re.findall(r"```(\w+)\n(.*?)```", section, re.DOTALL)


def shown(example: Example) -> str:
    head, tail = (
        " ".join(example.tokens[mention.start : mention.end]) for mention in (example.head, example.tail)
    )
    return f"{head}|{tail}|{example.relation}"


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("jsonl", ["leaves|old oak|part_of", "the first program|Ada|None"]),
        ("semeval2010", ["child|cradle|Other", "author|disassembler|Instrument-Agency(e2,e1)"]),
        ("tacred", ["Ada Byron|mathematician|per:title"]),
        ("opennre", ["Ada Byron|mathematician|title", "Ada|programs|NA"]),
        ("fewrel", ["Bloor Viaduct|Don|P177"]),
    ],
)
def test_the_sample_of_each_format_that_shows_itself_is_read_as_it_looks(
    tmp_path: Path, format: str, expected: list[str]
) -> None:
    path = tmp_path / "sample"
    path.write_text(fences(format)[0][1], encoding="utf-8")
    assert detect_format(path) == format
    assert [shown(example) for example in read_examples(path)] == expected


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("json", [["object|Thor|based on"]]),
        ("delimited", [["EGFR|gefitinib|PA"], ["幽兰|山谷|Located"]]),
        ("marked", [["algorithm|optical flow|USED-FOR", "parser|system|PART-OF"]]),
        ("blocks", [["Albert Einstein|Ulm|origin"]]),
    ],
)
def test_the_samples_of_the_others_are_read_with_the_options_shown(
    tmp_path: Path, format: str, expected: list[list[str]]
) -> None:
    blocks = fences(format)
    options = [yaml.safe_load(text)["format"] for language, text in blocks if language == "yaml"]
    samples = [text for language, text in blocks if language != "yaml"]
    assert len(options) == len(samples) == len(expected)
    for chosen, sample, found in zip(options, samples, expected, strict=True):
        path = tmp_path / "sample"
        path.write_text(sample, encoding="utf-8")
        reading = Reading(DataConfig(train=path, format=chosen).format)
        assert [shown(example) for example in read_examples(path, reading)] == found


def test_the_sample_of_brat_is_read_as_it_looks(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Ada Byron wrote for Babbage a program.\n", encoding="utf-8")
    (tmp_path / "a.ann").write_text(fences("brat")[0][1], encoding="utf-8")
    assert [shown(example) for example in read_examples(tmp_path)] == ["Ada Byron|a program|Author"]


def test_every_format_has_a_section_and_a_row_that_says_whether_it_shows_itself() -> None:
    rows = dict(re.findall(r"^\| \[`(\w+)`\]\(#\w+\) \|.*\| (yes|no) \|$", PAGE, re.MULTILINE))
    assert list(rows) == [*READERS]
    assert {"auto", *rows} == {*FORMATS}
    assert all(fences(format) for format in rows)


def test_the_tokens_shown_are_the_tokens_made() -> None:
    found = re.search(r"`([^`]+)` has the\s+tokens `([^`]+)`", PAGE)
    assert found is not None
    tokens, _, _, _ = tokenize(found[1], ((0, 3), (4, 7)))
    assert " ".join(tokens) == found[2]
    assert all(f"`{name}`" in PAGE for name in TOKENIZERS)
