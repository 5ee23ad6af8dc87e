"""Reading YAML: values, places, and what is refused."""

from pathlib import Path

import pytest

from relclf.config.mistakes import refusal
from relclf.config.yaml_source import LARGEST_FILE, parse_yaml, read_yaml
from relclf.errors import UserMistake


def refused(text: str) -> str:
    """The message with which a text is refused."""
    with pytest.raises(UserMistake) as caught:
        document = parse_yaml(text, "c.yaml")
        raise refusal(document.mistakes)
    return str(caught.value)


def value_of(text: str) -> object:
    document = parse_yaml(f"a: {text}", "c.yaml")
    assert document.mistakes == []
    return document.values["a"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-1.5E+2", -150.0),
        ("1.", 1.0),
        ("-.inf", float("-inf")),
        ("7", 7),
        ("-7", -7),
        ("+7", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("010", 10),
        ("0", 0),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-01-02", "2024-01-02"),
        ("e3", "e3"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("!!str 1", "1"),
        ("!!float 1.5", 1.5),
        ("[1, [x, 2.5]]", [1, ["x", 2.5]]),
        ("{b: {c: 1}}", {"b": {"c": 1}}),
        ("|\n  one\n  two\n", "one\ntwo\n"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    read = value_of(text)
    assert read == value
    assert type(read) is type(value)


def test_every_key_and_item_has_the_place_where_it_was_written() -> None:
    document = parse_yaml("# head\na: 1\nb:\n  c: [x,\n    y]\n  d: {e: 2}\n", "c.yaml")
    assert {key: str(place) for key, place in document.places.items()} == {
        (): "c.yaml:2:1",
        ("a",): "c.yaml:2:1",
        ("b",): "c.yaml:3:1",
        ("b", "c"): "c.yaml:4:3",
        ("b", "c", 0): "c.yaml:4:7",
        ("b", "c", 1): "c.yaml:5:5",
        ("b", "d"): "c.yaml:6:3",
        ("b", "d", "e"): "c.yaml:6:7",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "c.yaml:3:1: a: written twice (first at c.yaml:1:1). Keep one."),
        ("a:\n  b: 1\n  b: [1, {c: 2}]", "c.yaml:3:3: a.b: written twice (first at c.yaml:2:3). Keep one."),
        ("a:\n  <<: {b: 1}", "c.yaml:2:3: a: a merge key (<<). Write the merged keys out."),
        ("1: x", "c.yaml:1:1: a key must be text (got 1)."),
        ("? [a]\n: x", "c.yaml:1:3: a key must be text. Write `key: value`."),
        ("a: &x 1", "c.yaml:1:4: a: an anchor (&x). Configs have no aliases; remove it."),
        ("a: *x", "c.yaml:1:4: a: an alias (*x). Write the value itself."),
        (
            "a: !!python/object/apply:os.system [id]",
            "c.yaml:1:4: a: the tag '!!python/object/apply:os.system' does not belong here. Write the plain value.",
        ),
        ("a: !env HOME", "c.yaml:1:4: a: the tag '!env' does not belong here. Write the plain value."),
        ("a: !!int x", "c.yaml:1:4: a: the tag '!!int' does not belong here. Write the plain value."),
        (
            "a: 99999999999999999999",
            "c.yaml:1:4: a: a whole number of more than 64 bits (got '99999999999999999999').",
        ),
        ('a: "\\ud800"', "c.yaml:1:4: a: half a character (a lone surrogate). Write text as UTF-8."),
        ("a: 1\n---\nb: 2\n", "c.yaml:2:1: a second document. Keep one, without `---`."),
        ("# nothing\n", "c.yaml:1:1: nothing but comments or blanks. Write `key: value`."),
    ],
)
def test_what_yaml_allows_and_a_config_does_not_is_refused_at_its_place(text: str, message: str) -> None:
    assert refused(text) == message


def test_all_refused_places_are_told_at_once() -> None:
    assert refused("a: *x\nb: &y 1\nb: 2\n").splitlines() == [
        "c.yaml:1:4: a: an alias (*x). Write the value itself.",
        "c.yaml:2:4: b: an anchor (&y). Configs have no aliases; remove it.",
        "c.yaml:3:1: b: written twice (first at c.yaml:2:1). Keep one.",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n\tb: 1", "c.yaml:2:1: a tab where YAML wants spaces. Indent with spaces."),
        ("a: @x", "c.yaml:1:4: a value cannot begin with '@'. Put it in quotes."),
        ("a: *", "c.yaml:1:5: a value cannot begin with `*` or `&`. Put it in quotes."),
        (
            "a: b: c",
            "c.yaml:1:5: no `key: value` or `- item` can stand here. Check the indentation, or put the value in "
            "quotes.",
        ),
        ("a: 1\nb\n", "c.yaml:3:1: a key without its colon. Write `key: value`."),
        (
            "a: [1, 2\nb: 3\n",
            "c.yaml:2:2: a list without its `]` (opened at line 1, column 4). Close it, and put `,` between items.",
        ),
        (
            "a: {b: 1\nc: 3\n",
            "c.yaml:2:2: a mapping without its `}` (opened at line 1, column 4). Close it, and put `,` between keys.",
        ),
        ("a: 'b\n", "c.yaml:2:1: a quote that is never closed (opened at line 1, column 4). Close it."),
        (
            'a: "\\q"',
            "c.yaml:1:6: an escape that YAML does not know. Use single quotes, or write \\\\ for a backslash.",
        ),
        (
            'a: "\\UFFFFFFFF"',
            "c.yaml:1:1: not valid YAML: an escape or a version number that does not exist.",
        ),
        ("a: !x!y z", "c.yaml:1:4: a tag (!). Configs have none; put the value in quotes."),
        (
            "  a: 1\n b: 2",
            "c.yaml:2:2: this line does not fit the ones above. Indent keys of one section alike; a config is one "
            "document.",
        ),
        (
            "- a\nb: 1",
            "c.yaml:2:1: this line does not fit the ones above. Indent keys of one section alike, and close every "
            "quote.",
        ),
        ("a: 1\x07", "c.yaml:1:5: the character U+0007 is not allowed in YAML. Remove it."),
    ],
)
def test_syntax_errors_are_told_in_plain_words(text: str, message: str) -> None:
    assert refused(text) == message


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused_without_exhausting_the_stack(opening: str) -> None:
    assert "more than 50 mappings and lists inside each other" in refused(opening * 20_000)


def test_deep_nesting_under_a_key_written_twice_is_refused() -> None:
    assert "more than 50 mappings and lists inside each other" in refused("a: 1\na: " + "[" * 20_000)


def test_an_alias_bomb_is_refused_at_its_aliases() -> None:
    levels = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))
    message = refused("a0: &a0 [lol]\n" + levels)
    assert message.startswith("c.yaml:1:5: a0: an anchor (&a0).")
    assert "c.yaml:2:10: a1.0: an alias (*a0). Write the value itself." in message
    assert message.endswith("more mistakes")


