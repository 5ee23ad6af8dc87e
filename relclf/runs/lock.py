"""A lock on a run directory that two writers cannot share and that does not outlive its process."""

import os
import time
from pathlib import Path
from typing import IO, Any

from relclf.errors import Failure, UserMistake


class RunLock:
    """An operating-system lock on the open file `.lock`; the system drops it when the process ends."""

    def __init__(self, folder: Path) -> None:
        """Take the lock. Raises UserMistake where another process holds it, Failure where the folder refuses it."""
        try:
            self._file: IO[bytes] = (folder / ".lock").open("a+b")
            if _lock(self._file):
                return
        except OSError as error:
            raise Failure(
                f"{folder}: cannot be locked: {error.strerror}. Check the folder and its permissions."
            ) from None
        self._file.close()
        raise UserMistake(
            f"{folder}: another process is training in this run directory. Wait for it, or stop it first."
        )

    def release(self) -> None:
        """Give the lock back."""
        self._file.close()


def is_locked(folder: Path) -> bool:
    """Whether a process is training in this run directory now."""
    if not (folder / ".lock").exists():
        return False
    try:
        RunLock(folder).release()
    except UserMistake:
        return True
    except Failure:  # a read-only folder: nobody can be writing there
        return False
    return False


_PATIENCE = 0.2
"""Seconds: `is_locked` in another process, such as `relclf runs`, takes the lock for a moment."""


def _lock(file: IO[Any]) -> bool:
    """Try to lock the file for a short while; False where another process keeps it."""
    deadline = time.monotonic() + _PATIENCE
    while not _lock_now(file):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _lock_now(file: IO[Any]) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
