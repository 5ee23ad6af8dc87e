"""Names and paths of odd characters are printed as they are, and stand where they belong."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relclf.cli.app import app
from tests.tiny import write_tiny_corpus

runner = CliRunner()

CONFIG = """\
data: {train: train.jsonl, dev: 0.2, test: train.jsonl}
model: {word_dim: 6, position_dim: 3, filters: 8}
training: {max_epochs: 1, batch_size: 10, threads: 1, device: cpu}
scoring: {bootstrap_samples: 100}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a corpus and a config."""
    monkeypatch.chdir(tmp_path)
    write_tiny_corpus(tmp_path)
    (tmp_path / "tiny.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def train(folder: Path, relation: str) -> None:
    """Train a run in ./run on a corpus whose relation "cause" has another name."""
    path = folder / "train.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    renamed = [{**r, "relation": relation} if r["relation"] == "cause" else r for r in records]
    path.write_text("".join(json.dumps(r) + "\n" for r in renamed), encoding="utf-8")
    result = runner.invoke(app, ["train", "--config", "tiny.yaml", "--run", "run", "--quiet"])
    assert result.exit_code == 0


def test_words_in_brackets_and_between_colons_are_neither_markup_nor_emoji(folder: Path) -> None:
    train(folder, "is:on:top[bold]")
    tables = runner.invoke(app, ["evaluate", "run"])
    assert tables.exit_code == 0
    assert " is:on:top[bold] " in tables.stdout
    (folder / "broken.jsonl").write_text('{}\n{"tokens": ["a", "b"], "head": [0, 1], "tail": [1, 2]}\n')
    skipped = runner.invoke(app, ["predict", "run", "broken.jsonl", "--skip-bad", "bad[red]:on:"])
    assert skipped.exit_code == 0
    assert "listed in bad[red]:on:" in skipped.stderr


def test_a_line_end_or_an_escape_in_a_name_is_shown_as_in_json(folder: Path) -> None:
    train(folder, "up\ndown \x1b[2J")
    tables = runner.invoke(app, ["evaluate", "run"])
    assert tables.exit_code == 0
    assert ' "up\\ndown \\u001b[2J" ' in tables.stdout
    assert "\x1b" not in tables.stdout


def test_an_input_that_is_missing_is_named_though_the_output_exists(folder: Path) -> None:
    train(folder, "cause")
    (folder / "out.jsonl").write_text("before\n")
    result = runner.invoke(app, ["predict", "run", "missing.jsonl", "-o", "out.jsonl"])
    assert result.exit_code == 2
    assert "missing.jsonl: no such file" in result.stderr
    assert (folder / "out.jsonl").read_text() == "before\n"


def test_a_missing_file_whose_name_is_no_utf_8_is_named_by_its_bytes(folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.yaml")
    result = runner.invoke(app, ["train", "--config", name])
    assert result.exit_code == 2
    assert "caf\\udce9.yaml" in result.stderr
