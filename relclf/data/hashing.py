"""Computes the SHA-256 by which a run knows its data again."""

import hashlib
from pathlib import Path

from relclf.data.lines import open_file


def file_sha256(path: Path | str) -> str:
    """The SHA-256 of a file's bytes as they are on disk (hexadecimal); UserMistake where it cannot be read.

    Of a folder: of the names and hashes of all files in it.
    """
    folder = Path(path)
    if folder.is_dir():
        files = sorted(each for each in folder.rglob("*") if each.is_file())
        lines = "".join(f"{file_sha256(each)}  {each.relative_to(folder).as_posix()}\n" for each in files)
        return hashlib.sha256(lines.encode()).hexdigest()
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
