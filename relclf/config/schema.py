"""The experiment config: every key, its type, its default and its meaning, as frozen pydantic models.

The descriptions are the manual: `docs/config.md` and `relclf config schema` are made from them.
This module only says what a valid config is; `relclf.config.loading` reads one from a file.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Probability = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
PathValue = Annotated[Path, Field(strict=False)]


class Section(BaseModel):
    """A mapping of the config: strict types, no unknown keys, never changed after it was read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class DataHashes(Section):
    """SHA-256 of the files as they were when the run was made; a file that differs is refused."""

    train: str | None = Field(None, description="of `data.train`.")
    dev: str | None = Field(None, description="of `data.dev`, where it is a file.")
    test: str | None = Field(None, description="of `data.test`.")
    vectors: str | None = Field(None, description="of `encoding.vectors`.")


class DataConfig(Section):
    """Which files, and what the relations mean. Paths are relative to the config's own file."""

    train: PathValue = Field(description="the training sentences.")
    dev: Annotated[Annotated[float, Field(gt=0, lt=1)] | PathValue, Field(union_mode="left_to_right")] = Field(
        0.1,
        description="the dev sentences that pick the epoch: a file, or a share of train between 0 and 1 "
        "(stratified by relation).",
    )
    test: PathValue | None = Field(None, description="the test sentences; only `relclf evaluate` reads them.")
    format: Literal["auto", "semeval2010", "jsonl"] = Field(
        "auto", description="the files' format; `auto` looks at the first line. See `docs/formats.md`."
    )
    negative_relation: str | None = Field(
        None,
        description="the relation that means 'none of the others' (`Other`, `no_relation`), as the files spell it; "
        "declared, never guessed.",
    )
    split_seed: CountOrZero = Field(
        1, description="seed of the dev split, apart from `seed`, so that runs of several seeds share one dev set."
    )
    all_data: bool = Field(
        False,
        description="train on train and dev together, for a final model once the number of epochs is known; "
        "nothing is measured on dev (`relclf train --all-data --epochs N` sets it).",
    )
    sha256: DataHashes = Field(
        DataHashes(),
        description="SHA-256 of the files; a run's saved config has them, and a file that has changed is refused.",
    )


class EncodingConfig(Section):
    """How tokens become numbers."""

    min_count: Count = Field(1, description="words rarer than this in train become the unknown word.")
    lowercase: bool = Field(True, description="fold words to lower case.")
    fold_digits: bool = Field(True, description="write every digit as 0.")
    max_distance: Count = Field(50, description="relative positions are clipped to ± this many tokens.")
    max_length: Annotated[int, Field(ge=3)] = Field(256, description="the longest sentence, in tokens.")
    too_long: Literal["refuse", "window"] = Field(
        "refuse",
        description="what to do with a longer sentence: `refuse`, or cut a `window` of `max_length` tokens around "
        "both mentions (counted and said).",
    )
    vectors: PathValue | None = Field(
        None, description="word vectors in GloVe or word2vec text form (gzip too); their width must be `model.word_dim`."
    )
    freeze_vectors: bool = Field(False, description="keep the word vectors as they are in the file while training.")


class CnnConfig(Section):
    """A convolutional network over word and position embeddings (Zeng et al. 2014, without lexical features)."""

    name: Literal["cnn"] = Field("cnn", description="which network.")
    word_dim: Count = Field(50, description="width of the word embedding.")
    word_std: Positive = Field(0.1, description="standard deviation of the initial word embedding (where no vectors are given).")
    position_dim: CountOrZero = Field(5, description="width of each of the two position embeddings; 0 leaves them out.")
    windows: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False, min_length=1)
    ] = Field((3,), description="widths of the filters, in tokens.")
    filters: Count = Field(200, description="filters of each width.")
    activation: Literal["tanh", "relu"] = Field("tanh", description="applied to the filters' outputs before pooling.")
    dropout: Probability = Field(0.5, description="dropout after pooling.")


