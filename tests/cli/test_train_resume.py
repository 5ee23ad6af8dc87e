"""`relclf train --resume` as a person types it: signals, kills, refusals, full disks, with their exit codes."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer.testing

from benchmarks.kills import compare, differences, ending
from relclf.cli.app import app
from relclf.config.loading import dump_config
from relclf.runs.directory import FORMAT, RunDirectory
from relclf.runs.lock import RunLock
from relclf.training.checkpoint import read_checkpoint
from tests.tiny import tiny_config

LONG = "training.max_epochs=100000"
"""More epochs than a test waits for."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The config file of the tiny corpus."""
    path = tmp_path / "tiny.yaml"
    path.write_text(dump_config(tiny_config(tmp_path), tmp_path))
    return path


def relclf(*arguments: object) -> typer.testing.Result:
    return typer.testing.CliRunner().invoke(app, [str(argument) for argument in arguments])


def spawn(*arguments: object, limit: int | None = None) -> "subprocess.Popen[str]":
    """The real command in a process of its own; `limit`: the largest file it may write, in bytes."""

    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "relclf", *(str(argument) for argument in arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        preexec_fn=limited,
    )


def wait_for_records(run: RunDirectory, count: int, process: "subprocess.Popen[str]") -> None:
    """Wait until a training has recorded so many epochs; fails where it ends before."""
    deadline = time.monotonic() + 120
    while not run.records.exists() or run.records.read_bytes().count(b"\n") < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_says_how_to_resume_and_sets_the_exit_code(
    tmp_path: Path, config: Path, number: signal.Signals, code: int
) -> None:
    run = RunDirectory(tmp_path / "runs" / "mine")
    process = spawn("train", "--config", config, "--run", run.path, "--set", LONG, "--quiet")
    wait_for_records(run, 2, process)
    refused = relclf("train", "--resume", run.path)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert f"interrupted in epoch {len(read_checkpoint(run.checkpoint('last'))[1]['records']) + 1}" in err
    assert f"relclf train --resume {run.path}" in err
    assert json.loads(run.summary.read_bytes())["stop_reason"] == "interrupted"
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "another process is training in this run directory" in refused.stderr
    epochs = len(run.records.read_bytes().splitlines())
    resumed = relclf("train", "--resume", run.path, "--set", f"training.max_epochs={epochs + 1}", "--json")
    assert resumed.exit_code == 0, resumed.stderr
    assert [json.loads(line)["epoch"] for line in resumed.stdout.splitlines()] == [epochs + 1]
    whole = RunDirectory(tmp_path / "runs" / "whole")
    peaceful = relclf(
        "train", "-c", config, "--run", whole.path, "--set", f"training.max_epochs={epochs + 1}", "-q"
    )
    assert (peaceful.exit_code, peaceful.stdout) == (0, f"{whole.path}\n")
    assert differences(ending(whole), ending(run)) == []


