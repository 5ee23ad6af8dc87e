"""Evaluates a cross-validation: each fold's run on its fold, then pooled and averaged."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relclf.config.loading import changed_keys
from relclf.errors import UserMistake
from relclf.prediction.evaluating import RunEvaluation, evaluate_run
from relclf.prediction.opening import open_trained
from relclf.relations import RelationSet
from relclf.runs.files import write_json
from relclf.runs.folds import fold_runs
from relclf.scoring.report import ScoreReport, score_report

_MAY_DIFFER = ("data.fold", "data.sha256.test")


@dataclass(frozen=True)
class Average:
    """The mean of a score over folds, and their standard deviation (n - 1)."""

    mean: float
    sd: float
    values: tuple[float, ...]
    """Of each fold in which the score is defined."""


@dataclass(frozen=True)
class FoldsEvaluation:
    """What the runs of a cross-validation score."""

    folds: tuple[RunEvaluation, ...]
    pooled: ScoreReport
    """Of the predictions for all folds together: every sentence once, by the run that has not seen it."""
    averaged: dict[str, Average]
    """Of the folds' own scores."""

    def to_json(self) -> dict[str, Any]:
        """The object that `evaluate --json` prints and the folder keeps."""
        return {
            "pooled": self.pooled.to_json(),
            "averaged": {
                name: {"mean": average.mean, "sd": average.sd, "folds": list(average.values)}
                for name, average in self.averaged.items()
            },
            "folds": [fold.to_json() for fold in self.folds],
        }


def evaluate_folds(folder: Path, weights: str = "best", device: str = "auto") -> FoldsEvaluation:
    """Evaluate each run of a folder on its own fold; the result is stored in the folder. Raises UserMistake."""
    opened = [open_trained(path, weights, device) for path in fold_runs(folder)]
    first = opened[0].network.config
    for each in opened[1:]:
        keys = [key for key in changed_keys(first, each.network.config) if key not in _MAY_DIFFER]
        if keys:
            raise UserMistake(
                f"{each.run.path}: differs from {opened[0].run.path} in {', '.join(keys)}: no folds of one."
            )
    numbers = [each.network.config.data.fold for each in opened]
    if numbers != list(range(1, (first.data.folds or 0) + 1)):
        raise UserMistake(
            f"{folder}: has the folds {', '.join(map(str, numbers))} of {first.data.folds}. Train the others: "
            "relclf train --resume RUN goes on with one that was interrupted."
        )
    folds = tuple(evaluate_run(each, split="test") for each in opened)
    details = {"tokenizer": first.encoding.tokenizer, "folds": f"{len(folds)} pooled"}
    result = FoldsEvaluation(
        folds,
        score_report(*_pooled(folds), samples=first.scoring.bootstrap_samples, details=details),
        _averaged(folds),
    )
    write_json(folder / f"evaluation.{weights}.json", result.to_json())
    return result


def _pooled(folds: Sequence[RunEvaluation]) -> tuple[NDArray[np.int64], RelationSet]:
    """The sum of the folds' confusion counts, over all their relations: (relations, relations)."""
    names = [fold.labelled.relations.names for fold in folds]
    relations = RelationSet.from_names(
        (name for each in names for name in each), folds[0].labelled.relations.negative
    )
    total = np.zeros((len(relations), len(relations)), dtype=np.int64)
    for each, fold in zip(names, folds, strict=True):
        places = [relations.ids[name] for name in each]
        total[np.ix_(places, places)] += fold.report.counts
    return total, relations


def _averaged(folds: Sequence[RunEvaluation]) -> dict[str, Average]:
    """Of each score, over the folds in which it is defined."""
    averaged = {}
    for name in dict.fromkeys(name for fold in folds for name in fold.report.scores):
        values = tuple(fold.report.scores[name].value for fold in folds if name in fold.report.scores)
        sd = statistics.stdev(values) if len(values) > 1 else 0.0
        averaged[name] = Average(statistics.fmean(values), sd, values)
    return averaged
