"""The experiment config: every key, its type, its default and its meaning, as frozen pydantic models.

The descriptions are the manual: `docs/config.md` and `relclf config schema` are made from them.
This module only says what a valid config is; `relclf.config.loading` reads one from a file.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from relclf.config.formats import AutoFormat, FormatConfig
from relclf.config.section import Section, named
from relclf.data.charsets import extends_ascii

Probability = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]


def _name_of_a_file(value: Any) -> Any:
    """Refuse text that names no file: pathlib would read the empty one as the current directory."""
    if isinstance(value, str) and (not value.strip() or "\0" in value):
        raise ValueError("names no file")
    return value


PathValue = Annotated[Path, Field(strict=False), BeforeValidator(_name_of_a_file)]


def _list_of_sources(value: Any) -> Any:
    """One source or several, each a path or a mapping `{transformer: FOLDER}`, as a list of paths."""
    if value is None:
        return None
    items = value if isinstance(value, list | tuple) else [value]
    return [
        item["transformer"] if isinstance(item, dict) and list(item) == ["transformer"] else item
        for item in items
    ]


_VECTOR_SOURCE = {
    "anyOf": [
        {"type": "string", "format": "path"},
        {
            "type": "object",
            "properties": {"transformer": {"type": "string", "format": "path"}},
            "required": ["transformer"],
            "additionalProperties": False,
        },
    ]
}
VectorSources = Annotated[
    tuple[PathValue, ...],
    Field(strict=False, min_length=1),
    BeforeValidator(_list_of_sources),
    WithJsonSchema(
        {"anyOf": [*_VECTOR_SOURCE["anyOf"], {"type": "array", "items": _VECTOR_SOURCE, "minItems": 1}]}
    ),
]


class DataHashes(Section):
    """SHA-256 of the files as they were when the run was made; a file that differs is refused."""

    train: str | None = Field(default=None, description="of `data.train`.")
    dev: str | None = Field(default=None, description="of `data.dev`, where it is a file.")
    test: str | None = Field(default=None, description="of `data.test`.")
    vectors: str | None = Field(
        default=None, description="of `encoding.vectors`; of several files, of their hashes."
    )


class DataConfig(Section):
    """Which files, and what the relations mean. Paths are relative to the config's own file."""

    train: PathValue = Field(description="the training sentences.")
    dev: Annotated[Share | PathValue, Field(union_mode="left_to_right")] = Field(
        default=0.1,
        description="the dev sentences that pick the epoch: a file, or a share of train between 0 and 1 "
        "(stratified by relation).",
    )
    test: Annotated[Share | PathValue | None, Field(union_mode="left_to_right")] = Field(
        default=None,
        description="the test sentences, which only `relclf evaluate` and `relclf inspect` look at: a file, or a "
        "share of train, taken out before dev is.",
    )
    format: FormatConfig = Field(
        default=AutoFormat(),
        description="the files' format: its name, or a mapping of its `name` and its options (`docs/formats.md`).",
    )
    charset: str = Field(
        default="utf-8",
        description="the files' encoding of characters: `utf-8`, `latin-1`, `cp1252`, `gb18030` or another that "
        "Python knows and that extends ASCII.",
    )
    skip_bad: bool = Field(
        default=False,
        description="pass over malformed records, counted and said, instead of refusing the file.",
    )
    group_by: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="examples that are alike in this stay on one side of every split: `sentence` (the same words), "
        "`document` in brat's folders, or a key or column of the files.",
    )
    folds: Annotated[int, Field(ge=2)] | None = Field(
        default=None,
        description="cross-validation: train is cut in this many folds, stratified by relation, and each is the test "
        "set of a run of its own (`relclf train --folds K` sets it).",
    )
    fold: Count | None = Field(
        default=None,
        description="the fold that this run is tested on, from 1; `relclf train` trains all of them.",
    )
    negative_relation: str | None = Field(
        default=None,
        description="the relation that means 'none of the others' (`Other`, `no_relation`), as the files "
        "spell it; declared, never guessed.",
    )
    split_seed: CountOrZero = Field(
        default=1,
        description="seed of the dev split, apart from `seed`, so that runs of several seeds share one "
        "dev set.",
    )
    all_data: bool = Field(
        default=False,
        description="train on train and dev together, for a final model once the number of epochs is known; "
        "nothing is measured on dev (`relclf train --all-data --epochs N` sets it).",
    )
    sha256: DataHashes = Field(
        default=DataHashes(),
        description="SHA-256 of the files; a run's saved config has them, and a file that has changed is "
        "refused.",
    )

    @field_validator("format", mode="before")
    @classmethod
    def _name_of_a_format(cls, value: Any) -> Any:
        return named(value)

    @model_validator(mode="after")
    def _known_charset(self) -> "DataConfig":
        if not extends_ascii(self.charset):
            raise ValueError(
                f"charset: {self.charset!r} is no encoding that Python knows and that extends ASCII; try utf-8, "
                "latin-1 or cp1252"
            )
        return self

    @model_validator(mode="after")
    def _folds_are_the_test(self) -> "DataConfig":
        if self.folds is not None and self.test is not None:
            raise ValueError("with folds each fold is the test set; leave out test")
        if self.fold is not None and (self.folds is None or self.fold > self.folds):
            raise ValueError(f"fold {self.fold} needs folds of at least as many (got {self.folds or 'null'})")
        if self.folds is not None and isinstance(self.dev, Path):
            raise ValueError("folds are made of train alone; with them dev is a share of what is left")
        return self


