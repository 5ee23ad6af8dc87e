"""`relclf sweep`: runs as they would be alone, nothing twice, errors in the table."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from relclf.cli.app import app
from relclf.cli.sweep_table import duration
from relclf.runs.directory import RunDirectory
from relclf.runs.lock import RunLock
from relclf.sweeps.results import epochs_so_far
from tests.cli.test_train_resume import spawn
from tests.sweeps.tiny_sweep import write_base

runner = CliRunner()
GRID = "base: tiny.yaml\ngrid: {training.optimizer.lr: [0.01, 0.02]}\nseeds: 2\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a base config and `grid.yaml`."""
    write_base(tmp_path)
    (tmp_path / "grid.yaml").write_text(GRID, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def losses(run: str) -> list[float]:
    return [json.loads(line)["dev_loss"] for line in Path(run, "records.jsonl").read_text().splitlines()]


def written(run: str) -> int:
    """When a run's records were last changed."""
    return Path(run, "records.jsonl").stat().st_mtime_ns


def description(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(Path("sweeps", name, "sweep.json").read_bytes())
    return value


def test_every_run_is_the_run_of_its_settings_and_seed_and_none_is_repeated(folder: Path) -> None:
    result = runner.invoke(app, ["sweep", "grid.yaml", "--workers", "2"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert description("grid") == {
        "format": 1,
        "name": "grid",
        "kind": "grid",
        "keys": ["training.optimizer.lr"],
        "split": "fixed",
        "seeds": [1, 2],
        "variants": [{"name": f"lr={lr}", "settings": {"training.optimizer.lr": lr}} for lr in (0.01, 0.02)],
    }
    changes = ["--set", "training.optimizer.lr=0.01", "--set", "seed=2"]
    runner.invoke(app, ["train", "-c", "tiny.yaml", *changes, "--run", "alone", "-q"])
    assert losses("sweeps/grid/lr=0.01/seed-2") == losses("alone")
    before = written("sweeps/grid/lr=0.01/seed-2")
    change(folder / "grid.yaml", "[0.01, 0.02]", "[0.01, 0.02, 0.05], model.filters: [8, 9]")
    again = runner.invoke(app, ["sweep", "grid.yaml", "--workers", "1"])
    assert again.exit_code == 0
    assert "4 runs finished before" in again.stdout
    assert written("sweeps/grid/lr=0.01/seed-2") == before
    names = [each["name"] for each in description("grid")["variants"]]
    assert names == [
        "lr=0.01",
        "lr=0.01,filters=9",
        "lr=0.02",
        "lr=0.02,filters=9",
        *[f"lr=0.05,filters={n}" for n in (8, 9)],
    ]
    assert len(list(Path("sweeps/grid").glob("*/seed-*/summary.json"))) == 12
    listed = runner.invoke(app, ["runs", "--runs-dir", "sweeps", "--json"])
    assert len(listed.stdout.splitlines()) == 12


def test_a_run_that_fails_leaves_the_others_and_is_in_the_table(folder: Path) -> None:
    change(
        folder / "grid.yaml",
        "{training.optimizer.lr: [0.01, 0.02]}",
        "{training.optimizer: [{name: sgd, lr: 1.0e+38}, {name: adam}]}",
    )
    change(folder / "grid.yaml", "seeds: 2", "seeds: [7]")
    result = runner.invoke(app, ["sweep", "grid.yaml", "--workers", "1"])
    assert result.exit_code == 1
    assert "failed: sweeps/grid/optimizer=sgd-lr1e+38/seed-7: the loss is" in result.stdout
    rows = [line.split() for line in result.stdout.splitlines() if line[2:].startswith("optimizer=")]
    assert [(row[0], row[-1]) for row in rows] == [("*", "finished"), ("optimizer=sgd-lr1e+38", "failed")]


def test_each_seed_has_a_dev_split_of_its_own_where_asked(folder: Path) -> None:
    change(folder / "grid.yaml", "seeds: 2", "seeds: 2\nsplit: resample")
    assert runner.invoke(app, ["sweep", "grid.yaml", "-w", "1", "-q"]).stdout == "sweeps/grid\n"
    dev = {
        path.parent.name: [json.loads(line)["id"] for line in path.read_text().splitlines()]
        for path in Path("sweeps/grid/lr=0.01").glob("*/predictions.dev.jsonl")
    }
    assert dev["seed-1"] != dev["seed-2"]
    alone = ["--set", "training.optimizer.lr=0.01", "--set", "seed=2", "--set", "data.split_seed=2"]
    runner.invoke(app, ["train", "-c", "tiny.yaml", *alone, "--run", "alone", "-q"])
    assert losses("sweeps/grid/lr=0.01/seed-2") == losses("alone")


def test_a_search_tries_as_many_variants_as_asked_and_goes_on_from_there(folder: Path) -> None:
    text = (
        "base: tiny.yaml\nsearch: {training.optimizer.lr: {log_uniform: [1e-3, 1e-1]}}\nseeds: 2\nvariants: "
    )
    search = folder / "search.yaml"
    search.write_text(f"{text}2\n", encoding="utf-8")
    assert runner.invoke(app, ["sweep", "search.yaml", "-w", "1"]).exit_code == 0
    search.write_text(f"{text}3\n", encoding="utf-8")
    assert runner.invoke(app, ["sweep", "search.yaml", "-w", "1"]).exit_code == 0
    assert runner.invoke(app, ["sweep", "search.yaml", "-w", "1", "--name", "whole"]).exit_code == 0
    assert description("search")["variants"] == description("whole")["variants"]
    assert len(description("search")["variants"]) == 3


def test_json_prints_an_object_a_run(folder: Path) -> None:
    result = runner.invoke(app, ["sweep", "grid.yaml", "-w", "1", "--json"])
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert {(row["variant"], row["seed"]) for row in rows} == {
        (f"lr={lr}", s) for lr in (0.01, 0.02) for s in (1, 2)
    }
    assert {row["state"] for row in rows} == {"max_epochs"}
    assert rows[0]["monitored"] == rows[0]["dev_macro_f1"]
    again = runner.invoke(app, ["sweep", "grid.yaml", "-w", "1", "--json"])
    assert sorted(again.stdout.splitlines()) == sorted(result.stdout.splitlines())


def test_a_changed_base_is_refused_and_another_name_is_not(folder: Path) -> None:
    runner.invoke(app, ["sweep", "grid.yaml", "-w", "1", "-q"])
    change(folder / "tiny.yaml", "filters: 8", "filters: 9")
    result = runner.invoke(app, ["sweep", "grid.yaml"])
    assert result.exit_code == 2
    assert "its runs were trained with another model.filters" in result.stderr
    assert runner.invoke(app, ["sweep", "grid.yaml", "-w", "1", "--name", "other", "-q"]).exit_code == 0


def test_changed_data_are_refused(folder: Path) -> None:
    runner.invoke(app, ["sweep", "grid.yaml", "-w", "1", "-q"])
    change(folder / "train.jsonl", "storm", "gale")
    result = runner.invoke(app, ["sweep", "grid.yaml"])
    assert result.exit_code == 2
    assert "its runs were trained on other data: train changed since." in result.stderr


def test_two_sweeps_in_one_folder_are_refused(folder: Path) -> None:
    Path("sweeps/grid").mkdir(parents=True)
    lock = RunLock(Path("sweeps/grid"))
    result = runner.invoke(app, ["sweep", "grid.yaml"])
    lock.release()
    assert result.exit_code == 2
    assert result.stderr.startswith("error: sweeps/grid: another sweep is running in this folder.")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_sweep_that_is_stopped_saves_its_runs_and_goes_on(folder: Path, ending: signal.Signals) -> None:
    change(folder / "tiny.yaml", "max_epochs: 2", "max_epochs: 300, patience: null")
    change(folder / "grid.yaml", "seeds: 2", "seeds: 1")
    process = spawn("sweep", "grid.yaml", "--workers", "2")
    runs = [Path(f"sweeps/grid/lr={lr}/seed-1") for lr in (0.01, 0.02)]
    while process.poll() is None and min(map(epochs_so_far, runs)) < 2:
        time.sleep(0.02)
    os.kill(process.pid, ending)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (-9 if ending == signal.SIGKILL else 128 + ending)
    deadline = time.monotonic() + 30
    while not all(RunDirectory(run).summary.exists() for run in runs) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [json.loads(RunDirectory(run).summary.read_bytes())["stop_reason"] for run in runs] == [
        "interrupted"
    ] * 2
    if ending != signal.SIGKILL:
        assert "error: interrupted; everything is saved. To go on, give the same command again.\n" in errors


MISTAKES = {
    "missing.yaml": "missing.yaml: no such file",
    "grid.yaml --engine spark": "--engine: must be local or ray (got 'spark').",
    "grid.yaml --cpus 2": "--address, --cpus and --gpus go with --engine ray.",
    "grid.yaml --engine ray -w 2": "--workers goes with --engine local",
    "grid.yaml --name a/b": "--name: must be the name of a folder in sweeps (got 'a/b').",
}


@pytest.mark.parametrize("options", MISTAKES)
def test_options_that_make_no_sense_are_refused(folder: Path, options: str) -> None:
    result = runner.invoke(app, ["sweep", *options.split()])
    assert (result.exit_code, result.stdout) == (2, "")
    assert MISTAKES[options] in result.stderr
    assert not Path("sweeps").exists()


@pytest.mark.parametrize(
    ("library", "options"), [("ray", ["grid.yaml", "--engine", "ray"]), ("optuna", ["search.yaml"])]
)
def test_a_missing_extra_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, library: str, options: list[str]
) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == library else real(name))
    (folder / "search.yaml").write_text(
        "base: tiny.yaml\nsearch: {model.filters: {int: [5, 9]}}\nvariants: 2\n"
    )
    result = runner.invoke(app, ["sweep", *options])
    assert result.exit_code == 2
    assert f'not installed: pip install "relclf[{library}]"' in result.stderr


def test_durations_are_short() -> None:
    assert [duration(seconds) for seconds in (5, 75, 4000)] == ["5 s", "1 min", "1 h 7 min"]
