"""The folder of a cross-validation: one ordinary run a fold, named fold-1, fold-2, ..."""

import re
from pathlib import Path

from relclf.errors import Failure, UserMistake

_FOLD = re.compile(r"fold-([1-9]\d*)")


def create_folds_folder(runs_dir: Path, name: str, explicit: Path | None) -> Path:
    """A new folder: `explicit`, or `runs_dir`/`name`-folds-001 and so on; one that exists is never used again."""
    folder = explicit or runs_dir / f"{name}-folds-001"
    number = 1
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                if explicit:
                    raise UserMistake(
                        f"{explicit}: exists already, and a run is never overwritten. Choose another --run."
                    ) from None
                number += 1
                folder = runs_dir / f"{name}-folds-{number:03d}"
    except OSError as error:
        raise Failure(
            f"{folder}: cannot be made: {error.strerror}. Choose another folder with --runs-dir."
        ) from None


def fold_path(folder: Path, fold: int) -> Path:
    """The run of a fold, from 1."""
    return folder / f"fold-{fold}"


def fold_runs(folder: Path) -> list[Path]:
    """The runs of the folds in a folder, in their order; none where it is no cross-validation."""
    if not folder.is_dir():
        return []
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := _FOLD.fullmatch(path.name))]
    return [path for _, path in sorted(found)]
