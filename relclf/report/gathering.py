"""Gathers what there is to say of one run: its records, evaluations, sentences and the findings of diagnosis."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from relclf.comparison.gathering import Run, read_run
from relclf.comparison.measuring import Split, stored_evaluation
from relclf.data.readers.records import as_text
from relclf.diagnosis.bench import Skipped
from relclf.diagnosis.diagnosing import diagnose_files
from relclf.diagnosis.findings import Finding, in_order
from relclf.errors import UserMistake
from relclf.example import Example
from relclf.prediction.evaluating import evaluate_run, split_examples
from relclf.prediction.opening import open_trained
from relclf.runs.calibration import read_calibration
from relclf.scoring.calibration import CalibrationError, Shares, calibration_error, probabilities


@dataclass(frozen=True, slots=True)
class Sentence:
    """A labelled sentence and what the best epoch says of it."""

    id: str
    text: str
    head: tuple[int, int]
    """Half-open character offsets in the text, as those of the tail."""
    tail: tuple[int, int]
    gold: str
    predicted: str
    probability: float
    """Of the predicted relation."""
    gold_probability: float | None
    """None where training did not know the gold relation."""


@dataclass(frozen=True)
class SplitReport:
    """What the best epoch scores on one split, and its sentences."""

    name: Split
    evaluation: Mapping[str, Any] | None
    """What `relclf evaluate --json` prints; None where it could not be made."""
    sentences: tuple[Sentence, ...]
    reliability: Mapping[str, CalibrationError]
    """Of the probabilities as the network gives them ("as they are") and, with a temperature, "calibrated"."""
    lacking: str | None
    """Why there is no evaluation or are no sentences; None where there are."""


@dataclass(frozen=True)
class RunReport:
    """All that the page of a run says."""

    run: Run
    splits: tuple[SplitReport, ...]
    """Test before dev; only those that the run's config names."""
    findings: tuple[Finding, ...]
    skipped: tuple[str, ...]
    """What the diagnosis could not look at."""
    temperature: float | None
    """What the scores were divided by for the probabilities of the sentences; None: nothing."""


def gather_run(path: Path, device: str = "auto", calibrated: bool = True) -> RunReport:
    """A run as it is now. Evaluations that are missing are made, and kept in RUN/evaluations/.

    Its probabilities are those of RUN/calibration.json where it has one, and not `calibrated` leaves them as they are.

    Where the data or the weights are not there, their part of the report says so. Raises UserMistake where it is no
    run, no epoch is completed, or a file of it is broken.
    """
    run = read_run(path)
    if run.best is None:
        raise UserMistake(f"{path}: no epoch is completed yet, so there is nothing to report.")
    calibration = read_calibration(run.directory, "best") if calibrated else None
    temperature = calibration.temperature if calibration else None
    said = diagnose_files(path)
    return RunReport(
        run,
        tuple(_split(run, split, temperature, device) for split in _splits(run)),
        tuple(in_order(each for each in said if isinstance(each, Finding))),
        tuple(f"{each.what}: {each.why}" for each in said if isinstance(each, Skipped)),
        temperature,
    )


def _splits(run: Run) -> Iterator[Split]:
    data = run.config.data
    if data.test is not None or data.fold is not None:
        yield "test"
    if not data.all_data:
        yield "dev"


def _split(run: Run, split: Split, temperature: float | None, device: str) -> SplitReport:
    """What is stored is read; what is missing is made, or the reason why it cannot be is kept."""
    evaluation = stored_evaluation(run, split)
    said = run.directory.evaluations / f"{split}.best.jsonl"
    try:
        opened = open_trained(run.directory.path, "best", device)
        if evaluation is None or not _keeps_scores(said):
            evaluation = evaluate_run(opened, split=split).to_json()
        examples = split_examples(opened, split, offsets=True)[2]
    except UserMistake as error:
        return SplitReport(split, evaluation, (), {}, str(error))
    ids = opened.network.relations.ids
    rows = _read_said(said, ids)
    scores = np.array([row["scores"] for row in rows], dtype=np.float32)
    samples = run.config.scoring.bootstrap_samples
    shares = {"as they are": probabilities(scores)}
    if temperature is not None:
        shares["calibrated"] = probabilities(scores, temperature)
    return SplitReport(
        split,
        evaluation,
        tuple(_sentences(examples, rows, list(shares.values())[-1], ids, said)),
        {name: _error(rows, each, ids, samples) for name, each in shares.items()},
        None,
    )


def _keeps_scores(path: Path) -> bool:
    """Whether a file of predictions has the scores, which relclf 0.1 did not keep at first."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return b'"scores"' in file.readline()


def _error(
    rows: Sequence[Mapping[str, Any]], shares: Shares, ids: Mapping[str, int], samples: int
) -> CalibrationError:
    """How far the probabilities of the predicted relations can be believed."""
    predicted = [ids[row["relation"]] for row in rows]
    right = np.array([row["gold"] == row["relation"] for row in rows])
    return calibration_error(shares[np.arange(len(rows)), predicted], right, samples)


def _sentences(
    examples: Sequence[Example],
    rows: Sequence[Mapping[str, Any]],
    shares: Shares,
    ids: Mapping[str, int],
    path: Path,
) -> Iterator[Sentence]:
    """The examples beside what the file `path` says of them. Raises UserMistake where it says it of others."""
    if [row["id"] for row in rows] != [example.id for example in examples]:
        raise UserMistake(f"{path}: not of the sentences of the data. relclf evaluate writes it anew.")
    for example, row, of_each in zip(examples, rows, shares.tolist(), strict=True):
        text, head, tail = as_text(example)
        gold = ids.get(row["gold"])
        yield Sentence(
            example.id,
            text,
            head,
            tail,
            row["gold"],
            row["relation"],
            of_each[ids[row["relation"]]],
            None if gold is None else of_each[gold],
        )


def _read_said(path: Path, ids: Mapping[str, int]) -> list[dict[str, Any]]:
    """The lines of an evaluation's file of predictions. Raises UserMistake, naming the line, where one is broken."""
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            row = json.loads(line)
            if (
                len(row["scores"]) != len(ids)
                or row["relation"] not in ids
                or not {"id", "gold"} <= row.keys()
            ):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise UserMistake(
                f"{path}:{number}: not a prediction. relclf evaluate writes the file anew."
            ) from None
        rows.append(row)
    return rows
