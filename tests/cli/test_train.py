"""`relclf train` as a person and as a script see it."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relclf.cli.app import app
from tests.tiny import write_tiny_corpus

runner = CliRunner()

CONFIG = """\
data: {train: train.jsonl, dev: 0.2, negative_relation: none}
model: {word_dim: 6, position_dim: 3, filters: 8}
training: {max_epochs: 3, batch_size: 10, threads: 1, device: cpu, optimizer: {lr: 0.02}}
scoring: {bootstrap_samples: 100}
"""

ROW = re.compile(
    r"(?P<mark>[* ]) +(?P<epoch>\d+) +(?P<updates>\d+/\d+) +\d+\.\d{3} +\d+\.\d{3} +\d+\.\d +\d+\.\d ±\d+\.\d +"
    r"\S+ +\S+ +\S+ +[\d,.]+"
)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config of the tiny corpus in the current folder, at a terminal width of 80."""
    write_tiny_corpus(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return path


def test_the_table_has_a_row_an_epoch_within_80_columns(config: Path) -> None:
    result = runner.invoke(app, ["train", "-c", str(config)])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    rows = [match for line in lines if (match := ROW.fullmatch(line))]
    assert [match["epoch"] for match in rows] == ["1", "2", "3"]
    assert {match["updates"] for match in rows} == {"5/5"}
    assert rows[0]["mark"] == "*"
    assert lines[0] == "relclf train · seed 1 · cpu, 1 thread · runs/tiny-001"
    assert lines[1].startswith("data   48 train · 12 dev · 3 relations, none negative · ")
    assert lines[-1] == "next: relclf evaluate runs/tiny-001"
    assert max(len(line) for line in lines) <= 80
    assert "stopped after epoch 3: training.max_epochs is 3" in lines
    assert any(line.startswith("macro-F1 ") and "dev loss" in line for line in lines)
    assert result.stderr == ""


def test_the_head_says_how_words_are_represented(config: Path) -> None:
    Path("vectors.txt").write_text("storm 1 2 3 4 5 6\n", encoding="utf-8")
    options = ["--set", "encoding.vectors=vectors.txt", "--set", "training.max_epochs=1"]
    result = runner.invoke(
        app, ["train", "-c", str(config), *options, "--set", "encoding.missing_vectors=ngrams"]
    )
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("words  1 of ")]
    assert line.endswith(" % of tokens (1 exact) · n-grams for the others · kept by reference")


def test_a_monitor_of_its_own_has_a_column(config: Path) -> None:
    result = runner.invoke(app, ["train", "-c", str(config), "--set", "training.monitor=micro_f1_positive"])
    lines = result.stdout.splitlines()
    header = next(line for line in lines if line.startswith("epoch"))
    row = next(line for line in lines if re.match(r"[* ] +1 +5/5", line))
    assert header.endswith("uF1pos")
    assert len(row) <= 80
    record = json.loads((config.parent / "runs/tiny-001/records.jsonl").read_text().splitlines()[0])
    assert f" {100 * record['monitored']:.1f} " in row


@pytest.mark.parametrize("every", ["epoch", "5", "100"])
def test_one_update_an_epoch_is_said_once_under_the_first_row(config: Path, every: str) -> None:
    result = runner.invoke(app, ["train", "-c", str(config), "--set", f"training.update_every={every}"])
    said = "  1 update for 5 batches: the network learns once an epoch"
    lines = result.stdout.splitlines()
    place = next(index for index, line in enumerate(lines) if said in line)
    assert "1/5" in lines[place - 1]
    assert lines[place + 1] == f"  (update_every: {every}). Reason enough to learn slowly."
    assert sum("1 update for" in line for line in lines) == 1


def test_json_prints_the_records_and_the_table_on_standard_error(config: Path) -> None:
    result = runner.invoke(app, ["train", "-c", str(config), "--json"])
    records = [json.loads(line) for line in result.stdout.splitlines()]
    kept = (config.parent / "runs/tiny-001/records.jsonl").read_text().splitlines()
    assert records == [json.loads(line) for line in kept]
    assert "next: relclf evaluate" in result.stderr


def test_quiet_prints_the_run_directory_alone(config: Path) -> None:
    result = runner.invoke(app, ["train", "-c", str(config), "--quiet"])
    assert (result.stdout, result.stderr) == ("runs/tiny-001\n", "")


def test_all_data_trains_on_train_and_dev_and_keeps_the_last_epoch(config: Path) -> None:
    result = runner.invoke(app, ["train", "-c", str(config), "--all-data", "--epochs", "2"])
    assert result.exit_code == 0
    assert "60 train · train and dev together" in result.stdout
    summary = json.loads((config.parent / "runs/tiny-001/summary.json").read_bytes())
    assert (summary["best"]["epoch"], summary["epochs"]) == (2, 2)
    assert summary["best"]["dev_macro_f1"] is None
    assert (config.parent / "runs/tiny-001/best.safetensors").is_file()


