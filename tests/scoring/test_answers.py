"""Answer files are read exactly or refused at file:line."""

import pytest

from relclf.errors import DataError, UserMistake
from relclf.scoring.answers import check_same_examples, read_answers
from relclf.scoring.semeval2010 import DIRECTED_RELATIONS


@pytest.fixture
def file(tmp_path):
    def write(content, name="answers.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        "1\tcause\n2\tpart of\n",
        "1\tcause\n2\tpart of",
        "1\tcause\r\n2\tpart of\r\n",
        "\ufeff1\tcause\n2\tpart of\n",
    ],
    ids=["LF", "no last newline", "CRLF", "byte order mark"],
)
def test_lines_with_ids_are_read_whatever_ends_them(file, content):
    answers = read_answers(file(content))
    assert answers.relations == {"1": "cause", "2": "part of"}
    assert answers.has_ids


def test_bare_relations_get_the_line_numbers_as_ids(file):
    answers = read_answers(file("cause\npart of\ncause\n"))
    assert answers.relations == {"1": "cause", "2": "part of", "3": "cause"}
    assert not answers.has_ids


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("1\tcause\npart\n", 2, "no TAB, but line 1 has one"),
        ("cause\n2\tpart\n", 2, "a TAB, but line 1 has none"),
        ("1\tcause\n1\tpart\n", 2, "id 1 was already in line 1"),
        ("1\tcause\n\n2\tpart\n", 2, "empty line"),
        ("cause\n\n", 2, "empty line"),
        ("1\tcause\n2\t\n", 2, "no relation"),
        ("1\tcause\n\tpart\n", 2, "no id"),
        ("1\tcause\tmore\n", 1, "white space too much"),
        ("1\tcause \n", 1, "white space too much"),
        ("cause\npart\r\r\n", 2, "white space too much"),
        (b"cause\npart\n\xe9\n", 3, "not UTF-8"),
    ],
)
def test_a_malformed_line_is_refused_at_its_place(file, content, line, message):
    path = file(content)
    with pytest.raises(DataError) as refused:
        read_answers(path)
    assert str(refused.value).startswith(f"{path}:{line}: ")
    assert message in str(refused.value)


def test_the_malformed_file_of_the_official_distribution_has_its_four_errors(shared_data):
    path = shared_data / "semeval2010" / "scorer" / "proposed_answer4.txt"
    with pytest.raises(DataError) as refused:
        read_answers(path, {*DIRECTED_RELATIONS, "Other"})
    lines = str(refused.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{path}:{n}" for n in (2, 3, 5, 7)]
    assert "Did you mean 'Message-Topic(e1,e2)'?" in lines[0]


def test_an_unknown_relation_is_answered_with_the_known_ones(file):
    with pytest.raises(DataError, match=r"'xyz' is not one of the relations. Known are cause, part."):
        read_answers(file("xyz\n"), {"cause", "part"})


def test_many_mistakes_are_counted_after_the_first_ten(file):
    path = file("cause\n" + "\n" * 30)
    with pytest.raises(DataError) as refused:
        read_answers(path)
    lines = str(refused.value).splitlines()
    assert len(lines) == 11
    assert lines[-1] == f"... and 20 more mistakes in {path}."


def test_an_empty_file_a_missing_file_and_a_directory_are_refused(file, tmp_path):
    with pytest.raises(DataError, match="empty"):
        read_answers(file(""))
    with pytest.raises(DataError, match="empty"):
        read_answers(file(b"\xef\xbb\xbf"))
    with pytest.raises(UserMistake, match="no such file"):
        read_answers(tmp_path / "missing.txt")
    with pytest.raises(UserMistake, match="is a directory"):
        read_answers(tmp_path)


@pytest.mark.parametrize(
    ("key", "proposed", "message"),
    [
        ("1\tcause\n2\tpart\n", "1\tcause\n3\tpart\n", "proposed.txt:2: id 3 is not in"),
        ("1\tcause\n2\tpart\n", "1\tcause\n", "key.txt:2: id 2 has no answer in"),
        ("cause\npart\n", "cause\n", "proposed.txt:1: ends with 1 lines, but"),
        ("cause\n", "cause\npart\n", "proposed.txt:2: ends with 2 lines, but"),
        ("1\tcause\n", "cause\n", "proposed.txt:1: no ids, but"),
        ("cause\n", "1\tcause\n", "key.txt:1: no ids, but"),
    ],
)
def test_answers_to_other_examples_are_refused(file, key, proposed, message):
    one, other = read_answers(file(key, "key.txt")), read_answers(file(proposed, "proposed.txt"))
    with pytest.raises(DataError) as refused:
        check_same_examples(one, other)
    assert message in str(refused.value)


def test_ids_may_stand_in_any_order_and_be_skipped_where_the_scorer_allows_it(file):
    key = read_answers(file("1\tcause\n2\tpart\n", "key.txt"))
    assert check_same_examples(key, read_answers(file("2\tpart\n1\tpart\n"))) is None
    assert check_same_examples(key, read_answers(file("2\tpart\n")), may_skip=True) is None
    with pytest.raises(DataError, match="ends with"):  # without ids nobody knows which line was skipped
        bare = read_answers(file("cause\npart\n", "bare.txt"))
        check_same_examples(bare, read_answers(file("cause\n")), may_skip=True)