class EncodingConfig(Section):
    """How sentences become tokens, and tokens numbers."""

    tokenizer: Literal["words-2", "words-1", "characters-1"] = Field(
        default="words-2",
        description="how a text is split where the files hold no tokens (`docs/formats.md`): words; words as before "
        "combining marks stayed with theirs; single characters, for Chinese and other writing without blanks.",
    )
    min_count: Count = Field(
        default=1,
        description="words rarer than this in train become the unknown word, unless `vectors` has them or n-grams "
        "spell them (`missing_vectors`).",
    )
    lowercase: bool = Field(default=True, description="fold words to lower case.")
    fold_digits: bool = Field(default=True, description="write every digit as 0.")
    max_distance: Count = Field(
        default=50, description="relative positions are clipped to ± this many tokens."
    )
    max_length: Annotated[int, Field(ge=3)] = Field(
        default=256, description="the longest sentence, in tokens."
    )
    too_long: Literal["refuse", "window"] = Field(
        default="refuse",
        description="what to do with a longer sentence: `refuse`, or cut a `window` of `max_length` tokens "
        "around both mentions (counted and said).",
    )
    span: CountOrZero | None = Field(
        default=None,
        description="read no more than this many tokens before the first mention and after the second; null: all.",
    )
    mask_mentions: bool | Literal["types"] = Field(
        default=False,
        description="read `[HEAD]` and `[TAIL]` in place of each word of the mentions, where their names would give "
        "the relation away; `types`: `[HEAD-PERSON]` and the like, of their types, which each mention needs.",
    )
    markers: bool = Field(
        default=False,
        description="read `<head>` and `</head>`, `<tail>` and `</tail>` as words around the mentions.",
    )
    vectors: VectorSources | None = Field(
        default=None,
        description="word vectors: text (GloVe, word2vec, fastText), `.bin` (word2vec), `.npy`, or "
        "`{transformer: FOLDER}`; of several the vectors stand side by side. Their width must be "
        "`model.word_dim`. See `docs/vectors.md`.",
    )
    freeze_vectors: bool = Field(
        default=False, description="keep the word vectors as their source has them while training."
    )
    vectors_std: Positive | None = Field(
        default=None,
        description="scale each source so that the vectors of train's words have this standard deviation.",
    )
    missing_vectors: Literal["random", "zero", "mean", "ngrams"] = Field(
        default="random",
        description="where words of train that the vectors lack begin: drawn with `model.word_std`, at zero, or at "
        "the mean of the vectors found; the unknown word too. `ngrams`: each word that the vectors lack, later ones "
        "too, is the mean of its hashed character n-grams, which are trained.",
    )
    ngram_buckets: Count = Field(
        default=2**14, description="rows of the table that `missing_vectors: ngrams` hashes n-grams into."
    )
    pack_vectors: bool = Field(
        default=False,
        description="keep a copy of all word vectors in the run, for words that it meets later; false: such words "
        "are looked up in the source (`relclf train --pack-vectors` sets it).",
    )

    @model_validator(mode="after")
    def _vectors_to_freeze(self) -> "EncodingConfig":
        if self.vectors is None:
            for name in ("freeze_vectors", "pack_vectors"):
                if getattr(self, name):
                    raise ValueError(f"{name} needs vectors")
            if self.missing_vectors == "ngrams":
                raise ValueError("missing_vectors: ngrams needs vectors, which lack some words")
        return self