def test_kills_change_no_ending(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(tmp_path, config, ["training.max_epochs=60"], kills=1, seed=3) == 0
    assert re.search(r"^1 kills, 1 endings, all identical$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.slow
def test_many_kills_change_no_ending_of_the_quickstart(tmp_path: Path) -> None:
    quickstart = Path(__file__).resolve().parents[2] / "configs" / "quickstart.yaml"
    assert compare(tmp_path, quickstart, [], kills=6, seed=1) == 0


def test_a_full_disk_is_named_the_last_checkpoint_stands_and_training_goes_on_later(
    tmp_path: Path, config: Path
) -> None:
    whole, run = (RunDirectory(tmp_path / "runs" / name) for name in ("whole", "full"))
    assert relclf("train", "--config", config, "--run", whole.path, "--quiet").exit_code == 0
    first = [read_checkpoint(whole.checkpoint(name))[1]["records"] for name in ("previous", "last")]
    assert [len(records) for records in first] == [3, 4]
    assert (
        relclf("train", "-c", config, "--run", run.path, "-q", "--set", "training.max_epochs=1").exit_code
        == 0
    )
    size = run.checkpoint("last").stat().st_size
    process = spawn(
        "train", "--resume", run.path, "--set", "training.max_epochs=4", "--quiet", limit=size + 600
    )
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert re.search(r"last\.safetensors: File too large \([\d.]+ kB needed, [\d.,]+ MB free\)", err), err
    assert "What was there before stands" in err
    records = len(read_checkpoint(run.checkpoint("last"))[1]["records"])
    assert 1 <= records < 4
    assert json.loads(run.summary.read_bytes())["stop_reason"] == "error"
    assert json.loads(run.summary.read_bytes())["epochs"] == records
    assert not list(run.path.glob(".*.part"))
    assert relclf("train", "--resume", run.path).exit_code == 0
    assert differences(ending(whole), ending(run)) == []


def test_a_disk_too_full_to_begin_leaves_nothing(tmp_path: Path, config: Path) -> None:
    process = spawn("train", "--config", config, "--runs-dir", tmp_path / "runs", limit=1000)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert re.search(r"runs/\.new-run-\w+/\w+\.\w+: File too large", err), err
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.fixture
def finished(tmp_path: Path, config: Path) -> RunDirectory:
    """A run of two epochs."""
    run = RunDirectory(tmp_path / "runs" / "finished")
    result = relclf("train", "-c", config, "--run", run.path, "-q", "--set", "training.max_epochs=2")
    assert result.exit_code == 0
    return run


def content(run: RunDirectory) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.path.iterdir()}


def test_resuming_a_finished_run_changes_nothing(finished: RunDirectory) -> None:
    before = content(finished)
    result = relclf("train", "--resume", finished.path)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "training.max_epochs is 2" in result.stdout
    assert content(finished) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "seed=4"], r"seed: cannot change in a resumed run"),
        (["--set", "training.max_epochs=1"], r"would have ended after epoch 1"),
        (["--from", "first"], r"--from: must be last, previous or best"),
        (["--run", "other"], r"--run and --all-data are for new runs"),
        (["--config", "other.yaml"], r"needs either --config FILE.* or --resume RUN"),
    ],
)
def test_what_a_resumed_run_cannot_be_asked(
    finished: RunDirectory, arguments: list[str], message: str
) -> None:
    before = content(finished)
    result = relclf("train", "--resume", finished.path, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.search(message, result.stderr)
    assert content(finished) == before


def test_a_run_is_never_overwritten(finished: RunDirectory, config: Path) -> None:
    before = content(finished)
    result = relclf("train", "--config", config, "--run", finished.path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "exists already, and a run is never overwritten" in result.stderr
    assert content(finished) == before


def test_a_broken_checkpoint_is_named_and_previous_is_the_persons_choice(finished: RunDirectory) -> None:
    last = finished.checkpoint("last")
    last.write_bytes(last.read_bytes()[:1000])
    refused = relclf("train", "--resume", finished.path)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert re.search(r"last\.safetensors: cut short or corrupted.*--from previous", refused.stderr)
    chosen = relclf("train", "--resume", finished.path, "--from", "previous", "--json")
    assert [json.loads(line)["epoch"] for line in chosen.stdout.splitlines()] == [2]
    assert chosen.exit_code == 0
    assert len(finished.discarded_records.read_bytes().splitlines()) == 1


def test_a_run_in_use_a_newer_format_and_changed_data_are_refused(
    finished: RunDirectory, tmp_path: Path
) -> None:
    lock = RunLock(finished.path)
    in_use = relclf("train", "--resume", finished.path)
    lock.release()
    (tmp_path / "train.jsonl").write_text((tmp_path / "train.jsonl").read_text() + "\n")
    changed = relclf("train", "--resume", finished.path)
    finished.environment.write_text(json.dumps({"format": FORMAT + 1}))
    newer = relclf("train", "--resume", finished.path)
    assert [each.exit_code for each in (in_use, changed, newer)] == [2, 2, 2]
    assert "another process is training" in in_use.stderr
    assert f"{tmp_path / 'train.jsonl'}: changed since the run was made" in changed.stderr
    assert f"a run of format {FORMAT + 1}" in newer.stderr


def test_runs_lists_trainings_killed_ones_and_broken_ones(finished: RunDirectory) -> None:
    finished.summary.unlink()
    killed = relclf("runs", "--runs-dir", finished.path.parent, "--json")
    lock = RunLock(finished.path)
    running = relclf("runs", "--runs-dir", finished.path.parent, "--json")
    lock.release()
    finished.summary.write_text("[]")
    broken = relclf("runs", "--runs-dir", finished.path.parent, "--json")
    results = [json.loads(each.stdout) for each in (killed, running, broken)]
    assert [each["state"] for each in results] == ["killed", "training", "broken"]
    assert [each["epochs"] for each in results] == [2, 2, 0]


def test_a_killed_run_is_listed_by_its_own_monitor(tmp_path: Path, config: Path) -> None:
    run = RunDirectory(tmp_path / "runs" / "loss")
    relclf("train", "-c", config, "--run", run.path, "-q", "--set", "training.monitor=loss")
    best = json.loads(run.summary.read_bytes())["best"]["epoch"]
    run.summary.unlink()
    listed = json.loads(relclf("runs", "--runs-dir", tmp_path / "runs", "--json").stdout)
    assert listed["best_epoch"] == best == 4
