"""word2vec's binary form gives the words and numbers that were written, or is refused."""

import gzip

import numpy as np
import pytest

from relclf.encoding.word_vectors.binary import BinaryVectors
from relclf.errors import DataError

ROWS = {"the": [0.5, -1.25], "Ärger": [2.0, 3.0], "3": [0.0, 1e-3]}


def content(rows=None, after=b"\n"):
    rows = ROWS if rows is None else rows
    body = b"".join(
        word.encode() + b" " + np.array(row, "<f4").tobytes() + after for word, row in rows.items()
    )
    return f"{len(rows)} 2\n".encode() + body


def read(path, data, wanted=None):
    path.write_bytes(data)
    return BinaryVectors(path, str.lower).lookup(wanted)


@pytest.mark.parametrize("after", [b"", b"\n"], ids=["as gensim writes", "as word2vec writes"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_words_and_numbers_come_back(tmp_path, after, pack):
    words, rows = read(tmp_path / "v.bin", pack(content(after=after))).everything()
    assert words == tuple(ROWS)
    np.testing.assert_array_equal(rows, np.array(list(ROWS.values()), dtype=np.float32))


def test_only_wanted_words_are_kept(tmp_path):
    lookup = read(tmp_path / "v.bin", content(), {"ärger"})
    assert lookup.everything()[0] == ("Ärger",)
    assert lookup.find(["ärger"]).rows.tolist() == [[2, 3]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (content()[:-4], "ends within word 3 of 3"),
        (b"9 2\n" + content()[4:], "ends within word 4 of 9"),
        (b"the 0.5 -1.25\n", "no header of two numbers"),
        (b"", "no header of two numbers"),
        (b"2 0\n", "no header of two numbers"),
        (b"1 2\n\xff\xfe " + bytes(8), "word 1 is not UTF-8"),
        (b"1 2\n" + b"x" * 20_000, "word 1 has no end"),
        (content({"a": [float("nan"), 1.0]}), "not finite"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, data, message):
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path / "v.bin", data)
    assert str(caught.value).startswith(str(tmp_path / "v.bin"))
