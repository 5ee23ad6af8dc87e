"""Encoded sentences of a file: what the slow way gives, record by record, whatever stands in the file."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relclf.data.lines import LineBlock
from relclf.data.options import Reading
from relclf.data.reading import read_examples
from relclf.encoding.vocabulary import Vocabulary
from relclf.errors import DataError
from relclf.prediction import reading
from relclf.prediction.reading import Encoder, LineEncoder, read_sentences
from tests.encoding.test_sentences import rows
from tests.tiny import tiny_examples

Rows = list[tuple[str, list[int], list[int]]]

VOCABULARY = Vocabulary.build(tiny_examples(), min_count=1, lowercase=True, fold_digits=True)
REFUSE, WINDOW = Encoder(VOCABULARY, 5, "refuse"), Encoder(VOCABULARY, 5, "window")

TEXT = st.text(st.sampled_from("storm floods2é'\"\\ \u00a0\u2028\U0001f600"), max_size=16)
VALUE = st.one_of(st.none(), st.integers(-2, 12), TEXT, st.sampled_from(["\ud83d", True, 1.5, [], {}]))


@st.composite
def records(draw: st.DrawFn) -> object:
    """A record in the jsonl format: well-formed most of the time, else with one value taken or left at random."""
    text = "a" + draw(TEXT) + "storm" + draw(TEXT) + "b"
    a, b, c, d = sorted(draw(st.lists(st.integers(0, len(text)), min_size=4, max_size=4, unique=True)))
    head, tail = ([a, b], [c, d]) if draw(st.booleans()) else ([c, d], {"start": a, "end": b})
    record: dict[str, object] = {"id": draw(VALUE), "text": text, "head": head, "tail": tail}
    if draw(st.booleans()):
        record["id"] = "ok"
    change = draw(st.sampled_from(["no", "no", "no", "set", "drop", "tokens", "other"]))
    key = draw(st.sampled_from(["id", "text", "head", "tail", "relation"]))
    if change == "set":
        record[key] = draw(VALUE)
    elif change == "drop":
        record.pop(key, None)
    elif change == "tokens":
        record = {"tokens": text.split() or ["a"], "head": [0, 1], "tail": [1, 2]}
    return draw(VALUE) if change == "other" else record


def line(draw_ascii: bool, record: object) -> bytes:
    """A line of the file: half a surrogate pair can only be written as an escape."""
    try:
        return json.dumps(record, ensure_ascii=draw_ascii).encode()
    except UnicodeEncodeError:
        return json.dumps(record).encode()


LINES = st.lists(
    st.one_of(
        st.builds(line, st.booleans(), records()),
        st.sampled_from([b"", b" ", b"\xff", b"{", b"[]", b'{"a":', b"\xef\xbb\xbf{}"]),
    ),
    min_size=1,
    max_size=12,
)


def slow(path: Path, encoder: Encoder) -> tuple[Rows, list[str]]:
    """The reference: one example after the other, with its offsets, then fitted, then encoded."""
    found: Rows = []
    errors = []
    for example in read_examples(path, "jsonl", keep_bad=True):
        try:
            if isinstance(example, DataError):
                raise example
            e = encoder.fitted(example)
        except DataError as error:
            errors.append(str(error))
        else:
            ids = [VOCABULARY.ids([token])[0] for token in e.tokens]
            found.append((e.id, ids, [e.head.start, e.head.end, e.tail.start, e.tail.end]))
    return found, errors


@settings(max_examples=300, deadline=None)
@given(LINES, st.sampled_from([b"\n", b"\r\n"]), st.sampled_from([REFUSE, WINDOW]), st.integers(1, 300))
def test_a_file_comes_to_what_the_slow_reference_says(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], end: bytes, encoder: Encoder, size: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.jsonl"
    path.write_bytes(end.join(lines))
    expected: tuple[Rows, list[str]] | str
    try:
        expected = slow(path, encoder)
    except DataError as error:
        expected = str(error)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "BLOCK_BYTES", size)
        patch.setattr(reading, "BLOCKS_ALONE", 2)
        try:
            parts = list(read_sentences(path, "jsonl", encoder))
        except DataError as error:
            assert str(error) == expected
            return
    assert expected == (
        [row for part in parts for row in rows(part.sentences)],
        [error for part in parts for error in part.errors],
    )


def test_semeval_blocks_come_to_the_same_as_json_lines(tmp_path: Path) -> None:
    text = [f'{n}\t"a <e1>storm</e1> before <e2>floods</e2> {n}"\nR\n\n' for n in range(600)]
    text[300] = "Other\n\n"
    (tmp_path / "t.txt").write_text("".join(text), encoding="utf-8")
    parts = list(read_sentences(tmp_path / "t.txt", "auto", Encoder(VOCABULARY, 9, "refuse")))
    found = [row for part in parts for row in rows(part.sentences)]
    assert [row[0] for row in found] == [str(n) for n in range(600) if n != 300]
    assert found[7] == ("7", VOCABULARY.ids(["a", "storm", "before", "floods", "7"]), [1, 2, 3, 4])
    assert [re.sub(r"^.*t\.txt", "t.txt", error) for part in parts for error in part.errors] == [
        "t.txt:901: a relation line without a sentence. Its sentence must stand right above it."
    ]


def test_a_block_of_a_file_is_encoded_with_its_line_numbers() -> None:
    block = LineBlock(8, b'{"tokens": ["a", "b"], "head": [0, 1], "tail": [1, 2]}\n\nnull\n')
    found = LineEncoder(REFUSE, "jsonl", "f", Reading(offsets=False))(block)
    assert found.sentences.ids == ["8"]
    assert found.errors == ["f:10: must be an object with keys, {...} (got null)."]


@pytest.mark.parametrize("content", [b"", b"\n \n\n"])
def test_a_file_without_a_record_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty"
    path.write_bytes(content)
    for format in ("auto", "jsonl", "semeval2010"):
        with pytest.raises(DataError, match="no sentences in it"):
            list(read_sentences(path, format, REFUSE))
