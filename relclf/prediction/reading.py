"""Reads a data file as encoded sentences that fit a run, without PyTorch, so that processes beside can do it."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from relclf.data.lines import LineBlock, block_lines, display_name
from relclf.data.options import Reading
from relclf.data.readers import READERS
from relclf.data.reading import empty_file, open_blocks
from relclf.data.tokenization import TOKENIZER
from relclf.encoding.fitting import fit_length
from relclf.encoding.rewriting import Rewriting
from relclf.encoding.sentences import Sentences, to_sentences
from relclf.encoding.vocabulary import Vocabulary
from relclf.errors import DataError
from relclf.example import Example
from relclf.prediction.workers import in_workers

BLOCK_BYTES = 1024 * 1024
"""Of the file, read and encoded at a time."""
BLOCKS_ALONE = 8
"""Blocks read before processes are started to read the others: shorter files are done by then."""
_RECORDS = 256
"""Of a format whose lines belong together, read and encoded at a time."""
AS_IT_IS = Rewriting()


@dataclass(frozen=True)
class Encoder:
    """How a run turns sentences into numbers."""

    vocabulary: Vocabulary
    max_length: int
    too_long: str
    rewriting: Rewriting = AS_IT_IS
    late: bool = False
    """Whether words that the vocabulary lacks are kept apart, to be looked up in word vectors."""
    tokenizer: str = TOKENIZER

    def sentences(self, examples: Iterable[Example]) -> Sentences:
        """The examples as arrays."""
        return to_sentences(examples, self.vocabulary, late=self.late)

    def fitted(self, example: Example) -> Example:
        """The example as the run reads it, cut to its max_length where its config says so. Raises DataError."""
        return fit_length(self.rewriting(example), self.max_length, self.too_long)


class EncodedBlock(NamedTuple):
    """What some of a file's records come to, both in their order."""

    sentences: Sentences
    errors: list[str]
    """Why the others are none."""


@dataclass(frozen=True)
class LineEncoder:
    """Encodes lines of the file `name`, in a format that has a record a line."""

    encoder: Encoder
    format: str
    name: str
    reading: Reading

    def __call__(self, block: LineBlock) -> EncodedBlock:
        """Encode a block."""
        lines = block_lines(block, self.name, self.reading.charset)
        return _encoded(READERS[self.format].read(lines, self.name, self.reading), self.encoder)


def read_sentences(
    source: Path | str, reading: Reading | str, encoder: Encoder, readers: int = 0
) -> Generator[EncodedBlock, None, None]:
    """The records of a file ("-": standard input), encoded some at a time, in order.

    `readers` processes take part where the file is long and a line of its format is a record. Raises UserMistake
    where the file cannot be read or holds nothing.
    """
    name = display_name(source)
    if isinstance(reading, str):
        reading = Reading(reading)
    reading = replace(reading, tokenizer=encoder.tokenizer, offsets=False)
    format, reading, blocks = open_blocks(source, reading, BLOCK_BYTES)
    parts: Iterator[EncodedBlock]
    if READERS[format].record_a_line:
        encode = LineEncoder(encoder, format, name, reading)
        parts = chain(map(encode, islice(blocks, BLOCKS_ALONE)), in_workers(encode, blocks, readers))
    else:
        parts = _encoded_stream(format, reading, blocks, name, encoder)
    empty = True
    for part in parts:
        empty = empty and not part.errors and not part.sentences.ids
        yield part
    if empty:
        raise empty_file(name)


def _encoded_stream(
    format: str, reading: Reading, blocks: Iterator[LineBlock], name: str, encoder: Encoder
) -> Iterator[EncodedBlock]:
    lines = chain.from_iterable(block_lines(block, name, reading.charset) for block in blocks)
    records = READERS[format].read(lines, name, reading)
    while any(part := _encoded(islice(records, _RECORDS), encoder)):
        yield part


def _encoded(records: Iterable[Example | DataError], encoder: Encoder) -> EncodedBlock:
    errors: list[str] = []
    return EncodedBlock(encoder.sentences(_fitting(records, encoder, errors)), errors)


def _fitting(
    records: Iterable[Example | DataError], encoder: Encoder, errors: list[str]
) -> Iterator[Example]:
    """The examples that fit the run; why others do not is added to `errors`."""
    for record in records:
        try:
            if isinstance(record, DataError):
                raise record
            yield encoder.fitted(record)
        except DataError as error:
            errors.append(str(error))
