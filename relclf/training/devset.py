"""The dev set of a training: what an epoch scores on it, and the predictions kept for the best epoch."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from relclf.config.schema import ExperimentConfig
from relclf.errors import UserMistake
from relclf.models.cnn import Cnn
from relclf.models.losses import Objective
from relclf.relations import RelationSet
from relclf.runs.files import write_text
from relclf.scoring.metrics import score
from relclf.scoring.resampling import standard_error
from relclf.training.evaluation import Evaluation, LabelledSet, counts, evaluate
from relclf.training.seeding import numpy_generator


@dataclass(frozen=True)
class DevScores:
    """The dev fields of an EpochRecord."""

    loss: float
    nll: float
    macro_f1: float
    macro_f1_se: float
    monitored: float
    evaluation: Evaluation


def score_dev(
    dev: LabelledSet, model: Cnn, objective: Objective, config: ExperimentConfig, epoch: int
) -> DevScores:
    """Evaluate the dev set; the bootstrap draws from a generator of (seed, epoch)."""
    evaluation = evaluate(model, dev.dataset, objective)
    matrix = counts(dev, evaluation)
    generator = numpy_generator(config.seed, "bootstrap", epoch)
    samples = config.scoring.bootstrap_samples
    macro_f1 = score("macro_f1", matrix, dev.relations)
    macro_f1_se = standard_error("macro_f1", matrix, dev.relations, samples, generator)
    if evaluation.loss is None or evaluation.nll is None or macro_f1 is None or macro_f1_se is None:
        raise ValueError("no dev sentence has a known relation; read_corpus refuses such a set")
    monitor = config.training.monitor
    if monitor in ("loss", "nll"):
        monitored: float = evaluation.loss if monitor == "loss" else evaluation.nll
    else:
        value = score(monitor, matrix, dev.relations)
        if value is None:
            raise _undefined(monitor)
        monitored = float(value)
    return DevScores(evaluation.loss, evaluation.nll, float(macro_f1), macro_f1_se, monitored, evaluation)


def check_monitor(monitor: str, relations: RelationSet) -> None:
    """Raise UserMistake where the monitored score cannot be defined for these relations."""
    everything_right = np.eye(len(relations), dtype=np.int64)
    if monitor not in ("loss", "nll") and score(monitor, everything_right, relations) is None:
        raise _undefined(monitor)


def write_scored(path: Path, labelled: LabelledSet, evaluation: Evaluation) -> None:
    """One JSON line a sentence: id, gold, predicted relation, and the scores in relation order."""
    names = labelled.relations.names
    rounded = np.round(evaluation.scores.astype(np.float64), 6).tolist()
    columns = (labelled.ids, labelled.gold, evaluation.predicted, rounded)
    lines = (
        json.dumps(
            {"id": i, "gold": names[gold], "relation": names[predicted], "scores": scores},
            ensure_ascii=False,
        )
        for i, gold, predicted, scores in zip(*columns, strict=True)
    )
    write_text(path, "".join(line + "\n" for line in lines))


def _undefined(monitor: str) -> UserMistake:
    return UserMistake(
        f"training.monitor: {monitor} is not defined for this corpus. {_MONITOR_NEEDS[monitor]}"
    )


_MONITOR_NEEDS = {
    "macro_f1_positive": "It needs data.negative_relation.",
    "micro_f1_positive": "It needs data.negative_relation.",
    "semeval2010": "It needs relations like Cause-Effect(e1,e2) and data.negative_relation: Other.",
    "macro_f1": "It needs gold relations.",
    "accuracy": "It needs gold relations.",
}
