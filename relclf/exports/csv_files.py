"""Writes a run's records, predictions and scores as CSV, in which a spreadsheet finds no formula."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from relclf.errors import UserMistake
from relclf.exports.stored import relation_counts, state_notes, stored_evaluations, stored_lines
from relclf.exports.writing import Export
from relclf.runs.calibration import Calibration, read_calibration
from relclf.runs.directory import RunDirectory
from relclf.runs.records import EpochRecord, read_records
from relclf.scoring.calibration import probabilities

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""A spreadsheet takes a text that begins with one of the first for a formula, and "'" for the mark of a text."""


def csv_export(run: RunDirectory, calibrated: bool = True) -> Export:
    """records.csv, scores.csv, predictions.dev.csv and one file of predictions an evaluation (docs/exports.md)."""
    table = _Tables()
    names = [field.name for field in fields(EpochRecord)]
    table.add(
        "records.csv", names, ([r.to_json()[name] for name in names] for r in read_records(run.records))
    )
    evaluations = stored_evaluations(run)
    table.add("scores.csv", _SCORE_COLUMNS, _scores(evaluations))
    notes = list(state_notes(run))
    sources = {"dev": (run.dev_predictions, "best")}
    sources |= {n: (run.evaluations / f"{n}.jsonl", each["weights"]) for n, each in evaluations.items()}
    for name, (path, weights) in sources.items():
        if path.exists():
            calibration = read_calibration(run, weights) if calibrated else None
            table.add(f"predictions.{name}.csv", *_predictions(path, run, calibration))
            if calibration:
                notes.append(f"predictions.{name}.csv: calibrated probabilities")
    if not evaluations:
        notes.append(f"the run has no evaluation yet: relclf evaluate {run.path} makes one")
    if table.marked:
        notes.append(
            f"{table.marked:,} texts begin like a formula and have a ' before them (docs/exports.md)"
        )
    return Export(table.files, tuple(notes))


_SCORE_COLUMNS = ("split", "weights", "epoch", "examples", "score", "value", "low", "high", "signature")


def _scores(evaluations: dict[str, dict[str, Any]]) -> Iterable[Sequence[Any]]:
    for each in evaluations.values():
        first = [each[key] for key in _SCORE_COLUMNS[:4]]
        for name, score in each["scores"].items():
            yield [*first, name, *(score[key] for key in _SCORE_COLUMNS[5:])]


def _predictions(
    path: Path, run: RunDirectory, calibration: Calibration | None
) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
    """The columns and rows of a file of predictions, with every relation's probability where it has scores."""
    keys = ("id", "gold", "relation")
    lines = list(stored_lines(path, keys, f"relclf evaluate {run.path} writes evaluations anew."))
    said = [[line[key] for key in keys] for line in lines]
    if not all("scores" in line for line in lines):
        return keys, said
    relations = list(relation_counts(run)[0])
    try:
        scores = np.array([line["scores"] for line in lines], dtype=np.float64).reshape(
            len(lines), len(relations)
        )
        shares = probabilities(scores, calibration.temperature if calibration else 1.0).round(6).tolist()
        best = [row[relations.index(line["relation"])] for line, row in zip(lines, shares, strict=True)]
    except (ValueError, TypeError) as error:
        raise UserMistake(f"{path}: not the predictions of this run ({error}).") from None
    columns = (*keys, "probability", *(f"p({name})" for name in relations))
    return columns, [[*a, b, *row] for a, b, row in zip(said, best, shares, strict=True)]


class _Tables:
    """The files made so far, and how many of their texts were marked as such."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.marked = 0

    def add(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """One file: every text in quotes, every number bare, nothing for null."""
        out = io.StringIO(newline="")
        writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        for row in ([*columns], *rows):
            writer.writerow(["" if cell is None else self._text(cell) for cell in row])
        self.files[name] = out.getvalue().encode()

    def _text(self, cell: Any) -> Any:
        if isinstance(cell, str) and cell.startswith(_STARTS):
            self.marked += 1
            return f"'{cell}"
        return cell
