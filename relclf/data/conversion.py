"""Writes sentences in another format, each read back before it is written for good."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import zip_longest
from pathlib import Path
from typing import IO

from relclf.data.lines import LineBlock, block_lines
from relclf.data.options import Reading
from relclf.data.readers import READERS
from relclf.data.readers.brat import write_document
from relclf.data.reading import read_examples, remark_notes
from relclf.data.writers import WRITERS, Writer
from relclf.errors import DataError, UserMistake
from relclf.example import Example


@dataclass(frozen=True)
class Converted:
    """What a conversion did."""

    sentences: int
    skipped: int
    """Malformed records passed over, and those that the new format cannot hold."""
    notes: tuple[str, ...]
    """Choices that the reader made, counted; what the new format leaves out."""


def convert(
    inputs: Sequence[Path | str],
    reading: Reading,
    format: str,
    output: IO[str],
    *,
    renumber: bool = False,
    bad: IO[str] | None = None,
) -> Converted:
    """Write the sentences of files in a format, in their order; a sentence comes back with the same tokens and all.

    With `renumber` the ids are numbers from 1. A record that is malformed, or that the new format cannot hold, raises
    DataError, or is listed in `bad` and passed over.
    """
    stream = _Examples(inputs, reading, bad, renumber)
    writer = WRITERS[check_writable(format)]
    records = _checked_records(stream, writer, format, reading.tokenizer)
    for piece in writer.document(records):
        output.write(piece)
    left_out = [] if writer.holds_ids else [f"{format} holds no ids: they are left out"]
    if stream.typed and not writer.holds_types:
        left_out.append(f"{format} holds no types of mentions: they are left out")
    return Converted(stream.written, stream.skipped, (*remark_notes(stream.remarks), *left_out))


def convert_to_brat(
    inputs: Sequence[Path | str], reading: Reading, folder: Path, bad: IO[str] | None = None
) -> Converted:
    """Write the sentences as one document of brat in a folder, a sentence a line. Raises DataError."""
    stream = _Examples(inputs, reading, bad, False)
    examples = list(stream)
    text, annotations = write_document(examples)
    folder.mkdir(exist_ok=True)
    (folder / "sentences.txt").write_text(text, encoding="utf-8", newline="")
    (folder / "sentences.ann").write_text(annotations, encoding="utf-8", newline="")
    return Converted(
        len(examples), stream.skipped, (*remark_notes(stream.remarks), "brat holds no ids: they are left out")
    )


def check_writable(format: str) -> str:
    """The format; UserMistake where none of that name is written."""
    if format in WRITERS:
        return format
    close = get_close_matches(format, WRITERS, n=1)
    hint = f", did you mean {close[0]!r}?" if close else "."
    raise UserMistake(f"--to: {format!r} is not written{hint} The formats are {', '.join(WRITERS)}, brat.")


class _Examples:
    """The examples of several files, one at a time; what is passed over and remarked is counted."""

    def __init__(
        self, inputs: Sequence[Path | str], reading: Reading, bad: IO[str] | None, renumber: bool
    ) -> None:
        self._inputs, self._reading, self._bad, self._renumber = inputs, reading, bad, renumber
        self.written = self.skipped = 0
        self.typed = False
        self.remarks: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Example]:
        for path in self._inputs:
            for item in read_examples(path, self._reading, keep_bad=self._bad is not None):
                if isinstance(item, DataError):
                    self.refuse(item)
                    continue
                self.written += 1
                self.typed = self.typed or item.head_type is not None or item.tail_type is not None
                if item.remark is not None:
                    self.remarks[item.remark] += 1
                yield replace(item, id=str(self.written)) if self._renumber else item

    def refuse(self, error: DataError) -> None:
        """Raise an error, or list it where that is wanted."""
        if self._bad is None:
            raise error
        self._bad.write(f"{error}\n")
        self.skipped += 1

    def take_back(self, error: DataError) -> None:
        """Refuse the example that came last."""
        self.refuse(error)
        self.written -= 1


def _checked_records(
    examples: _Examples, writer: Writer, format: str, tokenizer: str
) -> Iterator[tuple[Example, str]]:
    for example in examples:
        try:
            record = writer.record(example)
            _check(example, "".join(writer.document([(example, record)])), writer, format, tokenizer)
        except DataError as error:
            examples.take_back(error)
        else:
            yield example, record


def _check(example: Example, text: str, writer: Writer, format: str, tokenizer: str) -> None:
    """Raise a DataError unless a file of this one sentence would be read as the same sentence."""
    lines = block_lines(LineBlock(1, text.encode()), format)
    found = list(READERS[format].read(lines, format, Reading(format, tokenizer=tokenizer, offsets=False)))
    source = example.source
    if len(found) != 1:
        raise DataError(f"{source}: {format} cannot hold this sentence: it would come back as {len(found)}.")
    (back,) = found
    if isinstance(back, DataError):
        why = str(back).partition(": ")[2]
        raise DataError(f"{source}: {format} cannot hold this sentence: {why}")
    names = ["tokens", "head", "tail", "relation"]
    names += ["id"] if writer.holds_ids else []
    names += ["head_type", "tail_type"] if writer.holds_types else []
    for name in names:
        mine, its = getattr(example, name), getattr(back, name)
        if name == "tokens" and mine != its:
            name, mine, its = _first_difference(mine, its)
        if mine != its:
            raise DataError(
                f"{source}: {format} cannot hold this sentence: its {name} {mine!r} would come back as "
                f"{its!r}.{_HINTS.get(name.split()[0], '')}"
            )


_HINTS = {
    "token": " Only jsonl, tacred, opennre and fewrel hold tokens that the tokenizer would not make.",
    "id": " --renumber makes the ids numbers from 1.",
}


def _first_difference(mine: tuple[str, ...], its: tuple[str, ...]) -> tuple[str, str, str]:
    """A name for the first token that differs, and what it is in both; "" where one has ended."""
    pairs = enumerate(zip_longest(mine, its, fillvalue=""), 1)
    return next((f"token {place}", one, two) for place, (one, two) in pairs if one != two)
