"""What docs/formats.md shows is what the readers do."""

import re
from pathlib import Path

import pytest

from relclf.data.reading import detect_format, read_examples
from relclf.data.tokenization import TOKENIZER, tokenize

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("jsonl", ["leaves|old oak|part_of", "the first program|Ada|None"]),
        ("semeval2010", ["child|cradle|Other", "author|disassembler|Instrument-Agency(e2,e1)"]),
    ],
)
def test_the_sample_of_each_format_is_read_as_it_looks(
    tmp_path: Path, format: str, expected: list[str]
) -> None:
    sample = re.search(rf"\n## {format}\n.*?```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert sample is not None
    path = tmp_path / "sample"
    path.write_text(sample[1], encoding="utf-8")
    assert detect_format(path) == format
    found = [
        "|".join(
            [
                " ".join(example.tokens[example.head.start : example.head.end]),
                " ".join(example.tokens[example.tail.start : example.tail.end]),
                str(example.relation),
            ]
        )
        for example in read_examples(path)
    ]
    assert found == expected


def test_the_tokens_shown_are_the_tokens_made() -> None:
    shown = re.search(r"`([^`]+)` has the tokens `([^`]+)`", PAGE)
    assert shown is not None
    tokens, _, _, _ = tokenize(shown[1], ((0, 3), (4, 7)))
    assert " ".join(tokens) == shown[2]
    assert f"`{TOKENIZER}`" in PAGE
