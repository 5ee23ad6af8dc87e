"""Reads tables: CSV, TSV or another separator, a sentence a row, columns by their names."""

import csv
import io
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

from relclf.data.lines import Line
from relclf.data.options import Reading
from relclf.data.readers.matching import located
from relclf.data.readers.records import (
    Span,
    as_text,
    checked_name,
    checked_span,
    checked_text,
    checked_types,
    quoted,
    refuse_blank,
    refuse_overlap,
    shown,
    text_example,
    token_example,
)
from relclf.errors import DataError
from relclf.example import Example

if TYPE_CHECKING:
    from relclf.config.formats import DelimitedFormat

_DEFAULT = Reading()
_TYPES = ("head_type", "tail_type")
_WRITTEN = ("id", "text", "head_start", "head_end", "tail_start", "tail_end", "relation", *_TYPES)


def recognises(line: str) -> bool:
    """Never: which column means what has to be said."""
    return False


def read(lines: Iterable[Line], name: str, reading: Reading = _DEFAULT) -> Iterator[Example | DataError]:
    """One example a row, or the DataError that says why there is none."""
    options = cast("DelimitedFormat", reading.options())
    source = _Lines(lines)
    rows: Iterator[list[str]] | None = None
    columns = options.columns
    while True:
        where = f"{name}:{source.number + 1}"
        try:
            if rows is None:
                rows = _rows(source, options)
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield DataError(f"{where}: {_csv_trouble(error, options)}")
            continue
        except DataError as error:
            yield error
            continue
        if not row or row == [""]:
            continue
        if columns is None:
            columns = tuple(name.strip() for name in row)
            if missing := _missing(columns, options):
                yield DataError(f"{where}: {missing}")
                return
            continue
        try:
            yield _example(row, columns, options, reading, where)
        except DataError as error:
            yield error


def write(example: Example) -> str:
    """The row of an example: comma, quotes where they are needed."""
    text, head, tail = as_text(example)
    names = (example.relation, example.head_type, example.tail_type)
    return _row([example.id, text, *head, *tail, *(name or "" for name in names)])


def document(records: Iterable[tuple[Example, str]]) -> Iterator[str]:
    """The rows under one that names the columns."""
    yield _row(_WRITTEN)
    for _, record in records:
        yield record


class _Lines(Iterator[str]):
    """The lines as the csv module wants them; `number` is that of the last one."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = iter(lines)
        self._held: list[str] = []
        self.number = 0

    def __next__(self) -> str:
        if self._held:
            return self._held.pop()
        self.number, line = next(self._lines)
        if isinstance(line, DataError):
            raise line
        return line + "\n"

    def first(self) -> str:
        """The first line that is not blank, which still comes."""
        for line in self:
            if not line.isspace():
                self._held.append(line)
                return line
        return ""


def _rows(lines: _Lines, options: "DelimitedFormat") -> Iterator[list[str]]:
    separator = {"tab": "\t", "auto": ""}.get(options.separator, options.separator)
    separator = separator or ("\t" if "\t" in lines.first() else ",")
    if options.quote is None:
        return csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE, strict=True)
    return csv.reader(lines, delimiter=separator, quotechar=options.quote, strict=True)


def _csv_trouble(error: csv.Error, options: "DelimitedFormat") -> str:
    if "field larger" in str(error) or "unexpected end" in str(error) or "expected after" in str(error):
        return (
            f"a column that begins with {options.quote} does not end with it before the next separator ({error}). "
            "Where the file's quotes are plain characters, say so: the format's option `quote: null`."
        )
    return f"not a row of a table ({error}). See docs/formats.md."


def _missing(columns: tuple[str, ...], options: "DelimitedFormat") -> str:
    """What is wrong with the names of the columns, "" where nothing is."""
    spans = (
        name for key in (options.head, options.tail) for name in ([key] if isinstance(key, str) else key)
    )
    for name in (options.text, *spans):
        if name not in columns:
            close = get_close_matches(name, columns, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            return (
                f"no column {name!r} in the first line, which has {', '.join(columns[:15])}.{hint} "
                "The format's options name the columns."
            )
    return ""


def _example(
    row: list[str], columns: tuple[str, ...], options: "DelimitedFormat", reading: Reading, source: str
) -> Example:
    if len(row) != len(columns):
        raise DataError(
            f"{source}: {len(row)} columns where there should be {len(columns)} ({', '.join(columns[:15])})."
        )
    record = dict(zip(columns, row, strict=True))
    if missing := _missing(columns, options):
        raise DataError(f"{source}: {missing}")
    text = checked_text(record[options.text], options.text, source)
    rest: dict[str, Any] = {
        "id": record.get(options.id) or source.rpartition(":")[2],
        "relation": checked_name(record.get(options.relation) or None, options.relation, source),
        "group": reading.group(record, source),
        "types": checked_types(record, (options.head_type, options.tail_type), source),
    }
    if isinstance(options.head, str) and isinstance(options.tail, str):
        keys = (options.head, options.tail)
        words = [record[key].strip() for key in keys]
        head, tail, remark = located(text, words[0], words[1], options.several, keys, source)
        return text_example(text, head, tail, reading, source, **rest, remark=remark)
    tokens = tuple(text.split()) if options.unit == "tokens" else ()
    length = len(tokens) or len(text)
    head, tail = (_span(record, key, length, options, source) for key in (options.head, options.tail))
    refuse_overlap(head, tail, source)
    if tokens:
        return token_example(tokens, head, tail, source, **rest)
    refuse_blank(head, "head", text, source)
    refuse_blank(tail, "tail", text, source)
    return text_example(text, head, tail, reading, source, **rest)


def _span(
    record: dict[str, str],
    columns: str | tuple[str, str],
    length: int,
    options: "DelimitedFormat",
    source: str,
) -> Span:
    start, end = (_number(record[column], column, source) for column in columns)
    end += options.ends == "inclusive"
    return checked_span(start, end, "/".join(columns), length, options.unit, source)


def _number(value: str, column: str, source: str) -> int:
    if not value.strip().isdecimal():
        raise DataError(f"{source}: {quoted(column)} must be a whole number (got {shown(value)}).")
    return int(value)


def _row(values: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(list(values))
    return line.getvalue()
