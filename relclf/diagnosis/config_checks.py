"""Checks of what a config says by itself, and with the sizes of the data: only what is true by mechanism."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from relclf.config.schema import ExperimentConfig, OptimizerConfig
from relclf.diagnosis.findings import Finding, Severity
from relclf.training.updates import UpdateEvery, update_plan

HIGH_DROPOUT = 0.8
"""Dropout above which fewer than one feature in five is left; usual: 0.2 to 0.5 (Srivastava et al. 2014), 0.5 for
sentences (Kim 2014)."""
MEMORY_UPDATES = 300
"""Updates over which weights forget, below which a relation's few batches are forgotten before they come again. With
decoupled decay and with SGD, weights are a moving average over that many (Wang and Aitchison 2024). SGD at 0.1 with
momentum 0.9 and decay 5e-4, as is usual for images, has 2,000; AdamW's default 100,000."""
STRONG_L2 = 0.01
"""An L2 penalty that is as large as the gradient: 0.01 times a weight of 0.1 is 1e-3, and the gradient of a weight
was 2e-3 (norm 0.5 over 61,000 weights, quickstart). Measured there with Adam: macro-F1 59 with it, 82 with 1e-4."""
FEW_UPDATES = 4
"""Updates an epoch up to which each takes a quarter of train or more."""
SHORT_PATIENCE = 2
"""Epochs of patience that independent wobble around a flat curve outlasts in half of the cases by epoch 2."""
SHORT_LEARNING = 5.0
"""Epochs at the full rate that all of an exponential schedule comes to, below which it ends learning early."""


@dataclass(frozen=True)
class ConfigEvidence:
    """A config and, where they are known, the sizes that it meets."""

    config: ExperimentConfig
    train_sentences: int | None = None
    relations: int | None = None
    path: str = "CONFIG"
    """The config's file, for the commands that are advised."""
    vectors_drawn: bool = False
    """Whether the rows of the vectors file look drawn at random."""

    @property
    def batches(self) -> int | None:
        """Batches an epoch."""
        if self.train_sentences is None:
            return None
        return math.ceil(self.train_sentences / self.config.training.batch_size)

    def train(self, setting: str) -> str:
        """The command that trains with another setting."""
        return train_command(self.path, setting)


def config_findings(
    config: ExperimentConfig,
    *,
    train_sentences: int | None = None,
    relations: int | None = None,
    path: str = "CONFIG",
    vectors_drawn: bool = False,
) -> list[Finding]:
    """What a config says before any training, in no particular order; what needs a size is left out without it."""
    evidence = ConfigEvidence(config, train_sentences, relations, path, vectors_drawn)
    found = (check(evidence) for check in _CHECKS)
    return [finding for finding in found if finding is not None]


def updates_per_epoch(config: ConfigEvidence) -> Finding | None:
    """Updates an epoch as `update_every` and the batches make them; None where the data's size is not known."""
    batches, training = config.batches, config.config.training
    if batches is None:
        return None
    updates = update_plan([1] * batches, training.update_every).updates
    return updates_finding(training.update_every, updates, batches, "", config.path)


def updates_finding(every: UpdateEvery, updates: int, batches: int, more: str, path: str) -> Finding:
    """Updates against batches of an epoch; batches whose gradient is never computed are a problem in any case."""
    severity: Severity = "ok"
    why, next_step = "every batch takes part in an update", "none"
    if every == "epoch" and batches > 1:
        severity = "problem"
        why = (
            f"the gradient of the other {batches - 1} batches is never computed: the network learns from one batch "
            "an epoch. Reason enough to learn slowly"
        )
        next_step = train_command(path, "training.update_every=batch")
    elif updates <= FEW_UPDATES:
        severity = "watch"
        why = (
            f"each update takes the mean gradient of 1/{updates} of train: nothing is lost, but learning takes about "
            "as many epochs as it would take updates"
        )
        setting = "training.batch_size=20" if batches <= FEW_UPDATES else "training.update_every=batch"
        next_step = train_command(path, setting)
    elif updates < batches:
        why = "each update takes the mean gradient of several batches, which is one larger batch"
    return Finding(
        severity,
        "updates-per-epoch",
        f"{updates} {'update' if updates == 1 else 'updates'} for {batches} batches in each epoch"
        f"{more} (update_every: {every})",
        "one update a batch, or one from the mean gradient of a few (Goodfellow et al. 2016, 8.1.3)",
        why,
        next_step,
    )