def test_ten_thousand_values_are_too_many() -> None:
    assert "more than 10,000 keys and values" in refused("a: [" + "1," * 20_000 + "]")


def file_refused(path: Path) -> str:
    with pytest.raises(UserMistake) as caught:
        read_yaml(path)
    return str(caught.value).replace(str(path), "c.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    message = file_refused(tmp_path / "none.yaml")
    assert message == "c.yaml: no such file. Check the path; `relclf init DATA` writes a config."


def test_a_directory_is_no_config(tmp_path: Path) -> None:
    assert file_refused(tmp_path) == "c.yaml: a directory. Name the config file in it."


def test_a_file_as_folder_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    assert (
        file_refused(tmp_path / "a" / "b") == "c.yaml: cannot be read (Not a directory). Name a config file."
    )


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_no_config(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    assert file_refused(path) == "c.yaml:1:1: the file is empty. `relclf init DATA` writes a config."


def test_bytes_that_are_not_utf_8_are_refused_at_their_place(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("é: 1\nb: é".encode() + b"\xff")
    assert file_refused(path) == "c.yaml:2:5: not UTF-8 (byte 0xff). Save the file as UTF-8."


def test_a_byte_order_mark_does_not_shift_the_places(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    document = read_yaml(path)
    assert document.values == {"a": 1}
    assert document.places["a",].column == 1


def test_a_file_of_50_megabytes_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with path.open("wb") as file:
        file.write(b"[" * LARGEST_FILE)
        file.truncate(50 * 10**6)
    assert file_refused(path) == (
        "c.yaml: larger than 1 MiB, too large for a config. Name the config, not a data file."
    )
