"""Reads the scores of runs on one split, and evaluates the runs whose scores are not stored yet."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from relclf.comparison.gathering import Gathered, Group, Run
from relclf.errors import UserMistake
from relclf.relations import RelationSet
from relclf.runs.files import read_json
from relclf.runs.records import reached_95

Split = Literal["test", "dev"]
Weights = Literal["best", "last"]


@dataclass(frozen=True)
class Question:
    """What is compared: a score on a split, and dev macro-F1 at one epoch where that is asked."""

    split: Split
    score: str = "macro_f1"
    at_epoch: int | None = None


@dataclass(frozen=True)
class Measured:
    """The numbers of one run; scores in [0, 1], losses in nats an example. None: not known."""

    run: str
    seed: int
    state: str
    epochs: int
    updates: int
    seconds: float
    best_epoch: int | None
    best: float | None
    """The compared score at the best epoch."""
    last: float | None
    dev_best: float | None
    """Dev macro-F1 at the best epoch."""
    dev_loss_best: float | None
    dev_loss_last: float | None
    epochs_to_95: int | None
    updates_to_95: int | None
    at_epoch: float | None
    signature: str | None
    """Of the compared score, without its interval; None where it is read from the records."""


@dataclass(frozen=True)
class Sentences:
    """What a run's best epoch says of each sentence of a split: (sentences,) relation ids."""

    ids: tuple[str, ...]
    gold: tuple[str, ...]
    predicted: tuple[str, ...]


def choose_split(gathered: Gathered, wanted: str | None) -> Split:
    """The split to compare: test where every config names it, else dev; of a whole sweep dev, which is for choosing."""
    groups = gathered.groups
    configs = [group.runs[0].config for group in groups]
    if wanted not in (None, "test", "dev"):
        raise UserMistake(f"--split: must be test or dev (got {wanted!r}).")
    for group, config in zip(groups, configs, strict=True):
        if wanted == "test" and config.data.test is None:
            raise UserMistake(f"{group.name}: its config names no data.test. Compare on dev: --split dev")
        if wanted == "dev" and config.data.all_data:
            raise UserMistake(
                f"{group.name}: was trained on dev too (data.all_data). Compare on test: --split test"
            )
    named = all(config.data.test is not None for config in configs)
    trained_on_dev = any(config.data.all_data for config in configs)
    if wanted == "test" or (wanted is None and named and (gathered.sweep is None or trained_on_dev)):
        return "test"
    return "dev"


def evaluate_missing(
    groups: Sequence[Group], question: Question, sentences: bool, device: str = "auto"
) -> Iterator[tuple[Path, str]]:
    """Evaluate what is not stored, and store it in RUN/evaluations/; yields each run and its weights beforehand.

    `sentences`: the predictions of the best epochs are needed too. Imports torch only where something is missing.
    """
    for run in (run for group in groups for run in group.runs if run.best is not None):
        for weights in _lacking(run, question, sentences):
            yield run.directory.path, weights
            from relclf.prediction.evaluating import evaluate_run
            from relclf.prediction.opening import open_trained

            evaluate_run(open_trained(run.directory.path, weights, device), split=question.split)


def stored_evaluation(run: Run, split: Split, weights: Weights = "best") -> dict[str, Any] | None:
    """What `relclf evaluate` has stored, where it is of the epoch that counts and of the file that the config names."""
    path = _evaluation(run, split, weights)
    stored = _read(path) if path.is_file() else None
    return stored if stored is not None and _fits(run, split, weights, stored) else None


def measure(run: Run, question: Question) -> Measured:
    """The numbers of a run, all of them stored. Raises UserMistake where the score is not defined."""
    best, last = run.best, run.records[-1] if run.records else None
    scores: dict[Weights, float | None] = {"best": None, "last": None}
    signature = None
    if best is not None and last is not None:
        if _in_records(question):
            scores = {"best": best.dev_macro_f1, "last": last.dev_macro_f1}
        else:
            for weights in scores:
                scores[weights], signature = _stored_score(run, question, weights)
    at_95 = reached_95(run.records)
    at_epoch = [record.dev_macro_f1 for record in run.records if record.epoch == question.at_epoch]
    return Measured(
        run=str(run.directory.path),
        seed=run.config.seed,
        state=run.state,
        epochs=len(run.records),
        updates=last.total_updates if last else 0,
        seconds=sum(record.seconds for record in run.records),
        best_epoch=best.epoch if best else None,
        best=scores["best"],
        last=scores["last"],
        dev_best=best.dev_macro_f1 if best else None,
        dev_loss_best=best.dev_loss if best else None,
        dev_loss_last=last.dev_loss if last else None,
        epochs_to_95=at_95.epoch if at_95 else None,
        updates_to_95=at_95.total_updates if at_95 else None,
        at_epoch=at_epoch[0] if at_epoch else None,
        signature=signature,
    )