def dropout_too_high(config: ConfigEvidence) -> Finding:
    """How many features dropout leaves."""
    model = config.config.model
    features = model.filters * len(model.windows)
    high = model.dropout > HIGH_DROPOUT
    return Finding(
        "watch" if high else "ok",
        "dropout-too-high",
        f"dropout {model.dropout:g} leaves {(1 - model.dropout) * features:.0f} of {features} features a sentence",
        "0.2 to 0.5 (Srivastava et al. 2014; Kim 2014 for sentences)",
        "each update sees so few features that learning is slow at best" if high else "enough is left",
        config.train("model.dropout=0.5") if high else "none",
    )


def weight_decay_dominates(config: ConfigEvidence) -> Finding | None:
    """Whether decay is out of scale for its optimiser; None without decay."""
    optimizer = config.config.training.optimizer
    decay = optimizer.weight_decay
    if not decay:
        return None
    memory = decay_memory(optimizer)
    if memory is not None:
        strong = memory < MEMORY_UPDATES
        measured = (
            f"with rate {optimizer.lr:g} and weight_decay {decay:g}, weights forget in {memory:,.0f} updates"
        )
        expected = f"more than {MEMORY_UPDATES} (Wang and Aitchison 2024: 1 / (rate · decay))"
        weaker = 1e-4 / optimizer.lr
    else:
        strong = decay >= STRONG_L2
        measured = (
            f"weight_decay {decay:g} is an L2 penalty that {optimizer.name} divides by the gradient's size as it "
            "does the gradient"
        )
        expected = f"under {STRONG_L2:g} (Loshchilov and Hutter 2019 on L2 in Adam)"
        weaker = STRONG_L2 / 100
    why = "decay pulls the weights to 0 as fast as the gradient builds them up"
    return Finding(
        "watch" if strong else "ok",
        "weight-decay-dominates",
        measured,
        expected,
        why if strong else "decay is small beside the gradient",
        config.train(f"training.optimizer.weight_decay={weaker:g}") if strong else "none",
    )


def decay_memory(optimizer: OptimizerConfig) -> float | None:
    """Updates over which weights forget: 1 / (rate · decay), momentum counted into the rate.

    None without decay, and where an L2 penalty is divided by the gradient's size (Adam and its like).
    """
    if optimizer.name not in ("sgd", "adamw") or not optimizer.weight_decay:
        return None
    momentum = optimizer.momentum if optimizer.name == "sgd" else 0.0
    return (1 - momentum) / (optimizer.lr * optimizer.weight_decay)


def embeddings_frozen(config: ConfigEvidence) -> Finding:
    """Whether the word embedding learns, or was learned before: the schema asks for vectors, not for good ones."""
    encoding = config.config.encoding
    frozen = encoding.freeze_vectors
    if frozen and config.vectors_drawn:
        return Finding(
            "problem",
            "embeddings-frozen",
            f"freeze_vectors: true, and the rows of {encoding.vectors} look drawn at random: of one length, without a "
            "common direction",
            "vectors that were learned: their rows differ in length and lean one way",
            "words whose random vectors stay random never become alike",
            config.train("encoding.freeze_vectors=false"),
        )
    return Finding(
        "ok",
        "embeddings-frozen",
        f"freeze_vectors: {'true' if frozen else 'false'}, vectors: {encoding.vectors or 'none'}",
        "trained, or frozen on purpose with a vectors file",
        "the vectors of the file stay as they are, as the config says"
        if frozen
        else "all words of train learn",
        "none",
    )


