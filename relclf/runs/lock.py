"""A lock on a run directory that two writers cannot share and that does not outlive its process."""

import os
from pathlib import Path
from typing import IO, Any

from relclf.errors import UserMistake


class RunLock:
    """An operating-system lock on the open file `.lock`; the system drops it when the process ends."""

    def __init__(self, folder: Path) -> None:
        """Take the lock or raise UserMistake where another process holds it."""
        file = (folder / ".lock").open("a+b")
        try:
            _lock(file)
        except OSError:
            file.close()
            raise UserMistake(
                f"{folder}: another process is training in this run directory. Wait for it, or stop it first."
            ) from None
        self._file: IO[bytes] = file

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
    except OSError:  # a read-only folder: nobody can be writing there
        return False
    return False


def _lock(file: IO[Any]) -> None:
    if os.name == "nt":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
