"""Reads the text format of SemEval-2010 Task 8: a numbered sentence, its relation, a comment, a blank line."""

import re
from collections.abc import Iterable, Iterator
from itertools import accumulate

from relclf.data.lines import Line
from relclf.data.options import Reading
from relclf.data.readers.records import marked_text, text_example
from relclf.errors import DataError
from relclf.example import Example

_SENTENCE = re.compile(r"(\d+)\t(.*)")
_LIKE_A_SENTENCE = re.compile(r"\d+\s|.*</?e[12]>")
_TAG = re.compile(r"(</?e[12]>)")
_DEFAULT = Reading()
_IN_TEXT_ORDER = (
    ["<e1>", "</e1>", "<e2>", "</e2>"],
    ["<e2>", "</e2>", "<e1>", "</e1>"],
)


def recognises(line: str) -> bool:
    """Whether a file with this first line is in the format."""
    return _SENTENCE.match(line.strip()) is not None


def read(lines: Iterable[Line], name: str, reading: Reading = _DEFAULT) -> Iterator[Example | DataError]:
    """One example a block, head `<e1>` and tail `<e2>`, or the DataError that says why there is none.

    The relation and the comment may be missing, the blank line between blocks too. After an error
    reading goes on with the next block.
    """
    for block in _blocks(lines):
        try:
            yield _example(block, name, reading)
        except DataError as error:
            yield error


def write(example: Example) -> str:
    """The block of an example."""
    text = marked_text(example, ("<e1>", "</e1>"), ("<e2>", "</e2>"))
    relation = f"{example.relation}\n" if example.relation is not None else ""
    return f'{example.id}\t"{text}"\n{relation}Comment:\n\n'


def _blocks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """The lines, stripped, in groups that end before a blank line or the next sentence."""
    block: list[Line] = []
    for number, line in lines:
        text = line.strip() if isinstance(line, str) else line
        if block and (not text or _begins_a_block(text)):
            yield block
            block = []
        if text and len(block) <= _MOST_LINES:
            block.append((number, text))
    if block:
        yield block


_MOST_LINES = 4
"""Lines kept of a block, one more than a right one has: a file that is no corpus must not pile up in memory."""


def _begins_a_block(line: str | DataError) -> bool:
    return isinstance(line, str) and not _is_comment(line) and _LIKE_A_SENTENCE.match(line) is not None


def _is_comment(line: str) -> bool:
    return line.startswith("Comment")


def _example(block: list[Line], name: str, reading: Reading) -> Example:
    lines: list[tuple[str, str]] = []
    for number, line in block:
        if isinstance(line, DataError):
            raise line
        lines.append((f"{name}:{number}", line))
    source, line = lines[0]
    sentence = _SENTENCE.match(line)
    if sentence is None:
        raise DataError(_why_no_sentence(source, line))
    relation = _relation(lines[1:])
    text, head, tail = _unmark(_unquote(sentence[2].strip()), source)
    group = reading.group({}, source)
    return text_example(text, head, tail, reading, source, id=sentence[1], relation=relation, group=group)


def _why_no_sentence(source: str, line: str) -> str:
    if _begins_a_block(line):
        return (
            f"{source}: no number and tab before the sentence. "
            'A sentence line is a number, a tab, and the sentence in "quotes".'
        )
    what = "a comment" if _is_comment(line) else "a relation line"
    return f"{source}: {what} without a sentence. Its sentence must stand right above it."


def _relation(lines: list[tuple[str, str]]) -> str | None:
    """The relation from the lines below a sentence: a relation or none, then a comment or none."""
    match lines:
        case []:
            return None
        case [(_, only)]:
            return None if _is_comment(only) else only
        case [(_, relation), (_, comment)] if _is_comment(comment) and not _is_comment(relation):
            return relation
    source = lines[1][0]
    raise DataError(
        f"{source}: a line too many in this block. "
        "Below a sentence stand one relation, one comment, and a blank line."
    )


def _unquote(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == '"' else text


def _unmark(text: str, source: str) -> tuple[str, tuple[int, int], tuple[int, int]]:
    """The text without its four tags, and the character spans of `<e1>` and `<e2>` in it."""
    parts = _TAG.split(text)
    tags, pieces = parts[1::2], parts[::2]
    if tags not in _IN_TEXT_ORDER:
        raise DataError(
            f"{source}: {_mistake(tags)} in the sentence. Each sentence needs one <e1> and one <e2>."
        )
    for tag, mention in zip(tags[::2], pieces[1::2], strict=False):
        if not mention.strip():
            raise DataError(
                f"{source}: nothing between {tag} and its end. A mention needs at least one word."
            )
    start, end, next_start, next_end = list(accumulate(map(len, pieces)))[:4]
    first, second = (start, end), (next_start, next_end)
    head, tail = (first, second) if tags[0] == "<e1>" else (second, first)
    return "".join(pieces), head, tail


def _mistake(tags: list[str]) -> str:
    for opening, closing in (("<e1>", "</e1>"), ("<e2>", "</e2>")):
        for tag in (opening, closing):
            if tag not in tags:
                return f"no {tag}"
            if tags.count(tag) > 1:
                return f"more than one {tag}"
        if tags.index(closing) < tags.index(opening):
            return f"{closing} before {opening}"
    return "overlapping <e1> and <e2>"
