"""Evaluates a run on labelled data and keeps the result in RUN/evaluations/."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relclf.data.hashing import file_sha256
from relclf.data.splitting import split_train
from relclf.encoding.dataset import gold_ids
from relclf.encoding.sentences import to_sentences
from relclf.errors import UserMistake
from relclf.example import Example
from relclf.prediction.opening import OpenedRun
from relclf.prediction.outputs import check_output, opened_output
from relclf.runs.files import write_json
from relclf.scoring.report import ScoreReport, score_report
from relclf.training.checkpoint import checkpoint_epoch
from relclf.training.corpus import check_hash, read_labelled, unknown_note
from relclf.training.device import TO_SCORE, memory_explained
from relclf.training.evaluation import Evaluation, LabelledSet, counts, evaluate, labelled_set


@dataclass(frozen=True)
class RunEvaluation:
    """What a run scores on one labelled set."""

    split: str
    """"test", "dev", or the name of another file."""
    file: Path
    sha256: str
    weights: str
    epoch: int | None
    """The epoch of the weights."""
    labelled: LabelledSet
    evaluation: Evaluation
    report: ScoreReport
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The object that `evaluate --json` prints and evaluations/ keeps."""
        return {
            "split": self.split,
            "file": str(self.file),
            "sha256": self.sha256,
            "weights": self.weights,
            "epoch": self.epoch,
            "loss": self.evaluation.loss,
            "nll": self.evaluation.nll,
            **self.report.to_json(),
            "unknown_relations": self.labelled.unknown_relations,
            "notes": list(self.notes),
        }


def evaluate_run(
    opened: OpenedRun, data: Path | None = None, split: str | None = None, format: Any = "auto"
) -> RunEvaluation:
    """Evaluate on a file of a `format`, or on the split "test" or "dev" (default: test where there is one, else dev).

    A split's file must be what it was when the run was made. The result is stored under RUN/evaluations/.
    Raises UserMistake.
    """
    if data is not None and split is not None:
        raise UserMistake("--data and --split name two sets; give one.")
    config = opened.network.config
    has_test = config.data.test is not None or config.data.fold is not None
    split = split or ("test" if has_test else "dev")
    if data is not None:
        split, path, sha256 = data.name, data, file_sha256(data)
        other = config.data.model_copy(update={"format": format, "group_by": None})
        examples, said = read_labelled(path, config.model_copy(update={"data": other}), split)
    else:
        path, sha256, examples, said = _split_examples(opened, split)
    network = opened.network
    sentences = to_sentences(examples, network.vocabulary, late=opened.late is not None)
    gold = gold_ids(examples, network.relations)
    with memory_explained("to evaluate", TO_SCORE), opened.encoded(sentences, gold) as dataset:
        labelled = labelled_set(examples, dataset, network.relations)
        evaluation = evaluate(network.model, labelled.dataset, opened.objective)
    report = score_report(
        counts(labelled, evaluation),
        labelled.relations,
        samples=config.scoring.bootstrap_samples,
        details={"tokenizer": config.encoding.tokenizer},
    )
    epoch = checkpoint_epoch(opened.run.checkpoint(opened.weights))
    notes = _notes(labelled, said, split)
    result = RunEvaluation(split, path, sha256, opened.weights, epoch, labelled, evaluation, report, notes)
    _store(opened, result, data is not None)
    return result


def write_predictions(path: Path, result: RunEvaluation) -> None:
    """JSON lines: id, gold, relation (predicted), its probability, and all probabilities by relation."""
    names = result.labelled.relations.names
    lines = (
        json.dumps(
            {
                "id": sentence_id,
                "gold": names[gold],
                "relation": names[predicted],
                "probability": row[predicted],
                "probabilities": dict(zip(names, row, strict=False)),
            },
            ensure_ascii=False,
        )
        + "\n"
        for sentence_id, gold, predicted, row in _rows(result)
    )
    _write(path, lines, result)


def write_answers(path: Path, result: RunEvaluation) -> None:
    """The official SemEval-2010 answer format: id TAB relation. Raises UserMistake where a name breaks it."""
    names = result.labelled.relations.names
    _write(path, (_answer(row[0], names[row[2]]) for row in _rows(result)), result)


def probabilities(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Softmax over the last axis, in float64. scores: (sentences, relations)."""
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    exponentials: NDArray[np.float64] = np.exp(shifted)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def _answer(sentence_id: str, relation: str) -> str:
    for name in (sentence_id, relation):
        if name != name.strip() or "\t" in name or "\n" in name:
            raise UserMistake(
                f"--answers: {name!r} holds a tab, a line end or blanks around it, which the lines "
                '"id TAB relation" cannot hold. Use --predictions, or rename it in the data.'
            )
    return f"{sentence_id}\t{relation}\n"


def _write(path: Path, lines: Iterable[str], result: RunEvaluation) -> None:
    check_output(path, result.file)
    with opened_output(path) as out:
        out.writelines(lines)


def _rows(result: RunEvaluation) -> Iterator[tuple[str, int, int, list[float]]]:
    shares = np.round(probabilities(result.evaluation.scores), 6).tolist()
    predicted = result.evaluation.predicted.tolist()
    return zip(result.labelled.ids, result.labelled.gold.tolist(), predicted, shares, strict=True)


def _split_examples(opened: OpenedRun, split: str) -> tuple[Path, str, list[Example], list[str]]:
    """The file of a split, its SHA-256, its examples, and notes on them."""
    config = opened.network.config
    data = config.data
    if split not in ("test", "dev"):
        raise UserMistake(f"--split: must be test or dev (got {split!r}).")
    if split == "test":
        if data.test is None and data.fold is None:
            raise UserMistake(f"{opened.run.config}: names no data.test. Give a file with --data.")
        if isinstance(data.test, Path):
            return data.test, check_hash(config, "test", data.test), *read_labelled(data.test, config, "test")
    elif data.all_data:
        raise UserMistake(
            "--split dev: this run was trained on dev too (data.all_data). Give a file with --data."
        )
    elif isinstance(data.dev, Path):
        return data.dev, check_hash(config, "dev", data.dev), *read_labelled(data.dev, config, "dev")
    sha256 = check_hash(config, "train", data.train)
    examples, notes = read_labelled(data.train, config, "train")
    splits = split_train(examples, data)
    return data.train, sha256, splits.test if split == "test" else splits.dev, notes


def _notes(labelled: LabelledSet, said: list[str], split: str) -> tuple[str, ...]:
    notes = [unknown_note(split, name, count) for name, count in labelled.unknown_relations.items()]
    notes += said
    if len(set(labelled.gold.tolist())) == 1:
        notes.append(f"{split}: a single gold relation; the scores say nothing of the others")
    return tuple(notes)


def _store(opened: OpenedRun, result: RunEvaluation, other_file: bool) -> None:
    """Write evaluations/SPLIT.WEIGHTS.json; another file's name carries the start of its hash."""
    opened.run.evaluations.mkdir(exist_ok=True)
    name = f"{result.file.stem}-{result.sha256[:8]}" if other_file else result.split
    write_json(opened.run.evaluations / f"{name}.{result.weights}.json", result.to_json())
