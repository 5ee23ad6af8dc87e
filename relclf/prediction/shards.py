"""Labels the shards of a corpus, each whole or not at all: files in, files of the same names out."""

import glob
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relclf.data.hashing import file_sha256
from relclf.errors import RelclfError, UserMistake
from relclf.runs.calibration import read_calibration
from relclf.runs.directory import open_run
from relclf.runs.files import read_json, write_json

if TYPE_CHECKING:
    from relclf.data.options import Reading
    from relclf.prediction.predictor import Predictor
    from relclf.prediction.streaming import OutputFormat

DESCRIPTION = ".shards.json"
"""Beside the labelled shards: what they were labelled with."""


@dataclass(frozen=True)
class Labelling:
    """How shards are labelled."""

    run: Path
    weights: str
    device: str
    input_format: "Reading | str"
    output_format: "OutputFormat"
    top: int | None
    """How many relations with their probabilities; None: all."""
    calibrated: bool = True
    """Whether a run that has a temperature uses it."""


@dataclass(frozen=True)
class ShardEnd:
    """What became of a shard."""

    shard: Path
    sentences: int = 0
    error: str | None = None


def find_shards(pattern: str) -> list[Path] | None:
    """The files of a folder, or those that a pattern such as `in/*.jsonl` names; None where it names one file.

    Raises UserMistake where there is none, or two have one name.
    """
    if Path(pattern).is_dir():
        found = [path for path in Path(pattern).iterdir() if path.is_file() and not path.name.startswith(".")]
    elif pattern != "-" and glob.has_magic(pattern) and not Path(pattern).exists():
        found = [Path(path) for path in glob.glob(pattern, recursive=True) if Path(path).is_file()]  # noqa: PTH207
    else:
        return None
    if not found:
        raise UserMistake(
            f"{pattern}: no files there. Name a folder of shards, or a pattern that finds them."
        )
    names: dict[str, Path] = {}
    for path in sorted(found):
        if (other := names.setdefault(path.name, path)) != path:
            raise UserMistake(
                f"{path}: has the name of {other}, and both would be written to one file. Rename one."
            )
    return list(names.values())


def missing_shards(shards: Sequence[Path], folder: Path, labelling: Labelling) -> list[Path]:
    """The shards that are not labelled yet, or have changed since. Makes the folder; raises UserMistake.

    A folder that holds labels of other weights or options is refused.
    """
    if any(folder.resolve() == shard.resolve().parent for shard in shards):
        raise UserMistake(f"{folder}: holds the shards themselves. Name another folder for what is written.")
    if folder.exists() and not folder.is_dir():
        raise UserMistake(f"{folder}: is a file; for several shards name a folder.")
    described = _description(labelling)
    path = folder / DESCRIPTION
    if path.exists():
        if read_json(path, "Remove it to label all shards anew.") != described:
            raise UserMistake(
                f"{folder}: holds what another run or other options have labelled. Name another folder."
            )
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, described)
    return [shard for shard in shards if not _is_labelled(shard, folder / shard.name)]


def label_shards(
    shards: Sequence[Path], folder: Path, labelling: Labelling, threads: int | None
) -> Iterator[ShardEnd]:
    """Label shards in this process, one after the other; a shard with an error leaves the others as they are."""
    from relclf.prediction.predictor import load

    predictor = load(
        labelling.run, labelling.weights, labelling.device, threads, calibrated=labelling.calibrated
    )
    for shard in shards:
        yield label_shard(predictor, shard, folder, labelling)


def label_shard(predictor: "Predictor", shard: Path, folder: Path, labelling: Labelling) -> ShardEnd:
    """Label one shard; its file appears under its name when it is whole."""
    from relclf.prediction.streaming import predict_file

    try:
        counts = predict_file(
            predictor,
            shard,
            folder / shard.name,
            input_format=labelling.input_format,
            output_format=labelling.output_format,
            top=labelling.top or len(predictor.relations),
        )
    except RelclfError as error:
        return ShardEnd(shard, error=str(error))
    return ShardEnd(shard, counts.sentences)


def temperature(labelling: Labelling) -> float | None:
    """By which the scores are divided; None: the probabilities are as they are. Raises UserMistake."""
    run = open_run(labelling.run)
    calibration = read_calibration(run, labelling.weights) if labelling.calibrated else None
    return calibration.temperature if calibration else None


def _description(labelling: Labelling) -> dict[str, Any]:
    checkpoint = open_run(labelling.run).checkpoint(labelling.weights)
    left_out = ("run", "device", "weights", "calibrated")
    values = {key: value for key, value in asdict(labelling).items() if key not in left_out}
    if (divisor := temperature(labelling)) is not None:
        values["temperature"] = divisor
    sha256 = file_sha256(checkpoint) if checkpoint.is_file() else None
    plain: dict[str, Any] = json.loads(
        json.dumps({"format": 1, "weights_sha256": sha256, **values}, default=str)
    )
    return plain


def _is_labelled(shard: Path, output: Path) -> bool:
    return output.is_file() and output.stat().st_mtime_ns >= shard.stat().st_mtime_ns
