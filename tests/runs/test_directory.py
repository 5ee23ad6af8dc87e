"""A run appears whole under a name of its own, and is never overwritten."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from relclf.errors import Failure, UserMistake
from relclf.runs.directory import FORMAT, RunDirectory, create_run, list_runs, open_run
from relclf.runs.files import write_json, write_text
from relclf.runs.lock import RunLock


def fill(run: RunDirectory) -> None:
    write_json(run.environment, {"format": FORMAT})
    write_text(run.config, "seed: 1\n")


def create(runs_dir: Path, name: str = "cnn", explicit: Path | None = None) -> RunDirectory:
    run, lock = create_run(runs_dir, name, explicit, fill)
    lock.release()
    return run


def test_names_are_the_config_and_a_counter(tmp_path: Path) -> None:
    runs = [create(tmp_path / "runs", name) for name in ("cnn", "cnn", "other", "cnn")]
    assert [run.path.name for run in runs] == ["cnn-001", "cnn-002", "other-001", "cnn-003"]
    assert [run.path for run in list_runs(tmp_path / "runs")] == sorted(run.path for run in runs)


def test_the_counter_goes_on_after_the_highest_number(tmp_path: Path) -> None:
    for name in ("cnn-007", "cnn-1000", "cnn-x", "cnn.a-2000"):
        (tmp_path / name).mkdir()
    assert create(tmp_path).path.name == "cnn-1001"


def test_a_run_can_be_named(tmp_path: Path) -> None:
    run = create(tmp_path / "runs", explicit=tmp_path / "mine" / "first")
    assert run.path == tmp_path / "mine" / "first"
    assert open_run(run.path) == run


@pytest.mark.parametrize("kind", ["run", "file", "empty folder"])
def test_what_exists_is_never_overwritten(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mine"
    if kind == "run":
        create(tmp_path, explicit=path)
    elif kind == "file":
        path.write_text("dear diary")
    else:
        path.mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserMistake, match=f"mine: exists already.*--resume {path}"):
        create(tmp_path, explicit=path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failure_while_it_is_filled_leaves_nothing(tmp_path: Path) -> None:
    def fail(run: RunDirectory) -> None:
        fill(run)
        raise Failure("the disk is full")

    with pytest.raises(Failure, match="the disk is full"):
        create_run(tmp_path, "cnn", None, fail)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_hold_runs_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match=r"file/runs: cannot hold a run: Not a directory.*--runs-dir"):
        create(tmp_path / "file" / "runs")


IN_A_PROCESS = """
import os, signal, sys
from pathlib import Path
from relclf.runs.directory import create_run
from tests.runs.test_directory import fill
def act(run):
    fill(run)
    print(run.path, flush=True)
    sys.stdin.readline()
run, lock = create_run(Path(sys.argv[1]), "cnn", None, act)
print(run.path, flush=True)
"""


def creating(runs_dir: Path) -> "subprocess.Popen[str]":
    """A process in the midst of filling its run; it goes on when a line comes."""
    command = [sys.executable, "-c", IN_A_PROCESS, str(runs_dir)]
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root)


def test_two_processes_that_create_at_once_get_different_names(tmp_path: Path) -> None:
    processes = [creating(tmp_path) for _ in range(3)]
    drafts = [process.stdout.readline().strip() for process in processes if process.stdout]
    assert len(set(drafts)) == 3
    assert list_runs(tmp_path) == []
    names = [process.communicate("\n")[0].strip() for process in processes]
    assert sorted(names) == [str(tmp_path / f"cnn-00{number}") for number in (1, 2, 3)]


def test_a_draft_is_removed_once_its_process_was_killed(tmp_path: Path) -> None:
    process = creating(tmp_path)
    assert process.stdout is not None
    draft = Path(process.stdout.readline().strip())
    first = create(tmp_path)
    assert draft.is_dir(), "its process is alive"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert draft.is_dir()
    second = create(tmp_path)
    assert sorted(tmp_path.iterdir()) == [first.path, second.path]


def test_a_run_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    run = create(tmp_path)
    write_json(run.environment, {"format": FORMAT + 1})
    with pytest.raises(UserMistake, match=f"a run of format {FORMAT + 1}; .*Install a newer relclf"):
        open_run(run.path)


@pytest.mark.parametrize("content", ['{"format": "1"}', "{}", '{"format": 0}', '{"format": null}'])
def test_a_run_without_a_format_is_refused(tmp_path: Path, content: str) -> None:
    run = create(tmp_path)
    run.environment.write_text(content)
    with pytest.raises(UserMistake, match=r"environment\.json: no format number"):
        open_run(run.path)


@pytest.mark.parametrize("content", ["", "[1", "\xff", "[]", "3"])
def test_a_broken_environment_is_named(tmp_path: Path, content: str) -> None:
    run = create(tmp_path)
    run.environment.write_bytes(content.encode("latin-1"))
    with pytest.raises(UserMistake, match=r"environment\.json: .*Is this a run directory\?"):
        open_run(run.path)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserMistake, match="nowhere: no such run directory"):
        open_run(tmp_path / "nowhere")
    for name in ("empty", "file"):
        with pytest.raises(UserMistake, match=f"{name}: not a run directory"):
            open_run(tmp_path / name)


def test_a_run_has_the_permissions_of_any_new_folder(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert create(tmp_path).path.stat().st_mode == (tmp_path / "plain").stat().st_mode


HOLD = """
import sys
from pathlib import Path
from relclf.runs.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.readline()
"""


def test_a_lock_keeps_a_second_writer_out_and_dies_with_its_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(UserMistake, match="another process is training in this run directory"):
        RunLock(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    RunLock(tmp_path).release()


def test_the_environment_is_json_with_the_format(tmp_path: Path) -> None:
    run = create(tmp_path)
    assert run.read_environment() == json.loads(run.environment.read_bytes()) == {"format": FORMAT}
