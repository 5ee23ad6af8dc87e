"""The text format of SemEval-2010 Task 8: its dialects, its errors, and the real files."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relclf.data.readers.semeval2010 import read
from relclf.data.reading import read_examples
from relclf.errors import DataError
from relclf.example import Example, MentionSpan

NEEDS = "Each sentence needs one <e1> and one <e2>."


def examples(text: str) -> list[Example | DataError]:
    return list(read(enumerate(text.split("\n"), 1), "t"))


def outcome(text: str) -> list[str]:
    """The id and relation of each example, or the text of its error."""
    return [
        f"{item.id} {item.relation}" if isinstance(item, Example) else str(item) for item in examples(text)
    ]


def test_a_block_gives_an_example_with_tokens_offsets_and_source() -> None:
    text = '7\t"The <e1>child</e1>\'s <e2>wool socks</e2>."\r\nOther\r\nComment: none\r\n\r\n'
    assert examples(text) == [
        Example(
            id="7",
            tokens=("The", "child", "'", "s", "wool", "socks", "."),
            head=MentionSpan(1, 2),
            tail=MentionSpan(4, 6),
            relation="Other",
            source="t:1",
            offsets=((0, 3), (4, 9), (9, 10), (10, 11), (12, 16), (17, 22), (22, 23)),
        )
    ]


def test_the_head_is_e1_wherever_it_stands() -> None:
    (example,) = examples("1\tA <e2> red </e2> b <e1>c</e1>")
    assert isinstance(example, Example)
    assert (example.head, example.tail) == (MentionSpan(3, 4), MentionSpan(1, 2))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('0\t"<e1>a</e1> <e2>b</e2>"\n1\t"<e1>a</e1> <e2>b</e2>"', ["0 None", "1 None"]),
        ('1\t"<e1>a</e1><e2>b</e2>"\nR\n\n\n2\t"<e1>a</e1> <e2>b</e2>"\nS\n', ["1 R", "2 S"]),
        ('1\t"<e1>a</e1> <e2>b</e2>"\nR\n2\t"<e1>a</e1> <e2>b</e2>"\nS', ["1 R", "2 S"]),
        ('1\t"<e1>a</e1> <e2>b</e2>"\nComment: 2 <e1>x</e1>\n', ["1 None"]),
        ("", []),
    ],
)
def test_relations_comments_and_blank_lines_may_be_missing(text: str, expected: list[str]) -> None:
    assert outcome(text) == expected


@pytest.mark.parametrize(
    ("sentence", "error"),
    [
        ("1\t<e1>a</e1> b", f"t:1: no <e2> in the sentence. {NEEDS}"),
        ("1\tplain", f"t:1: no <e1> in the sentence. {NEEDS}"),
        ("1\t<e1>a <e2>b</e2>", f"t:1: no </e1> in the sentence. {NEEDS}"),
        ("1\t<e1>a</e1> <e1>b</e1> <e2>c</e2>", f"t:1: more than one <e1> in the sentence. {NEEDS}"),
        ("1\t</e1>a<e1> <e2>c</e2>", f"t:1: </e1> before <e1> in the sentence. {NEEDS}"),
        ("1\t<e1>a <e2>b</e1> c</e2>", f"t:1: overlapping <e1> and <e2> in the sentence. {NEEDS}"),
        ("1\t<e1>a <e2>b</e2></e1>", f"t:1: overlapping <e1> and <e2> in the sentence. {NEEDS}"),
        (
            "1\t<e1>a</e1> <e2> </e2>",
            "t:1: nothing between <e2> and its end. A mention needs at least one word.",
        ),
        (
            "1 <e1>a</e1> <e2>b</e2>",
            "t:1: no number and tab before the sentence. "
            'A sentence line is a number, a tab, and the sentence in "quotes".',
        ),
        ("Other", "t:1: a relation line without a sentence. Its sentence must stand right above it."),
        ("Comment: x", "t:1: a comment without a sentence. Its sentence must stand right above it."),
        (
            "1\t<e1>a</e1> <e2>b</e2>\nOther\nOther",
            "t:3: a line too many in this block. Below a sentence stand one relation, one comment, and a blank line.",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_and_reading_goes_on_at_the_next_block(
    sentence: str, error: str
) -> None:
    good = "9\t<e1>a</e1> <e2>b</e2>\nR"
    assert outcome(f"{sentence}\n\n{good}") == [error, "9 R"]


def test_a_broken_sentence_takes_its_relation_and_comment_with_it() -> None:
    text = "1\t<e1>a</e1>\nOther\nComment:\n2\t<e1>a</e1> <e2>b</e2>\nR"
    assert outcome(text) == [f"t:1: no <e2> in the sentence. {NEEDS}", "2 R"]


def test_a_sentence_without_a_tab_is_never_taken_for_the_relation_above() -> None:
    found = outcome("1\t<e1>a</e1> <e2>b</e2>\n2 <e1>a</e1> <e2>b</e2>\n3\t<e1>a</e1> <e2>b</e2>")
    assert [found[0], found[2]] == ["1 None", "3 None"]
    assert found[1].startswith("t:2: no number and tab before the sentence.")


def test_undecodable_bytes_spoil_their_own_block_only(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(b"1\t<e1>a</e1> <e2>b</e2>\nR\nComment: \xe9\n\n2\t<e1>a</e1> <e2>b</e2>\nS\n")
    bad, good = read_examples(path, keep_bad=True)
    assert str(bad).startswith(
        f"{path}:3: byte 10 of the line (0xe9) is not UTF-8. Save the file as UTF-8, or "
    )
    assert isinstance(good, Example)
    assert good.relation == "S"


WORDS = st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1), min_size=1, max_size=4).map(
    " ".join
)


@given(st.lists(st.tuples(WORDS, WORDS, WORDS, st.booleans(), st.booleans()), min_size=1, max_size=5))
def test_written_blocks_are_read_back(blocks: list[tuple[str, str, str, bool, bool]]) -> None:
    text = ""
    for number, (one, two, between, swapped, labelled) in enumerate(blocks):
        first, second = ("e2", "e1") if swapped else ("e1", "e2")
        text += f'{number}\t"{between} <{first}>{one}</{first}> {between} <{second}>{two}</{second}>."\n'
        text += "R\nComment:\n\n" if labelled else ""
    found = examples(text)
    assert len(found) == len(blocks)
    for number, (example, (one, two, _, swapped, labelled)) in enumerate(zip(found, blocks, strict=True)):
        assert isinstance(example, Example)
        head, tail = (two, one) if swapped else (one, two)
        assert example.id == str(number)
        assert example.relation == ("R" if labelled else None)
        assert list(example.tokens[example.head.start : example.head.end]) == head.split()
        assert list(example.tokens[example.tail.start : example.tail.end]) == tail.split()


@pytest.mark.parametrize(
    ("name", "count", "labelled"),
    [("TRAIN_FILE.TXT", 8000, 8000), ("TEST_FILE_FULL.TXT", 2717, 2717), ("TEST_FILE_CLEAN.TXT", 2717, 0)],
)
def test_the_distribution_is_read_whole(
    shared_data: Path, tmp_path: Path, name: str, count: int, labelled: int
) -> None:
    path = shared_data / "semeval2010" / name
    found = list(read_examples(path))
    assert len(found) == count
    assert sum(example.relation is not None for example in found) == labelled
    assert all(example.head.end <= example.tail.start for example in found)
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(path.read_bytes(), compresslevel=1))
    assert [example.tokens for example in read_examples(packed)] == [example.tokens for example in found]


def test_the_tokens_of_semeval_are_as_many_as_was_measured(shared_data: Path) -> None:
    lengths = [
        len(example.tokens) for example in read_examples(shared_data / "semeval2010" / "TRAIN_FILE.TXT")
    ]
    assert max(lengths) == 99
    assert round(sum(lengths) / len(lengths), 1) == 19.5


@pytest.mark.parametrize(
    ("language", "bad"), [("en", [105]), ("de", [105]), ("fr", [105]), ("es", []), ("tr", [105])]
)
def test_relx_is_read_but_for_the_sentences_with_an_empty_mention(
    shared_data: Path, language: str, bad: list[int]
) -> None:
    path = shared_data / "relx" / f"RELX_{language}.txt"
    found = list(read_examples(path, keep_bad=True))
    assert len(found) == 502
    assert [str(item).split(": ")[0] for item in found if isinstance(item, DataError)] == [
        f"{path}:{line}" for line in bad
    ]
