"""`data.format` as a name and as a mapping with options, and what belongs to it."""

from pathlib import Path
from typing import Any

import pytest

from relclf.config.loading import config_from_mapping, dump_config, load_config
from relclf.config.schema import ExperimentConfig
from relclf.errors import UserMistake

CONFIGS = Path(__file__).parents[2] / "configs"


def load(tmp_path: Path, **data: Any) -> ExperimentConfig:
    return config_from_mapping({"data": {"train": "t", **data}}, tmp_path)


def message(tmp_path: Path, **data: Any) -> str:
    with pytest.raises(UserMistake) as caught:
        load(tmp_path, **data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "dumped"),
    [
        ("jsonl", "format: jsonl"),
        ({"name": "tacred"}, "format: tacred"),
        ({"name": "delimited", "separator": "tab"}, "separator: tab"),
        ({"name": "marked", "head": ["[[ ", " ]]"]}, "head: ['[[ ', ' ]]']"),
    ],
)
def test_a_format_comes_back_from_a_saved_config(tmp_path: Path, written: object, dumped: str) -> None:
    config = load(tmp_path, format=written)
    text = dump_config(config, tmp_path)
    assert dumped in text
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    assert load_config(tmp_path / "c.yaml") == config


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"format": "jsnl"}, "data.format: must be `auto`, "),
        ({"format": "jsnl"}, "(got 'jsnl'); did you mean `jsonl`?"),
        ({"format": {"text": "x"}}, "data.format: needs a `name`: `auto`, "),
        (
            {"format": {"name": "delimited", "separator": "xx"}},
            "must be `auto`, `tab` or one character (got 'xx')",
        ),
        ({"format": {"name": "delimited", "txt": "x"}}, "data.format.txt: unknown key; did you mean `text`?"),
        (
            {"format": {"name": "delimited", "head": "x"}},
            "head and tail are both one column (words) or both two",
        ),
        ({"format": {"name": "marked", "tail": ["<e1>", "x"]}}, "head and tail need four different marks"),
        ({"format": {"name": "brat", "window": 3}}, "window is for the pairs of `negative`"),
        ({"charset": "utf-16"}, "charset: 'utf-16' is no encoding that Python knows and that extends ASCII"),
        ({"folds": 3, "dev": "dev.txt"}, "folds are made of train alone"),
    ],
)
def test_mistakes_are_told_with_their_key(tmp_path: Path, data: dict[str, Any], expected: str) -> None:
    assert expected in message(tmp_path, **data)


def test_a_run_saved_before_tokenizers_could_be_chosen_keeps_words_1(tmp_path: Path) -> None:
    old = {"data": {"train": "t", "sha256": {"train": "ab"}}, "encoding": {"lowercase": True}}
    assert config_from_mapping(old, tmp_path).encoding.tokenizer == "words-1"
    assert load(tmp_path).encoding.tokenizer == "words-2"
    new = {**old, "encoding": {"tokenizer": "words-2"}}
    assert config_from_mapping(new, tmp_path).encoding.tokenizer == "words-2"


@pytest.mark.parametrize(
    "path",
    sorted(path for folder in (".", "semeval2010") for path in (CONFIGS / folder).glob("*.yaml")),
    ids=lambda path: str(path.relative_to(CONFIGS)),
)
def test_every_shipped_config_is_valid(path: Path) -> None:
    assert load_config(path).data.train.is_absolute()
