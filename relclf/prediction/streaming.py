"""Labels a file of any size: reads, scores and writes a block of sentences at a time, in order."""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from relclf.data.reading import read_examples
from relclf.errors import DataError
from relclf.example import Example
from relclf.prediction.outputs import check_output, opened_output
from relclf.prediction.predictor import Predictor, ranked

BLOCK = 4096
"""Sentences held in memory at a time."""

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
    input_format: str = "auto",
    output_format: OutputFormat = "jsonl",
    top: int = 1,
    skip_bad: Path | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> PredictionCounts:
    """Label every sentence of `source` ("-": standard input) into `output` (None: standard output).

    With `top` > 1 each line also has the `top` most probable relations. A malformed record raises DataError
    and leaves no output file, or is listed in the file `skip_bad`. Raises UserMistake where these files are
    not three. `on_progress` is given the number of sentences done after each block. Memory does not grow with
    the file.
    """
    top = min(top, len(predictor.relations))
    for path, taken in ((output, source), (skip_bad, source), (skip_bad, output)):
        if path is not None and taken is not None:
            check_output(path, Path(taken))
    with ExitStack() as stack:
        out = stack.enter_context(opened_output(output)) if output is not None else sys.stdout
        bad = stack.enter_context(opened_output(skip_bad)) if skip_bad is not None else None
        write = _WRITERS[output_format](out, predictor.relations, top)
        examples = _Examples(predictor, source, input_format, bad)
        done = 0
        for block in _blocks(iter(examples)):
            shares, predicted = predictor.scored(block)
            write(block, shares, predicted)
            done += len(block)
            on_progress(done)
        out.flush()
    return PredictionCounts(done, examples.skipped)


class _Examples:
    """The examples of a file that fit the network; malformed ones are listed in `bad` or raised."""

    def __init__(
        self, predictor: Predictor, source: Path | str, input_format: str, bad: IO[str] | None
    ) -> None:
        self._predictor = predictor
        self._records = read_examples(source, input_format, keep_bad=True)
        self._bad = bad
        self.skipped = 0

    def __iter__(self) -> Iterator[Example]:
        for record in self._records:
            try:
                if isinstance(record, DataError):
                    raise record
                yield self._predictor.fitted(record)
            except DataError as error:
                if self._bad is None:
                    raise DataError(
                        f"{error} --skip-bad FILE passes over such records and lists them."
                    ) from None
                self._bad.write(f"{error}\n")
                self.skipped += 1


class _JsonLines:
    def __init__(self, out: IO[str], relations: Sequence[str], top: int) -> None:
        self._out, self._relations, self._top = out, relations, top

    def __call__(
        self, block: Sequence[Example], shares: NDArray[np.float64], predicted: NDArray[np.int64]
    ) -> None:
        best = np.round(shares[np.arange(len(block)), predicted], 6).tolist()
        for example, row, relation, probability in zip(block, shares, predicted.tolist(), best, strict=True):
            value = {"id": example.id, "relation": self._relations[relation], "probability": probability}
            if self._top > 1:
                value["probabilities"] = ranked(self._relations, row, self._top)
            self._out.write(json.dumps(value, ensure_ascii=False) + "\n")


class _Csv:
    """Columns id, relation, probability; with top > 1 also relation_2, probability_2 and so on."""

    def __init__(self, out: IO[str], relations: Sequence[str], top: int) -> None:
        self._rows = csv.writer(out, lineterminator="\n")
        self._relations, self._top = relations, top
        more = [f"{name}_{rank}" for rank in range(2, top + 1) for name in ("relation", "probability")]
        self._rows.writerow(["id", "relation", "probability", *more])

    def __call__(
        self, block: Sequence[Example], shares: NDArray[np.float64], predicted: NDArray[np.int64]
    ) -> None:
        for example, row, relation in zip(block, shares, predicted.tolist(), strict=True):
            name = self._relations[relation]
            others = [pair for pair in ranked(self._relations, row, len(row)).items() if pair[0] != name]
            pairs = [(name, round(float(row[relation]), 6)), *others[: self._top - 1]]
            self._rows.writerow([example.id, *(field for pair in pairs for field in pair)])


_WRITERS: dict[OutputFormat, type[_JsonLines] | type[_Csv]] = {"jsonl": _JsonLines, "csv": _Csv}


def _blocks(examples: Iterator[Example]) -> Iterator[list[Example]]:
    block: list[Example] = []
    for example in examples:
        block.append(example)
        if len(block) == BLOCK:
            yield block
            block = []
    if block:
        yield block