def test_a_run_that_was_still_improving_says_how_to_go_on(config: Path) -> None:
    result = runner.invoke(
        app,
        [
            "train",
            "-c",
            str(config),
            "--set",
            "training.max_epochs=12",
            "--set",
            "training.monitor=loss",
        ],
    )
    summary = json.loads((config.parent / "runs/tiny-001/summary.json").read_bytes())
    assert summary["best"]["epoch"] > 9
    assert "relclf train --resume runs/tiny-001 --set training.max_epochs=24" in result.stdout


def test_a_resumed_run_says_where_it_stands(config: Path) -> None:
    runner.invoke(app, ["train", "-c", str(config), "--quiet"])
    result = runner.invoke(app, ["train", "--resume", "runs/tiny-001", "--set", "training.max_epochs=5"])
    lines = result.stdout.splitlines()
    assert "resumed after epoch 3; the rows before are in records.jsonl" in lines
    assert [match["epoch"] for line in lines if (match := ROW.fullmatch(line))] == ["4", "5"]
    assert "stopped after epoch 5: training.max_epochs is 5" in lines


def test_the_runs_are_listed(config: Path) -> None:
    runner.invoke(app, ["train", "-c", str(config), "--quiet"])
    runner.invoke(app, ["train", "-c", str(config), "--quiet", "--run", "runs/other"])
    result = runner.invoke(app, ["runs"])
    assert re.search(r"runs/tiny-001 +max_epochs +3 +15 ", result.stdout)
    rows = [json.loads(line) for line in runner.invoke(app, ["runs", "--json"]).stdout.splitlines()]
    assert [(row["run"], row["state"], row["epochs"]) for row in rows] == [
        ("runs/other", "max_epochs", 3),
        ("runs/tiny-001", "max_epochs", 3),
    ]


def test_evaluate_prints_scores_with_intervals_and_signatures(config: Path) -> None:
    runner.invoke(app, ["train", "-c", str(config), "--quiet"])
    result = runner.invoke(app, ["evaluate", "runs/tiny-001"])
    assert result.exit_code == 0
    assert re.search(r"^macro-F1 +\d+\.\d +\d+\.\d to \d+\.\d$", result.stdout, flags=re.MULTILINE)
    assert "macro_f1|relations:3|negative:none included" in result.stdout
    as_json = json.loads(runner.invoke(app, ["evaluate", "runs/tiny-001", "--json"]).stdout)
    assert set(as_json["scores"]) == {"macro_f1", "macro_f1_positive", "micro_f1_positive", "accuracy"}
    assert as_json["split"] == "dev"


def test_an_ensemble_is_shown_as_one_and_its_labels_too(config: Path) -> None:
    runner.invoke(app, ["train", "-c", str(config), "--quiet", "--seeds", "2"])
    runs = ["runs/tiny-seed-1-001", "--with", "runs/tiny-seed-2-001"]
    result = runner.invoke(app, ["evaluate", *runs])
    assert result.exit_code == 0, result.stderr
    first, second, third = result.stdout.splitlines()[:3]
    assert first == "ensemble of 2 runs · dev · 12 sentences · best weights"
    assert second.startswith("  runs/tiny-seed-1-001, epoch ")
    assert third.startswith("  runs/tiny-seed-2-001, epoch ")
    assert "|ensemble:2|" in result.stdout
    labelled = runner.invoke(app, ["predict", *runs, "train.jsonl", "-o", "out.jsonl"])
    assert "60 sentences labelled by an ensemble of 2 runs: out.jsonl" in labelled.stderr


def test_predict_answers_on_standard_output_and_from_standard_input(config: Path) -> None:
    runner.invoke(app, ["train", "-c", str(config), "--quiet"])
    corpus = (config.parent / "train.jsonl").read_bytes()
    from_file = runner.invoke(app, ["predict", "runs/tiny-001", "train.jsonl"])
    from_input = runner.invoke(app, ["predict", "runs/tiny-001", "-"], input=corpus)
    assert from_file.exit_code == from_input.exit_code == 0
    assert from_file.stdout == from_input.stdout
    assert len(from_file.stdout.splitlines()) == 60
    named = runner.invoke(
        app, ["predict", "runs/tiny-001", "train.jsonl", "-o", "out.csv.gz", "--probabilities"]
    )
    assert "60 sentences labelled: out.csv.gz" in named.stderr
    refused = runner.invoke(app, ["predict", "runs/tiny-001", "train.jsonl", "-o", "train.jsonl"])
    assert refused.exit_code == 2
    assert (config.parent / "train.jsonl").read_bytes() == corpus
