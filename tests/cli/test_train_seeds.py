"""`relclf train` with several seeds, one after the other and packed."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from relclf.cli.app import app
from relclf.runs.directory import RunDirectory
from tests.cli.test_start import COSTLY
from tests.cli.test_train import CONFIG
from tests.cli.test_train_resume import LONG, spawn, wait_for_records
from tests.tiny import write_tiny_corpus

runner = CliRunner()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config of the tiny corpus in the current folder, at a terminal width of 80."""
    write_tiny_corpus(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return path


@pytest.fixture
def packing_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are packed on the CPU too."""
    import relclf.cli.several_runs

    monkeypatch.setattr(relclf.cli.several_runs, "pays", lambda device: True)


def summary(run: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(Path(run, "summary.json").read_bytes())
    return value


def test_seeds_leave_a_run_each_that_is_the_run_of_that_seed(config: Path) -> None:
    result = runner.invoke(app, ["train", "-c", str(config), "--seeds", "3"])
    assert (result.exit_code, result.stderr) == (0, "")
    titles = [line for line in result.stdout.splitlines() if line.startswith("relclf train")]
    assert titles == [f"relclf train · seed {s} · cpu, 1 thread · runs/tiny-seed-{s}-001" for s in (1, 2, 3)]
    runner.invoke(app, ["train", "-c", str(config), "--set", "seed=3", "--run", "runs/alone", "-q"])
    records = [
        [json.loads(line)["dev_loss"] for line in Path(f"runs/{name}/records.jsonl").read_text().splitlines()]
        for name in ("alone", "tiny-seed-3-001")
    ]
    assert records[0] == records[1]


def test_the_summary_has_a_row_a_run_and_the_mean_of_the_best_scores(config: Path) -> None:
    result = runner.invoke(app, ["train", "-c", str(config), "--seeds", "1,5"])
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line.split() for line in lines if re.match(r" +\d+ +3 +\d", line)]
    assert [(row[0], row[-2], row[-1]) for row in rows[-2:]] == [
        ("1", "max_epochs", "runs/tiny-seed-1-001"),
        ("5", "max_epochs", "runs/tiny-seed-5-001"),
    ]
    best = [100 * summary(f"runs/tiny-seed-{seed}-001")["best"]["dev_macro_f1"] for seed in (1, 5)]
    mean, sd = sum(best) / 2, abs(best[0] - best[1]) / 2**0.5
    expected = (
        f"best dev macro-F1, 2 runs: {mean:.1f} ±{sd:.1f} (mean ± sd), {min(best):.1f} to {max(best):.1f}"
    )
    assert lines[-1] == expected


def test_a_run_that_fails_leaves_the_others_and_the_exit_code_says_so(config: Path) -> None:
    changes = ["--set", "training.optimizer={name: sgd, lr: 1.0e+30}"]
    result = runner.invoke(app, ["train", "-c", str(config), "--seeds", "2", *changes])
    assert result.exit_code == 1
    assert [line[: len("error: seed 1: ")] for line in result.stderr.splitlines()] == [
        "error: seed 1: ",
        "error: seed 2: ",
    ]
    assert [summary(f"runs/tiny-seed-{seed}-001")["stop_reason"] for seed in (1, 2)] == ["not_finite"] * 2


def test_several_runs_are_resumed_one_after_the_other(config: Path) -> None:
    runner.invoke(app, ["train", "-c", str(config), "--seeds", "2", "-q"])
    runs = ["--resume", "runs/tiny-seed-1-001", "--resume", "runs/tiny-seed-2-001"]
    result = runner.invoke(app, ["train", *runs, "--set", "training.max_epochs=4"])
    assert result.exit_code == 0
    assert [summary(run)["epochs"] for run in runs[1::2]] == [4, 4]


def test_a_run_that_cannot_be_resumed_leaves_the_others(config: Path) -> None:
    runner.invoke(app, ["train", "-c", str(config), "--seeds", "1", "-q"])
    runs = ["--resume", "runs/missing", "--resume", "runs/tiny-seed-1-001"]
    result = runner.invoke(app, ["train", *runs, "--set", "training.max_epochs=4"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: runs/missing: runs/missing: no such run directory.")
    assert summary("runs/tiny-seed-1-001")["epochs"] == 4


def test_quiet_prints_the_run_directories_alone(config: Path) -> None:
    result = runner.invoke(app, ["train", "-c", str(config), "--seeds", "2", "--quiet"])
    assert (result.stdout, result.stderr) == ("runs/tiny-seed-1-001\nruns/tiny-seed-2-001\n", "")


@pytest.mark.parametrize("pack", [[], ["--pack"]])
def test_json_records_say_their_run(config: Path, packing_pays: None, pack: list[str]) -> None:
    result = runner.invoke(app, ["train", "-c", str(config), "--seeds", "2", "--json", *pack])
    found: dict[str, list[dict[str, Any]]] = {}
    for line in result.stdout.splitlines():
        record = json.loads(line)
        found.setdefault(record.pop("run"), []).append(record)
    assert sorted(found) == ["runs/tiny-seed-1-001", "runs/tiny-seed-2-001"]
    for run, records in found.items():
        assert records == [json.loads(line) for line in Path(run, "records.jsonl").read_text().splitlines()]


def test_on_a_cpu_pack_trains_in_turn_and_says_so_once(config: Path) -> None:
    packed = runner.invoke(app, ["train", "-c", str(config), "--seeds", "2", "--pack"])
    note = "note   --pack: on a CPU one run after the other is faster, so they take turns"
    assert packed.stdout.splitlines().count(note) == 1
    runner.invoke(app, ["train", "-c", str(config), "--seeds", "2", "--runs-dir", "others"])
    assert summary("runs/tiny-seed-2-001")["best"] == summary("others/tiny-seed-2-001")["best"]


def test_a_pack_prints_a_row_an_epoch_for_all_runs_and_a_row_a_run(config: Path, packing_pays: None) -> None:
    result = runner.invoke(app, ["train", "-c", str(config), "--seeds", "3", "--pack"])
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "relclf train · 3 runs packed · seeds 1, 2, 3 · cpu"
    rows = [line for line in lines if re.match(r" +[123] +3 +\d\.\d{3} +\d\.\d{3} ", line)]
    assert [row.split()[0] for row in rows] == ["1", "2", "3"]
    first = [
        json.loads(Path(f"runs/tiny-seed-{s}-001/records.jsonl").read_text().splitlines()[0])
        for s in (1, 2, 3)
    ]
    scores = [100 * record["dev_macro_f1"] for record in first]
    shown = [f"{value:.1f}" for value in (sum(scores) / 3, min(scores), max(scores))]
    assert rows[0].split()[5:8] == shown
    assert sum(line.endswith("-001") for line in lines) == 3


def test_a_pack_is_resumed_packed(config: Path, packing_pays: None) -> None:
    runner.invoke(app, ["train", "-c", str(config), "--seeds", "2", "--pack", "-q"])
    runs = ["--resume", "runs/tiny-seed-1-001", "--resume", "runs/tiny-seed-2-001"]
    result = runner.invoke(app, ["train", *runs, "--pack", "--set", "training.max_epochs=5"])
    assert result.exit_code == 0
    assert [summary(run)["epochs"] for run in runs[1::2]] == [5, 5]


def test_a_pack_in_which_a_run_fails_ends_with_exit_code_1(config: Path, packing_pays: None) -> None:
    changes = ["--set", "training.optimizer={name: sgd, lr: 1.0e+30}"]
    result = runner.invoke(app, ["train", "-c", str(config), "--seeds", "2", "--pack", *changes])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: runs/tiny-seed-1-001: ")


def test_all_data_has_no_dev_scores_to_sum_up(config: Path, packing_pays: None) -> None:
    for pack in ([], ["--pack"]):
        options = ["--all-data", "--epochs", "2", "--seeds", "2", *pack]
        result = runner.invoke(app, ["train", "-c", str(config), *options])
        assert result.exit_code == 0
        assert "best dev macro-F1" not in result.stdout


MISTAKES = {
    "--seeds x": "--seeds: must be a number of seeds, or a list such as 1,2,3 (got 'x').",
    "--seeds 0": "--seeds: must be at least 1.",
    "--seeds 1,2,1": "--seeds: has a seed twice (got '1,2,1'); its two runs would be the same.",
    "--seeds -1": "--seeds: must be a number of seeds, or a list such as 1,2,3 (got '-1').",
    "--pack": "--pack is for several runs: give --seeds, or --resume for each run.",
    "--seeds 2 --from best": "--from goes with --resume.",
    "--seeds 2 --run runs": "runs-seed-2: exists already, and a run is never overwritten. Choose another --run.",
}


@pytest.mark.parametrize("options", MISTAKES)
def test_options_that_make_no_sense_are_refused_before_a_run_is_made(config: Path, options: str) -> None:
    Path("runs-seed-2").mkdir()
    result = runner.invoke(app, ["train", "-c", str(config), *options.split()])
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {MISTAKES[options]}\n")
    assert not list(config.parent.glob("runs*/*"))


def test_seeds_do_not_go_with_resume(config: Path) -> None:
    result = runner.invoke(app, ["train", "--resume", "runs/x", "--seeds", "2"])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: --seeds is for new runs.")


def test_a_signal_stops_all_runs_and_names_those_not_trained(config: Path) -> None:
    changes = ["--set", LONG, "--set", "training.patience=null"]
    process = spawn("train", "-c", config, "--seeds", "3", *changes)
    wait_for_records(RunDirectory(Path("runs/tiny-seed-1-001")), 2, process)
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "To go on: relclf train --resume runs/tiny-seed-1-001\nnot trained: seed 2, seed 3\n" in errors
    assert [path.name for path in Path("runs").iterdir()] == ["tiny-seed-1-001"]


def test_packing_imports_nothing_costly(config: Path) -> None:
    code = (
        "import sys\nimport relclf.cli.several_runs as several\nfrom relclf.cli.app import main\n"
        "several.pays = lambda device: True\ntry:\n    main()\nexcept SystemExit as end:\n"
        "    assert not end.code\nprint('imported', *sys.modules)"
    )
    command = [sys.executable, "-c", code, "train", "-c", str(config), "--seeds", "2", "--pack"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "2 runs packed" in done.stdout
    assert not COSTLY & set(done.stdout.splitlines()[-1].split())