class CnnConfig(Section):
    """A convolutional network over word and position embeddings; `docs/models.md` draws what each key changes."""

    name: Literal["cnn", "pcnn", "attention_cnn"] = Field(
        default="cnn",
        description="which network: `cnn` pools over the whole sentence (Zeng et al. 2014), `pcnn` over the tokens "
        "up to the end of the first mention, up to that of the second, and after both (Zeng et al. 2015); "
        "`attention_cnn` has besides, for each mention, a mean of the words that attend to it (Shen and Huang 2016).",
    )
    word_dim: Count = Field(default=50, description="width of the word embedding.")
    word_std: Positive = Field(
        default=0.1,
        description="standard deviation of the initial word embedding, for words that `encoding.vectors` lacks.",
    )
    position_dim: CountOrZero = Field(
        default=5, description="width of each of the two position inputs; 0 leaves them out."
    )
    positions: Literal["embedding", "sinusoid"] = Field(
        default="embedding",
        description="what stands for a relative position: a row that is learned, or the sines and cosines of Vaswani "
        "et al. 2017, which are not.",
    )
    windows: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False, min_length=1)] = Field(
        default=(3,), description="widths of the filters, in tokens."
    )
    filters: Count = Field(default=200, description="filters of each width.")
    activation: Literal["tanh", "relu", "gelu"] = Field(
        default="tanh", description="applied to the filters' outputs before pooling."
    )
    mention_features: bool = Field(
        default=False,
        description="also give the last layers the word vectors of both mentions (the mean over a mention's "
        "tokens) and of the tokens on either side of each.",
    )
    hidden: CountOrZero = Field(
        default=0, description="width of a hidden tanh layer between pooling and the scores; 0: none."
    )
    word_dropout: Probability = Field(
        default=0.0, description="share of the words that training replaces by the unknown word."
    )
    embedding_dropout: Probability = Field(
        default=0.0, description="dropout on the embeddings, each number of each token by itself."
    )
    dropout: Probability = Field(default=0.5, description="dropout after pooling, mention features included.")

    @property
    def reads_positions(self) -> bool:
        """Whether the network is told where the mentions are, in any way but by words."""
        return self.position_dim > 0 or self.mention_features or self.name in ("pcnn", "attention_cnn")

    @property
    def pooled(self) -> int:
        """Numbers of a sentence that pooling gives."""
        return self.filters * len(self.windows) * (3 if self.name == "pcnn" else 1)

    @property
    def features(self) -> int:
        """Numbers of a sentence that the last layers are given."""
        mentions, attended = self.mention_features, self.name == "attention_cnn"
        return self.pooled + (6 * mentions + 2 * attended) * self.word_dim


class Adam(Section):
    """Adam (Kingma and Ba 2015)."""

    name: Literal["adam"] = Field(default="adam", description="which optimiser.")
    lr: Positive = Field(default=0.001, description="the learning rate.")
    betas: Annotated[tuple[Probability, Probability], Field(strict=False)] = Field(
        default=(0.9, 0.999), description="decay of both moment averages."
    )
    eps: Positive = Field(default=1e-8, description="added to the denominator.")
    weight_decay: NotNegative = Field(default=0.0, description="L2 penalty, added to the gradient.")
    amsgrad: bool = Field(default=False, description="use the maximum of past second moments.")
    rows: Literal["all", "touched"] = Field(
        default="all",
        description="`touched` leaves the rows of words that a batch lacks as they are (row-wise or lazy Adam, "
        "another algorithm; on a CPU only); `all` is Adam as defined.",
    )

    @model_validator(mode="after")
    def _touched_rows_are_plain(self) -> "Adam":
        if self.rows == "touched" and (self.weight_decay or self.amsgrad):
            raise ValueError("rows: touched goes with neither weight_decay nor amsgrad")
        return self


class AdamW(Section):
    """AdamW (Loshchilov and Hutter 2019): decoupled weight decay."""

    name: Literal["adamw"] = Field(description="which optimiser.")
    lr: Positive = Field(default=0.001, description="the learning rate.")
    betas: Annotated[tuple[Probability, Probability], Field(strict=False)] = Field(
        default=(0.9, 0.999), description="decay of both moment averages."
    )
    eps: Positive = Field(default=1e-8, description="added to the denominator.")
    weight_decay: NotNegative = Field(default=0.01, description="decoupled weight decay.")
    amsgrad: bool = Field(default=False, description="use the maximum of past second moments.")


