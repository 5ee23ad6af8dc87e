"""Keeps the temperature of a run's probabilities in RUN/calibration.json, and knows the weights it belongs to."""

from dataclasses import asdict, dataclass
from typing import Any

from relclf.errors import UserMistake
from relclf.runs.directory import FORMAT, RunDirectory
from relclf.runs.files import read_json, write_json


@dataclass(frozen=True)
class Calibration:
    """A temperature, the weights whose scores it divides, and what it did on dev."""

    temperature: float
    epoch: int | None
    """The epoch of the weights."""
    checkpoint_sha256: str
    """The checksum inside the checkpoint."""
    dev_sha256: str
    """Of the file that dev is from."""
    dev: dict[str, Any]
    """The reliability of dev before and after, as `evaluate --json` has it for its own sentences."""


def write_calibration(run: RunDirectory, weights: str, calibration: Calibration) -> None:
    """Keep it for the `best` or the `last` weights, beside that of the other."""
    kept = _read(run) if run.calibration.exists() else {}
    write_json(run.calibration, {**kept, "format": FORMAT, weights: asdict(calibration)})


def read_calibration(run: RunDirectory, weights: str) -> Calibration | None:
    """What is kept for the weights; None where nothing is.

    Raises UserMistake where the file is broken, or the checkpoint is no longer the one that it was fitted to.
    """
    if not run.calibration.exists() or (value := _read(run).get(weights)) is None:
        return None
    try:
        calibration = Calibration(**value)
        if not 0 < calibration.temperature < float("inf"):
            raise ValueError("the temperature must be above 0")
    except (TypeError, ValueError) as error:
        raise UserMistake(f"{run.calibration}: not a calibration ({error}). {_next(run)}") from None
    if checkpoint_sha256(run, weights) != calibration.checkpoint_sha256:
        raise UserMistake(
            f"{run.calibration}: was fitted to other weights (epoch {calibration.epoch}) than "
            f"{weights}.safetensors has now. {_next(run)}"
        )
    return calibration


def checkpoint_sha256(run: RunDirectory, weights: str) -> str | None:
    """The checksum that a checkpoint's header carries; None where it cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(run.checkpoint(weights), framework="np") as file:
            checksum: str | None = (file.metadata() or {}).get("sha256")
            return checksum
    except (SafetensorError, OSError):
        return None


def _read(run: RunDirectory) -> dict[str, Any]:
    value = read_json(run.calibration, _next(run))
    if not isinstance(value, dict):
        raise UserMistake(f"{run.calibration}: not an object with keys. {_next(run)}")
    return value


def _next(run: RunDirectory) -> str:
    return (
        f"relclf evaluate {run.path} --calibrate makes it anew; "
        "--no-calibration takes the probabilities as they are."
    )
