"""Evaluates a run on labelled data and keeps the result in RUN/evaluations/."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from relclf.data.hashing import file_sha256
from relclf.data.splitting import split_train
from relclf.encoding.dataset import gold_ids
from relclf.encoding.sentences import to_sentences
from relclf.errors import Failure, UserMistake
from relclf.example import Example
from relclf.prediction.ensemble import check_members, check_same_split, together
from relclf.prediction.opening import OpenedRun
from relclf.prediction.outputs import check_output, opened_output
from relclf.runs.files import write_json
from relclf.scoring.calibration import Reliability, probabilities, reliability
from relclf.scoring.report import ScoreReport, score_report
from relclf.training.checkpoint import checkpoint_epoch
from relclf.training.corpus import check_hash, read_labelled, unknown_note
from relclf.training.device import TO_SCORE, memory_explained
from relclf.training.devset import write_scored
from relclf.training.evaluation import Evaluation, LabelledSet, counts, evaluate, labelled_set


@dataclass(frozen=True)
class Member:
    """One run of an ensemble."""

    run: str
    weights: str
    epoch: int | None
    """The epoch of the weights."""

    @classmethod
    def of(cls, opened: OpenedRun) -> "Member":
        """The run that was opened."""
        epoch = checkpoint_epoch(opened.run.checkpoint(opened.weights))
        return cls(str(opened.run.path), opened.weights, epoch)


@dataclass(frozen=True)
class RunEvaluation:
    """What a run, or an ensemble of runs, scores on one labelled set."""

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
    members: tuple[Member, ...] = ()
    """The runs of an ensemble; empty for one run."""
    reliability: Reliability | None = None
    """Of the probabilities, where they are calibrated."""

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
            **({"calibration": self.reliability.to_json()} if self.reliability is not None else {}),
            **({"ensemble": [dataclasses.asdict(each) for each in self.members]} if self.members else {}),
        }


def evaluate_run(
    opened: OpenedRun,
    data: Path | None = None,
    split: str | None = None,
    others: Sequence[OpenedRun] = (),
    format: Any = "auto",
    temperature: float | None = None,
) -> RunEvaluation:
    """Evaluate on a file of a `format`, or on the split "test" or "dev" (default: test where there is one, else dev).

    A split's file must be what it was when the run was made. The result is stored under RUN/evaluations/. With
    `others` it is that of an ensemble, which is no run's own and is not stored. With a `temperature` (one run's) the
    probabilities are calibrated. Raises UserMistake.
    """
    if data is not None and split is not None:
        raise UserMistake("--data and --split name two sets; give one.")
    config = opened.network.config
    has_test = config.data.test is not None or config.data.fold is not None
    split = split or ("test" if has_test else "dev")
    check_members(opened, others)
    for other in others if data is None else ():
        check_same_split(opened, other, split)
    name, path, sha256, examples, said = _chosen(opened, data, split, format)
    labelled, evaluation = evaluated(opened, examples)
    if others:  # each of which may read sentences in its own way
        given = data or (path if split == "test" and isinstance(config.data.test, Path) else None)
        read = [
            (other, _chosen(other, given, split, format if data else config.data.format)[3])
            for other in others
        ]
        evaluation = together([evaluation, *(evaluated(*each)[1] for each in read)], labelled.gold)
    report = score_report(
        counts(labelled, evaluation),
        labelled.relations,
        samples=config.scoring.bootstrap_samples,
        details={
            "tokenizer": config.encoding.tokenizer,
            **({"ensemble": str(1 + len(others))} if others else {}),
        },
    )
    members = tuple(Member.of(each) for each in (opened, *others)) if others else ()
    epoch = None if others else checkpoint_epoch(opened.run.checkpoint(opened.weights))
    notes = _notes(labelled, said, name)
    result = RunEvaluation(
        name,
        path,
        sha256,
        opened.weights,
        epoch,
        labelled,
        evaluation,
        report,
        notes,
        members,
        _reliability(labelled, evaluation, temperature, config.scoring.bootstrap_samples),
    )
    if not others:
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
    temperature = result.reliability.temperature if result.reliability is not None else 1.0
    shares = np.round(probabilities(result.evaluation.scores, temperature), 6).tolist()
    predicted = result.evaluation.predicted.tolist()
    return zip(result.labelled.ids, result.labelled.gold.tolist(), predicted, shares, strict=True)


def _chosen(
    opened: OpenedRun, data: Path | None, split: str, format: Any
) -> tuple[str, Path, str, list[Example], list[str]]:
    """The name, the file and its SHA-256 of what is evaluated, its examples, and notes on them."""
    if data is None:
        return split, *split_examples(opened, split)
    config = opened.network.config
    other = config.data.model_copy(update={"format": format, "group_by": None})
    examples, said = read_labelled(data, config.model_copy(update={"data": other}), data.name)
    return data.name, data, file_sha256(data), examples, said


def evaluated(opened: OpenedRun, examples: list[Example]) -> tuple[LabelledSet, Evaluation]:
    """The examples as the run reads them, and what its network says of them."""
    network = opened.network
    sentences = to_sentences(examples, network.vocabulary, late=opened.late is not None)
    gold = gold_ids(examples, network.relations)
    with memory_explained("to evaluate", TO_SCORE), opened.encoded(sentences, gold) as dataset:
        labelled = labelled_set(examples, dataset, network.relations)
        return labelled, evaluate(network.model, labelled.dataset, opened.objective)


def _reliability(
    labelled: LabelledSet, evaluation: Evaluation, temperature: float | None, samples: int
) -> Reliability | None:
    if temperature is None:
        return None
    return reliability(evaluation.scores, evaluation.predicted, labelled.gold, temperature, samples)


def split_examples(
    opened: OpenedRun, split: str, *, offsets: bool = False
) -> tuple[Path, str, list[Example], list[str]]:
    """The file of a split, its SHA-256, its examples (with their text where `offsets` is set), and notes on them."""
    config = opened.network.config
    data = config.data
    if split not in ("test", "dev"):
        raise UserMistake(f"--split: must be test or dev (got {split!r}).")
    if split == "test":
        if data.test is None and data.fold is None:
            raise UserMistake(f"{opened.run.config}: names no data.test. Give a file with --data.")
        if isinstance(data.test, Path):
            hashed = check_hash(config, "test", data.test)
            return data.test, hashed, *read_labelled(data.test, config, "test", offsets=offsets)
    elif data.all_data:
        raise UserMistake(
            "--split dev: this run was trained on dev too (data.all_data). Give a file with --data."
        )
    elif isinstance(data.dev, Path):
        hashed = check_hash(config, "dev", data.dev)
        return data.dev, hashed, *read_labelled(data.dev, config, "dev", offsets=offsets)
    sha256 = check_hash(config, "train", data.train)
    examples, notes = read_labelled(data.train, config, "train", offsets=offsets)
    splits = split_train(examples, data)
    return data.train, sha256, splits.test if split == "test" else splits.dev, notes


def _notes(labelled: LabelledSet, said: list[str], split: str) -> tuple[str, ...]:
    notes = [unknown_note(split, name, count) for name, count in labelled.unknown_relations.items()]
    notes += said
    if len(set(labelled.gold.tolist())) == 1:
        notes.append(f"{split}: a single gold relation; the scores say nothing of the others")
    return tuple(notes)


def _store(opened: OpenedRun, result: RunEvaluation, other_file: bool) -> None:
    """Write evaluations/SPLIT.WEIGHTS.jsonl, what is said of each sentence, then SPLIT.WEIGHTS.json, the scores.

    Another file's name carries the start of its hash.
    """
    try:
        opened.run.evaluations.mkdir(exist_ok=True)
    except OSError as error:
        raise Failure(
            f"{opened.run.evaluations}: cannot be made: {error.strerror}. Check the folder and its permissions."
        ) from None
    name = f"{result.file.stem}-{result.sha256[:8]}" if other_file else result.split
    said = opened.run.evaluations / f"{name}.{result.weights}.jsonl"
    write_scored(said, result.labelled, result.evaluation)
    write_json(opened.run.evaluations / f"{name}.{result.weights}.json", result.to_json())
