"""Text files line by line: encodings, gzip, pipes, and what is refused."""

import bz2
import gzip
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relclf.data.lines import LONGEST_LINE, LineBlock, block_lines, open_text, read_blocks, read_lines
from relclf.errors import DataError, UserMistake


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def message(path: Path) -> str:
    with pytest.raises(UserMistake) as caught:
        list(open_text(path))
    return str(caught.value).replace(str(path), path.name)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_a_byte_order_mark_crlf_and_a_last_line_without_an_end_are_fine(
    tmp_path: Path, pack: type[bytes]
) -> None:
    path = written(tmp_path / "a", pack(b"\xef\xbb\xbfone\r\n\r\n\tthr\xc3\xa9e"))
    assert list(open_text(path)) == [(1, "one"), (2, ""), (3, "\tthrée")]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_packed_files_joined_end_to_end_are_read_as_one(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    path = written(tmp_path / "a.gz", pack(b"one\n") + pack(b"two\n"))
    assert [text for _, text in open_text(path)] == ["one", "two"]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file whose reading fails")
def test_a_file_that_opens_but_cannot_be_read_is_named() -> None:
    with pytest.raises(
        UserMistake, match=r"/proc/self/mem: cannot be read after line 0 \(Input/output error\)"
    ):
        list(open_text("/proc/self/mem"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_standard_input_may_be_gzip(monkeypatch: pytest.MonkeyPatch, pack: type[bytes]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(pack(b"one\ntwo\n"))))
    assert list(open_text("-")) == [(1, "one"), (2, "two")]


def test_a_pipe_hands_on_each_line_before_the_next_is_written(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    seen = threading.Event()
    answers: list[bool] = []

    def write() -> None:
        with pipe.open("wb", buffering=0) as file:
            file.write(b"o")
            file.write(b"ne\n")
            answers.append(seen.wait(timeout=10))
            file.write(b"two\n")

    writer = threading.Thread(target=write)
    writer.start()
    lines = open_text(pipe)
    assert next(lines) == (1, "one")
    seen.set()
    assert next(lines) == (2, "two")
    writer.join()
    assert answers == [True]


def test_a_line_that_is_not_utf8_is_named_with_its_byte(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", b"one\nna\xefve\nthree\n")
    expected = f"a.txt:2: byte 3 of the line (0xef) is not UTF-8. {SAVE}"
    assert message(path) == expected
    found = [
        text if isinstance(text, str) else str(text).replace(str(path), "a.txt")
        for _, text in read_lines(path)
    ]
    assert found == ["one", expected, "three"]


def test_an_overlong_line_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gz", gzip.compress(b"x" * (LONGEST_LINE + 1), compresslevel=1))
    assert message(path) == "a.gz:1: a line of more than 16,777,216 bytes. Is this a text file?"


def test_the_lines_before_an_overlong_one_come_first(tmp_path: Path) -> None:
    path = written(tmp_path / "a", b"one\n" + b"x" * LONGEST_LINE + b"\ntwo\n")
    for size in (1, 1_000_000):
        blocks = read_blocks(path, size)
        assert next(blocks) == LineBlock(1, b"one\n")
        with pytest.raises(DataError, match="a:2: a line of more than"):
            next(blocks)


def test_a_line_just_short_of_too_long_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a", b"x" * (LONGEST_LINE - 1) + b"\n" + b"y" * (LONGEST_LINE - 1))
    assert [(number, len(text)) for number, text in open_text(path)] == [
        (1, LONGEST_LINE - 1),
        (2, LONGEST_LINE - 1),
    ]


SAVE = "Save the file as UTF-8, or name the encoding of its sentences: data.charset or --charset, such as latin-1."
BYTE_LINES = st.lists(
    st.sampled_from(
        [b"", b"one", b"\r", b"two\r", b"\xff", b"caf\xc3\xa9", b"\xef\xbb\xbf", b"\x85", b"a\x0b\x1c"]
    )
)


@given(BYTE_LINES, st.booleans(), st.integers(1, 40))
def test_lines_are_those_of_the_slow_reference_however_they_are_blocked(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], ended: bool, size: int
) -> None:
    content = b"\n".join(pieces) + b"\n" * ended
    path = written(tmp_path_factory.getbasetemp() / "blocked", content)
    blocks = list(read_blocks(path, size))
    assert b"".join(block.content for block in blocks) == content
    assert all(len(block.content) >= size for block in blocks[:-1])
    found = [(number, str(text)) for block in blocks for number, text in block_lines(block, "f")]
    assert found == slow_lines(content)


def slow_lines(content: bytes) -> list[tuple[int, str]]:
    """The reference: one line after the other, as a binary file gives them."""
    lines = []
    for number, line in enumerate(io.BytesIO(content), 1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            text = (
                f"f:{number}: byte {error.start + 1} of the line (0x{line[error.start]:02x}) is not UTF-8. "
                f"{SAVE}"
            )
        lines.append((number, text))
    return lines


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    assert message(tmp_path / "no.txt") == "no.txt: no such file. Check the path."
    assert message(tmp_path) == f"{tmp_path.name}: is a folder, not a file. Name a file in it."


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_packed_data_that_are_cut_off_or_damaged_are_refused(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    whole = pack(b"".join(b"line %d\n" % number for number in range(1000)))
    for content in (whole[:-4], whole[: len(whole) // 2], whole[:400] + b"\0\0\0" + whole[403:]):
        text = message(written(tmp_path / "a.gz", content))
        assert text.startswith("a.gz: the packed data are damaged or cut off after line ")
        assert text.endswith("Copy or download the file again.")


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n\ufeff", exclude_categories=["Cs"])), min_size=1)
)
def test_lines_survive_a_round_trip_through_gzip(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = written(
        tmp_path_factory.getbasetemp() / "round", gzip.compress("".join(f"{x}\n" for x in lines).encode())
    )
    assert list(open_text(path)) == list(enumerate(lines, 1))


def test_a_text_that_begins_like_bzip2_is_a_text(tmp_path: Path) -> None:
    for text in (b"BZ", b"BZh", b"BZh9 is no bzip2\n"):
        assert [line for _, line in open_text(written(tmp_path / "a", text))] == [text.decode().rstrip("\n")]


@pytest.mark.parametrize(("charset", "bytes_"), [("latin-1", b"caf\xe9"), ("gb18030", b"\xd4\xc2\xb9\xe2")])
def test_another_charset_is_read_when_it_is_named(tmp_path: Path, charset: str, bytes_: bytes) -> None:
    path = written(tmp_path / "a", b"one\r\n" + bytes_ + b"\n")
    assert list(open_text(path, charset)) == [(1, "one"), (2, bytes_.decode(charset))]


def test_a_line_outside_a_named_charset_is_named_with_it(tmp_path: Path) -> None:
    path = written(tmp_path / "a", b"one\ncaf\xe9\n")
    with pytest.raises(DataError, match=r"a:2: byte 4 of the line \(0xe9\) is not ascii\."):
        list(open_text(path, "ascii"))


def test_a_data_error_is_what_open_text_raises_for_bad_bytes(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        list(open_text(written(tmp_path / "utf16", "ab\n".encode("utf-16"))))
