"""Labels a file of any size: reads, scores and writes a block of sentences at a time, in order."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from relclf.data.options import Reading
from relclf.encoding.sentences import Sentences, joined
from relclf.errors import DataError
from relclf.prediction.outputs import check_output, opened_output
from relclf.prediction.predictor import BLOCK, Predictor, ranked
from relclf.prediction.reading import EncodedBlock, read_sentences

BLOCK_TOKENS = 1024 * 1024
"""Tokens scored at a time, so that many long sentences take no more memory than many short ones."""

OutputFormat = Literal["jsonl", "csv"]


@dataclass(frozen=True)
class PredictionCounts:
    """What a prediction of a file did."""

    sentences: int
    skipped: int
    """Malformed records passed over."""


def predict_file(
    predictor: Predictor,
    source: Path | str,
    output: Path | None,
    *,
    input_format: Reading | str = "auto",
    output_format: OutputFormat = "jsonl",
    top: int = 1,
    skip_bad: Path | None = None,
    readers: int = 0,
    on_progress: Callable[[int], None] = lambda done: None,
) -> PredictionCounts:
    """Label every sentence of `source` ("-": standard input) into `output` (None: standard output).

    With `top` > 1 each line also has the `top` most probable relations. A malformed record raises DataError
    and leaves no output file, or is listed in the file `skip_bad`. Raises UserMistake where these files are
    not three. `readers` processes read and encode a long file of JSON lines beside this one, which scores and writes;
    they change no byte of the output. `on_progress` is given the number of sentences done after each block. Memory
    does not grow with the file.
    """
    top = min(top, len(predictor.relations))
    for path, taken in ((output, source), (skip_bad, source), (skip_bad, output)):
        if path is not None and taken is not None:
            check_output(path, Path(taken))
    with ExitStack() as stack:
        out = stack.enter_context(opened_output(output)) if output is not None else sys.stdout
        bad = stack.enter_context(opened_output(skip_bad)) if skip_bad is not None else None
        write = _WRITERS[output_format](out, predictor.relations, top)
        parts = stack.enter_context(closing(read_sentences(source, input_format, predictor.encoder, readers)))
        sound = _Sound(parts, bad)
        done = 0
        for block in _blocks(sound):
            shares, predicted = predictor.scored(block)
            write(block.ids, shares, predicted)
            done += len(block)
            on_progress(done)
        out.flush()
    return PredictionCounts(done, sound.skipped)


class _Sound:
    """The encoded sentences of a file; malformed records are listed in `bad` or raised."""

    def __init__(self, parts: Iterable[EncodedBlock], bad: IO[str] | None) -> None:
        self._parts = parts
        self._bad = bad
        self.skipped = 0

    def __iter__(self) -> Iterator[Sentences]:
        for sentences, errors in self._parts:
            if errors and self._bad is None:
                raise DataError(f"{errors[0]} --skip-bad FILE passes over such records and lists them.")
            if self._bad is not None:
                self._bad.writelines(f"{error}\n" for error in errors)
            self.skipped += len(errors)
            yield sentences


class _JsonLines:
    def __init__(self, out: IO[str], relations: Sequence[str], top: int) -> None:
        self._out, self._relations, self._top = out, relations, top
        self._json = json.JSONEncoder(ensure_ascii=False).encode
        self._middles = [f', "relation": {self._json(name)}, "probability": ' for name in relations]

    def __call__(self, ids: Sequence[str], shares: NDArray[np.float64], predicted: NDArray[np.int64]) -> None:
        """Lines as the json module writes them, put together by hand: it takes three times as long."""
        best = np.round(shares[np.arange(len(ids)), predicted], 6).tolist()
        names, middles = map(self._json, ids), map(self._middles.__getitem__, predicted.tolist())
        ends: Iterable[str] = repeat("}\n")
        if self._top > 1:
            everything = ranked(self._relations, shares, self._top)
            ends = (f', "probabilities": {self._json(value)}}}\n' for value in everything)
        self._out.writelines(
            f'{{"id": {name}{middle}{probability}{end}'
            for name, middle, probability, end in zip(names, middles, map(_number, best), ends, strict=False)
        )


class _Csv:
    """Columns id, relation, probability; with top > 1 also relation_2, probability_2 and so on."""

    def __init__(self, out: IO[str], relations: Sequence[str], top: int) -> None:
        self._rows = csv.writer(out, lineterminator="\n")
        self._relations, self._top = relations, top
        more = [f"{name}_{rank}" for rank in range(2, top + 1) for name in ("relation", "probability")]
        self._rows.writerow(["id", "relation", "probability", *more])

    def __call__(self, ids: Sequence[str], shares: NDArray[np.float64], predicted: NDArray[np.int64]) -> None:
        everything = ranked(self._relations, shares, len(self._relations))
        for sentence_id, relation, others in zip(ids, predicted.tolist(), everything, strict=True):
            name = self._relations[relation]
            pairs = [(name, others.pop(name)), *islice(others.items(), self._top - 1)]
            self._rows.writerow([sentence_id, *(field for pair in pairs for field in pair)])


_WRITERS: dict[OutputFormat, type[_JsonLines] | type[_Csv]] = {"jsonl": _JsonLines, "csv": _Csv}


def _number(value: float) -> str:
    """As JSON holds it, by the json module's rule."""
    return repr(value) if value == value else "NaN"


def _blocks(parts: Iterable[Sentences]) -> Iterator[Sentences]:
    """The same sentences in blocks of BLOCK sentences, or fewer of BLOCK_TOKENS, however they are parted."""
    held: list[Sentences] = []
    for part in parts:
        held.append(part)
        while (full := _full_block(block := joined(held))) > 0:
            block, rest = block.split(full)
            yield block
            held = [rest]
        held = [block]
    if held and len(held[0]):
        yield held[0]


def _full_block(sentences: Sentences) -> int:
    """How many of the sentences make a full block; 0 where they are too few."""
    tokens = np.cumsum(sentences.lengths)
    size = min(BLOCK, max(1, int(np.searchsorted(tokens, BLOCK_TOKENS, side="right"))))
    return size if len(sentences) > size or size == len(sentences) == BLOCK else 0
