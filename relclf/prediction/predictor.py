"""Labels sentences with a trained network, from Python."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from relclf.data.options import Reading
from relclf.data.readers.jsonl import parse_record
from relclf.encoding.dataset import NO_GOLD
from relclf.encoding.rewriting import Rewriting
from relclf.encoding.sentences import Sentences
from relclf.errors import UserMistake
from relclf.example import Example
from relclf.prediction.ensemble import check_members, check_reads_alike, mean_probabilities
from relclf.prediction.opening import OpenedRun, open_trained
from relclf.prediction.reading import Encoder
from relclf.runs.calibration import read_calibration
from relclf.scoring.calibration import probabilities
from relclf.training.device import TO_SCORE, memory_explained
from relclf.training.evaluation import Evaluation, evaluate

BLOCK = 4096
"""Sentences scored at a time."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The relation that the network gives a sentence, and its probability."""

    id: str
    relation: str
    probability: float
    probabilities: dict[str, float]
    """Of every relation, the most probable first."""


class Predictor:
    """A trained network that labels sentences, or an ensemble of several."""

    def __init__(
        self, opened: OpenedRun, others: Sequence[OpenedRun] = (), temperature: float | None = None
    ) -> None:
        """Raises UserMistake where `others` do not read sentences as the first run does."""
        check_members(opened, others)
        for other in others:
            check_reads_alike(opened, other)
        self._opened = opened
        self._others = others
        self.temperature = temperature
        """By which the scores are divided to calibrate the probabilities; None: they are as they are."""
        network = opened.network
        encoding = network.config.encoding
        self.encoder = Encoder(
            network.vocabulary,
            encoding.max_length,
            encoding.too_long,
            Rewriting.of(encoding),
            late=opened.late is not None,
            tokenizer=encoding.tokenizer,
        )

    @property
    def relations(self) -> tuple[str, ...]:
        """The relations in the order of the score columns."""
        return self._opened.network.relations.names

    def predict(self, sentences: Iterable[Mapping[str, Any] | Example]) -> list[Prediction]:
        """One Prediction a sentence, in order.

        A sentence is an Example or a mapping in the form of the jsonl format: {"text", "head", "tail"} with
        character spans, or {"tokens", "head", "tail"} with token spans. Raises DataError, which names the
        sentence by its place from 1.
        """
        reading = Reading(tokenizer=self.encoder.tokenizer, offsets=False)
        examples = (
            self.encoder.fitted(_example(value, place, reading)) for place, value in enumerate(sentences, 1)
        )
        predictions: list[Prediction] = []
        while len(block := self.encoder.sentences(islice(examples, BLOCK))):
            predictions += self._predictions(block)
        return predictions

    def _predictions(self, sentences: Sentences) -> Iterator[Prediction]:
        shares, predicted = self.scored(sentences)
        everything = ranked(self.relations, shares, len(self.relations))
        for sentence_id, best, each in zip(sentences.ids, predicted.tolist(), everything, strict=True):
            relation = self.relations[best]
            yield Prediction(sentence_id, relation, each[relation], each)

    def scored(self, sentences: Sentences) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Probabilities (sentences, relations) and predicted relation ids (sentences,)."""
        unknown = torch.full((len(sentences),), NO_GOLD, dtype=torch.int64)
        each = [_evaluation(one, sentences, unknown) for one in (self._opened, *self._others)]
        if self._others:
            shares = mean_probabilities(each)
            return shares, shares.argmax(axis=1)
        return probabilities(each[0].scores, self.temperature or 1.0), each[0].predicted


def load(
    run: Path | str,
    weights: str = "best",
    device: str = "auto",
    threads: int | None = None,
    others: Sequence[Path | str] = (),
    calibrated: bool = True,
) -> Predictor:
    """The predictor of a run directory, with its `best` or `last` weights. Raises RelclfError.

    With `others`, run directories too, it is an ensemble: the mean of all runs' probabilities. The probabilities of one
    run are calibrated where `relclf evaluate --calibrate` has fitted a temperature, unless `calibrated` is False.
    """
    opened = [open_trained(Path(each), weights, device, threads) for each in (run, *others)]
    calibration = read_calibration(opened[0].run, weights) if calibrated and not others else None
    return Predictor(opened[0], opened[1:], calibration.temperature if calibration else None)


def ranked(relations: Sequence[str], shares: NDArray[np.float64], most: int) -> Iterator[dict[str, float]]:
    """The `most` probable relations of each sentence with their probabilities, the most probable first."""
    order = np.argsort(-shares, axis=1, kind="stable")[:, :most]
    ordered = rounded(np.take_along_axis(shares, order, axis=1))
    for indices, row in zip(order.tolist(), ordered.tolist(), strict=True):
        yield dict(zip(map(relations.__getitem__, indices), row, strict=True))


def rounded(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """`round(share, 6)` of each share. NumPy's own agrees but for what lies within its error (1e-10) of a half."""
    result = np.round(shares, 6)
    halves = np.abs(shares * 1e6 % 1 - 0.5) < 1e-6
    result[halves] = [round(share, 6) for share in shares[halves].tolist()]
    return result


def _evaluation(opened: OpenedRun, sentences: Sentences, gold: torch.Tensor) -> Evaluation:
    with memory_explained("to predict", TO_SCORE), opened.encoded(sentences, gold) as dataset:
        return evaluate(opened.network.model, dataset, opened.objective)


def _example(value: Mapping[str, Any] | Example, place: int, reading: Reading) -> Example:
    if isinstance(value, Example):
        return value
    if not isinstance(value, Mapping):
        raise UserMistake(f"sentence {place}: must be a mapping or an Example (got {type(value).__name__}).")
    return parse_record(dict(value), f"sentence {place}", str(place), reading)
