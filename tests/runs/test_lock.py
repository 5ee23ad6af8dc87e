"""The lock on a run directory: one writer, and a look that disturbs nobody."""

import threading
import time
from pathlib import Path

import pytest

from relclf.errors import Failure, UserMistake
from relclf.runs.lock import RunLock, is_locked


def test_a_lock_is_taken_once(tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    assert is_locked(tmp_path)
    with pytest.raises(UserMistake, match="Wait for it, or stop it first"):
        RunLock(tmp_path)
    lock.release()
    assert not is_locked(tmp_path)
    RunLock(tmp_path).release()


def test_a_folder_without_a_lock_file_is_not_locked_and_stays_as_it_is(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_moment_of_another_lock_is_waited_for(tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    thread = threading.Thread(target=lambda: (time.sleep(0.05), lock.release()))
    thread.start()
    second = RunLock(tmp_path)
    assert is_locked(tmp_path)
    second.release()
    thread.join()


def test_a_folder_that_cannot_be_locked_is_named(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()
    with pytest.raises(Failure, match="cannot be locked: Is a directory"):
        RunLock(tmp_path)
    assert not is_locked(tmp_path)
