"""What was seen of a training loop: counts of events, and samples of its numbers, as plain values."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

SCALE_FREE = {"Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad", "Adadelta", "Adafactor"}
"""Optimisers that divide by the gradient's size, so that its scale changes next to nothing."""


@dataclass
class Forwards:
    """How often the model was called, by what became of the call."""

    trained: int = 0
    """A gradient came back to its scores: they were trained on."""
    trained_in_eval_mode: int = 0
    """Of those, in eval mode."""
    unused: int = 0
    """In train mode with gradients on, and no gradient ever came back."""
    evaluated: int = 0
    """In eval mode without gradients."""
    evaluated_with_gradients: int = 0
    """In eval mode with gradients on, which never came back."""
    evaluated_in_train_mode: int = 0
    """In train mode without gradients."""


class SeenUpdate(NamedTuple):
    """One call of the optimiser, and what led to it."""

    trained: int
    """Calls of the model since the update before, to whose scores a gradient came back."""
    unused: int
    """Calls in train mode with gradients on to which none came back."""
    backwards: int
    """Backward passes since the update before."""
    rate: float = 0.0
    """The largest learning rate."""


@dataclass
class SeenParameter:
    """A parameter of the model, and its numbers at the updates that were looked at."""

    name: str
    shape: tuple[int, ...]
    is_embedding: bool
    trainable: bool
    in_optimizer: bool
    moved: bool = False
    """Whether it was ever seen to differ from what it was at first."""
    gradients: int = 0
    """Looked-at updates at which it had a gradient that is not zero."""
    gradient_norms: list[float] = field(default_factory=list)
    update_ratios: list[float] = field(default_factory=list)
    """std of the change over std of the values, one a looked-at update; a sample of large ones."""
    decay_ratios: list[float] = field(default_factory=list)
    """Norm of what weight decay pulls over norm of what the gradient pulls."""
    dead_rows: float = 0.0
    """Share of its rows (outputs) whose gradient was zero at all of the last looked-at updates."""
    random_rows: bool = False
    """An embedding whose rows look drawn from one normal distribution, as PyTorch's default."""
    one_row_asked: bool = False
    """An embedding of which all looked-at calls asked for one and the same row."""

    @property
    def size(self) -> int:
        """The number of its values."""
        return int(np.prod(self.shape))


@dataclass
class SeenScores:
    """What the scores (batch, classes) and the gradients that came back to them tell about the loss."""

    classes: int = 0
    looked: int = 0
    """Batches looked at."""
    probabilities: int = 0
    """Batches whose rows were probabilities: none negative, sum 1."""
    squeezed: int = 0
    """Batches all of whose scores lay between 0 and 1, and whose rows did not sum to 1."""
    cut: int = 0
    """Batches with no score below 0 and many of exactly 0."""
    log_probabilities: int = 0
    by_column: int = 0
    """Batches whose columns, and not rows, were probabilities or log-probabilities."""
    fits: Counter[str] = field(default_factory=Counter)
    """Batches by the loss that explains the gradient, as `losses_seen` names it."""
    weights: list[float] = field(default_factory=list)
    """A looked-at update: the sum over its sentences of their weight in the gradient; 1 for a mean."""
    first_losses: list[float] = field(default_factory=list)
    """Cross-entropy of the first batches, nats an example."""
    losses: list[float] = field(default_factory=list)
    """Cross-entropy of every looked-at batch since the last whose loss was not recognised."""
    class_weights: float = 1.0
    """The largest ratio between the weights of two classes in the gradient of a batch."""
    criterion_got_probabilities: bool = False
    """The criterion, where one was handed in, was seen to be given probabilities."""
    single: int = 0
    """Batches looked at of a model that gives one score a sentence."""
    sigmoid_twice: int = 0
    """Batches whose scores came out of a sigmoid, or lay between 0 and 1, and went through a sigmoid in the loss."""

    @property
    def cross_entropies(self) -> int:
        """Batches whose loss is cross-entropy, of raw scores or as the negative log-likelihood of log-probabilities."""
        return self.fits["cross-entropy"] + min(self.fits["nll"], self.log_probabilities)


@dataclass(frozen=True)
class SeenEpoch:
    """What `watch.epoch` was told, and where the loop was then."""

    updates: int
    """So far."""
    sentences: int
    """In batches trained on, so far."""
    batches: int
    """Batches trained on, so far."""
    batch_losses: tuple[float, ...]
    """Cross-entropy of the looked-at batches since the epoch before."""
    train_loss: float | None
    dev_loss: float | None
    score: float | None
    gold: Ids | None
    predicted: Ids | None