def patience_too_short(config: ConfigEvidence) -> Finding | None:
    """Whether a single wobble ends the training; None without a stop rule."""
    training = config.config.training
    patience = training.patience
    if patience is None:
        return None
    short = patience <= SHORT_PATIENCE < training.max_epochs
    why = f"with max_epochs {training.max_epochs} the stop rule can wait out a wobble"
    if short:
        why = (
            "after n epochs of a flat curve, chance alone brings no new best for "
            f"{patience} more in n of n + {patience} cases"
        )
    elif patience >= training.max_epochs:
        why = f"max_epochs {training.max_epochs} ends the training before the stop rule can"
    return Finding(
        "watch" if short else "ok",
        "patience-too-short",
        f"patience {patience}, smooth {training.smooth}",
        f"more than {SHORT_PATIENCE} epochs (the default is 10)",
        why,
        config.train("training.patience=10") if short else "none",
    )


def too_simple(config: ConfigEvidence) -> Finding | None:
    """Whether there are fewer features than relations; None where the number of relations is not known."""
    if config.relations is None:
        return None
    model = config.config.model
    features = model.filters * len(model.windows)
    few = features < config.relations
    return Finding(
        "watch" if few else "ok",
        "too-simple",
        f"{features} features for {config.relations} relations",
        "at least as many features as relations, usually 100 or more (Zeng et al. 2014: 200)",
        (
            "scores of C relations made of fewer features cannot be chosen freely (Yang et al. 2018 on the rank of "
            "an output layer)"
            if few
            else "the output layer can score each relation by itself"
        ),
        config.train("model.filters=200") if few else "none",
    )


def positions_unused(config: ConfigEvidence) -> Finding | None:
    """Whether the network is told where the mentions are; None where it is."""
    if config.config.model.position_dim:
        return None
    return Finding(
        "watch",
        "positions-unused",
        "position_dim 0: no position embedding",
        "relative positions to both mentions (Zeng et al. 2014: 5 dimensions each)",
        "two pairs of mentions in one sentence look the same to the network",
        config.train("model.position_dim=5"),
    )


def learning_rate_too_small(config: ConfigEvidence) -> Finding | None:
    """Whether the schedule ever gives the rate its time; None where it does, or where sizes are not known."""
    training, batches = config.config.training, config.batches
    schedule = training.schedule
    measured = ""
    if batches is not None:
        updates = training.max_epochs * update_plan([1] * batches, training.update_every).updates
        if schedule.warmup_updates >= updates:
            measured = f"warmup_updates {schedule.warmup_updates:,}, and at most {updates:,} updates in all"
            setting = f"training.schedule.warmup_updates={updates // 20}"
    if schedule.name == "exponential" and schedule.gamma < 1:
        whole = 1 / (1 - schedule.gamma)
        if whole < SHORT_LEARNING < training.max_epochs:
            measured = f"gamma {schedule.gamma:g}: all epochs together come to {whole:.1f} at the full rate"
            setting = "training.schedule.gamma=0.95"
    if not measured:
        return None
    return Finding(
        "watch",
        "learning-rate-too-small",
        measured,
        f"the full rate is reached, and holds for more than {SHORT_LEARNING:g} epochs in sum",
        "the schedule keeps the rate below what the config says for nearly all of the training",
        config.train(setting),
    )


def train_command(path: str, setting: str) -> str:
    """The command that trains from a config file with another setting."""
    return f"relclf train --config {path} --set {setting}"


_CHECKS: tuple[Callable[[ConfigEvidence], Finding | None], ...] = (
    updates_per_epoch,
    embeddings_frozen,
    learning_rate_too_small,
    weight_decay_dominates,
    dropout_too_high,
    positions_unused,
    too_simple,
    patience_too_short,
)
