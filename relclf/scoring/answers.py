"""Reads answer files: the relation of each example, with or without ids, refusing every malformed line."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from relclf.errors import DataError, UserMistake


@dataclass(frozen=True)
class Answers:
    """The answers of one file, id -> relation in the order of its lines; line n holds the n-th answer.

    Without ids in the file (`has_ids` is False) the ids are "1", "2", ...
    """

    path: Path
    relations: dict[str, str]
    has_ids: bool


def read_answers(path: Path, known: Collection[str] | None = None) -> Answers:
    """Read lines "id TAB relation", or one relation a line; the first line decides which.

    UTF-8, with or without a byte order mark, lines ended by LF or CRLF. `known`: the only relations
    allowed. Raises DataError, naming file:line of up to ten mistakes, and UserMistake where the file
    cannot be read.
    """
    lines = _lines(path)
    has_ids = "\t" in lines[0]
    relations: dict[str, str] = {}
    first_line: dict[str, int] = {}
    mistakes = []
    for number, line in enumerate(lines, start=1):
        identifier, relation = line.split("\t", 1) if "\t" in line else (str(number), line)
        mistake = _mistake(line, has_ids, identifier, relation, known)
        if mistake is None and identifier in first_line:
            mistake = f"id {identifier} was already in line {first_line[identifier]}. Give each id once."
        if mistake is None:
            relations[identifier], first_line[identifier] = relation, number
        else:
            mistakes.append(f"{path}:{number}: {mistake}")
    if mistakes:
        more = [f"... and {len(mistakes) - 10} more mistakes in {path}."] if len(mistakes) > 10 else []
        raise DataError("\n".join(mistakes[:10] + more))
    return Answers(path, relations, has_ids)


def check_same_examples(key: Answers, proposed: Answers, may_skip: bool = False) -> None:
    """Refuse proposed answers that are not to the key's examples; `may_skip` allows a subset of the ids."""
    if key.has_ids != proposed.has_ids:
        one, other = (key, proposed) if key.has_ids else (proposed, key)
        raise DataError(f"{other.path}:1: no ids, but {one.path} has them. Give both files the same form.")
    if not key.has_ids and len(key.relations) != len(proposed.relations):
        raise DataError(
            f"{proposed.path}:{len(proposed.relations)}: ends with {len(proposed.relations):,} lines, but "
            f"{key.path} has {len(key.relations):,}. Without ids, line n answers line n of the key."
        )
    for number, identifier in enumerate(proposed.relations, start=1):
        if identifier not in key.relations:
            raise DataError(
                f"{proposed.path}:{number}: id {identifier} is not in {key.path}. "
                "Give answers to the key's ids only."
            )
    skipped = [
        number
        for number, identifier in enumerate(key.relations, start=1)
        if identifier not in proposed.relations
    ]
    if skipped and not may_skip:
        identifier = list(key.relations)[skipped[0] - 1]
        raise DataError(
            f"{key.path}:{skipped[0]}: id {identifier} has no answer in {proposed.path} "
            f"({len(skipped):,} of {len(key.relations):,} have none). This scorer needs an answer to every id."
        )


def _lines(path: Path) -> list[str]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserMistake(f"{path}: no such file. Give a file of answers.") from None
    except IsADirectoryError:
        raise UserMistake(f"{path}: is a directory. Give a file of answers.") from None
    except OSError as error:
        raise UserMistake(f"{path}: cannot be read ({error.strerror}). Give a file of answers.") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(f"{path}:{line}: not UTF-8 ({error.reason}). Save the file as UTF-8.") from None
    if not text:
        raise DataError(f'{path}: empty. Give lines "id TAB relation", or one relation a line.')
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def _mistake(
    line: str, has_ids: bool, identifier: str, relation: str, known: Collection[str] | None
) -> str | None:
    """What is wrong with one line and the next move, or None."""
    if not line.strip():
        return "empty line. Give one answer a line."
    if ("\t" in line) != has_ids:
        here, there = ("a TAB", "none") if not has_ids else ("no TAB", "one")
        return f'{here}, but line 1 has {there}. Give either "id TAB relation" or one relation in every line.'
    if identifier != identifier.strip() or relation != relation.strip() or "\t" in relation:
        return f"white space too much: {line!r}. Write the id, one TAB and the relation, nothing more."
    if not identifier or not relation:
        return f'{"no id" if relation else "no relation"}: {line!r}. Give "id TAB relation".'
    if known is not None and relation not in known:
        return f"{relation!r} is not one of the relations. {_suggestion(relation, known)}"
    return None


def _suggestion(relation: str, known: Collection[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(relation, sorted(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known are {', '.join(sorted(known))}."
