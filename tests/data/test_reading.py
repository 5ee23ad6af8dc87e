"""Reading a data file: its format found or named, streaming, bad records raised or kept."""

from itertools import islice
from pathlib import Path

import pytest

from relclf.data.reading import detect_format, read_examples
from relclf.errors import DataError, UserMistake

SEMEVAL = "0\t<e1>a</e1> <e2>b</e2>\n"
JSONL = '{"tokens": ["a", "b"], "head": [0, 1], "tail": [1, 2]}\n'


def file(folder: Path, text: str) -> Path:
    path = folder / "d"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("text", "format"), [(SEMEVAL, "semeval2010"), (JSONL, "jsonl")])
def test_the_first_line_that_is_not_blank_shows_the_format(tmp_path: Path, text: str, format: str) -> None:
    path = file(tmp_path, "\n \n" + text)
    assert detect_format(path) == format
    assert [example.source for example in read_examples(path)] == [f"{path}:3"]
    assert list(read_examples(path)) == list(read_examples(path, format))


def test_an_unknown_beginning_is_shown(tmp_path: Path) -> None:
    path = file(tmp_path, "sentence,label\n")
    with pytest.raises(DataError) as caught:
        detect_format(path)
    assert str(caught.value) == (
        f"{path}:1: no format that shows itself (the line begins 'sentence,label'). "
        "Name the file's format, with its options where it has some: semeval2010, tacred, opennre, fewrel, jsonl, "
        "json, delimited, marked, blocks, brat, see docs/formats.md."
    )


@pytest.mark.parametrize("format", ["auto", "semeval2010", "jsonl"])
@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str, format: str) -> None:
    path = file(tmp_path, text)
    with pytest.raises(DataError) as caught:
        list(read_examples(path, format))
    assert str(caught.value) == (
        f"{path}: no sentences in it, the file is empty. See docs/formats.md for what it must hold."
    )


def test_a_misspelt_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match=r"unknown format 'semeval', did you mean 'semeval2010'\?"):
        list(read_examples(file(tmp_path, SEMEVAL), "semeval"))


def test_a_bad_record_is_raised_or_kept_in_its_place(tmp_path: Path) -> None:
    path = file(tmp_path, JSONL + "{}\n" + JSONL)
    expected = f'{path}:2: no "text" or "tokens". It has: no keys.'
    with pytest.raises(DataError) as caught:
        list(read_examples(path))
    assert str(caught.value) == expected
    kept = list(read_examples(path, keep_bad=True))
    assert [str(item) for item in kept if isinstance(item, DataError)] == [expected]
    assert [isinstance(item, DataError) for item in kept] == [False, True, False]


def test_ids_may_repeat_and_an_id_not_given_is_the_line_number(tmp_path: Path) -> None:
    path = file(tmp_path, JSONL + JSONL.replace("{", '{"id": "1", ', 1))
    assert [example.id for example in read_examples(path)] == ["1", "1"]


def test_the_first_examples_come_before_the_rest_is_read(tmp_path: Path) -> None:
    path = file(tmp_path, JSONL * 10 + "{broken\n")
    assert len(list(islice(read_examples(path), 10))) == 10
