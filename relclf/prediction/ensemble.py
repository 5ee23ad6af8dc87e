"""What several runs say together: the mean of their probabilities, an ensemble and never one run's answer."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relclf.config.loading import changed_keys
from relclf.errors import UserMistake
from relclf.prediction.opening import OpenedRun
from relclf.scoring.calibration import probabilities
from relclf.training.evaluation import Evaluation

_LEAST = np.finfo(np.float32).tiny


def mean_probabilities(evaluations: Sequence[Evaluation]) -> NDArray[np.float64]:
    """(sentences, relations) the mean over the networks."""
    return np.asarray(np.mean([probabilities(each.scores) for each in evaluations], axis=0))


def together(evaluations: Sequence[Evaluation], gold: NDArray[np.int64]) -> Evaluation:
    """The ensemble's evaluation: as scores the logarithms of the mean probabilities, predicted the most probable.

    gold: (sentences,) ids, of which those beyond the score columns stay out of the nll. There is no loss: each
    network has its own.
    """
    shares = mean_probabilities(evaluations)
    logs = np.log(np.maximum(shares, _LEAST))
    known = gold < shares.shape[1]
    nll = -logs[known, gold[known]].mean() if known.any() else None
    return Evaluation(
        logs.astype(np.float32), shares.argmax(axis=1), None, float(nll) if nll is not None else None
    )


def check_members(first: OpenedRun, others: Sequence[OpenedRun]) -> None:
    """Raise UserMistake where a run is named twice, or tells other relations apart than the first."""
    seen = {first.run.path.resolve()}
    for other in others:
        if other.run.path.resolve() in seen:
            raise UserMistake(f"--with {other.run.path}: is in the ensemble already. Name each run once.")
        seen.add(other.run.path.resolve())
        if first.network.relations != other.network.relations:
            raise UserMistake(
                f"--with {other.run.path}: its relations, or the negative one, are not those of {first.run.path}. "
                "An ensemble averages the probabilities of the same relations."
            )


def check_same_split(first: OpenedRun, other: OpenedRun, split: str) -> None:
    """Raise UserMistake where a run has another dev or test set: its own dev may be among what the other learned."""
    config, others = first.network.config, other.network.config
    keys = ["sha256.train", "test", "folds", "fold", "split_seed", "group_by"]
    if split == "dev":
        keys += ["dev", "sha256.dev", "all_data"]
    elif isinstance(config.data.test, Path):  # the others need not name it: they are given the file
        keys = ["sha256.test"] if others.data.sha256.test is not None else []
    keys = [f"data.{key}" for key in keys]
    if differing := [key for key in changed_keys(config, others) if key in keys]:
        raise UserMistake(
            f"--with {other.run.path}: has another {split} set than {first.run.path} ({', '.join(differing)}). "
            "Give a labelled file that neither has seen with --data."
        )


def check_reads_alike(first: OpenedRun, other: OpenedRun) -> None:
    """Raise UserMistake where two runs turn sentences into other numbers, which are made once for all."""
    keys = changed_keys(first.network.config, other.network.config)
    differing = [key for key in keys if key.startswith("encoding.")]
    if first.network.vocabulary != other.network.vocabulary:
        differing.append("the vocabulary")
    if differing:
        raise UserMistake(
            f"--with {other.run.path}: reads sentences otherwise than {first.run.path} ({', '.join(differing)}). "
            "Label with runs of one encoding and one train set; relclf evaluate takes any."
        )