class Adam(Section):
    """Adam (Kingma and Ba 2015)."""

    name: Literal["adam"] = Field("adam")
    lr: Positive = Field(0.001, description="the learning rate.")
    betas: Annotated[tuple[Probability, Probability], Field(strict=False)] = Field((0.9, 0.999), description="decay of both moment averages.")
    eps: Positive = Field(1e-8, description="added to the denominator.")
    weight_decay: NotNegative = Field(0.0, description="L2 penalty, added to the gradient.")
    amsgrad: bool = Field(False, description="use the maximum of past second moments.")


class AdamW(Section):
    """AdamW (Loshchilov and Hutter 2019): decoupled weight decay."""

    name: Literal["adamw"]
    lr: Positive = Field(0.001, description="the learning rate.")
    betas: Annotated[tuple[Probability, Probability], Field(strict=False)] = Field((0.9, 0.999), description="decay of both moment averages.")
    eps: Positive = Field(1e-8, description="added to the denominator.")
    weight_decay: NotNegative = Field(0.01, description="decoupled weight decay.")
    amsgrad: bool = Field(False, description="use the maximum of past second moments.")


class NAdam(Section):
    """NAdam (Dozat 2016)."""

    name: Literal["nadam"]
    lr: Positive = Field(0.002, description="the learning rate.")
    betas: Annotated[tuple[Probability, Probability], Field(strict=False)] = Field((0.9, 0.999), description="decay of both moment averages.")
    eps: Positive = Field(1e-8, description="added to the denominator.")
    weight_decay: NotNegative = Field(0.0, description="L2 penalty, added to the gradient.")
    momentum_decay: NotNegative = Field(0.004, description="decay of the momentum schedule.")


class RAdam(Section):
    """RAdam (Liu et al. 2020)."""

    name: Literal["radam"]
    lr: Positive = Field(0.001, description="the learning rate.")
    betas: Annotated[tuple[Probability, Probability], Field(strict=False)] = Field((0.9, 0.999), description="decay of both moment averages.")
    eps: Positive = Field(1e-8, description="added to the denominator.")
    weight_decay: NotNegative = Field(0.0, description="L2 penalty, added to the gradient.")


class Adamax(Section):
    """Adamax (Kingma and Ba 2015, section 7)."""

    name: Literal["adamax"]
    lr: Positive = Field(0.002, description="the learning rate.")
    betas: Annotated[tuple[Probability, Probability], Field(strict=False)] = Field((0.9, 0.999), description="decay of both moment averages.")
    eps: Positive = Field(1e-8, description="added to the denominator.")
    weight_decay: NotNegative = Field(0.0, description="L2 penalty, added to the gradient.")


class RmsProp(Section):
    """RMSProp (Tieleman and Hinton 2012)."""

    name: Literal["rmsprop"]
    lr: Positive = Field(0.001, description="the learning rate.")
    alpha: Probability = Field(0.99, description="decay of the squared-gradient average.")
    eps: Positive = Field(1e-8, description="added to the denominator.")
    weight_decay: NotNegative = Field(0.0, description="L2 penalty, added to the gradient.")
    momentum: Probability = Field(0.0, description="momentum.")
    centered: bool = Field(False, description="divide by the estimated variance instead of the second moment.")


class Adagrad(Section):
    """Adagrad (Duchi et al. 2011)."""

    name: Literal["adagrad"]
    lr: Positive = Field(0.01, description="the learning rate.")
    lr_decay: NotNegative = Field(0.0, description="decay of the rate an update.")
    eps: Positive = Field(1e-10, description="added to the denominator.")
    weight_decay: NotNegative = Field(0.0, description="L2 penalty, added to the gradient.")


class Adadelta(Section):
    """Adadelta (Zeiler 2012)."""

    name: Literal["adadelta"]
    lr: Positive = Field(1.0, description="the learning rate.")
    rho: Probability = Field(0.9, description="decay of the squared-gradient average.")
    eps: Positive = Field(1e-6, description="added inside both roots.")
    weight_decay: NotNegative = Field(0.0, description="L2 penalty, added to the gradient.")


