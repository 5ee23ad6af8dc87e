"""The formats beside jsonl and semeval2010: what is read, and what is said of what cannot be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from relclf.config.schema import DataConfig
from relclf.data.options import Reading
from relclf.data.reading import detect_format, load_examples, read_examples
from relclf.errors import DataError, UserMistake
from relclf.example import Example


def reading(format: str | Mapping[str, Any], **others: Any) -> Reading:
    return Reading(DataConfig.model_validate({"train": Path("t"), "format": format}).format, **others)


def outcomes(path: Path, how: Reading) -> list[str]:
    """Each example as "id: head|tail|relation", each error without the folder."""
    found = []
    for item in read_examples(path, how, keep_bad=True):
        if isinstance(item, Example):
            words = (" ".join(item.tokens[m.start : m.end]) for m in (item.head, item.tail))
            found.append(f"{item.id}: {'|'.join(words)}|{item.relation}")
        else:
            found.append(str(item).replace(f"{path.parent}/", ""))
    return found


def read_text(folder: Path, text: str, format: str | Mapping[str, Any], **others: Any) -> list[str]:
    path = folder / "d"
    path.write_text(text, encoding="utf-8")
    return outcomes(path, reading(format, **others))


TACRED = (
    '{"id": "a", "token": ["x", "y", "z"], "subj_start": %s, "subj_end": %s, "obj_start": 2, "obj_end": 2}'
)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (TACRED % (0, 1), "a: x y|z|None"),
        (TACRED % (1, 0), '"subj_start" 1 stands behind "subj_end" 0, which is the mention\'s last token.'),
        (
            TACRED % (2, 2),
            '"subj" and "obj" are the same span [2, 3]. Mark two mentions.',
        ),
        (TACRED % (0, 7), '"subj" [0, 8] reaches outside the sentence, which has 3 tokens.'),
        (TACRED % (0, '"1"'), '"subj_start" and "subj_end" must be whole numbers (got [0, "1"]).'),
        ('{"tokens": ["x"]}', 'no "token". Did you mean "tokens"?'),
        ("[]", "must be an object with keys, {...} (got [])."),
    ],
)
def test_tacred_counts_inclusively_and_names_each_record(tmp_path: Path, record: str, expected: str) -> None:
    found = read_text(tmp_path, f"[{TACRED % (0, 0)},\n {record}]", "tacred")
    assert found[0] == "a: x|z|None"
    assert found[1].removeprefix("d:2 (record 2): ") == expected


def test_a_json_document_that_breaks_off_is_named_with_its_line_after_what_is_whole(tmp_path: Path) -> None:
    for end, what in (
        (",\n {", "Expecting property name"),
        ("\n {}", "Expecting ',' or ']'"),
        ("]\n[", "Extra data"),
    ):
        first, last = read_text(tmp_path, f"[{TACRED % (0, 0)}{end}", "tacred")
        assert first == "a: x|z|None"
        assert last.startswith("d:2: broken JSON at column ")
        assert what in last


def test_a_document_may_stand_on_a_line_longer_than_a_line_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relclf.data.lines.LONGEST_LINE", 200)
    monkeypatch.setattr("relclf.data.reading.LONGEST_LINE", 200)
    path = tmp_path / "d"
    path.write_text(f"[{', '.join([TACRED % (0, 0)] * 20)}]", encoding="utf-8")
    assert detect_format(path) == "tacred"
    assert len(load_examples(path, Reading()).examples) == 20
    path.write_text('{"text": "' + "x" * 300 + '"}', encoding="utf-8")
    with pytest.raises(DataError, match="a line of more than 200 bytes"):
        load_examples(path, Reading())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{'token': ['x', 'y'], 'h': {'pos': [0, 1]}, 't': {'pos': [1, 2]}, 'relation': 'r'}", "1: x|y|r"),
        ("{'token': ['x', 'y'], 'h': {'pos': (0, 1)}, 't': {'pos': (1, 2)}, 'id': 7}", "7: x|y|None"),
        ("{'token': __import__('os').system('true')}", "no plain Python literal (malformed node"),
        ("{'token': ['x', }", "broken Python literal at column"),
        ("{'a': " + "[" * 500 + "}", ""),
        (
            '{"text": "x y", "h": {"pos": [0, 1]}, "t": {"pos": [2, 9]}}',
            '"t" [2, 9] reaches outside the sentence',
        ),
        (
            '{"text": "x y", "h": {"pos": [0, 1]}, "t": {"name": "y"}}',
            '"t" must be {"pos": [start, end], ...}',
        ),
        ('{"text": "x y", "token": ["x"], "h": {"pos": 1}}', 'both "text" and "token".'),
        ('{"h": {}, "t": {}}', 'no "text" or "token". It has: h, t.'),
    ],
)
def test_opennre_takes_json_and_python_literals_and_evaluates_nothing(
    tmp_path: Path, line: str, expected: str
) -> None:
    (found,) = read_text(tmp_path, line, "opennre")
    assert found.removeprefix("d:1: ").startswith(expected)


FEWREL = '{"P1": [{"tokens": ["a", " ", "b", "c", "b"], "h": ["b", "", %s], "t": ["c", "", [[3]]]}]}'


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ("[[2]]", "1: b|c|P1"),
        ("[[0, 1, 2]]", "1: a b|c|P1"),
        ("[[1]]", '"h" [1] covers only blanks. A mention needs at least one word.'),
        ("[[0, 2]]", '"h" has tokens that are not next to each other: [0, 2].'),
        ("[[5]]", '"h" [5] reaches outside the sentence, which has 5 tokens.'),
        ("[]", '"h" must be [words, id, [[index, ...], ...]] (got ["b", "", []]).'),
        ("[[2, 3]]", '"h" [1, 3] and "t" [2, 3] overlap wherever they stand. Mark two mentions apart.'),
    ],
)
def test_fewrel_counts_without_blank_tokens(tmp_path: Path, places: str, expected: str) -> None:
    (found,) = read_text(tmp_path, FEWREL % places, "fewrel")
    assert found.removeprefix("d:1 (P1, record 1): ") == expected


@pytest.mark.parametrize(("several", "head"), [("first", 0), ("nearest", 1)])
def test_of_several_places_one_is_chosen_and_counted(tmp_path: Path, several: str, head: int) -> None:
    path = tmp_path / "d"
    path.write_text(FEWREL % "[[0], [2]]", encoding="utf-8")
    loaded = load_examples(path, reading({"name": "fewrel", "several": several}))
    assert loaded.examples[0].head.start == head
    assert loaded.notes == ("1 sentence has a mention that stands at several places",)
    with pytest.raises(DataError, match=r"\"h\" at 2 places of the sentence\. The format's option `several`"):
        load_examples(path, reading({"name": "fewrel", "several": "refuse"}))


WORDS = {"name": "delimited", "columns": ["text", "head", "tail", "relation"], "head": "head", "tail": "tail"}


@pytest.mark.parametrize(
    ("row", "several", "expected"),
    [
        ("art and Martin's art,art,Martin,r", "nearest", "1: art|Martin|r"),
        ("Martin and art,art,Martin,r", "refuse", "1: art|Martin|r"),
        (
            "a b a,a,b,r",
            "refuse",
            'd:1: "head" at 2 places of the sentence. The format\'s option `several` says',
        ),
        ("New York and York,York,New York,r", "refuse", "1: York|New York|r"),
        ("x y,z,y,r", "first", 'd:1: "head" "z" does not stand in the sentence.'),
        ("x y,,y,r", "first", 'd:1: "head" "" does not stand in the sentence.'),
        ("x y,x y,y,r", "first", 'd:1: "head" [0, 3] and "tail" [2, 3] overlap wherever they stand.'),
        ("x y,x,y", "first", "d:1: 3 columns where there should be 4 (text, head, tail, relation)."),
    ],
)
def test_mentions_given_by_their_words_are_found_or_refused(
    tmp_path: Path, row: str, several: str, expected: str
) -> None:
    (found,) = read_text(tmp_path, row + "\n", {**WORDS, "several": several})
    assert found.startswith(expected)


def test_a_table_has_spans_in_characters_or_tokens_exclusive_or_inclusive(tmp_path: Path) -> None:
    table = "text\thead_start\thead_end\ttail_start\ttail_end\tid\n\"the 'old' oak\"\t%s\t%s\t%s\t%s\tk\n"
    assert read_text(tmp_path, table % (4, 9, 10, 13), "delimited") == ["k: ' old '|oak|None"]
    options = {"name": "delimited", "unit": "tokens", "ends": "inclusive"}
    assert read_text(tmp_path, table % (0, 1, 2, 2), options) == ["k: the 'old'|oak|None"]
    assert read_text(tmp_path, table % (0, 1, 2, 3), options) == [
        'd:2: "tail_start/tail_end" [2, 4] reaches outside the sentence, which has 3 tokens.'
    ]
    assert read_text(tmp_path, table % (4, "x", 10, 13), "delimited") == [
        'd:2: "head_end" must be a whole number (got "x").'
    ]


def test_quotes_that_are_plain_characters_are_named_and_read_without_quoting(tmp_path: Path) -> None:
    table = '"A" and "B"\t"A"\tB\tr\n' + "x y\tx\ty\tr\n"
    first, *rest = read_text(tmp_path, table, WORDS)
    assert first.startswith('d:1: a column that begins with " does not end with it before the next separator')
    assert "`quote: null`" in first
    assert rest == ["2: x|y|r"]
    assert read_text(tmp_path, table, {**WORDS, "quote": None}) == ['1: " A "|B|r', "2: x|y|r"]


def test_a_quoted_column_may_hold_separators_quotes_and_line_ends(tmp_path: Path) -> None:
    table = 'text,head,tail\n"x, ""y""\nz",x,z\n\na b,a,b\n'
    options = {"name": "delimited", "head": "head", "tail": "tail"}
    assert read_text(tmp_path, table, options) == ["2: x|z|None", "5: a|b|None"]


def test_a_table_without_its_column_says_what_was_meant(tmp_path: Path) -> None:
    (found,) = read_text(tmp_path, "txt,head_start,head_end,tail_start,tail_end\na,0,1,2,3\n", "delimited")
    assert found.startswith("d:1: no column 'text' in the first line, which has txt, head_start")
    assert "Did you mean 'txt'?" in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a << x >> b [[ y ]].", "1: y|x|r"),
        ("[[ y ]] << x >>", "1: y|x|r"),
        ("[[ y ]] x", "d:1: no '<<' in the sentence. Each mark stands once: '[[', ']]', '<<', '>>'."),
        ("[[ y ]] << x >> >>", "d:1: more than one '>>' in the sentence."),
        ("]] y [[ << x >>", "d:1: ']]' stands before '[['."),
        ("[[ ]] << x >>", "d:1: nothing between '[[' and ']]'. A mention needs at least one word."),
        ("[[ y << x >> ]]", "d:1: the two mentions overlap. Mark them apart."),
        ("[[ y << ]] x >>", "d:1: the two mentions overlap. Mark them apart."),
    ],
)
@pytest.mark.parametrize("lines", ["json", "plain"])
def test_marks_of_any_kind_are_taken_out(tmp_path: Path, text: str, expected: str, lines: str) -> None:
    options = {"name": "marked", "head": ["[[", "]]"], "tail": ["<<", ">>"], "lines": lines}
    line = f'{{"text": "{text}", "relation": "r"}}' if lines == "json" else f"{text}\tr"
    (found,) = read_text(tmp_path, line, options)
    assert found.startswith(expected)


def test_a_block_lacks_a_key_or_bytes_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "d"
    path.write_bytes(
        b"SENTENCE : x y\nENTITY1 : x\nREL TYPE : r\n**\n"
        b"SENTENCE : x y\n\nENTITY1 : x \nENTITY2 : y\nREL TYPE : r\n"
        b"SENTENCE : \xe9\nENTITY1 : x\n\n"
        b"SENTENCE : x y\nENTITY1 : y\nENTITY2 : x\nREL TYPE : \xe9\n"
    )
    lacks, good, bytes_, relation = outcomes(path, reading("blocks"))
    assert lacks.startswith('d:1: no "ENTITY2". Did you mean "ENTITY1"?')
    assert good == "2: x|y|r"
    assert bytes_.startswith("d:10: byte 12 of the line (0xe9) is not UTF-8.")
    assert relation.startswith("d:16: byte 12 of the line (0xe9) is not UTF-8.")


def brat(folder: Path, text: str, annotations: str) -> Path:
    (folder / "b").mkdir()
    (folder / "b" / "doc.txt").write_text(text, encoding="utf-8")
    (folder / "b" / "doc.ann").write_text(annotations, encoding="utf-8")
    return folder / "b"


TEXT = "Ann met Bob. Cid met Dr. Dee at 5 p.m. in Rome.\nEve slept."
MENTIONS = "T1\tP 0 3\tAnn\nT2\tP 8 11\tBob\nT3\tP 13 16\tCid\nT4\tP 21 28\tDr. Dee\nT5\tP 48 51\tEve\n"
MENTIONS += "A1\tx\n#1\tNote\n"


def test_brat_reads_relations_and_pairs_without_one(tmp_path: Path) -> None:
    folder = brat(tmp_path, TEXT, MENTIONS + "R1\tmet Arg1:T2 Arg2:T1\t\n")
    assert detect_format(folder) == "brat"
    assert outcomes(folder, reading("brat")) == ["doc:R1: Bob|Ann|met"]
    negatives = reading({"name": "brat", "negative": "none"})
    assert outcomes(folder, negatives) == ["doc:R1: Bob|Ann|met", "doc:T3-T4: Cid|Dr . Dee|none"]
    window = reading({"name": "brat", "negative": "none", "window": 0})
    assert outcomes(folder, window) == ["doc:R1: Bob|Ann|met"]
    (example,) = read_examples(folder, reading("brat", group_by="document"))
    assert (" ".join(example.tokens), example.group) == ("Ann met Bob .", "doc")
    assert (example.head_type, example.tail_type) == ("P", "P")


def test_brat_refuses_a_relation_across_sentences_or_joins_them(tmp_path: Path) -> None:
    folder = brat(tmp_path, TEXT, MENTIONS + "R1\tmet Arg1:T1 Arg2:T3\n")
    (found,) = outcomes(folder, reading("brat"))
    assert found.startswith("b/doc.ann:8: R1 joins mentions of two sentences.")
    assert outcomes(folder, reading({"name": "brat", "across": "join"})) == ["doc:R1: Ann|Cid|met"]
    assert outcomes(folder, reading({"name": "brat", "sentences": "lines"})) == ["doc:R1: Ann|Cid|met"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("R1\tr Arg1:T1 Arg2:T9", "b/doc.ann:8: R1 names T9, which is no mention of the file."),
        ("R1\tr Arg1:T1", "b/doc.ann:8: no relation. A relation is ID TAB TYPE ARG1:ID ARG2:ID."),
        ("T9\tP 50 99\tx", "b/doc.ann:8: T9 [50, 99] is empty or reaches outside the text"),
        ("T9\tP x 3\tx", "b/doc.ann:8: no mention. A mention is ID TAB TYPE START END TAB WORDS."),
        ("T9\tP 0 1;2 3\tA n\nR1\tr Arg1:T1 Arg2:T9", "b/doc.ann:9: the mentions T1 and T9 of R1 overlap."),
    ],
)
def test_a_mistake_in_an_annotation_is_named(tmp_path: Path, line: str, expected: str) -> None:
    (found,) = outcomes(brat(tmp_path, TEXT, MENTIONS + line + "\n"), reading("brat"))
    assert found.startswith(expected)


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("tacred", "[" + (TACRED % (0, 0)).replace("}", ', "subj_type": "PERSON", "obj_type": ""}]')),
        (
            "opennre",
            '{"token": ["x", "y"], "h": {"pos": [0, 1], "type": "PERSON"}, "t": {"pos": [1, 2], "type": null}}',
        ),
        ("jsonl", '{"tokens": ["x", "y"], "head": [0, 1], "tail": [1, 2], "head_type": "PERSON"}'),
        (
            "jsonl",
            '{"text": "x y", "head": [0, 1], "tail": [2, 3], "head_type": "PERSON", "tail_type": null}',
        ),
        (
            {"name": "json", "head_type": "what"},
            '[{"text": "x y", "head": [0, 1], "tail": [2, 3], "what": "PERSON"}]',
        ),
        (
            {"name": "delimited", "head": "h", "tail": "t", "head_type": "what", "tail_type": "no"},
            "text,h,t,what,no\nx y,x,y,PERSON,\n",
        ),
        (
            {"name": "marked", "head_type": "what"},
            '{"text": "<e1>x</e1> <e2>y</e2>", "what": "PERSON"}',
        ),
    ],
)
def test_types_of_mentions_are_read_where_a_format_has_them(
    tmp_path: Path, format: str | Mapping[str, Any], text: str
) -> None:
    path = tmp_path / "d"
    path.write_text(text, encoding="utf-8")
    (example,) = read_examples(path, reading(format))
    assert (example.head_type, example.tail_type) == ("PERSON", None)


def test_a_type_that_is_no_name_is_refused(tmp_path: Path) -> None:
    (found,) = read_text(
        tmp_path, '{"tokens": ["x", "y"], "head": [0, 1], "tail": [1, 2], "head_type": 3}', "jsonl"
    )
    assert found == 'd:1: "head_type" must be a name, or null where it is not known (got 3).'


def test_a_folder_without_documents_or_a_document_without_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match="is a folder, not a file"):
        list(read_examples(tmp_path))
    with pytest.raises(UserMistake, match="no document in it"):
        list(read_examples(tmp_path, "brat"))
    (tmp_path / "a.ann").write_text("")
    with pytest.raises(DataError, match=r"a\.ann: no a\.txt beside it\."):
        list(read_examples(tmp_path))


def test_bad_records_are_passed_over_and_counted_on_request(tmp_path: Path) -> None:
    path = tmp_path / "d"
    path.write_text("x y\tx\ty\tr\nx y\tz\ty\tr\nx y\ta\ty\tr\n", encoding="utf-8")
    loaded = load_examples(path, reading(WORDS, skip_bad=True))
    assert len(loaded.examples) == 1
    assert loaded.notes == (
        f'2 malformed records passed over, the first: {path}:2: "head" "z" does not stand in the sentence.',
    )
    with pytest.raises(DataError, match="d:2"):
        load_examples(path, reading(WORDS))
    path.write_text("x y\ta\ty\tr\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"No record of the file can be read \(1 are malformed\)"):
        load_examples(path, reading(WORDS, skip_bad=True))


def test_a_field_that_group_by_names_is_kept_or_missed(tmp_path: Path) -> None:
    path = tmp_path / "d"
    path.write_text('{"tokens": ["a", "b"], "head": [0, 1], "tail": [1, 2], "doc": 7}\n', encoding="utf-8")
    assert [example.group for example in read_examples(path, Reading(group_by="doc"))] == ["7"]
    assert [example.group for example in read_examples(path, Reading(group_by="sentence"))] == [None]
    with pytest.raises(
        DataError, match=r"d:1: no 'page', which data\.group_by names\. There is: sentence, tokens, head"
    ):
        list(read_examples(path, Reading(group_by="page")))
