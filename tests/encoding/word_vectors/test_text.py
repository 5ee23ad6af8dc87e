"""Word vectors in text form are read as the file has them, or refused by file and line."""

import gzip

import numpy as np
import pytest

from relclf.encoding.vocabulary import FIRST_WORD_ID, Vocabulary
from relclf.encoding.word_vectors.lookup import WordVectors
from relclf.encoding.word_vectors.text import TextVectors
from relclf.errors import DataError, UserMistake

ROWS = "the 0.5 -1.25\ncat 2e-1 3\n"


def read(path, wanted=None, lowercase=True, fold_digits=True):
    """The words of the file that are kept, and their vectors."""
    normalise = Vocabulary((), FIRST_WORD_ID, lowercase, fold_digits).normalise
    return WordVectors(*TextVectors(path, normalise).lookup(wanted).everything())


def written(folder, content):
    path = folder / "vectors.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [ROWS, "2 2\n" + ROWS, ROWS.rstrip("\n"), ROWS.replace("\n", " \n"), ROWS.replace("\n", "\r\n")],
    ids=["GloVe", "word2vec header", "no last line end", "word2vec's trailing blank", "CRLF"],
)
def test_glove_and_word2vec_files_give_the_same_words_and_numbers(tmp_path, content):
    vectors = read(written(tmp_path, content))
    assert vectors.words == ("the", "cat")
    assert vectors.vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors.vectors, np.array([[0.5, -1.25], [0.2, 3]], dtype=np.float32))


def test_a_gzip_file_is_read_like_a_plain_one(tmp_path):
    vectors = read(written(tmp_path, gzip.compress(ROWS.encode())))
    assert vectors.words == ("the", "cat")
    assert vectors.vectors.shape == (2, 2)


def test_only_the_rows_of_wanted_words_are_kept(tmp_path):
    path = written(tmp_path, "the 1 1\nCat 2 2\ndog 3 3\nin1984 4 4\n")
    vectors = read(path, {"cat", "in0000", "nothing"})
    assert vectors.words == ("Cat", "in1984")
    assert vectors.vectors.tolist() == [[2, 2], [4, 4]]


def test_numbers_of_words_that_nobody_wants_are_not_read_but_counted(tmp_path):
    assert read(written(tmp_path, ROWS + "dog x y\n"), {"cat"}).words == ("cat",)
    with pytest.raises(DataError, match="3: 3 fields after 'dog'"):
        read(written(tmp_path, ROWS + "dog 1 2 3\n"), {"cat"})


def test_a_word_may_hold_blanks_as_some_of_gloves_do(tmp_path):
    vectors = read(written(tmp_path, ". . . 1 2\nat name@domain.com 3 4\n"))
    assert vectors.words == (". . .", "at name@domain.com")
    assert vectors.vectors.tolist() == [[1, 2], [3, 4]]


def test_rows_read_one_by_one_equal_rows_read_as_a_block(tmp_path):
    numbers = np.random.default_rng(1).normal(size=(500, 3))
    rows = "".join(f"word{i} {' '.join(map(repr, row.tolist()))}\n" for i, row in enumerate(numbers))
    block = read(written(tmp_path, rows), fold_digits=False)
    one_by_one = read(written(tmp_path, rows + "at name@domain.com 1 2 3\n"), fold_digits=False)
    np.testing.assert_array_equal(block.vectors, numbers.astype(np.float32))
    np.testing.assert_array_equal(block.vectors, one_by_one.vectors[:-1])
    assert block.words == one_by_one.words[:-1]


def test_a_word_that_is_a_number_is_a_word(tmp_path):
    vectors = read(written(tmp_path, "the 1 2\n2 3 4\n"))
    assert vectors.words == ("the", "2")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("dog 1", "1 fields after 'dog', but the file's vectors are 2 wide"),
        ("dog 1 2 3", "3 fields after 'dog', but the file's vectors are 2 wide"),
        ("dog 1 x", "a field that is not a finite number after 'dog'"),
        ("dog x 2 3 y", "4 fields after 'dog'"),
        ("dog 1 nan", "a field that is not a finite number after 'dog'"),
        ("dog inf 1", "a field that is not a finite number after 'dog'"),
        ("dog 1e39 1", "a field that is not a finite number after 'dog'"),
        ("dog  1 2", "3 fields after 'dog'"),
        ("dog\t1\t2", "set apart by single blanks"),
        (" 1 2", "2 fields after ''"),
        ("", "0 fields after ''"),
    ],
)
def test_a_malformed_row_is_refused_by_file_and_line(tmp_path, bad, message):
    path = written(tmp_path, ROWS + bad + "\nend 1 1\n")
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("header", ["9 100", "9 1"])
def test_rows_of_another_width_than_the_header_says_are_refused(tmp_path, header):
    path = written(tmp_path, f"{header}\nthe 1 2\n")
    with pytest.raises(DataError, match="2 fields after 'the', but the file's vectors are") as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:2: ")


def test_a_first_row_without_numbers_is_refused(tmp_path):
    with pytest.raises(DataError, match="1: no numbers after 'hello'"):
        read(written(tmp_path, "hello\n"))


def test_a_file_that_is_not_utf8_is_refused_by_file_and_line(tmp_path):
    path = written(tmp_path, ROWS.encode() + "café 1 2\n".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8") as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:3: ")


@pytest.mark.parametrize("content", ["", "2 2\n"], ids=["empty", "a header alone"])
def test_a_file_without_a_vector_is_refused(tmp_path, content):
    path = written(tmp_path, content)
    with pytest.raises(UserMistake, match="no word vectors in the file") as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(UserMistake, match="no such file"):
        read(tmp_path / "none.txt")
    with pytest.raises(UserMistake, match="is a folder"):
        read(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_gzip_is_refused_and_not_a_traceback(tmp_path, damage):
    rows = "".join(f"word{i} {i * 0.37} {i * 1.01}\n" for i in range(2000))
    content = bytearray(gzip.compress(rows.encode()))
    if damage == "cut":
        del content[len(content) // 2 :]
    else:
        for place in range(len(content) // 2, len(content) // 2 + 40):
            content[place] ^= 0xFF
    path = written(tmp_path, bytes(content))
    with pytest.raises(UserMistake) as caught:
        read(path, lowercase=False, fold_digits=False)
    assert str(caught.value).startswith(f"{path}:")


@pytest.mark.parametrize(
    ("name", "width", "words"),
    [("glove2024-50d-2235-words.txt", 50, 2235), ("wiki2015-100d.txt.gz", 100, 62_437)],
)
def test_the_published_vectors_are_read_whole(shared_data, name, width, words):
    vectors = read(shared_data / "vectors" / name, lowercase=False, fold_digits=False)
    assert vectors.vectors.shape == (words, width)
    assert len(set(vectors.words)) == words
    assert 0.05 < vectors.vectors.std() < 2
