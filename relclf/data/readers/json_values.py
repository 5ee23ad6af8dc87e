"""Reads JSON whose records are not a line each: their values one at a time, each with its line."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from relclf.data.lines import Line
from relclf.errors import DataError

_BLANKS = re.compile(r"\s*")
_DECODE = json.JSONDecoder().raw_decode


def array_values(lines: Iterable[Line], name: str) -> Iterator[tuple[str, Any]]:
    """Each value of the one array that a file holds, after "file:line (record N)". Raises DataError."""
    text = _JsonText(lines, name)
    for number in text.items("["):
        source = f"{text.place()} (record {number})"
        yield source, text.value()
    text.end()


def lists_of_an_object(lines: Iterable[Line], name: str) -> Iterator[tuple[str, str, Any]]:
    """Key and value of each item of the lists that the one object of a file holds, after their source."""
    text = _JsonText(lines, name)
    for _ in text.items("{"):
        key = text.value()
        if not isinstance(key, str):
            raise text.error("a key must be a string")
        text.take(":")
        for number in text.items("["):
            source = f"{text.place()} ({key}, record {number})"
            yield source, key, text.value()
    text.end()


class _JsonText:
    """A text of JSON, and how far it has been read."""

    def __init__(self, lines: Iterable[Line], name: str) -> None:
        kept: list[str] = []
        first = 1
        for number, line in lines:
            if isinstance(line, DataError):
                raise line
            first = first if kept else number
            kept.append(line)
        self._text, self._name = "\n".join(kept), name
        self._at, self._line, self._counted = 0, first, 0

    def items(self, opening: str) -> Iterator[int]:
        """Numbers from 1; before each the text stands at an item, after the last behind the closing bracket."""
        closing = {"[": "]", "{": "}"}[opening]
        self.take(opening)
        number = 0
        while not self._took(closing):
            if number:
                self.take(",", closing)
            number += 1
            self._skip()
            yield number

    def value(self) -> Any:
        """The value that stands here."""
        self._skip()
        try:
            value, self._at = _DECODE(self._text, self._at)
        except json.JSONDecodeError as error:
            self._at = error.pos
            raise self.error(error.msg) from None
        except RecursionError:
            raise DataError(
                f"{self.place()}: brackets nested too deeply. Is this the right format?"
            ) from None
        except ValueError as error:  # a whole number of thousands of digits
            raise self.error(str(error)) from None
        return value

    def take(self, character: str, *others: str) -> None:
        """Pass over a character, which must stand here."""
        if not self._took(character):
            raise self.error(f"Expecting {' or '.join(map(repr, (character, *others)))}")

    def end(self) -> None:
        """Nothing else may follow."""
        self._skip()
        if self._at < len(self._text):
            raise self.error("Extra data")

    def place(self) -> str:
        """File and line of what stands here."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = max(self._counted, self._at)
        return f"{self._name}:{self._line}"

    def error(self, what: str) -> DataError:
        """What is wrong here."""
        column = self._at - self._text.rfind("\n", 0, self._at)
        return DataError(
            f"{self.place()}: broken JSON at column {column}: {what}. The file must be one JSON document "
            "(docs/formats.md)."
        )

    def _skip(self) -> None:
        self._at = _BLANKS.match(self._text, self._at).end()  # type: ignore[union-attr]

    def _took(self, character: str) -> bool:
        self._skip()
        if not self._text.startswith(character, self._at):
            return False
        self._at += 1
        return True
