"""The checks by name, in the order in which they would explain most, and what each of them can cause."""

from importlib.resources import files

CHECKS: dict[str, str] = {
    # data that no loop can mend
    "relation-ids-mismatch": "Do relation ids mean the same in train, in dev and in the scores?",
    "spans-misaligned": "Do mention spans lie on whole words?",
    "mentions-swapped": "Do head and tail come in the same order in train and dev?",
    "mentions-truncated": "Does cutting sentences remove mentions?",
    "dev-in-train": "Are dev sentences also in train?",
    # the loop
    "parameters-not-in-optimizer": "Does the optimiser have the model's parameters, and no others?",
    "updates-per-epoch": "Is there one update for each batch?",
    "gradients-not-cleared": "Are gradients cleared between updates?",
    "not-finite": "Are all numbers finite?",
    "same-batch": "Does each update see other sentences?",
    "softmax-before-loss": "Does the loss get raw scores?",
    "accumulation-not-averaged": "Is the gradient of several batches their mean?",
    "embeddings-frozen": "Do the word embeddings learn?",
    "eval-mode-while-training": "Is the model in train mode while it trains?",
    "train-mode-while-evaluating": "Is the model in eval mode while it is evaluated?",
    "no-shuffling": "Are sentences shuffled anew in each epoch?",
    "loss-kept-with-graph": "Is the loss that is summed up free of its graph?",
    "gradients-while-evaluating": "Is evaluation free of gradients?",
    # the size of steps
    "learning-rate-too-large": "Are updates small enough for the weights?",
    "weight-decay-dominates": "Does the gradient outweigh weight decay?",
    "clipping-always": "Is clipping the exception?",
    "learning-rate-too-small": "Are updates large enough for the weights?",
    "parameters-not-moving": "Does every trainable weight move?",
    # capacity and wiring
    "dropout-too-high": "Does dropout leave enough?",
    "dead-filters": "Do all filters pass a gradient?",
    "gradients-vanish": "Do gradients reach every layer?",
    "positions-unused": "Does the network use the positions of the mentions?",
    "too-simple": "Can the network fit what it is shown?",
    "uninformative-input": "Do the sentences tell their relations?",
    "loss-at-init": "Is the first loss that of guessing?",
    # scores
    "score-averaged-over-batches": "Is macro-F1 computed over the whole split at once?",
    "epoch-loss-not-averaged": "Is the epoch's loss a mean?",
    "majority-collapse": "Does it predict more than the commonest relation?",
    # when to stop, and what more would help
    "overfitting": "Does dev get worse while train gets better?",
    "patience-too-short": "Could a wobble have ended the training?",
    "train-longer": "Was the score still rising at the end?",
    "noise-larger-than-gain": "Is the gain larger than the wobble?",
    "more-data-helps": "Would more sentences help?",
    # further properties of the data
    "relation-in-one-split": "Is every relation in train and in dev?",
    "few-examples": "Has every relation enough examples?",
    "duplicates": "Are there duplicate or contradicting sentences?",
    "likely-wrong-relations": "Which gold relations look wrong?",
    "unknown-words": "Are the words of dev known?",
    "splits-differ": "Can a linear model tell train from dev?",
}
"""The question of each check. Names stay the same across versions."""

_HARDLY_LEARNED = (
    "too-simple",
    "uninformative-input",
    "majority-collapse",
    "train-longer",
    "patience-too-short",
    "noise-larger-than-gain",
    "positions-unused",
    "learning-rate-too-small",
)
_WRONG_STEPS = (
    *_HARDLY_LEARNED,
    "learning-rate-too-large",
    "dead-filters",
    "not-finite",
    "clipping-always",
    "loss-at-init",
    "overfitting",
)

EXPLAINS: dict[str, tuple[str, ...]] = {
    "relation-ids-mismatch": ("overfitting", *_HARDLY_LEARNED),
    "spans-misaligned": _HARDLY_LEARNED,
    "mentions-swapped": ("overfitting", "splits-differ", *_HARDLY_LEARNED),
    "mentions-truncated": _HARDLY_LEARNED,
    "dev-in-train": ("duplicates",),
    "parameters-not-in-optimizer": ("parameters-not-moving", "embeddings-frozen", *_WRONG_STEPS),
    "updates-per-epoch": (
        "parameters-not-moving",
        "accumulation-not-averaged",
        "same-batch",
        *_WRONG_STEPS,
    ),
    "gradients-not-cleared": ("accumulation-not-averaged", *_WRONG_STEPS),
    "not-finite": ("parameters-not-moving", "dead-filters", *_HARDLY_LEARNED),
    "positions-unused": ("parameters-not-moving", "uninformative-input"),
    "same-batch": ("no-shuffling", "overfitting", *_HARDLY_LEARNED),
    "softmax-before-loss": ("loss-at-init", *_HARDLY_LEARNED),
    "accumulation-not-averaged": _WRONG_STEPS,
    "embeddings-frozen": ("parameters-not-moving", *_HARDLY_LEARNED),
    "eval-mode-while-training": ("overfitting",),
    "train-mode-while-evaluating": _HARDLY_LEARNED,
    "no-shuffling": ("overfitting", "learning-rate-too-large", *_HARDLY_LEARNED),
    "loss-kept-with-graph": ("gradients-while-evaluating",),
    "learning-rate-too-large": (
        "not-finite",
        "dead-filters",
        "loss-at-init",
        "overfitting",
        *_HARDLY_LEARNED,
    ),
    "weight-decay-dominates": ("dead-filters", *_HARDLY_LEARNED),
    "clipping-always": _HARDLY_LEARNED,
    "learning-rate-too-small": tuple(name for name in _HARDLY_LEARNED if name != "learning-rate-too-small"),
    "parameters-not-moving": _HARDLY_LEARNED,
    "dropout-too-high": _HARDLY_LEARNED,
    "dead-filters": ("parameters-not-moving", "embeddings-frozen", *_HARDLY_LEARNED),
    "gradients-vanish": _HARDLY_LEARNED,
    "too-simple": ("majority-collapse", "train-longer", "patience-too-short", "noise-larger-than-gain"),
    "uninformative-input": (
        "overfitting",
        "majority-collapse",
        "noise-larger-than-gain",
        "positions-unused",
        "train-longer",
        "likely-wrong-relations",
    ),
    "loss-at-init": ("dead-filters", "gradients-vanish", *_HARDLY_LEARNED),
    "score-averaged-over-batches": ("noise-larger-than-gain",),
    "majority-collapse": ("train-longer",),
    "overfitting": ("positions-unused",),  # who knows sentences by heart needs no positions
    "few-examples": ("noise-larger-than-gain",),
    "relation-in-one-split": ("uninformative-input", "overfitting"),
    "unknown-words": ("uninformative-input",),
}
"""What a check's finding can explain among the others; what explains nothing is left out."""


def page(check: str) -> str:
    """The page of a check, Markdown: what it measures, how, thresholds, sources, what it misses."""
    return (files("relclf.diagnosis") / "pages" / f"{check}.md").read_text(encoding="utf-8")
