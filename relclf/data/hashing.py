"""Computes the SHA-256 by which a run knows its data files again."""

import hashlib
from pathlib import Path

from relclf.data.lines import open_file


def file_sha256(path: Path | str) -> str:
    """The SHA-256 of a file's bytes as they are on disk (hexadecimal); UserMistake where it cannot be read."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