def best_predictions(run: Run, split: Split) -> Sentences:
    """What the best epoch says of the split's sentences. Raises UserMistake where the file is broken."""
    path = _predictions(run, split)
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        columns = ([str(row[key]) for row in rows] for key in ("id", "gold", "relation"))
        return Sentences(*map(tuple, columns))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserMistake(f"{path}: cannot be read ({error}). relclf evaluate writes it anew.") from None


def as_ids(a: Sentences, b: Sentences, negative: str | None) -> tuple[RelationSet, list[NDArray[np.int64]]]:
    """The relations of two runs' predictions, and gold, a's and b's ids. Raises UserMistake for other sentences."""
    if a.ids != b.ids or a.gold != b.gold:
        raise UserMistake("The two runs were not evaluated on the same sentences, so these cannot be paired.")
    relations = RelationSet.from_names(
        {*a.gold, *a.predicted, *b.predicted, *([negative] if negative else [])}, negative
    )
    columns = (a.gold, a.predicted, b.predicted)
    return relations, [np.array([relations.ids[name] for name in column]) for column in columns]


def _in_records(question: Question) -> bool:
    return question.split == "dev" and question.score == "macro_f1"


def _lacking(run: Run, question: Question, sentences: bool) -> Iterator[Weights]:
    """The weights whose evaluation is missing or of another epoch."""
    needs_file = sentences and not _predictions(run, question.split).is_file()
    if needs_file or (not _in_records(question) and stored_evaluation(run, question.split) is None):
        yield "best"
    if _in_records(question) or _same_epoch(run):
        return
    if stored_evaluation(run, question.split, "last") is None:
        yield "last"


def _same_epoch(run: Run) -> bool:
    """Whether the last epoch is the best: then one evaluation is both."""
    return run.best is not None and run.best.epoch == run.records[-1].epoch


def _fits(run: Run, split: Split, weights: Weights, stored: dict[str, Any]) -> bool:
    """Whether an evaluation is of the epoch that counts, on the file that the run's config names."""
    record = run.best if weights == "best" else run.records[-1]
    data = run.config.data
    name = split if isinstance(getattr(data, split), Path) else "train"
    return record is not None and (stored.get("epoch"), stored.get("sha256")) == (
        record.epoch,
        getattr(data.sha256, name),
    )


def _stored_score(run: Run, question: Question, weights: Weights) -> tuple[float, str]:
    """The score and its signature without the interval. A run that still trains may be some epochs further."""
    if weights == "last" and _same_epoch(run):
        weights = "best"
    path = _evaluation(run, question.split, weights)
    stored = _read(path)
    if run.state != "training" and not _fits(run, question.split, weights, stored):
        raise UserMistake(
            f"{path}: not of the epoch that counts. relclf evaluate {run.directory.path} writes it anew."
        )
    try:
        found = stored["scores"].get(question.score)
        if found is None:
            raise UserMistake(
                f"--score {question.score}: not defined for {run.directory.path}. "
                f"There are {', '.join(stored['scores'])}."
            )
        parts = [part for part in found["signature"].split("|") if not part.startswith("interval:")]
        return float(found["value"]), "|".join(parts)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserMistake(f"{path}: not an evaluation ({error!r}). relclf evaluate writes it anew.") from None


def _read(path: Path) -> dict[str, Any]:
    value = read_json(path, "relclf evaluate writes it anew.")
    if not isinstance(value, dict):
        raise UserMistake(f"{path}: not an evaluation. relclf evaluate writes it anew.")
    return value


def _evaluation(run: Run, split: Split, weights: Weights) -> Path:
    return run.directory.evaluations / f"{split}.{weights}.json"


def _predictions(run: Run, split: Split) -> Path:
    """predictions.dev.jsonl of the training, or what an evaluation has left."""
    of_training = run.directory.dev_predictions
    evaluated = run.directory.evaluations / f"{split}.best.jsonl"
    return of_training if split == "dev" and of_training.is_file() else evaluated
