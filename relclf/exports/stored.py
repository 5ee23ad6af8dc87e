"""Reads what a run holds of its predictions and evaluations, for exports that compute nothing anew."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from relclf.errors import UserMistake
from relclf.runs.directory import RunDirectory
from relclf.runs.files import read_json
from relclf.runs.lock import is_locked


def stored_evaluations(run: RunDirectory) -> dict[str, dict[str, Any]]:
    """The objects in RUN/evaluations/ by their name, such as "test.best". Raises UserMistake for a broken one."""
    hint = f"relclf evaluate {run.path} writes it anew."
    found = {path.stem: read_json(path, hint) for path in sorted(run.evaluations.glob("*.json"))}
    for name, value in found.items():
        parts = {"split", "weights", "epoch", "file", "sha256", "scores", "relations", "examples"}
        if not isinstance(value, dict) or not parts <= value.keys():
            raise UserMistake(f"{run.evaluations / name}.json: not an evaluation. {hint}")
    return found


def stored_lines(path: Path, keys: tuple[str, ...], hint: str) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines, each with the keys. Raises UserMistake for a broken line."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                value = json.loads(line)
                if not isinstance(value, dict) or not set(keys) <= value.keys():
                    raise UserMistake(f"{path}:{number}: must be an object with {', '.join(keys)}. {hint}")
                yield value
    except (OSError, ValueError) as error:
        raise UserMistake(f"{path}: cannot be read ({error}). {hint}") from None


def relation_counts(run: RunDirectory) -> tuple[dict[str, int], str | None]:
    """The training sentences of each relation, in the order of the scores, and the negative relation."""
    hint = "The run is incomplete: a file was removed or changed."
    value = read_json(run.relations, hint)
    try:
        return dict(zip(value["names"], map(int, value["train_counts"]), strict=True)), value["negative"]
    except (KeyError, TypeError, ValueError):
        raise UserMistake(f"{run.relations}: not a set of relations. {hint}") from None


def state_notes(run: RunDirectory) -> tuple[str, ...]:
    """What is to be said of a run that has not ended."""
    if is_locked(run.path):
        return ("the run is being trained: this is what there is so far",)
    if not run.summary.exists():
        return (f"the training was cut off: relclf train --resume {run.path} goes on with it",)
    return ()
