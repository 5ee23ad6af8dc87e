"""Scores a labelled set with the weights of every epoch of a run that kept them."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from relclf.encoding.dataset import encode
from relclf.errors import UserMistake
from relclf.prediction.evaluating import split_examples
from relclf.prediction.opening import OpenedRun
from relclf.relations import RelationSet
from relclf.runs.directory import RunDirectory
from relclf.runs.records import EpochRecord
from relclf.scoring.metrics import Counts, Values, confusion_matrix, score, with_support
from relclf.scoring.resampling import standard_error
from relclf.training.checkpoint import load_epoch
from relclf.training.device import TO_SCORE, memory_explained
from relclf.training.evaluation import evaluate, labelled_set
from relclf.training.seeding import numpy_generator

SAMPLES = 200
"""Bootstrap samples behind a standard error that only `one_se` reads; it is known to about 5 % of itself."""


@dataclass(frozen=True)
class ScoredEpochs:
    """What the weights of each epoch say of a set of sentences."""

    relations: RelationSet
    gold: NDArray[np.int64]
    """(sentences,)."""
    predicted: NDArray[np.int64]
    """(epochs, sentences)."""
    losses: Values
    """(epochs, sentences) the objective; NaN where the network does not know the gold relation."""
    nlls: Values
    """(epochs, sentences) the unweighted cross-entropy, likewise."""

    def part(self, sentences: NDArray[np.bool_]) -> "ScoredEpochs":
        """The same of some of the sentences: (sentences,)."""
        return ScoredEpochs(
            self.relations,
            self.gold[sentences],
            self.predicted[:, sentences],
            self.losses[:, sentences],
            self.nlls[:, sentences],
        )

    def scores(self, name: str) -> Values:
        """(epochs,) the score of that name. Raises UserMistake where it is not defined for these sentences."""
        counts = self._counts()
        values = score(name, counts, self.relations, with_support(counts[0]))
        if values is None:
            raise UserMistake(f"{name} is not defined for {len(self.gold)} sentences: too few to be halved.")
        return values

    def records(self, records: list[EpochRecord], monitor: str, seed: int) -> list[EpochRecord]:
        """The records of a training whose dev set these sentences had been; its first epochs, as many as scored."""
        counts, macro_f1 = self._counts(), self.scores("macro_f1")
        losses, nlls = np.nanmean(self.losses, axis=1), np.nanmean(self.nlls, axis=1)
        monitored = {"loss": losses, "nll": nlls}.get(monitor)
        if monitored is None:
            monitored = self.scores(monitor)
        return [
            replace(
                record,
                dev_loss=float(losses[index]),
                dev_nll=float(nlls[index]),
                dev_macro_f1=float(macro_f1[index]),
                dev_macro_f1_se=standard_error(
                    "macro_f1",
                    counts[index],
                    self.relations,
                    SAMPLES,
                    numpy_generator(seed, "replay bootstrap", record.epoch),
                ),
                monitored=float(monitored[index]),
            )
            for index, record in enumerate(records[: len(counts)])
        ]

    def _counts(self) -> Counts:
        """(epochs, relations, relations), rows gold."""
        return np.stack([confusion_matrix(self.gold, each, len(self.relations)) for each in self.predicted])


def score_epochs(opened: OpenedRun, split: str, epochs: int) -> ScoredEpochs:
    """Score the split "dev" or "test" with the weights of each of the first epochs, which `opened` takes in turn.

    Raises UserMistake where weights are missing or the run has no such split.
    """
    config, network = opened.network.config, opened.network
    examples = split_examples(opened, split)[2]
    dataset = encode(examples, network.vocabulary, network.relations, config.encoding.max_distance)
    labelled = labelled_set(examples, dataset.to(opened.device), network.relations)
    known = labelled.gold < labelled.known
    gold = torch.from_numpy(labelled.gold[known]).to(opened.device)
    predicted, losses, nlls = [], [], []
    for epoch in range(1, epochs + 1):
        load_epoch(weights_of(opened.run, epoch), network.model)
        with memory_explained("to evaluate", TO_SCORE):
            evaluation = evaluate(network.model, labelled.dataset, opened.objective)
        scores = torch.from_numpy(evaluation.scores[known]).to(opened.device)
        predicted.append(evaluation.predicted)
        losses.append(_spread_out(opened.objective.losses(scores, gold), known))
        nlls.append(_spread_out(torch.nn.functional.cross_entropy(scores, gold, reduction="none"), known))
    return ScoredEpochs(
        labelled.relations, labelled.gold, np.stack(predicted), np.stack(losses), np.stack(nlls)
    )


def weights_of(run: RunDirectory, epoch: int) -> Path:
    """The weights that a run kept of an epoch. Raises UserMistake where there are none."""
    path = run.epoch_weights(epoch)
    if not run.epochs.is_dir():
        raise UserMistake(
            f"{run.path}: has not kept the weights of its epochs. Train a long run that does: relclf train "
            "--config CONFIG --set training.keep=all --set training.patience=null"
        )
    if not path.exists():
        raise UserMistake(f"{path}: no such file. The run is incomplete: a file was removed.")
    return path


def _spread_out(values: torch.Tensor, known: NDArray[np.bool_]) -> Values:
    """(known sentences,) -> (sentences,), NaN elsewhere."""
    everywhere = np.full(len(known), np.nan)
    everywhere[known] = values.double().cpu().numpy()
    return everywhere