class NAdam(Section):
    """NAdam (Dozat 2016)."""

    name: Literal["nadam"] = Field(description="which optimiser.")
    lr: Positive = Field(default=0.002, description="the learning rate.")
    betas: Annotated[tuple[Probability, Probability], Field(strict=False)] = Field(
        default=(0.9, 0.999), description="decay of both moment averages."
    )
    eps: Positive = Field(default=1e-8, description="added to the denominator.")
    weight_decay: NotNegative = Field(default=0.0, description="L2 penalty, added to the gradient.")
    momentum_decay: NotNegative = Field(default=0.004, description="decay of the momentum schedule.")


class RAdam(Section):
    """RAdam (Liu et al. 2020)."""

    name: Literal["radam"] = Field(description="which optimiser.")
    lr: Positive = Field(default=0.001, description="the learning rate.")
    betas: Annotated[tuple[Probability, Probability], Field(strict=False)] = Field(
        default=(0.9, 0.999), description="decay of both moment averages."
    )
    eps: Positive = Field(default=1e-8, description="added to the denominator.")
    weight_decay: NotNegative = Field(default=0.0, description="L2 penalty, added to the gradient.")


class Adamax(Section):
    """Adamax (Kingma and Ba 2015, section 7)."""

    name: Literal["adamax"] = Field(description="which optimiser.")
    lr: Positive = Field(default=0.002, description="the learning rate.")
    betas: Annotated[tuple[Probability, Probability], Field(strict=False)] = Field(
        default=(0.9, 0.999), description="decay of both moment averages."
    )
    eps: Positive = Field(default=1e-8, description="added to the denominator.")
    weight_decay: NotNegative = Field(default=0.0, description="L2 penalty, added to the gradient.")


class RmsProp(Section):
    """RMSProp (Tieleman and Hinton 2012)."""

    name: Literal["rmsprop"] = Field(description="which optimiser.")
    lr: Positive = Field(default=0.001, description="the learning rate.")
    alpha: Probability = Field(default=0.99, description="decay of the squared-gradient average.")
    eps: Positive = Field(default=1e-8, description="added to the denominator.")
    weight_decay: NotNegative = Field(default=0.0, description="L2 penalty, added to the gradient.")
    momentum: Probability = Field(default=0.0, description="momentum.")
    centered: bool = Field(
        default=False, description="divide by the estimated variance instead of the second moment."
    )


class Adagrad(Section):
    """Adagrad (Duchi et al. 2011)."""

    name: Literal["adagrad"] = Field(description="which optimiser.")
    lr: Positive = Field(default=0.01, description="the learning rate.")
    lr_decay: NotNegative = Field(default=0.0, description="decay of the rate an update.")
    eps: Positive = Field(default=1e-10, description="added to the denominator.")
    weight_decay: NotNegative = Field(default=0.0, description="L2 penalty, added to the gradient.")


class Adadelta(Section):
    """Adadelta (Zeiler 2012)."""

    name: Literal["adadelta"] = Field(description="which optimiser.")
    lr: Positive = Field(default=1.0, description="the learning rate.")
    rho: Probability = Field(default=0.9, description="decay of the squared-gradient average.")
    eps: Positive = Field(default=1e-6, description="added inside both roots.")
    weight_decay: NotNegative = Field(default=0.0, description="L2 penalty, added to the gradient.")


class Sgd(Section):
    """Stochastic gradient descent."""

    name: Literal["sgd"] = Field(description="which optimiser.")
    lr: Positive = Field(default=0.1, description="the learning rate.")
    momentum: Probability = Field(default=0.0, description="momentum.")
    nesterov: bool = Field(default=False, description="Nesterov's momentum.")
    weight_decay: NotNegative = Field(default=0.0, description="L2 penalty, added to the gradient.")

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "Sgd":
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class Backtracking(Section):
    """SGD whose step each update finds by a two-way Armijo line search (Armijo 1966; Truong and Nguyen 2018).

    It is for the training without a schedule, without clipping, and with an update a batch (docs/optimisers.md).
    """

    name: Literal["backtracking"] = Field(description="which optimiser.")
    lr: Positive = Field(default=1.0, description="the first step that is tried; later ones are found.")
    decrease: Share = Field(
        default=0.1,
        description="share of the decrease that the gradient promises, which a step must bring to be taken "
        "(Armijo's constant).",
    )
    shrink: Share = Field(
        default=0.5, description="factor on the step after a trial that brought too little."
    )
    growth: Annotated[float, Field(ge=1)] = Field(
        default=1.2, description="the next search begins at this many times the step that was taken."
    )
    min_step: Positive = Field(default=1e-6, description="a search that needs a smaller step has failed.")
    max_step: Positive = Field(default=10.0, description="no larger step is tried.")
    momentum: Probability = Field(
        default=0.0,
        description="decay of the mean of the steps found, by which the weights move; the search knows nothing "
        "of it.",
    )
    weight_decay: NotNegative = Field(default=0.0, description="L2 penalty, part of the objective searched.")

    @model_validator(mode="after")
    def _steps_in_order(self) -> "Backtracking":
        if not self.min_step <= self.lr <= self.max_step:
            raise ValueError(
                f"min_step ({self.min_step:g}), lr ({self.lr:g}) and max_step ({self.max_step:g}) must rise"
            )
        return self


