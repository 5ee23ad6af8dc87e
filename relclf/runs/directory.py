"""The run directory: where each file of a run lies, how a run comes into being, and how one is opened."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relclf.errors import Failure, UserMistake
from relclf.runs.files import read_json, sync_folder
from relclf.runs.lock import RunLock

FORMAT = 1
"""The version of the run directory's format; a newer one is refused."""


@dataclass(frozen=True)
class RunDirectory:
    """The paths of a run's files (docs/run-directory.md)."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def environment(self) -> Path:
        return self.path / "environment.json"

    @property
    def vocabulary(self) -> Path:
        return self.path / "vocabulary.json"

    @property
    def vectors(self) -> Path:
        """The vectors of the vocabulary's words that are not trained (safetensors); only with word vectors."""
        return self.path / "vectors.safetensors"

    @property
    def vectors_report(self) -> Path:
        """How the words were found in the word vectors; only with word vectors."""
        return self.path / "vectors.json"

    @property
    def packed_vectors(self) -> Path:
        """The folder with a copy of all word vectors; only with `encoding.pack_vectors`."""
        return self.path / "vectors"

    @property
    def relations(self) -> Path:
        return self.path / "relations.json"

    @property
    def records(self) -> Path:
        return self.path / "records.jsonl"

    @property
    def discarded_records(self) -> Path:
        return self.path / "records.discarded.jsonl"

    @property
    def dev_predictions(self) -> Path:
        return self.path / "predictions.dev.jsonl"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def calibration(self) -> Path:
        """The temperature of the probabilities; after `relclf evaluate --calibrate` only."""
        return self.path / "calibration.json"

    @property
    def evaluations(self) -> Path:
        return self.path / "evaluations"

    @property
    def epochs(self) -> Path:
        """The weights of every epoch; with `training.keep: all` only."""
        return self.path / "epochs"

    def epoch_weights(self, epoch: int) -> Path:
        """The path of the weights of an epoch, from 1."""
        return self.epochs / f"{epoch:05d}.safetensors"

    def checkpoint(self, name: str) -> Path:
        """The path of the checkpoint `last`, `previous` or `best`."""
        return self.path / f"{name}.safetensors"

    def read_environment(self) -> dict[str, Any]:
        """environment.json; it carries the format."""
        value = read_json(self.environment, "Is this a run directory?")
        if not isinstance(value, dict):
            raise UserMistake(f"{self.environment}: not an object with keys. Is this a run directory?")
        return value


def open_run(path: Path) -> RunDirectory:
    """An existing run. Raises UserMistake where it is none, or of a newer format."""
    run = RunDirectory(path)
    if not path.exists():
        raise UserMistake(f"{path}: no such run directory. relclf runs lists the runs there are.")
    if not path.is_dir() or not run.environment.is_file() or not run.config.is_file():
        raise UserMistake(
            f"{path}: not a run directory (it has no environment.json and config.yaml). "
            "relclf runs lists the runs there are."
        )
    found = run.read_environment().get("format")
    if not isinstance(found, int) or found < 1:
        raise UserMistake(f"{run.environment}: no format number (got {found!r}). Is this a run directory?")
    if found > FORMAT:
        raise UserMistake(
            f"{path}: a run of format {found}; this relclf reads formats up to {FORMAT}. Install a newer relclf."
        )
    return run


def create_run(
    runs_dir: Path, name: str, explicit: Path | None, fill: Callable[[RunDirectory], None]
) -> tuple[RunDirectory, RunLock]:
    """A new run directory, filled by `fill` before it appears under its name, and locked.

    The name is `explicit`, or `runs_dir`/`name`-001 and so on; an existing one is never overwritten. A kill
    while it is being filled leaves no run, only a hidden folder that the next creation removes.
    """
    folder = explicit.parent if explicit else runs_dir
    if explicit and explicit.exists():
        raise UserMistake(
            f"{explicit}: exists already, and a run is never overwritten. "
            f"Choose another name, or continue it: relclf train --resume {explicit}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        draft, lock = _locked_draft(folder)
    except OSError as error:
        raise Failure(
            f"{folder}: cannot hold a run: {error.strerror}. Choose another folder with --runs-dir."
        ) from None
    try:
        fill(draft)
        sync_folder(draft.path)
        path = _publish(draft.path, explicit, runs_dir, name)
    except BaseException:
        lock.release()
        shutil.rmtree(draft.path, ignore_errors=True)
        raise
    sync_folder(folder)
    return RunDirectory(path), lock


def list_runs(runs_dir: Path) -> list[RunDirectory]:
    """The runs under a folder, by name, those of its sweeps too; folders that are no runs are passed over."""
    if not runs_dir.is_dir():
        raise UserMistake(f"{runs_dir}: no such folder. relclf train makes it; --runs-dir names another.")
    return [
        RunDirectory(path)
        for path in sorted(each for folder in _folders(runs_dir) for each in folder.iterdir())
        if (path / "environment.json").is_file() and not path.name.startswith(_DRAFT)
    ]


def _folders(runs_dir: Path) -> list[Path]:
    """The folder itself, and the folders of variants of the sweeps that it is or holds (docs/sweeps.md)."""
    sweeps = [each for each in (runs_dir, *runs_dir.iterdir()) if (each / "sweep.json").is_file()]
    variants = [each for sweep in sweeps for each in sweep.iterdir() if each.is_dir()]
    return [runs_dir, *variants]


_DRAFT = ".new-run-"


def _locked_draft(folder: Path) -> tuple[RunDirectory, RunLock]:
    """A hidden folder and its lock; where another creation takes it for abandoned before it is locked, a new one."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=folder))
        path.chmod(0o777 & ~_umask())
        with contextlib.suppress(UserMistake):
            try:
                lock = RunLock(path)
            except Failure:
                if path.exists():
                    raise
                continue
            if (path / ".lock").exists():
                return RunDirectory(path), lock
            lock.release()


def _publish(draft: Path, explicit: Path | None, runs_dir: Path, name: str) -> Path:
    """Rename the draft to its final name; another process may take a number first, then the next is tried."""
    if explicit:
        try:
            draft.rename(explicit)
        except OSError as error:
            raise UserMistake(
                f"{explicit}: cannot be made ({error.strerror}). Choose another name."
            ) from None
        return explicit
    number = _highest_number(runs_dir, name)
    while True:
        number += 1
        path = runs_dir / f"{name}-{number:03d}"
        if path.exists():
            continue
        try:
            draft.rename(path)
        except OSError as error:
            if path.exists():
                continue
            raise Failure(f"{path}: cannot be made: {error.strerror}.") from None
        return path


def _highest_number(runs_dir: Path, name: str) -> int:
    pattern = re.compile(re.escape(name) + r"-(\d+)")
    matches = (pattern.fullmatch(path.name) for path in runs_dir.iterdir())
    return max((int(match[1]) for match in matches if match), default=0)


def _remove_abandoned(folder: Path) -> None:
    """Remove drafts whose process was killed: nobody holds their lock."""
    for path in folder.glob(f"{_DRAFT}*"):
        if not (path / ".lock").exists():
            continue
        with contextlib.suppress(UserMistake, Failure):  # in use, or published this moment
            lock = RunLock(path)
            shutil.rmtree(path, ignore_errors=True)
            lock.release()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
