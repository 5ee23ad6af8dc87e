"""A NumPy array and its words are read together, or refused."""

import numpy as np
import pytest

from relclf.encoding.word_vectors.array import ArrayVectors
from relclf.errors import UserMistake

ROWS = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)


def written(folder, rows=ROWS, words="The\nthe\n"):
    np.save(folder / "v.npy", rows)
    if words is not None:
        (folder / "v.txt").write_text(words)
    return ArrayVectors(folder / "v.npy", str.lower)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("wanted", [None, {"the"}], ids=["mapped", "wanted rows"])
def test_rows_belong_to_the_words_of_their_lines(tmp_path, dtype, wanted):
    found = written(tmp_path, ROWS.astype(dtype)).lookup(wanted).find(["the", "zebra"])
    assert found.rows.tolist() == [[4, 5, 6], [0, 0, 0]]
    assert found.rows.dtype == np.float32


@pytest.mark.parametrize(
    ("rows", "words", "message"),
    [
        (ROWS, None, "v.txt: no such file"),
        (ROWS, "a\nb\nc\n", "3 words, but .* has 2 rows"),
        (ROWS.astype(int), "a\nb\n", "must be an array of floats"),
        (ROWS[0], "a\nb\nc\n", "must be an array of floats"),
        (ROWS * np.nan, "a\nb\n", "not finite"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, rows, words, message):
    with pytest.raises(UserMistake, match=message):
        written(tmp_path, rows, words).lookup({"a"})


def test_what_is_no_array_is_refused_and_never_unpickled(tmp_path):
    (tmp_path / "v.txt").write_text("a\n")
    for content in (b"", b"words", b"\x80\x04K\x01."):
        (tmp_path / "v.npy").write_bytes(content)
        with pytest.raises(UserMistake, match="not a NumPy array"):
            ArrayVectors(tmp_path / "v.npy", str.lower).lookup(None)
