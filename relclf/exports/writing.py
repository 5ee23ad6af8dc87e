"""Writes an export to disk, never over something that nobody said may go."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from relclf.errors import Failure, UserMistake
from relclf.runs.directory import RunDirectory
from relclf.runs.files import write_bytes


@dataclass(frozen=True)
class Export:
    """The files of an export by name, and what is to be said of them."""

    files: Mapping[str, bytes]
    notes: tuple[str, ...] = ()


def check_free(output: Path, run: RunDirectory, force: bool) -> None:
    """Raise UserMistake where `output` is the run itself or, without `force`, is there already and not empty."""
    if output.resolve() == run.path.resolve():
        raise UserMistake(f"{output}: is the run itself. Name another folder with --output.")
    if not force and output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise UserMistake(
            f"{output}: exists already. Name another with --output, or give --force to replace it."
        )


def write_folder(folder: Path, export: Export) -> None:
    """Write the files to a folder, which is made; what else it holds stays. Raises UserMistake or Failure."""
    if folder.exists() and not folder.is_dir():
        raise UserMistake(f"{folder}: is a file, and this export is a folder. Name another with --output.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f"{folder}: cannot be made: {error.strerror}. Name another with --output.") from None
    for name, content in export.files.items():
        write_bytes(folder / name, content)


def write_file(path: Path, export: Export) -> None:
    """Write an export of one file. Raises UserMistake or Failure."""
    if path.is_dir():
        raise UserMistake(f"{path}: is a folder, and this export is a file. Name a file with --output.")
    if not path.parent.is_dir():
        raise UserMistake(f"{path}: the folder {path.parent} does not exist. Make it, or name another.")
    (content,) = export.files.values()
    write_bytes(path, content)
