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
from relclf.prediction.ensemble import probabilities
from relclf.prediction.evaluating import evaluate_run, split_examples
from relclf.prediction.opening import open_trained


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


def gather_run(path: Path, device: str = "auto") -> RunReport:
    """A run as it is now. Evaluations that are missing are made, and kept in RUN/evaluations/.

    Where the data or the weights are not there, their part of the report says so. Raises UserMistake where it is no
    run, no epoch is completed, or a file of it is broken.
    """
    run = read_run(path)
    if run.best is None:
        raise UserMistake(f"{path}: no epoch is completed yet, so there is nothing to report.")
    said = diagnose_files(path)
    return RunReport(
        run,
        tuple(_split(run, split, device) for split in _splits(run)),
        tuple(in_order(each for each in said if isinstance(each, Finding))),
        tuple(f"{each.what}: {each.why}" for each in said if isinstance(each, Skipped)),
    )


def _splits(run: Run) -> Iterator[Split]:
    data = run.config.data
    if data.test is not None or data.fold is not None:
        yield "test"
    if not data.all_data:
        yield "dev"


def _split(run: Run, split: Split, device: str) -> SplitReport:
    """What is stored is read; what is missing is made, or the reason why it cannot be is kept."""
    evaluation = stored_evaluation(run, split)
    said = run.directory.evaluations / f"{split}.best.jsonl"
    try:
        opened = open_trained(run.directory.path, "best", device)
        if evaluation is None or not _keeps_scores(said):
            evaluation = evaluate_run(opened, split=split).to_json()
        examples = split_examples(opened, split, offsets=True)[2]
    except UserMistake as error:
        return SplitReport(split, evaluation, (), str(error))
    return SplitReport(
        split, evaluation, tuple(_sentences(examples, said, opened.network.relations.ids)), None
    )


def _keeps_scores(path: Path) -> bool:
    """Whether a file of predictions has the scores, which relclf 0.1 did not keep at first."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return b'"scores"' in file.readline()


def _sentences(examples: Sequence[Example], path: Path, ids: Mapping[str, int]) -> Iterator[Sentence]:
    """The examples beside what an evaluation has said of them. Raises UserMistake where these do not fit."""
    rows = _read_said(path, ids)
    if [row["id"] for row in rows] != [example.id for example in examples]:
        raise UserMistake(f"{path}: not of the sentences of the data. relclf evaluate writes it anew.")
    shares = probabilities(np.array([row["scores"] for row in rows], dtype=np.float32))
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
