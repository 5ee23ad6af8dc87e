"""Reads YAML into plain values, with the place where each was written.

Stricter than YAML: the scalars of YAML 1.2's core schema (`1e-3` is a number, `no` is text), text keys
without duplicates, no aliases, anchors, merge keys or foreign tags, and bounds on size and depth, so that no
file can be costly or mean something that a reader does not see.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from relclf.config.mistakes import KeyPath, Mistake, Place, refusal, shown
from relclf.errors import UserMistake

LARGEST_FILE = 2**20
"""Bytes; a config is a few thousand."""
DEEPEST = 50
"""Mappings and lists inside each other; a config has four."""

MOST_VALUES = 10_000
"""Keys, values and ends of mappings and lists; a config has a few hundred."""

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_CORE_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class YamlDocument:
    """Plain values, the place of every key path in them, and the mistakes met on the way.

    The place of a mapping's value is that of its key. A value that was refused is None and its path is in a
    mistake; whoever uses the values raises the mistakes.
    """

    values: Any
    places: dict[KeyPath, Place]
    mistakes: list[Mistake]


def read_yaml(path: Path) -> YamlDocument:
    """Read a YAML file; UserMistake where it cannot be read, is no UTF-8, too large, or not YAML."""
    return parse_yaml(_decode(_read_bytes(path), path), str(path))


def parse_yaml(text: str, name: str, order: int = 0, with_lines: bool = True) -> YamlDocument:
    """Parse YAML text; `name`, `order` and `with_lines` say how its places are called and sorted."""
    composer = _Composer(name, order, with_lines)
    events = composer.events(text)
    next(events)
    if isinstance(next(events), yaml.StreamEndEvent):
        raise refusal(
            [Mistake(composer.place(1, 1), (), "nothing but comments or blanks. Write `key: value`.")]
        )
    root = next(events)
    composer.places[()] = composer.place_of(root)
    values = composer.value(root, events, ())
    next(events)
    if not isinstance(second := next(events), yaml.StreamEndEvent):
        raise refusal([Mistake(composer.place_of(second), (), "a second document. Keep one, without `---`.")])
    return YamlDocument(values, composer.places, composer.mistakes)


def plain_scalar(text: str) -> bool | int | float | str | None:
    """The value of an unquoted scalar by YAML 1.2's core schema; whole numbers of any size."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text, base) if len(text) <= 40 else 10**40
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise UserMistake(
            f"{path}: no such file. Check the path; `relclf init DATA` writes a config."
        ) from None
    except IsADirectoryError:
        raise UserMistake(f"{path}: a directory. Name the config file in it.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserMistake(f"{path}: cannot be read ({reason}). Name a config file.") from None
    if len(content) > LARGEST_FILE:
        raise UserMistake(
            f"{path}: larger than 1 MiB, too large for a config. Name the config, not a data file."
        )
    return content


def _decode(content: bytes, path: Path) -> str:
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        line, column = _line_and_column(before, len(before))
        raise UserMistake(
            f"{path}:{line}:{column}: not UTF-8 (byte 0x{content[error.start]:02x}). Save the file as UTF-8."
        ) from None
    if not text.strip():
        raise UserMistake(f"{path}:1:1: the file is empty. `relclf init DATA` writes a config.")
    return text


def _line_and_column(text: str, index: int) -> tuple[int, int]:
    """Line and column, both from 1, of the character at `index`."""
    before = text[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


@dataclass
class _Composer:
    """Builds plain values from PyYAML's events, so that nothing deep or large is ever built first."""

    name: str
    order: int
    with_lines: bool
    places: dict[KeyPath, Place] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def events(self, text: str) -> Iterator[Any]:
        """PyYAML's events of the text; what it cannot parse is refused in plain words."""
        try:
            for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
                if count > MOST_VALUES:
                    what = f"more than {MOST_VALUES:,} keys and values. Name the config, not a data file."
                    raise refusal([Mistake(self.place_of(event), (), what)])
                yield event
        except yaml.reader.ReaderError as error:
            line, column = _line_and_column(text, error.position)
            what = f"the character U+{error.character:04X} is not allowed in YAML. Remove it."
            raise refusal([Mistake(self.place(line, column), (), what)]) from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = self.place(mark.line + 1, mark.column + 1) if mark else self.place(1, 1)
            raise refusal([Mistake(place, (), self._in_plain_words(error))]) from None
        except (ValueError, OverflowError):
            # PyYAML turns escapes such as "\UFFFFFFFF" into characters without checking that they exist.
            what = "not valid YAML: an escape or a version number that does not exist."
            raise refusal([Mistake(self.place(1, 1), (), what)]) from None

    def value(self, event: Any, events: Iterator[Any], path: KeyPath) -> Any:
        """The plain value that begins with this event; takes its events from the iterator."""
        if len(path) > DEEPEST:
            what = f"more than {DEEPEST} mappings and lists inside each other. No config is so deep."
            raise refusal([Mistake(self.place_of(event), (), what)])
        if isinstance(event, yaml.AliasEvent):
            return self.refuse(event, path, f"an alias (*{event.anchor}). Write the value itself.")
        if event.anchor is not None:
            self.refuse_anchor(event, path)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, events, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(event, events, path)
        return self._scalar(event, path)

    def _mapping(self, start: Any, events: Iterator[Any], path: KeyPath) -> dict[str, Any]:
        self._check_collection_tag(start, path, "map")
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._key(event, events, path)
            inner = (*path, key if key is not None else "?")
            if key is None or key in mapping:
                if key is not None:
                    what = f"written twice (first at {self.places[inner]}). Keep one."
                    self.mistakes.append(Mistake(self.place_of(event), inner, what))
                self._skip(next(events), events, path)
                continue
            self.places[inner] = self.place_of(event)
            mapping[key] = None
            mapping[key] = self.value(next(events), events, inner)
        return mapping

    def _key(self, event: Any, events: Iterator[Any], path: KeyPath) -> str | None:
        """The text of a key, None where it is refused."""
        if not isinstance(event, yaml.ScalarEvent):
            self._skip(event, events, path)
            self.mistakes.append(
                Mistake(self.place_of(event), path, "a key must be text. Write `key: value`.")
            )
            return None
        if event.value == "<<" and event.implicit[0]:
            what = "a merge key (<<). Write the merged keys out."
            self.mistakes.append(Mistake(self.place_of(event), path, what))
            return None
        before = len(self.mistakes)
        if event.anchor is not None:
            self.refuse_anchor(event, path)
        key = self._scalar(event, path)
        if len(self.mistakes) > before:
            return None
        if not isinstance(key, str):
            what = f"a key must be text (got {shown(key)})."
            self.mistakes.append(Mistake(self.place_of(event), path, what))
            return None
        return key

    def _skip(self, event: Any, events: Iterator[Any], path: KeyPath) -> None:
        """Take the events of a value that no one will read; it may be deep, so without recursion."""
        depth = 0
        while True:
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth == 0:
                return
            if len(path) + depth > DEEPEST:
                self.value(event, events, (*path, *(["?"] * depth)))
            event = next(events)

    def _list(self, start: Any, events: Iterator[Any], path: KeyPath) -> list[Any]:
        self._check_collection_tag(start, path, "seq")
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            inner = (*path, len(items))
            self.places[inner] = self.place_of(event)
            items.append(self.value(event, events, inner))
        return items

    def _check_collection_tag(self, event: Any, path: KeyPath, kind: str) -> None:
        if event.tag not in (None, _CORE_TAG + kind):
            self._refuse_tag(event, path)

    def _scalar(self, event: Any, path: KeyPath) -> Any:
        text: str = event.value
        if any("\ud800" <= character <= "\udfff" for character in text):
            return self.refuse(event, path, "half a character (a lone surrogate). Write text as UTF-8.")
        if event.tag is None:
            value = plain_scalar(text) if event.implicit[0] else text
        elif event.tag == _CORE_TAG + "str":
            return text
        else:
            value = plain_scalar(text)
            kinds = {"null": type(None), "bool": bool, "int": int, "float": float}
            if kinds.get(event.tag.removeprefix(_CORE_TAG)) is not type(value):
                return self._refuse_tag(event, path)
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return self.refuse(event, path, f"a whole number of more than 64 bits (got {shown(text, 30)}).")
        return value

    def _refuse_tag(self, event: Any, path: KeyPath) -> None:
        tag = event.tag.replace(_CORE_TAG, "!!")
        self.refuse(event, path, f"the tag {shown(tag)} does not belong here. Write the plain value.")

    def refuse(self, event: Any, path: KeyPath, what: str) -> None:
        """Note a mistake at this event; the value becomes None."""
        self.mistakes.append(Mistake(self.place_of(event), path, what, hides=True))

    def refuse_anchor(self, event: Any, path: KeyPath) -> None:
        """Note an anchor; the value under it is read all the same."""
        what = f"an anchor (&{event.anchor}). Configs have no aliases; remove it."
        self.mistakes.append(Mistake(self.place_of(event), path, what))

    def place(self, line: int, column: int) -> Place:
        """The place of a line and column, both from 1."""
        return (
            Place(self.order, line, column, self.name)
            if self.with_lines
            else Place(self.order, 0, 0, self.name)
        )

    def place_of(self, event: Any) -> Place:
        """The place where an event begins."""
        return self.place(event.start_mark.line + 1, event.start_mark.column + 1)

    def _in_plain_words(self, error: yaml.MarkedYAMLError) -> str:
        problem = error.problem or ""
        opened = ""
        if error.context_mark is not None and self.with_lines:
            opened = (
                f" (opened at line {error.context_mark.line + 1}, column {error.context_mark.column + 1})"
            )
        for pattern, words in _PLAIN_WORDS:
            if found := re.search(pattern, problem):
                return words.format(*found.groups(), opened=opened)
        return f"not valid YAML ({' '.join(filter(None, (error.context, problem)))})."


_PLAIN_WORDS = [
    (r"found character '\\t'", "a tab where YAML wants spaces. Indent with spaces."),
    (r"found character ('.+') that cannot start", "a value cannot begin with {0}. Put it in quotes."),
    (
        r"mapping values are not allowed|sequence entries are not allowed|mapping keys are not allowed",
        "no `key: value` or `- item` can stand here. Check the indentation, or put the value in quotes.",
    ),
    (r"could not find expected ':'", "a key without its colon. Write `key: value`."),
    (
        r"expected <block end>",
        "this line does not fit the ones above. Indent keys of one section alike, and close every quote.",
    ),
    (r"expected ',' or '\]'", "a list without its `]`{opened}. Close it, and put `,` between items."),
    (r"expected ',' or '\}}?'", "a mapping without its `}}`{opened}. Close it, and put `,` between keys."),
    (
        r"found unexpected (end of stream|document separator)",
        "a quote that is never closed{opened}. Close it.",
    ),
    (
        r"found unknown escape character ('.+')|hexadecimal numbers",
        "an escape that YAML does not know. Use single quotes, or write \\\\ for a backslash.",
    ),
    (r"alphabetic or numeric character", "a value cannot begin with `*` or `&`. Put it in quotes."),
    (r"expected the node content", "a value is missing here."),
    (
        r"undefined tag handle|expected '!'|expected URI",
        "a tag (!). Configs have none; put the value in quotes.",
    ),
    (
        r"expected '<document start>'",
        "this line does not fit the ones above. Indent keys of one section alike; a config is one document.",
    ),
]
