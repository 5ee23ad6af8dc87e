"""A file is replaced whole or not at all, and a full disk is named."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from relclf.errors import Failure, UserMistake
from relclf.runs.files import (
    append_line,
    link_or_copy,
    read_json,
    remove_leftovers,
    write_bytes,
    write_json,
    write_text,
    written_beside,
)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Within the block, a write past `size` bytes of any file fails as on a full disk (EFBIG)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_is_replaced_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with written_beside(path) as file:
        file.write("näw".encode())
        assert path.read_text() == "old"
    assert path.read_text(encoding="utf-8") == "näw"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(KeyError), written_beside(path) as file:
        file.write(b"new")
        raise KeyError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_names_the_file_and_the_need_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")
    message = r"a\.bin: File too large \(2\.5 MB needed, [\d.,]+ MB free\).*What was there before stands"
    with files_of_at_most(1_000_000), pytest.raises(Failure, match=message):
        write_bytes(path, b"x" * 2_500_000)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_line_that_does_not_fit_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    append_line(path, "one")
    with files_of_at_most(10), pytest.raises(Failure, match=r"records\.jsonl: File too large"):
        append_line(path, "two and more")
    assert path.read_bytes().startswith(b"one\n")


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match=r"file/a\.txt: cannot be written: Not a directory"):
        write_text(tmp_path / "file" / "a.txt", "x")
    with pytest.raises(Failure, match=r"nowhere/a\.txt: cannot be written: No such file or directory"):
        write_text(tmp_path / "nowhere" / "a.txt", "x")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(Failure, match=r"a\.txt: cannot be written: Permission denied"):
            write_text(tmp_path / "a.txt", "x")
    finally:
        tmp_path.chmod(0o700)


def test_a_link_is_another_name_and_survives_a_replacement(tmp_path: Path) -> None:
    last, best = tmp_path / "last", tmp_path / "best"
    write_text(last, "1")
    write_text(best, "0")
    link_or_copy(last, best)
    assert best.samefile(last)
    link_or_copy(last, best)
    write_text(last, "2")
    assert (last.read_text(), best.read_text()) == ("2", "1")
    assert sorted(tmp_path.iterdir()) == [best, last]


def test_a_copy_is_made_where_links_cannot_be(tmp_path: Path) -> None:
    """/dev/shm is another file system than the temporary folder on the machines that have it."""
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    source = elsewhere / f"relclf-test-{os.getpid()}"
    try:
        source.write_text("state")
        link_or_copy(source, tmp_path / "best")
    finally:
        source.unlink()
    assert (tmp_path / "best").read_text() == "state"


KILLED = """
import os, signal, sys
from pathlib import Path
from relclf.runs.files import written_beside
with written_beside(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_leftover_of_a_kill_is_removed_later_and_the_old_file_stands(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    write_text(path, "old")
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "old"


def test_json_comes_back_and_is_refused_where_it_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"ä": [1.5, None]})
    assert read_json(path, "Hint.") == {"ä": [1.5, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, float("nan"))
    path.write_text("{")
    with pytest.raises(UserMistake, match=r"a\.json: cannot be read .* Hint\."):
        read_json(path, "Hint.")
    path.unlink()
    with pytest.raises(UserMistake, match=r"a\.json: no such file\. Hint\."):
        read_json(path, "Hint.")
