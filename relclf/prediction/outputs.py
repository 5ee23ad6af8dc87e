"""Opens the files that predictions are written to, never over what they were made from."""

import gzip
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from relclf.errors import UserMistake
from relclf.runs.files import written_beside


def check_output(path: Path, taken: Path) -> None:
    """Refuse an output that is a folder, lies in none, or is the file `taken`. Raises UserMistake."""
    if path.is_dir():
        raise UserMistake(f"{path}: is a directory; name a file for the output.")
    if not path.parent.is_dir():
        raise UserMistake(f"{path}: the folder {path.parent} does not exist. Make it, or name another.")
    if _replaceable(path) and path.resolve() == taken.resolve():
        raise UserMistake(f"{path}: is read or written in the same command already. Name another file.")


@contextmanager
def opened_output(path: Path) -> Iterator[IO[str]]:
    """A text file in UTF-8, gzip where its name ends in .gz, that appears under its name when all is well.

    What is no regular file (/dev/null, a pipe) is written to as it is.
    """
    with ExitStack() as stack:
        opened = written_beside(path.resolve()) if _replaceable(path) else path.open("wb")
        file = stack.enter_context(opened)
        zipped = path.suffix == ".gz"
        packed = stack.enter_context(gzip.GzipFile(fileobj=file, mode="wb", mtime=0)) if zipped else file
        text = io.TextIOWrapper(packed, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()


def _replaceable(path: Path) -> bool:
    return path.is_file() or not path.exists()
