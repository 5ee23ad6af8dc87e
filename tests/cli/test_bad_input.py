"""Bad input of `relclf train`, `evaluate`, `predict`: exit code 2, a message that says where, what, and what next."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relclf.cli.app import app
from tests.tiny import write_tiny_corpus

runner = CliRunner()

CONFIG = """\
data:
  train: train.jsonl
  dev: 0.2
model: {word_dim: 6, position_dim: 3, filters: 8}
training: {max_epochs: 1, batch_size: 10, threads: 1, device: cpu}
scoring: {bootstrap_samples: 100}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a tiny corpus and a config for it."""
    write_tiny_corpus(tmp_path)
    (tmp_path / "tiny.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def train(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and standard error; nothing on standard output, and no run, where the input is refused."""
    command = ["train", "--config", str(folder / "tiny.yaml"), "--runs-dir", str(folder / "runs"), *arguments]
    result = runner.invoke(app, command)
    if result.exit_code == 2:
        assert result.stdout == ""
        assert not list(folder.glob("runs/*"))
    return result.exit_code, result.stderr


def change_line(folder: Path, number: int, change: Callable[[dict[str, object]], object]) -> None:
    """Rewrite one record (from 1) of the corpus."""
    path = folder / "train.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    record = json.loads(lines[number - 1])
    change(record)
    lines[number - 1] = json.dumps(record)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_the_untouched_corpus_trains(folder: Path) -> None:
    code, stderr = train(folder)
    assert (code, stderr) == (0, "")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.train=missing.jsonl", "missing.jsonl: no such file"),
        ("data.train=.", "is a folder, not a file"),
        ("data.dev=missing.jsonl", "missing.jsonl: no such file"),
        ("data.negative_relation=Other", "'Other' is not a relation of"),
        ("encoding.vectors=missing.txt", "missing.txt: no such file"),
        ("training.device=cuda:7", "PyTorch finds"),
        ("training.monitor=semeval2010", "training.monitor: semeval2010 is not defined"),
        ("training.monitor=micro_f1_positive", "It needs data.negative_relation"),
        ("encoding.max_length=3", "more than encoding.max_length (3)"),
        ("training.optimiser.lr=1", "did you mean"),
    ],
)
def test_a_config_that_asks_for_what_is_not_there(folder: Path, override: str, message: str) -> None:
    code, stderr = train(folder, "--set", override)
    assert code == 2
    assert message in stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(head=[3, 1]), "train.jsonl:4"),
        (lambda r: r.update(head=[0, 3], tail=[1, 2]), "train.jsonl:4"),
        (lambda r: r.update(head=[90, 91]), "train.jsonl:4"),
        (lambda r: r.pop("tail"), "tail"),
        (lambda r: r.pop("relation"), "train.jsonl:4: no relation"),
        (lambda r: r.update(tokens="text"), "train.jsonl:4"),
    ],
)
def test_a_malformed_sentence_is_named(
    folder: Path, change: Callable[[dict[str, object]], object], message: str
) -> None:
    change_line(folder, 4, change)
    code, stderr = train(folder)
    assert code == 2
    assert message in stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b'{"tokens": ["a"', "train.jsonl:1"),
        (b'{"tokens": ["caf\xe9"]}\n', "UTF-8"),
        (b'1\t"The <e1>box</e1> holds apples."\nOther\nComment:\n\n', "train.jsonl:1"),
    ],
)
def test_a_file_that_is_no_corpus(folder: Path, content: bytes, message: str) -> None:
    (folder / "train.jsonl").write_bytes(content)
    code, stderr = train(folder)
    assert code == 2
    assert message in stderr


def test_a_corpus_with_one_relation_is_refused(folder: Path) -> None:
    path = folder / "train.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps({**r, "relation": "only"}) + "\n" for r in records), encoding="utf-8")
    code, stderr = train(folder)
    assert code == 2
    assert "only the relation 'only'" in stderr


def test_dev_with_one_relation_or_an_unknown_one_is_a_warning(folder: Path) -> None:
    lines = (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    records = [{**json.loads(line), "relation": "cause"} for line in lines[:5]]
    (folder / "dev.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    result = runner.invoke(
        app,
        [
            "train",
            "--config",
            str(folder / "tiny.yaml"),
            "--run",
            str(folder / "a"),
            "--set",
            f"data.dev={folder}/dev.jsonl",
        ],
    )
    assert result.exit_code == 0
    assert "only the relation 'cause'" in result.stdout
    records[0]["relation"] = "unheard of"
    (folder / "dev.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    result = runner.invoke(
        app,
        [
            "train",
            "--config",
            str(folder / "tiny.yaml"),
            "--run",
            str(folder / "b"),
            "--set",
            f"data.dev={folder}/dev.jsonl",
        ],
    )
    assert result.exit_code == 0
    assert "1 sentence has the relation 'unheard of', which train lacks" in result.stdout


def test_a_dev_file_without_any_relation_of_train_is_refused_before_training(folder: Path) -> None:
    lines = (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    records = [{**json.loads(line), "relation": "unheard of"} for line in lines[:5]]
    (folder / "dev.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    code, stderr = train(folder, "--set", f"data.dev={folder}/dev.jsonl")
    assert code == 2
    assert "data.dev: no dev sentence has a relation that train has." in stderr


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ("the 0.1 0.2\n", "the vectors are 2 wide, but model.word_dim is 6. --set model.word_dim=2"),
        ("the 1 2 3 4 5 6\nstorm 1 2 3 4 x 6\n", "vectors.txt:2: a field that is not a finite number"),
        ("3 300\nthe 1 2 3\n", "vectors.txt:2: 3 fields after 'the', but the file's vectors are 300 wide"),
        ("", "no word vectors"),
    ],
)
def test_a_malformed_vectors_file_is_named_by_line(folder: Path, vectors: str, message: str) -> None:
    (folder / "vectors.txt").write_text(vectors, encoding="utf-8")
    code, stderr = train(folder, "--set", f"encoding.vectors={folder}/vectors.txt")
    assert code == 2
    assert message in stderr


def test_a_rate_that_makes_the_loss_nan_stops_with_epoch_and_update(folder: Path) -> None:
    command = ["train", "--config", str(folder / "tiny.yaml"), "--run", str(folder / "run")]
    result = runner.invoke(
        app, [*command, "--set", "training.optimizer={name: sgd, lr: 1e38}", "--set", "training.max_epochs=5"]
    )
    assert result.exit_code == 1
    assert "the loss is" in result.stderr
    assert "in epoch 1, after update" in result.stderr
    summary = json.loads((folder / "run" / "summary.json").read_bytes())
    assert summary["stop_reason"] == "not_finite"
    assert (folder / "run" / "last.safetensors").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "either --config FILE"),
        (["train", "--config", "missing.yaml"], "missing.yaml: no such file"),
        (["train", "--config", "."], "directory"),
        (["train", "--resume", "missing"], "missing: no such run directory"),
        (["train", "--resume", "."], "not a run directory"),
        (["train", "--config", "x.yaml", "--from", "best"], "--from goes with --resume"),
        (["train", "--config", "x.yaml", "--all-data"], "--all-data and --epochs N go together"),
        (["train", "--config", "x.yaml", "--epochs", "3"], "--all-data and --epochs N go together"),
        (["evaluate", "missing"], "missing: no such run directory"),
        (["predict", "missing", "x"], "missing: no such run directory"),
        (["runs", "--runs-dir", "missing"], "missing: no such folder"),
    ],
)
def test_wrong_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
