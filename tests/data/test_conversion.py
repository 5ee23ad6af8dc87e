"""Sentences written in another format come back as they were, or are refused."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relclf.config.formats import BratFormat
from relclf.data.conversion import Converted, convert, convert_to_brat
from relclf.data.options import Reading
from relclf.data.reading import read_examples
from relclf.data.writers import WRITERS
from relclf.errors import DataError, UserMistake

WORDS = st.lists(
    st.text(
        st.characters(categories=["L", "N", "M", "P", "S"], exclude_characters="\ufeff"),
        min_size=1,
        max_size=5,
    ),
    min_size=1,
    max_size=3,
)
RELATIONS = st.sampled_from(["r", "Cause-Effect(e1,e2)", "no relation", "关系"])


@st.composite
def sentences(draw: st.DrawFn) -> str:
    """A line of our own format: text or tokens, either mention first."""
    parts = [draw(WORDS) for _ in range(5)]
    places, tokens = [], []
    for part in parts:
        places.append((len(tokens), len(tokens) + len(part)))
        tokens += part
    spans = [places[1], places[3]]
    if draw(st.booleans()):
        spans.reverse()
    relation, number = draw(RELATIONS), draw(st.integers(0, 99))
    types = {key: draw(RELATIONS) for key in ("head_type", "tail_type") if draw(st.booleans())}
    if draw(st.booleans()):
        return json.dumps(
            {
                "id": number,
                "tokens": tokens,
                "head": spans[0],
                "tail": spans[1],
                "relation": relation,
                **types,
            }
        )
    starts = [sum(len(token) + 1 for token in tokens[:place]) for place in range(len(tokens) + 1)]
    head, tail = ((starts[start], starts[end] - 1) for start, end in spans)
    return json.dumps(
        {"id": number, "text": " ".join(tokens), "head": head, "tail": tail, "relation": relation, **types}
    )


def converted(source: Path, format: str, target: Path, **options: bool) -> tuple[Converted, list[str]]:
    """What was done, and the errors of what could not be held."""
    bad, out = io.StringIO(), io.StringIO()
    done = convert([source], Reading(), format, out, bad=bad, **options)
    target.write_text(out.getvalue(), encoding="utf-8", newline="")
    return done, bad.getvalue().splitlines()


def values(
    path: Path, format: str = "auto", *, ids: bool = True, types: bool = True
) -> list[tuple[object, ...]]:
    return [
        (
            e.tokens,
            e.head,
            e.tail,
            e.relation,
            e.id if ids else None,
            *((e.head_type, e.tail_type) if types else ()),
        )
        for e in read_examples(path, format)
    ]


@pytest.mark.parametrize("format", WRITERS)
@given(lines=st.lists(sentences(), min_size=1, max_size=4))
def test_what_is_written_is_read_back_and_what_cannot_be_held_is_listed(
    tmp_path_factory: pytest.TempPathFactory, format: str, lines: list[str]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    source, target = folder / "source.jsonl", folder / f"target.{format}"
    source.write_text("\n".join(lines), encoding="utf-8")
    done, bad = converted(source, format, target)
    assert done.sentences + done.skipped == len(lines)
    assert len(bad) == done.skipped
    if done.sentences == 0:
        return
    ids, types = WRITERS[format].holds_ids, WRITERS[format].holds_types
    refused = {int(error.removeprefix(str(source)).split(":")[1]) for error in bad}
    expected = [
        value for number, value in enumerate(values(source, ids=ids, types=types), 1) if number not in refused
    ]
    if format == "fewrel":  # lists sentences by their relations
        order = list(dict.fromkeys(value[3] for value in expected))
        expected.sort(key=lambda value: order.index(value[3]))
    assert values(target, format, ids=ids, types=types) == expected
    if format in ("jsonl", "opennre", "tacred", "fewrel"):
        assert done.skipped == 0


@given(lines=st.lists(sentences(), min_size=1, max_size=4))
def test_a_file_that_goes_round_by_our_own_format_is_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    source = folder / "source.jsonl"
    source.write_text("\n".join(lines), encoding="utf-8")
    for format in ("tacred", "opennre", "delimited", "marked"):
        there, back, again = (folder / f"{step}.{format}" for step in ("there", "back", "again"))
        if converted(source, format, there)[0].sentences == 0:
            continue
        out = io.StringIO()
        convert([there], Reading(format), "jsonl", out)
        back.write_text(out.getvalue(), encoding="utf-8")
        converted(back, format, again)
        assert again.read_text(encoding="utf-8") == there.read_text(encoding="utf-8")


SENTENCE = '{"id": "a1", "text": "%s", "head": [0, 1], "tail": [2, 3], "relation": "r"}\n'


@pytest.mark.parametrize(
    ("line", "format", "why"),
    [
        (SENTENCE % "a b", "semeval2010", "semeval2010 cannot hold this sentence: "),
        (SENTENCE % "a b <e1>", "marked", "marked cannot hold this sentence: more than one '<e1>'"),
        (
            '{"tokens": ["a", "b", "U.S."], "head": [0, 1], "tail": [1, 2], "relation": "r"}',
            "delimited",
            "delimited cannot hold this sentence: its token 3 'U.S.' would come back as 'U'. Only jsonl,",
        ),
        (SENTENCE.replace('"r"', "null") % "a b", "fewrel", "no relation, and fewrel lists sentences by"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_with_what_would_come_back(
    tmp_path: Path, line: str, format: str, why: str
) -> None:
    source = tmp_path / "s.jsonl"
    source.write_text(line, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        convert([source], Reading(), format, io.StringIO())
    assert str(caught.value).startswith(f"{source}:1: {why}")


def test_renumbered_ids_count_from_1_over_all_files(tmp_path: Path) -> None:
    source, target = tmp_path / "s.jsonl", tmp_path / "t.txt"
    source.write_text(SENTENCE % "a b", encoding="utf-8")
    out = io.StringIO()
    assert convert([source, source], Reading(), "semeval2010", out, renumber=True) == Converted(2, 0, ())
    target.write_text(out.getvalue(), encoding="utf-8")
    assert [example.id for example in read_examples(target)] == ["1", "2"]


@given(lines=st.lists(sentences(), min_size=1, max_size=4))
def test_brat_holds_sentences_of_one_line(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    source = tmp_path_factory.getbasetemp() / "source.jsonl"
    folder = tmp_path_factory.getbasetemp() / "brat"
    texts = [line.replace("no relation", "none") for line in lines if '"text"' in line]
    if not texts:
        return
    source.write_text("\n".join(texts), encoding="utf-8")
    convert_to_brat([source], Reading(), folder)
    found = list(read_examples(folder, Reading(BratFormat(sentences="lines"))))
    assert [(e.tokens, e.head, e.tail, e.relation) for e in found] == [
        (e.tokens, e.head, e.tail, e.relation) for e in read_examples(source)
    ]


TYPED = SENTENCE.replace("}", ', "head_type": "Person", "tail_type": "a city"}')


def test_types_that_a_format_cannot_hold_are_said_to_be_left_out(tmp_path: Path) -> None:
    source = tmp_path / "s.jsonl"
    source.write_text(SENTENCE % "a b" + TYPED % "a b", encoding="utf-8")
    done = convert([source], Reading(), "semeval2010", io.StringIO(), renumber=True)
    assert done.notes == ("semeval2010 holds no types of mentions: they are left out",)
    assert convert([source], Reading(), "tacred", io.StringIO()).notes == ()


def test_brat_holds_types_of_one_word(tmp_path: Path) -> None:
    source = tmp_path / "s.jsonl"
    source.write_text(SENTENCE % "a b" + TYPED.replace("a city", "City") % "a b", encoding="utf-8")
    convert_to_brat([source], Reading(), tmp_path / "brat")
    found = [(example.head_type, example.tail_type) for example in read_examples(tmp_path / "brat")]
    assert found == [("Head", "Tail"), ("Person", "City")]
    source.write_text(TYPED % "a b", encoding="utf-8")
    with pytest.raises(DataError, match="the type 'a city', which brat cannot hold: it must be one word"):
        convert_to_brat([source], Reading(), tmp_path / "brat")


def test_a_format_that_is_not_written_is_refused() -> None:
    with pytest.raises(UserMistake, match=r"--to: 'tacrd' is not written, did you mean 'tacred'\?"):
        convert([], Reading(), "tacrd", io.StringIO())
