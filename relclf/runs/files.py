"""Writes files so that a reader finds the old content or the new, never a part of either."""

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from relclf.errors import Failure, UserMistake


@contextlib.contextmanager
def written_beside(path: Path, need: int | None = None) -> Iterator[BinaryIO]:
    """A binary file that replaces `path` when the block ends well, and vanishes when it does not.

    It is written beside `path`, flushed to disk (file and folder) and renamed. `need` is the number of
    bytes about to be written, for the message. Raises Failure where the disk is full or not writable.
    """
    beside = _beside(path)
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise _write_failure(path, error, need) from error
    finally:
        with contextlib.suppress(OSError):  # renamed, or never made
            beside.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the content of `path` at once."""
    with written_beside(path, len(content)) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Replace the content of `path` at once, in UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Replace the content of `path` with indented JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def append_line(path: Path, line: str) -> None:
    """Add one line at the end of a text file and flush it to disk."""
    try:
        with path.open("ab") as file:
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _write_failure(path, error, len(line)) from error


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` the same file as `source` at once; a copy where the file system has no hard links."""
    beside = _beside(target)
    try:
        beside.unlink(missing_ok=True)
        try:
            os.link(source, beside)
        except OSError as error:
            if error.errno in _FULL:
                raise
            _copy_to_disk(source, beside)
        beside.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise _write_failure(target, error, source.stat().st_size if source.exists() else None) from error
    finally:
        # Renaming onto a link of the same file leaves both names (POSIX rename), so the beside may remain.
        with contextlib.suppress(OSError):
            beside.unlink()


def remove_leftovers(folder: Path) -> None:
    """Remove the unfinished files of processes that were killed; nobody else may be writing in the folder."""
    for path in folder.glob(".*.part"):
        path.unlink(missing_ok=True)


def read_json(path: Path, hint: str) -> Any:
    """The JSON value in `path`. Raises UserMistake, ending with `hint`, where it is missing or broken."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserMistake(f"{path}: no such file. {hint}") from None
    except (OSError, ValueError) as error:
        raise UserMistake(f"{path}: cannot be read ({error}). {hint}") from None


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk (where the operating system can)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _beside(path: Path) -> Path:
    """The name under which `path` is written before it is renamed."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _copy_to_disk(source: Path, target: Path) -> None:
    with source.open("rb") as original, target.open("wb") as copy:
        shutil.copyfileobj(original, copy)
        copy.flush()
        os.fsync(copy.fileno())


def _write_failure(path: Path, error: OSError, need: int | None) -> Failure:
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        needed = f"{_size(need)} needed, " if need is not None else ""
        free = shutil.disk_usage(path.parent).free
        return Failure(
            f"{path}: {reason} ({needed}{_size(free)} free). What was there before stands. "
            "Free some space and try again."
        )
    return Failure(f"{path}: cannot be written: {reason}. Check the folder and its permissions.")


def _size(amount: int) -> str:
    """A number of bytes in the unit that suits it."""
    return f"{amount / 1e6:,.1f} MB" if amount >= 1e5 else f"{amount / 1e3:.1f} kB"
