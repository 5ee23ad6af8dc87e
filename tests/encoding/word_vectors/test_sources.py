"""The sources that a config names are opened by what lies there, looked up side by side, and packed."""

import gzip
import hashlib

import numpy as np
import pytest

from relclf.config.schema import EncodingConfig
from relclf.encoding.word_vectors.lookup import NOT_FOUND
from relclf.encoding.word_vectors.packing import pack
from relclf.encoding.word_vectors.sources import open_sources, read_sources, scaled, source_sha256
from relclf.errors import UserMistake
from tests.encoding.word_vectors.test_transformer import folder_with

TEXT = "storm 1 2\nRain 3 4\n"
WORDS = ["rain", "storm", "rains", "zebra"]


@pytest.fixture
def sources(tmp_path):
    """The same two words as text, binary and array, and a transformer."""
    (tmp_path / "v.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    rows = np.array([[1, 2], [3, 4]], dtype="<f4")
    body = b"".join(
        word.encode() + b" " + row.tobytes() for word, row in zip(("storm", "Rain"), rows, strict=True)
    )
    (tmp_path / "v.bin").write_bytes(b"2 2\n" + body)
    np.save(tmp_path / "a.npy", rows)
    (tmp_path / "a.txt").write_text("storm\nRain\n")
    folder_with(tmp_path / "model")
    return [tmp_path / name for name in ("v.txt.gz", "v.bin", "a.npy", "model")]


def opened(*paths):
    return open_sources(EncodingConfig(vectors=paths))


def test_each_form_is_known_and_gives_the_same_vectors(sources):
    for path in sources[:3]:
        found = read_sources(opened(path), WORDS).find(WORDS)
        assert found.rows.tolist() == [[3, 4], [1, 2], [0, 0], [0, 0]]
        assert (found.match == NOT_FOUND).tolist() == [False, False, True, True]


def test_vectors_of_several_sources_stand_side_by_side_with_zeros_where_one_lacks_a_word(sources):
    lookup = read_sources(opened(sources[0], sources[3]), WORDS)
    assert lookup.width == 4
    found = lookup.find(WORDS)
    assert found.rows.tolist() == [[3, 4, 1, 2], [1, 2, -1, 0], [0, 0, 2, 4], [0, 0, 0, 0]]
    assert (found.match == NOT_FOUND).tolist() == [False, False, False, True]


def test_scaling_gives_each_source_the_deviation_over_the_words_of_train(sources):
    lookup = scaled(read_sources(opened(sources[0], sources[3]), WORDS), ["rain", "storm"], 0.1)
    rows = lookup.find(["rain", "storm"]).rows
    assert rows[:, :2].std() == pytest.approx(0.1)
    assert rows[:, 2:].std() == pytest.approx(0.1)
    again = read_sources(opened(sources[0], sources[3]), None, lookup.factors)
    np.testing.assert_array_equal(again.find(WORDS).rows, lookup.find(WORDS).rows)


def test_scaling_without_a_word_found_changes_nothing(sources):
    assert scaled(read_sources(opened(sources[0]), ["zebra"]), ["zebra"], 0.1).factors == (1.0,)


@pytest.mark.parametrize("which", range(4))
def test_a_packed_source_gives_the_same_vectors_without_the_original(sources, tmp_path, which):
    before = read_sources(opened(sources[which]), None).find(WORDS)
    (tmp_path / "copies").mkdir()
    copy = pack(opened(sources[which])[0], tmp_path / "copies", "0")
    for path in sources[:3]:
        path.unlink()
    (sources[3] / "model.safetensors").unlink()
    after = read_sources(opened(copy), None).find(WORDS)
    np.testing.assert_array_equal(after.rows, before.rows)
    np.testing.assert_array_equal(after.match, before.match)


def test_the_hash_of_one_file_is_its_own_and_that_of_several_tells_each_change(sources):
    assert source_sha256(opened(sources[0])) == hashlib.sha256(sources[0].read_bytes()).hexdigest()
    before = source_sha256(opened(*sources))
    folder_with(sources[3], pieces=["[UNK]", "rain", "##s", "flood", "storm"])
    assert source_sha256(opened(*sources)) != before


def test_a_missing_source_is_refused(tmp_path):
    with pytest.raises(UserMistake, match=r"none\.txt: no such file\. Check encoding\.vectors"):
        opened(tmp_path / "none.txt")