class Sgd(Section):
    """Stochastic gradient descent."""

    name: Literal["sgd"]
    lr: Positive = Field(0.1, description="the learning rate.")
    momentum: Probability = Field(0.0, description="momentum.")
    nesterov: bool = Field(False, description="Nesterov's momentum.")
    weight_decay: NotNegative = Field(0.0, description="L2 penalty, added to the gradient.")

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "Sgd":
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


OptimizerConfig = Annotated[
    Adam | AdamW | NAdam | RAdam | Adamax | RmsProp | Adagrad | Adadelta | Sgd, Field(discriminator="name")
]


class ConstantSchedule(Section):
    """The rate stays as it is."""

    name: Literal["constant"] = Field("constant")
    warmup_updates: CountOrZero = Field(0, description="updates over which the rate rises linearly to its full value.")


class LinearSchedule(Section):
    """The rate falls linearly to `final_share` of itself at the last update of `max_epochs`."""

    name: Literal["linear"]
    warmup_updates: CountOrZero = Field(0, description="updates over which the rate rises linearly to its full value.")
    final_share: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="share of the rate left at the end.")


class CosineSchedule(Section):
    """The rate falls along half a cosine to `final_share` of itself at the last update (Loshchilov and Hutter 2017, no restarts)."""

    name: Literal["cosine"]
    warmup_updates: CountOrZero = Field(0, description="updates over which the rate rises linearly to its full value.")
    final_share: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="share of the rate left at the end.")


class ExponentialSchedule(Section):
    """The rate is multiplied by `gamma` after each epoch."""

    name: Literal["exponential"]
    warmup_updates: CountOrZero = Field(0, description="updates over which the rate rises linearly to its full value.")
    gamma: Annotated[float, Field(gt=0, le=1)] = Field(0.95, description="factor an epoch.")


class PlateauSchedule(Section):
    """The rate is multiplied by `factor` when the monitored score has not improved for `patience` epochs."""

    name: Literal["plateau"]
    warmup_updates: CountOrZero = Field(0, description="updates over which the rate rises linearly to its full value.")
    factor: Annotated[float, Field(gt=0, lt=1)] = Field(0.5, description="factor at each plateau.")
    patience: Count = Field(3, description="epochs without an improvement before the rate falls.")
    min_share: Annotated[float, Field(ge=0, le=1)] = Field(0.001, description="the rate never falls below this share of itself.")


ScheduleConfig = Annotated[
    ConstantSchedule | LinearSchedule | CosineSchedule | ExponentialSchedule | PlateauSchedule,
    Field(discriminator="name"),
]


class ImbalanceConfig(Section):
    """At most one remedy for rare relations."""

    class_weights: Literal["none", "inverse", "effective"] = Field(
        "none",
        description="weights on the loss of each relation: `inverse` frequency, or the `effective` number of "
        "examples (Cui et al. 2019); scaled so that the mean weight of a training example is 1.",
    )
    effective_beta: Probability = Field(0.999, description="beta of the effective number.")
    weighted_sampling: bool = Field(
        False, description="draw the examples of an epoch with replacement, every relation equally often on average."
    )
    focal_gamma: Positive | None = Field(None, description="gamma of the focal loss (Lin et al. 2017); usual: 2.")
    logit_adjustment: Positive | None = Field(
        None, description="tau of the logit-adjusted loss (Menon et al. 2021, eq. 10); usual: 1."
    )

    @model_validator(mode="after")
    def _one_remedy(self) -> "ImbalanceConfig":
        chosen = [
            name
            for name, on in (
                ("class_weights", self.class_weights != "none"),
                ("weighted_sampling", self.weighted_sampling),
                ("focal_gamma", self.focal_gamma is not None),
                ("logit_adjustment", self.logit_adjustment is not None),
            )
            if on
        ]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} together correct the same imbalance twice; choose one")
        return self


MonitorName = Literal[
    "macro_f1", "loss", "nll", "accuracy", "macro_f1_positive", "micro_f1_positive", "semeval2010"
]