class Prodigy(Section):
    """Prodigy (Mishchenko and Defazio 2024), which estimates Adam's rate; needs `relclf[optimizers]`."""

    name: Literal["prodigy"] = Field(description="which optimiser.")
    lr: Positive = Field(default=1.0, description="a factor on the rate that it estimates.")
    betas: Annotated[tuple[Probability, Probability], Field(strict=False)] = Field(
        default=(0.9, 0.999), description="decay of both moment averages."
    )
    eps: Positive = Field(default=1e-8, description="added to the denominator.")
    weight_decay: NotNegative = Field(default=0.0, description="decoupled weight decay.")
    d_coef: Positive = Field(default=1.0, description="a factor on the estimate.")


class ScheduleFree(Section):
    """Schedule-free AdamW (Defazio et al. 2024), whose averaged weights are scored; needs `relclf[optimizers]`."""

    name: Literal["schedule_free"] = Field(description="which optimiser.")
    lr: Positive = Field(default=0.0025, description="the learning rate.")
    betas: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], Probability], Field(strict=False)] = Field(
        default=(0.9, 0.999), description="share of the average in the weights that are trained, and decay."
    )
    eps: Positive = Field(default=1e-8, description="added to the denominator.")
    weight_decay: NotNegative = Field(default=0.0, description="decoupled weight decay.")


OptimizerConfig = Annotated[
    Adam
    | AdamW
    | NAdam
    | RAdam
    | Adamax
    | RmsProp
    | Adagrad
    | Adadelta
    | Sgd
    | Backtracking
    | Prodigy
    | ScheduleFree,
    Field(discriminator="name"),
]


class ConstantSchedule(Section):
    """The rate stays as it is."""

    name: Literal["constant"] = Field(default="constant", description="which schedule.")
    warmup_updates: CountOrZero = Field(
        default=0, description="updates over which the rate rises linearly to its full value."
    )


class LinearSchedule(Section):
    """The rate falls linearly to `final_share` of itself, reached after the last update of `max_epochs`."""

    name: Literal["linear"] = Field(description="which schedule.")
    warmup_updates: CountOrZero = Field(
        default=0, description="updates over which the rate rises linearly to its full value."
    )
    final_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0, description="share of the rate left at the end."
    )


class CosineSchedule(Section):
    """The rate falls along half a cosine to `final_share` of itself, reached after the last update of `max_epochs`.

    Loshchilov and Hutter 2017, without restarts.
    """

    name: Literal["cosine"] = Field(description="which schedule.")
    warmup_updates: CountOrZero = Field(
        default=0, description="updates over which the rate rises linearly to its full value."
    )
    final_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0, description="share of the rate left at the end."
    )


class ExponentialSchedule(Section):
    """The rate is multiplied by `gamma` after each epoch."""

    name: Literal["exponential"] = Field(description="which schedule.")
    warmup_updates: CountOrZero = Field(
        default=0, description="updates over which the rate rises linearly to its full value."
    )
    gamma: Annotated[float, Field(gt=0, le=1)] = Field(default=0.95, description="factor an epoch.")


class PlateauSchedule(Section):
    """The rate is multiplied by `factor` when the monitored score has not improved for `patience` epochs."""

    name: Literal["plateau"] = Field(description="which schedule.")
    warmup_updates: CountOrZero = Field(
        default=0, description="updates over which the rate rises linearly to its full value."
    )
    factor: Annotated[float, Field(gt=0, lt=1)] = Field(default=0.5, description="factor at each plateau.")
    patience: Count = Field(default=3, description="epochs without an improvement before the rate falls.")
    min_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.001, description="the rate never falls below this share of itself."
    )


