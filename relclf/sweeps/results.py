"""What the runs of a sweep have come to, from their directories alone."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relclf.errors import UserMistake
from relclf.runs.directory import RunDirectory
from relclf.runs.records import lower_is_better, read_records

UNFINISHED = ("interrupted", "error", "not_finite")
"""Reasons to stop after which a run is gone on with."""


@dataclass(frozen=True)
class RunResult:
    """One run as it lies on the disk."""

    path: Path
    summary: Mapping[str, Any] | None
    """None where there is no run, or where it is being trained or was killed."""

    @property
    def finished(self) -> bool:
        """Whether training has come to its end; diverged is one."""
        return self.summary is not None and self.summary["stop_reason"] not in UNFINISHED

    @property
    def diverged(self) -> bool:
        """Whether it ended because the loss grew."""
        return self.summary is not None and self.summary["stop_reason"] == "diverged"

    def best(self, score: str) -> float | None:
        """The value of `score` ("monitored", "dev_macro_f1") at the best epoch."""
        best = (self.summary or {}).get("best")
        return None if best is None else best[score]


def run_result(path: Path) -> RunResult:
    """What is known of a run from its summary."""
    try:
        summary = json.loads(RunDirectory(path).summary.read_bytes())
    except (OSError, ValueError):
        return RunResult(path, None)
    return RunResult(path, summary if isinstance(summary, dict) and "stop_reason" in summary else None)


def epochs_so_far(path: Path) -> int:
    """How many epochs a run that is being trained has completed."""
    try:
        return RunDirectory(path).records.read_bytes().count(b"\n")
    except OSError:
        return 0


def monitored_by_epoch(path: Path) -> dict[int, float]:
    """The monitored score of each epoch."""
    try:
        records = read_records(RunDirectory(path).records)
    except UserMistake:
        return {}
    return {record.epoch: record.monitored for record in records if record.monitored is not None}


@dataclass(frozen=True)
class VariantScore:
    """The best dev scores of a variant's finished runs."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        return statistics.stdev(self.values) if len(self.values) > 1 else None


def variant_score(results: Sequence[RunResult], score: str) -> VariantScore | None:
    """The score over the finished runs of a variant; None where there is none yet."""
    found = [each.best(score) for each in results if each.finished]
    values = tuple(value for value in found if value is not None)
    return VariantScore(values) if values else None


def rank(score: VariantScore | None, monitor: str) -> float:
    """A key that sorts better variants first, and those without a score last."""
    if score is None:
        return math.inf
    return score.mean if lower_is_better(monitor) else -score.mean
