"""Reads folders of brat's standoff files: NAME.txt with a text, NAME.ann with its mentions and relations."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, cast

from relclf.data.lines import Line, open_text
from relclf.data.options import Reading
from relclf.data.readers.records import Span, as_text, text_example
from relclf.errors import DataError, UserMistake
from relclf.example import Example

if TYPE_CHECKING:
    from relclf.config.formats import BratFormat

_DEFAULT = Reading()
_SENTENCE_MARK = re.compile(r"[.!?][\"'”’)\]]*(?=\s+[^\sa-zß-öø-ÿ])")
_MENTION = re.compile(r"(T\S+)\t(\S+) (\d+ \d+(?:;\d+ \d+)*)(?:\t(.*))?")
_RELATION = re.compile(r"(R\S+)\t(\S+) (\S+?):(\S+) (\S+?):(\S+)\s*")


@dataclass(frozen=True)
class _Mention:
    span: Span
    type: str


@dataclass(frozen=True)
class _Relation:
    id: str
    name: str
    head: str
    tail: str
    """Ids of mentions."""
    source: str


def recognises(line: str) -> bool:
    """Never by a line: a folder is recognised as a folder."""
    return False


def read(lines: Iterable[Line], name: str, reading: Reading = _DEFAULT) -> Iterator[Example | DataError]:
    """The examples of the folder `name`, document after document by name; there are no lines to read.

    Raises UserMistake where the folder has no document.
    """
    documents = documents_of(Path(name))
    if not documents:
        raise UserMistake(f"{name}: no document in it. A document is NAME.txt with NAME.ann beside it.")
    for annotations in documents:
        try:
            yield from _document(annotations, reading)
        except DataError as error:
            yield error


def documents_of(folder: Path) -> list[Path]:
    """The annotation files of a folder and of those inside it, by name."""
    return sorted(folder.rglob("*.ann"))


def _document(path: Path, reading: Reading) -> Iterator[Example | DataError]:
    options = cast("BratFormat", reading.options())
    text_path = path.with_suffix(".txt")
    if not text_path.is_file():
        raise DataError(f"{path}: no {text_path.name} beside it. Each .ann file needs its text.")
    lines = _checked_lines(text_path, reading.charset)
    text = "\n".join(line for _, line in lines)
    mentions, relations = _annotations(path, len(text), reading.charset)
    ends = _sentence_ends(text, options.sentences, [mention.span for mention in mentions.values()])
    group = reading.group({"document": path.stem}, str(path))
    paired = set()
    for relation in relations:
        paired.add(frozenset((relation.head, relation.tail)))
        try:
            yield _example(relation, text, mentions, ends, options, reading, path.stem, group)
        except DataError as error:
            yield error
    if options.negative is not None:
        for one, two in combinations(sorted(mentions, key=lambda each: mentions[each].span), 2):
            if frozenset((one, two)) not in paired and _apart_in_one(
                mentions[one].span, mentions[two].span, ends
            ):
                pair = _Relation(f"{one}-{two}", options.negative, one, two, str(path))
                example = _example(pair, text, mentions, ends, options, reading, path.stem, group)
                if options.window is None or _gap(example) <= options.window:
                    yield example


def _annotations(path: Path, length: int, charset: str) -> tuple[dict[str, _Mention], list[_Relation]]:
    """The mentions by their ids, each from its first to its last fragment, and the relations."""
    mentions: dict[str, _Mention] = {}
    relations = []
    for number, line in _checked_lines(path, charset):
        source = f"{path}:{number}"
        if line.startswith("T"):
            mention = _MENTION.fullmatch(line)
            if mention is None:
                raise DataError(f"{source}: no mention. A mention is ID TAB TYPE START END TAB WORDS.")
            numbers = [int(number) for number in re.split("[ ;]", mention[3])]
            span = min(numbers), max(numbers)
            if span[1] > length or span[0] >= span[1]:
                raise DataError(
                    f"{source}: {mention[1]} {list(span)} is empty or reaches outside the text, which has "
                    f"{length} characters."
                )
            mentions[mention[1]] = _Mention(span, mention[2])
        elif line.startswith("R"):
            relation = _RELATION.fullmatch(line)
            if relation is None:
                raise DataError(f"{source}: no relation. A relation is ID TAB TYPE ARG1:ID ARG2:ID.")
            relations.append(_Relation(relation[1], relation[2], relation[4], relation[6], source))
    return mentions, relations


def _checked_lines(path: Path, charset: str) -> list[tuple[int, str]]:
    return list(open_text(path, charset))


def _sentence_ends(text: str, rule: str, mentions: list[Span]) -> list[int]:
    """The places after which a new sentence begins, in order, none of them inside a mention."""
    ends = {match.end() for match in re.finditer("\n", text)}
    if rule == "marks":
        ends |= {match.end() for match in _SENTENCE_MARK.finditer(text)}
    inside = {place for start, end in mentions for place in range(start + 1, end)}
    return sorted(ends - inside)


def _example(
    relation: _Relation,
    text: str,
    mentions: dict[str, _Mention],
    ends: list[int],
    options: "BratFormat",
    reading: Reading,
    document: str,
    group: str | None,
) -> Example:
    for mention in (relation.head, relation.tail):
        if mention not in mentions:
            raise DataError(
                f"{relation.source}: {relation.id} names {mention}, which is no mention of the file."
            )
    one, two = mentions[relation.head], mentions[relation.tail]
    head, tail = one.span, two.span
    if head[0] < tail[1] and tail[0] < head[1]:
        raise DataError(
            f"{relation.source}: the mentions {relation.head} and {relation.tail} of {relation.id} overlap. "
            "Two mentions stand apart."
        )
    first, last = sorted((bisect_right(ends, head[0]), bisect_right(ends, tail[0])))
    if first != last and options.across == "refuse":
        raise DataError(
            f"{relation.source}: {relation.id} joins mentions of two sentences. The format's option `across: join` "
            "makes one sentence of them, `sentences` says where sentences end."
        )
    start = ends[first - 1] if first else 0
    end = ends[last] if last < len(ends) else len(text)
    return text_example(
        text[start:end],
        (head[0] - start, head[1] - start),
        (tail[0] - start, tail[1] - start),
        reading,
        relation.source,
        id=f"{document}:{relation.id}",
        relation=relation.name,
        group=group,
        types=(one.type, two.type),
    )


def _apart_in_one(one: Span, two: Span, ends: list[int]) -> bool:
    """Whether two mentions, in their order, stand apart in one sentence."""
    return one[1] <= two[0] and bisect_right(ends, one[0]) == bisect_right(ends, two[0])


def _gap(example: Example) -> int:
    """Tokens between the mentions."""
    return max(example.head.start, example.tail.start) - min(example.head.end, example.tail.end)


def write_document(examples: Iterable[Example]) -> tuple[str, str]:
    """Text and annotations of a document that has these examples, a sentence a line. Raises DataError.

    Examples next to each other share a sentence of the same words.
    """
    lines: list[str] = []
    annotations: list[str] = []
    start = mentions = 0
    for number, example in enumerate(examples, 1):
        text, *spans = as_text(example)
        if len(text.splitlines()) != 1 or text != text.strip():
            raise DataError(
                f"{example.source}: a line end or blanks around the sentence, which brat cannot hold."
            )
        types = (example.head_type or "Head", example.tail_type or "Tail")
        for what, name in (("relation", example.relation), ("type", types[0]), ("type", types[1])):
            if name is None or re.search(r"\s", name):
                raise DataError(
                    f"{example.source}: the {what} {name!r}, which brat cannot hold: it must be one word."
                )
        if not lines or lines[-1] != text:
            start += len(lines[-1]) + 1 if lines else 0
            lines.append(text)
        for kind, (first, last) in zip(types, spans, strict=True):
            mentions += 1
            annotations.append(f"T{mentions}\t{kind} {start + first} {start + last}\t{text[first:last]}")
        annotations.append(f"R{number}\t{example.relation} Arg1:T{mentions - 1} Arg2:T{mentions}")
    return "".join(f"{line}\n" for line in lines), "".join(f"{line}\n" for line in annotations)