ScheduleConfig = Annotated[
    ConstantSchedule | LinearSchedule | CosineSchedule | ExponentialSchedule | PlateauSchedule,
    Field(discriminator="name"),
]


class CrossEntropyLoss(Section):
    """Cross-entropy of the softmax over the scores."""

    name: Literal["cross_entropy"] = Field(default="cross_entropy", description="which loss.")
    label_smoothing: Probability = Field(
        default=0.0,
        description="share of the gold relation's probability that is spread over all relations alike "
        "(Szegedy et al. 2016, section 7).",
    )


class RankingLoss(Section):
    """The pairwise ranking loss of CR-CNN (dos Santos et al. 2015, eq. 1): the gold relation above a margin, the best
    other one below another. The score of `data.negative_relation` is always 0: it is predicted where no other score
    is above.
    """

    name: Literal["ranking"] = Field(description="which loss.")
    scale: Positive = Field(
        default=2.0, description="gamma, by which distances to the margins are multiplied."
    )
    gold_margin: Positive = Field(
        default=2.5, description="m+, which the gold relation's score should exceed."
    )
    other_margin: Positive = Field(
        default=0.5, description="m-: the best other relation's score should be below minus this."
    )


LossConfig = Annotated[CrossEntropyLoss | RankingLoss, Field(discriminator="name")]


