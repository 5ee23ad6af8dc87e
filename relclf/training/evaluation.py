"""Scores a whole data set in eval mode: losses, predictions and counts, each sentence once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from relclf.encoding.batches import gather, sorted_batches
from relclf.encoding.dataset import NO_GOLD, EncodedDataset
from relclf.example import Example
from relclf.models.cnn import Cnn
from relclf.models.losses import Objective, negative_log_likelihood
from relclf.relations import RelationSet
from relclf.scoring.metrics import confusion_matrix

EVALUATION_TOKENS = 8192
"""Tokens a batch, padding included; memory stays flat however long the sentences are."""


@dataclass(frozen=True)
class LabelledSet:
    """A dev or test set: its sentences as arrays, and the gold relations among them that train lacks.

    `relations` are the network's own, followed by those that only this set has: sentences with one of them
    count as wrong, and stay out of the losses.
    """

    ids: tuple[str, ...]
    dataset: EncodedDataset
    gold: NDArray[np.int64]
    """(sentences,) ids in `relations`."""
    relations: RelationSet
    known: int
    """Relations of the network; the others follow them."""

    @property
    def unknown_relations(self) -> dict[str, int]:
        """Relations of this set that the network does not know, with their number of sentences."""
        names = self.relations.names
        return {names[i]: int((self.gold == i).sum()) for i in range(self.known, len(names))}


def labelled_set(examples: Sequence[Example], dataset: EncodedDataset, relations: RelationSet) -> LabelledSet:
    """The set of examples that `dataset` encodes; each has a relation."""
    names = [example.relation or "" for example in examples]
    extra = sorted(set(names) - set(relations.names))
    extended = RelationSet((*relations.names, *extra), relations.negative)
    gold = np.array([extended.ids[name] for name in names], dtype=np.int64)
    return LabelledSet(tuple(example.id for example in examples), dataset, gold, extended, len(relations))


@dataclass(frozen=True)
class Evaluation:
    """What a network says of a data set, in the order of its sentences, on the host."""

    scores: NDArray[np.float32]
    """(sentences, relations of the network)."""
    predicted: NDArray[np.int64]
    """(sentences,) by the objective's own decoding rule."""
    loss: float | None
    """Mean objective over the sentences whose gold relation the network knows; None where there are none."""
    nll: float | None
    """Mean unweighted cross-entropy over the same sentences, nats an example."""


@torch.no_grad()
def evaluate(model: Cnn, dataset: EncodedDataset, objective: Objective) -> Evaluation:
    """Scores, predictions and losses of every sentence; no dropout. One copy to the host at the end."""
    device = model.output.weight.device
    scores = torch.empty(len(dataset), model.output.out_features, device=device)
    for sentences in sorted_batches(dataset.lengths, EVALUATION_TOKENS):
        scores[torch.from_numpy(sentences).to(device)] = model(gather(dataset, sentences).to(device))
    gold = dataset.gold.to(device)
    known = gold != NO_GOLD
    gold = gold[known]
    any_known = len(gold) > 0
    return Evaluation(
        scores.cpu().numpy(),
        objective.decode(scores).cpu().numpy(),
        objective.losses(scores[known], gold).cpu().double().mean().item() if any_known else None,
        negative_log_likelihood(scores[known], gold).cpu().double().mean().item() if any_known else None,
    )


def counts(labelled: LabelledSet, evaluation: Evaluation) -> NDArray[np.int64]:
    """The confusion matrix, shape (relations, relations) of the labelled set, rows gold."""
    return confusion_matrix(labelled.gold, evaluation.predicted, len(labelled.relations))
