"""A reader that closes the pipe early is no error: `relclf ... | head` exits 0 and leaves a run that can go on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from relclf.runs.lock import is_locked
from tests.cli.test_train import CONFIG
from tests.tiny import write_tiny_corpus


def first_line(folder: Path, *arguments: str) -> tuple[int, bytes]:
    """Exit code and standard error of a relclf whose output is closed after one line."""
    command = [sys.executable, "-m", "relclf", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        return process.wait(timeout=120), process.stderr.read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny corpus and a config of 500 epochs, more output than a pipe holds."""
    write_tiny_corpus(tmp_path)
    (tmp_path / "tiny.yaml").write_text(CONFIG.replace("max_epochs: 3", "max_epochs: 500"), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_training_whose_table_nobody_reads_any_more_ends_well(folder: Path, options: list[str]) -> None:
    code, stderr = first_line(folder, "train", "-c", "tiny.yaml", "--set", "training.patience=null", *options)
    assert code == 0
    assert b"Traceback" not in stderr
    run = folder / "runs" / "tiny-001"
    summary = run / "summary.json"
    assert not summary.exists() or json.loads(summary.read_bytes())["stop_reason"] == "interrupted"
    assert (run / "last.safetensors").is_file()
    assert not is_locked(run)


def test_a_pipe_gets_utf_8_whatever_the_locale(folder: Path) -> None:
    path = folder / "answers.txt"
    path.write_text("Ursache-Wirkung ü Ł\nnone\n", encoding="utf-8")
    command = [sys.executable, "-m", "relclf", "score", path, path, "--scorer", "macro_f1", "--json"]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    result = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert "Ursache-Wirkung ü Ł" in result.stdout.decode("utf-8")


def test_help_and_schema_into_a_closed_pipe(folder: Path) -> None:
    assert first_line(folder, "--help") == (0, b"")
    assert first_line(folder, "config", "schema") == (0, b"")