class ImbalanceConfig(Section):
    """At most one remedy for rare relations."""

    class_weights: Literal["none", "inverse", "effective"] = Field(
        default="none",
        description="weights on the loss of each relation: `inverse` frequency, or the `effective` number of "
        "examples (Cui et al. 2019); scaled so that the mean weight of a training example is 1.",
    )
    effective_beta: Probability = Field(default=0.999, description="beta of the effective number.")
    weighted_sampling: bool = Field(
        default=False,
        description="draw the examples of an epoch with replacement, every relation equally often on "
        "average.",
    )
    focal_gamma: Positive | None = Field(
        default=None, description="gamma of the focal loss (Lin et al. 2017); usual: 2."
    )
    logit_adjustment: Positive | None = Field(
        default=None, description="tau of the logit-adjusted loss (Menon et al. 2021, eq. 10); usual: 1."
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


class PatienceRule(Section):
    """Stop when the mean of `smooth` monitored scores has not risen by `min_delta` for `patience` epochs."""

    name: Literal["patience"] = Field(default="patience", description="which rule.")


class OneSeRule(Section):
    """Stop when no epoch of the last `patience` beats the best before them by more than its standard error."""

    name: Literal["one_se"] = Field(description="which rule.")


_ERROR_MEANING = (
    "the error that is watched: dev `loss`, or the `monitor` (1 - score, or the loss that it is)."
)
_STRIP_MEANING = "epochs a strip; the rule speaks at the end of strips only."


class GlRule(Section):
    """Generalisation loss (Prechelt 1998): stop when the dev error is `alpha` % above its least so far."""

    name: Literal["gl"] = Field(description="which rule.")
    alpha: Positive = Field(default=20.0, description="percent.")
    on: Literal["loss", "monitor"] = Field(default="loss", description=_ERROR_MEANING)


class PqRule(Section):
    """Progress quotient (Prechelt 1998): stop when the generalisation loss is `alpha` times train's progress.

    Progress: how far, in per mille, the mean train loss of a strip lies above its least.
    """

    name: Literal["pq"] = Field(description="which rule.")
    alpha: Positive = Field(default=0.5, description="quotient.")
    strip: Count = Field(default=5, description=_STRIP_MEANING)
    on: Literal["loss", "monitor"] = Field(default="loss", description=_ERROR_MEANING)


class UpRule(Section):
    """Stop when the dev error has risen from the end of one strip to the next `strips` times on end (Prechelt 1998)."""

    name: Literal["up"] = Field(description="which rule.")
    strips: Count = Field(default=3, description="rises on end.")
    strip: Count = Field(default=5, description=_STRIP_MEANING)
    on: Literal["loss", "monitor"] = Field(default="loss", description=_ERROR_MEANING)


StopRule = Annotated[PatienceRule | OneSeRule | GlRule | PqRule | UpRule, Field(discriminator="name")]


MonitorName = Literal[
    "macro_f1", "loss", "nll", "accuracy", "macro_f1_positive", "micro_f1_positive", "semeval2010"
]


_DEFAULT_NAMES = {"optimizer": "adam", "schedule": "constant", "stop": "patience", "loss": "cross_entropy"}


class TrainingConfig(Section):
    """The loop: batches, updates, the optimiser, and when to stop."""

    batch_size: Count = Field(default=50, description="sentences a batch.")
    bucket_batches: Count = Field(
        default=50,
        description="batches are made of sentences of like length within pools of this many batches of "
        "shuffled sentences (less padding, the same randomness); 1 shuffles plainly.",
    )
    update_every: Annotated[
        Annotated[int, Field(ge=1)] | Literal["batch", "epoch", "epoch_mean"],
        Field(union_mode="left_to_right"),
    ] = Field(
        default="batch",
        description="when the optimiser steps: `batch`; an integer N, the mean gradient over all examples "
        "of N batches; `epoch_mean`, one update an epoch from the mean gradient over all examples; `epoch`, "
        "one update an epoch from the last batch alone (the fault of the README's story, kept to study it).",
    )
    max_epochs: Count = Field(default=50, description="the most epochs; too many over-fit.")
    max_seconds: Positive | None = Field(
        default=None, description="stop after the epoch in which this much time was spent."
    )
    max_updates: Count | None = Field(
        default=None, description="stop after the epoch in which this many updates were done."
    )
    monitor: MonitorName = Field(
        default="macro_f1",
        description="the dev score that picks the best epoch and that the stop rule watches.",
    )
    stop: StopRule = Field(
        default=PatienceRule(),
        description="when to stop before `max_epochs`, from the records alone (docs/stopping.md).",
    )
    patience: Count | None = Field(
        default=10,
        description="stop when the smoothed monitored score has not improved for this many epochs; null: "
        "never.",
    )
    min_delta: NotNegative = Field(
        default=0.0, description="a smaller improvement does not count for the stop rule."
    )
    min_epochs: Count = Field(default=1, description="the stop rule is silent before this epoch.")
    smooth: Count = Field(
        default=3,
        description="the stop rule watches the mean over this many last epochs; the best epoch is picked "
        "on the raw score.",
    )
    keep: Literal["best", "all"] = Field(
        default="best",
        description="whose weights stay in the run directory: of the `best` epoch (and the last checkpoints, to "
        "resume from), or of `all` epochs, for `relclf stop`.",
    )
    divergence: Positive | None = Field(
        default=10.0,
        description="stop as diverged when the train loss of three epochs on end exceeds this many times "
        "ln(relations); null: never.",
    )
    optimizer: OptimizerConfig = Field(default=Adam(), description="the optimiser and its own parameters.")
    schedule: ScheduleConfig = Field(default=ConstantSchedule(), description="how the learning rate changes.")
    word_rate: Positive = Field(
        default=1.0,
        description="the learning rate of the word embedding, as a share of that of all other weights.",
    )
    words_from_epoch: Count = Field(
        default=1, description="the word embedding stays as it begins until this epoch."
    )
    clip_norm: Positive | None = Field(
        default=None, description="scale the gradient down to this L2 norm where it is larger."
    )
    loss: LossConfig = Field(default=CrossEntropyLoss(), description="what is minimised.")
    imbalance: ImbalanceConfig = Field(
        default=ImbalanceConfig(), description="at most one remedy for rare relations."
    )
    weight_average: Probability | None = Field(
        default=None,
        description="evaluate, and keep for use, an average of the weights over the epochs so far instead of the "
        "last ones; each epoch counts this many times as much as the one after it (0.5 to 0.9); null: none.",
    )
    device: Annotated[
        str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$", examples=["auto", "cpu", "cuda", "cuda:1", "mps"])
    ] = Field(
        default="auto", description="`auto` (CUDA, then MPS, then the CPU), `cpu`, `cuda`, `cuda:1`, `mps`."
    )
    deterministic: bool = Field(
        default=False, description="deterministic algorithms on CUDA; on a CPU a run is always deterministic."
    )
    precision: Literal["float32", "tf32", "bf16"] = Field(
        default="float32",
        description="of the products of an update on CUDA: `tf32` rounds their inputs to 10 bits, `bf16` the "
        "filters' inputs and outputs to 7; weights, losses and every evaluation stay float32.",
    )
    graphs: bool = Field(
        default=True,
        description="on CUDA, record an update once for each shape of a batch and replay it (CUDA graphs); "
        "false launches every operation by itself.",
    )
    threads: Count | None = Field(
        default=None,
        description="CPU threads; null: `OMP_NUM_THREADS` where it is set, else all cores. A resumed run keeps "
        "its number.",
    )

    @field_validator("optimizer", "schedule", "stop", "loss", mode="before")
    @classmethod
    def _default_name(cls, value: Any, info: ValidationInfo) -> Any:
        """A mapping without a name sets keys of the default: `optimizer: {lr: 0.01}` is Adam."""
        if isinstance(value, dict):
            return named(value, _DEFAULT_NAMES[str(info.field_name)])
        return value

    @model_validator(mode="after")
    def _remedy_fits_the_loss(self) -> "TrainingConfig":
        remedy = "focal_gamma" if self.imbalance.focal_gamma is not None else "logit_adjustment"
        if getattr(self.imbalance, remedy) is None:
            return self
        if self.loss.name == "ranking":
            raise ValueError(f"imbalance.{remedy} is defined for the cross-entropy, not for the ranking loss")
        if self.loss.label_smoothing and remedy == "focal_gamma":
            raise ValueError(
                "imbalance.focal_gamma and loss.label_smoothing go together in no paper; choose one"
            )
        return self

    @model_validator(mode="after")
    def _min_epochs_fit(self) -> "TrainingConfig":
        if self.min_epochs > self.max_epochs:
            raise ValueError(f"min_epochs ({self.min_epochs}) is above max_epochs ({self.max_epochs})")
        return self

    @model_validator(mode="after")
    def _one_se_has_its_error(self) -> "TrainingConfig":
        if self.stop.name == "one_se" and (self.monitor != "macro_f1" or self.patience is None):
            raise ValueError(
                "stop: one_se needs monitor: macro_f1, whose standard error is measured, and a patience"
            )
        return self

    @model_validator(mode="after")
    def _own_step_is_left_alone(self) -> "TrainingConfig":
        name = self.optimizer.name
        scheduled = self.schedule.name != "constant" or self.schedule.warmup_updates > 0
        if name == "backtracking":
            for refused, key in (
                (self.clip_norm is not None, "clip_norm"),
                (scheduled, "schedule"),
                (self.update_every not in ("batch", 1), "update_every"),
            ):
                if refused:
                    raise ValueError(
                        f"optimizer: backtracking finds each step on the loss of one batch, which {key} would "
                        f"change behind its back; leave {key} out"
                    )
        if name in ("backtracking", "prodigy", "schedule_free") and (
            self.word_rate != 1 or self.words_from_epoch != 1
        ):
            raise ValueError(
                f"optimizer: {name} has one step for all weights; leave out word_rate and words_from_epoch"
            )
        if name == "schedule_free" and self.schedule.name != "constant":
            raise ValueError(
                "optimizer: schedule_free averages weights instead of lowering the rate; leave schedule out"
            )
        return self


class ScoringConfig(Section):
    """How scores get their intervals."""

    bootstrap_samples: Annotated[int, Field(ge=100)] = Field(
        default=1000, description="bootstrap samples behind each standard error and interval."
    )


class ExperimentConfig(Section):
    """One experiment: everything that decides what a run computes."""

    seed: CountOrZero = Field(default=1, description="seed of initialisation, order and dropout.")
    data: DataConfig = Field(description="the corpus.")
    encoding: EncodingConfig = Field(default=EncodingConfig(), description="from tokens to numbers.")
    model: CnnConfig = Field(default=CnnConfig(), description="the network.")
    training: TrainingConfig = Field(default=TrainingConfig(), description="the loop.")
    scoring: ScoringConfig = Field(default=ScoringConfig(), description="scores.")

    @model_validator(mode="before")
    @classmethod
    def _tokenizer_of_an_old_run(cls, values: Any) -> Any:
        """A run's own config (it has hashes) without a tokenizer was made when there was only words-1."""
        match values:
            case {"data": {"sha256": {"train": str()}}, "encoding": {**encoding}} if (
                "tokenizer" not in encoding
            ):
                return {**values, "encoding": {"tokenizer": "words-1", **encoding}}
        return values

    @model_validator(mode="after")
    def _all_data_needs_no_dev(self) -> "ExperimentConfig":
        if self.data.all_data and (self.data.folds is not None or isinstance(self.data.test, float)):
            raise ValueError("data.all_data trains on the whole file; leave out folds and a share for test")
        if self.data.all_data and self.training.schedule.name == "plateau":
            raise ValueError("data.all_data leaves no dev score for the plateau schedule to watch")
        return self


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a config file, for editors that complete and check YAML."""
    schema = ExperimentConfig.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "relclf experiment"}