class TrainingConfig(Section):
    """The loop: batches, updates, the optimiser, and when to stop."""

    batch_size: Count = Field(50, description="sentences a batch.")
    bucket_batches: Count = Field(
        50,
        description="batches are made of sentences of like length within pools of this many batches of shuffled "
        "sentences (less padding, the same randomness); 1 shuffles plainly.",
    )
    update_every: Annotated[
        Annotated[int, Field(ge=1)] | Literal["batch", "epoch", "epoch_mean"], Field(union_mode="left_to_right")
    ] = Field(
        "batch",
        description="when the optimiser steps: `batch`; an integer N, the mean gradient over all examples of N "
        "batches; `epoch_mean`, one update an epoch from the mean gradient over all examples; `epoch`, one update an "
        "epoch from the last batch alone (the fault of the README's story, kept to study it).",
    )
    max_epochs: Count = Field(50, description="the most epochs; too many over-fit.")
    max_seconds: Positive | None = Field(None, description="stop after the epoch in which this much time was spent.")
    monitor: MonitorName = Field(
        "macro_f1", description="the dev score that picks the best epoch and that the stop rule watches."
    )
    patience: Count | None = Field(
        10, description="stop when the smoothed monitored score has not improved for this many epochs; null: never."
    )
    min_delta: NotNegative = Field(0.0, description="a smaller improvement does not count for the stop rule.")
    min_epochs: Count = Field(1, description="the stop rule is silent before this epoch.")
    smooth: Count = Field(
        3, description="the stop rule watches the mean of the last this many epochs; the best epoch is picked on the raw score."
    )
    divergence: Positive | None = Field(
        10.0,
        description="stop as diverged when the train loss of three epochs on end exceeds this many times ln(relations); null: never.",
    )
    optimizer: OptimizerConfig = Field(Adam(), description="the optimiser and its own parameters.")
    schedule: ScheduleConfig = Field(ConstantSchedule(), description="how the learning rate changes.")
    clip_norm: Positive | None = Field(None, description="scale the gradient down to this L2 norm where it is larger.")
    imbalance: ImbalanceConfig = Field(ImbalanceConfig(), description="at most one remedy for rare relations.")
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")] = Field(
        "auto", description="`auto` (CUDA, then MPS, then the CPU), `cpu`, `cuda`, `cuda:1`, `mps`."
    )
    deterministic: bool = Field(
        False, description="deterministic algorithms on CUDA; on a CPU a run is always deterministic."
    )
    threads: Count | None = Field(None, description="CPU threads; null: all cores. A resumed run keeps its number.")

    @model_validator(mode="after")
    def _min_epochs_fit(self) -> "TrainingConfig":
        if self.min_epochs > self.max_epochs:
            raise ValueError(f"min_epochs ({self.min_epochs}) is above max_epochs ({self.max_epochs})")
        return self


class ScoringConfig(Section):
    """How scores get their intervals."""

    bootstrap_samples: Annotated[int, Field(ge=100)] = Field(
        1000, description="bootstrap samples behind each standard error and interval."
    )


class ExperimentConfig(Section):
    """One experiment: everything that decides what a run computes."""

    seed: CountOrZero = Field(1, description="seed of initialisation, order and dropout.")
    data: DataConfig = Field(description="the corpus.")
    encoding: EncodingConfig = Field(EncodingConfig(), description="from tokens to numbers.")
    model: CnnConfig = Field(CnnConfig(), description="the network.")
    training: TrainingConfig = Field(TrainingConfig(), description="the loop.")
    scoring: ScoringConfig = Field(ScoringConfig(), description="scores.")

    @model_validator(mode="after")
    def _all_data_needs_no_dev(self) -> "ExperimentConfig":
        if self.data.all_data and self.training.schedule.name == "plateau":
            raise ValueError("data.all_data leaves no dev score for the plateau schedule to watch")
        return self


def json_schema() -> dict[str, Any]:
    """The JSON schema of a config file, for editors that complete and check YAML."""
    return ExperimentConfig.model_json_schema()
