"""Labels sentences with a trained network, from Python."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relclf.data.readers.jsonl import parse_record
from relclf.encoding.dataset import encode, fit_length
from relclf.errors import UserMistake
from relclf.example import Example
from relclf.prediction.evaluating import probabilities
from relclf.prediction.opening import OpenedRun, open_trained
from relclf.training.evaluation import evaluate


@dataclass(frozen=True, slots=True)
class Prediction:
    """The relation that the network gives a sentence, and its probability."""

    id: str
    relation: str
    probability: float
    probabilities: dict[str, float]
    """Of every relation, the most probable first."""


class Predictor:
    """A trained network that labels sentences."""

    def __init__(self, opened: OpenedRun) -> None:
        self._opened = opened

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
        examples = [self.fitted(_example(value, place)) for place, value in enumerate(sentences, 1)]
        if not examples:
            return []
        shares, predicted = self.scored(examples)
        return [
            Prediction(
                e.id, self.relations[best], round(float(row[best]), 6), ranked(self.relations, row, len(row))
            )
            for e, row, best in zip(examples, shares, predicted, strict=True)
        ]

    def fitted(self, example: Example) -> Example:
        """The example, cut to the run's max_length where its config says so. Raises DataError."""
        encoding = self._opened.network.config.encoding
        return fit_length(example, encoding.max_length, encoding.too_long)

    def scored(self, examples: Sequence[Example]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Probabilities (sentences, relations) and predicted relation ids (sentences,) of fitted examples."""
        network = self._opened.network
        dataset = encode(
            examples, network.vocabulary, network.relations, network.config.encoding.max_distance
        )
        evaluation = evaluate(network.model, dataset.to(self._opened.device), self._opened.objective)
        return probabilities(evaluation.scores), evaluation.predicted


def load(
    run: Path | str, weights: str = "best", device: str = "auto", threads: int | None = None
) -> Predictor:
    """The predictor of a run directory, with its `best` or `last` weights. Raises RelclfError."""
    return Predictor(open_trained(Path(run), weights, device, threads))


def ranked(relations: Sequence[str], row: NDArray[np.float64], most: int) -> dict[str, float]:
    """The `most` probable relations with their probabilities, the most probable first."""
    order = np.argsort(-row, kind="stable")[:most]
    return {relations[index]: round(float(row[index]), 6) for index in order}


def _example(value: Mapping[str, Any] | Example, place: int) -> Example:
    if isinstance(value, Example):
        return value
    if not isinstance(value, Mapping):
        raise UserMistake(f"sentence {place}: must be a mapping or an Example (got {type(value).__name__}).")
    return parse_record(dict(value), f"sentence {place}", str(place))