@dataclass(frozen=True)
class SeenBatch:
    """The sentences of a batch that was trained on."""

    rows: Ids
    """(sentences,) a fingerprint each."""
    gold: Ids | None
    """(sentences,) as the gradient tells."""
    in_eval_mode: bool = False


@dataclass(frozen=True)
class LoaderFacts:
    """What the training's loader says of itself; None where it does not."""

    batches: int | None
    sentences: int | None
    shuffles: bool | None


@dataclass(frozen=True)
class OptimizerFacts:
    """The optimiser by name, with the settings of its parameter groups."""

    name: str
    groups: tuple[dict[str, Any], ...]
    parameters: int
    foreign: int
    """Its parameters that the model does not have."""
    needs_closure: bool = False
    """Whether it asks for the loss itself, as often as it likes: one and the same batch an update, as L-BFGS."""

    @property
    def learning_rate(self) -> float:
        """The largest of its groups."""
        return max((float(group["lr"]) for group in self.groups if "lr" in group), default=0.0)

    @property
    def decay(self) -> float:
        """The largest weight decay of its groups."""
        return max((float(group.get("weight_decay") or 0) for group in self.groups), default=0.0)


@dataclass
class Observations:
    """Everything that was seen of a loop."""

    optimizer: OptimizerFacts
    loader: LoaderFacts | None
    parameters: list[SeenParameter]
    unregistered: tuple[tuple[int, ...], ...] = ()
    """Shapes of tensors that the scores depend on, and that neither the model nor its inputs account for."""
    dropout: dict[str, float] = field(default_factory=dict)
    """Modules that drop values, and their rates."""
    depends_on_mode: bool = False
    """Whether the model behaves differently in train and in eval mode."""
    varies_in_eval_mode: bool = False
    """Whether two calls in eval mode with the same batch gave different scores."""
    forwards: Forwards = field(default_factory=Forwards)
    updates: int = 0
    backwards: int = 0
    update_sample: list[SeenUpdate] = field(default_factory=list)
    between_evaluations: list[int] = field(default_factory=list)
    """Batches learned from between calls that were not."""
    resets: int = 0
    """How often all weights were back at their first values."""
    looked: int = 0
    """Updates looked at closely."""
    kept_gradients: int = 0
    """First backward passes after a looked-at update that found gradients of before it."""
    checked_gradients: int = 0
    """Of how many."""
    cleared_between: int = 0
    """Looked-at updates, but the first, of which gradients were cleared between two backward passes."""
    empty_steps: int = 0
    """Looked-at updates at which no parameter had a gradient other than zero."""
    clipped: list[tuple[float, float]] = field(default_factory=list)
    """A looked-at update: the gradient's norm after the backward pass, and at the update."""
    graphs_alive: int = 0
    """The most calls at a time whose graph was kept though their update was long done."""
    not_finite: str | None = None
    """Where the first number that is not finite was seen."""
    scores: SeenScores = field(default_factory=SeenScores)
    batches: list[SeenBatch] = field(default_factory=list)
    """The first batches trained on, in order; once they bring no new sentences, some of those that follow."""
    batches_in_a_row: int = 0
    """The first of them, between which none is missing."""
    all_sentences: bool = True
    """Whether `batches` have every sentence that was trained on."""
    unused_rows: list[Ids] = field(default_factory=list)
    evaluated_rows: list[Ids] = field(default_factory=list)
    evaluated_rows_in_train_mode: list[Ids] = field(default_factory=list)
    input_means: dict[str, list[dict[int, float]]] = field(default_factory=dict)
    """Of the first batches trained on and evaluated: the mean of each input of ids, by its place."""
    epochs: list[SeenEpoch] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """The learning rate of each update, as many as are kept."""
        return [each.rate for each in self.update_sample]

    @property
    def first_update_ratio(self) -> float | None:
        """The median over weights (no embeddings, no biases) of the median ratio of the first looked-at updates."""
        weights = [p for p in self.parameters if p.trainable and not p.is_embedding and len(p.shape) > 1]
        ratios = [float(np.median(p.update_ratios[:10])) for p in weights if p.update_ratios]
        return float(np.median(ratios)) if ratios else None

    @property
    def evaluations(self) -> int:
        """Calls of the model that look like evaluation, whatever its mode."""
        f = self.forwards
        return f.evaluated + f.evaluated_with_gradients + f.evaluated_in_train_mode


def rows_of(batches: Sequence[Ids]) -> Ids:
    """All fingerprints, one after the other."""
    return np.concatenate(batches) if batches else np.zeros(0, dtype=np.int64)
