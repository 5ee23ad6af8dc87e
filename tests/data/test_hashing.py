"""The SHA-256 of a file."""

from pathlib import Path

import pytest

from relclf.data.hashing import file_sha256
from relclf.errors import UserMistake


def test_the_hash_is_that_of_the_bytes_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    # The first example of FIPS 180-2, appendix B.1.
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_missing_file_is_a_mistake_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match=r"gone: no such file\. Check the path\."):
        file_sha256(tmp_path / "gone")


def test_a_folder_is_known_by_the_names_and_contents_of_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    (folder / "part").mkdir(parents=True)
    (folder / "part" / "a.ann").write_text("one")
    before = file_sha256(folder)
    assert file_sha256(folder) == before
    (folder / "part" / "a.ann").rename(folder / "part" / "b.ann")
    renamed = file_sha256(folder)
    (folder / "part" / "b.ann").write_text("two")
    assert len({before, renamed, file_sha256(folder)}) == 3
