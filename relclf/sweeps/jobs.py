"""The values that go to a worker and come back: what to train, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from relclf.config.schema import ExperimentConfig


@dataclass(frozen=True)
class PlannedRun:
    """A run of a sweep, before or after it is made."""

    path: Path
    seed: int
    config: ExperimentConfig


@dataclass(frozen=True)
class Pruning:
    """What a worker needs to end a run that is worse than the median of those before it, as Optuna says."""

    direction: Literal["maximize", "minimize"]
    completed: tuple[Mapping[int, float], ...]
    """The monitored scores by epoch of each variant that has been tried to its end."""
    first_epoch: int
    """No run is ended before this epoch."""


@dataclass(frozen=True)
class Job:
    """Runs of one variant that one worker trains: together where `packed`, else one after the other."""

    variant: str
    sweep: Path
    """The sweep's folder."""
    runs: tuple[PlannedRun, ...]
    packed: bool = False
    pruning: Pruning | None = None
    """For the first run; where it is ended early, the others are not trained."""


@dataclass(frozen=True)
class RunEnd:
    """Why a worker is done with a run; its scores lie in the run directory."""

    path: Path
    error: str | None = None
    interrupted: bool = False
    ended_early: int | None = None
    """The epoch after which a search ended it."""


@dataclass(frozen=True)
class JobEnd:
    """What became of the runs of a job."""

    job: Job
    runs: tuple[RunEnd, ...] = field(default=())
