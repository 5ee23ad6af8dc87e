"""JSON lines: text or tokens, spans, relations, and every way to get them wrong."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relclf.data.readers.jsonl import parse_record, read
from relclf.data.reading import read_examples
from relclf.errors import DataError
from relclf.example import Example, MentionSpan

TEXT = {"text": "Ada met Bo.", "head": [0, 3], "tail": [8, 10]}
TOKENS = {"tokens": ["Ada", "met", "New York", "."], "head": [0, 1], "tail": [2, 3]}


def error(record: object) -> str:
    (item,) = read([(4, json.dumps(record))], "t")
    assert isinstance(item, DataError)
    return str(item).removeprefix("t:4: ")


def test_text_is_tokenised_and_tokens_are_kept() -> None:
    lines = [
        (1, json.dumps({**TEXT, "id": 7, "relation": "met", "flipped": True})),
        (2, " "),
        (3, json.dumps(TOKENS)),
    ]
    offsets = ((0, 3), (4, 7), (8, 10), (10, 11))
    head = MentionSpan(0, 1)
    assert list(read(lines, "t")) == [
        Example("7", ("Ada", "met", "Bo", "."), head, MentionSpan(2, 3), "met", "t:1", offsets),
        Example("3", ("Ada", "met", "New York", "."), head, MentionSpan(2, 3), None, "t:3", None),
    ]


def test_spans_may_be_objects_and_the_head_may_stand_second() -> None:
    record = {
        "text": "Ada met Bo.",
        "head": {"start": 7, "end": 10},
        "tail": {"start": 0, "end": 4, "text": "Ada "},
    }
    example = parse_record(record, "here", "x")
    assert (example.head, example.tail, example.id) == (MentionSpan(2, 3), MentionSpan(0, 1), "x")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"head": [3, 0]}, '"head" [3, 0] is reversed. The start comes first.'),
        ({"head": [3, 3]}, '"head" [3, 3] is empty. The end is the first place after the mention.'),
        ({"tail": [8, 12]}, '"tail" [8, 12] reaches outside the sentence, which has 11 characters.'),
        ({"tail": [-2, 3]}, '"tail" [-2, 3] reaches outside the sentence, which has 11 characters.'),
        ({"tail": [2, 5]}, '"head" [0, 3] and "tail" [2, 5] overlap. Mark them apart.'),
        ({"tail": [0, 3]}, '"head" and "tail" are the same span [0, 3]. Mark two mentions.'),
        ({"tail": [3, 4]}, '"tail" [3, 4] covers only blanks. A mention needs at least one word.'),
        (
            {"head": "Ada"},
            '"head" must be [start, end] or {"start": ..., "end": ...} in whole numbers (got "Ada").',
        ),
        (
            {"head": [0, 3.0]},
            '"head" must be [start, end] or {"start": ..., "end": ...} in whole numbers (got [0, 3.0]).',
        ),
        (
            {"head": [False, True]},
            '"head" must be [start, end] or {"start": ..., "end": ...} in whole numbers (got [false, true]).',
        ),
        (
            {"head": {"start": 1}},
            '"head" must be [start, end] or {"start": ..., "end": ...} in whole numbers (got {"start": 1}).',
        ),
        ({"text": " "}, '"text" must be a sentence (got " ").'),
        ({"text": 5}, '"text" must be a sentence (got 5).'),
        ({"tokens": ["a"]}, 'both "text" and "tokens". Keep the one that the spans count in.'),
        ({"relation": ""}, '"relation" must be a name, or null where it is not known (got "").'),
        ({"relation": 3}, '"relation" must be a name, or null where it is not known (got 3).'),
        ({"id": None}, '"id" must be a string or a whole number (got null).'),
        ({"id": True}, '"id" must be a string or a whole number (got true).'),
        (
            {"text": "Ada met \ud83d!", "tail": [8, 9]},
            '"text" holds half a surrogate pair (\\ud800 to \\udfff). Write the character whole.',
        ),
    ],
)
def test_a_mistaken_value_is_named(change: dict[str, object], expected: str) -> None:
    assert error({**TEXT, **change}) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"tokens": []}, '"tokens" must be a list of words (got []).'),
        ({"tokens": "Ada met"}, '"tokens" must be a list of words (got "Ada met").'),
        ({"tokens": ["a", 5, "b"]}, '"tokens"[1] must be a word (got 5).'),
        ({"tokens": ["a", "b", ""]}, '"tokens"[2] must be a word (got "").'),
        ({"tail": [2, 5]}, '"tail" [2, 5] reaches outside the sentence, which has 4 tokens.'),
    ],
)
def test_a_mistake_in_tokens_is_named(change: dict[str, object], expected: str) -> None:
    assert error({**TOKENS, **change}) == expected


def test_a_missing_key_is_named_with_what_was_probably_meant() -> None:
    assert error({"text": "a b", "haed": [0, 1], "tail": [2, 3]}) == 'no "head". Did you mean "haed"?'
    assert error({"txt": "a b"}) == 'no "text" or "tokens". Did you mean "txt"?'
    assert error({"text": "a b", "h": 1}) == 'no "head". It has: text, h.'
    assert error({}) == 'no "text" or "tokens". It has: no keys.'
    assert error([1]) == "must be an object with keys, {...} (got [1])."


def test_broken_json_is_named_with_its_column_and_reading_goes_on() -> None:
    lines = [(1, '{"text": "a",, }'), (2, "[" * 100_000), (3, "1" * 5000), (4, json.dumps(TEXT))]
    broken, deep, long, good = read(lines, "t")
    assert str(broken) == (
        "t:1: broken JSON at column 14: Expecting property name enclosed in double quotes. "
        "Each line must hold one JSON object."
    )
    assert str(deep) == "t:2: brackets nested too deeply. Each line must hold one JSON object."
    assert str(long).startswith("t:3: broken JSON: ")
    assert isinstance(good, Example)


def test_numbered_lines_that_are_not_json_do_not_stop_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(json.dumps(TEXT).encode() + b"\n\xff\n" + json.dumps(TOKENS).encode())
    first, bad, last = read_examples(path, keep_bad=True)
    assert isinstance(first, Example)
    assert str(bad).startswith(
        f"{path}:2: byte 1 of the line (0xff) is not UTF-8. Save the file as UTF-8, or "
    )
    assert isinstance(last, Example)


WORD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda word: not word.isspace())


@given(st.lists(WORD, min_size=2, max_size=8), st.data())
def test_tokens_and_spans_survive_a_round_trip(words: list[str], data: st.DataObject) -> None:
    a, b, c, d = sorted(data.draw(st.lists(st.integers(0, len(words)), min_size=4, max_size=4)))
    if a == b or c == d:
        a, b, c, d = 0, 1, 1, len(words)
    record = {"id": "x", "tokens": words, "head": [c, d], "tail": [a, b], "relation": "R"}
    (example,) = read([(1, json.dumps(record))], "t")
    assert example == Example("x", tuple(words), MentionSpan(c, d), MentionSpan(a, b), "R", "t:1", None)
