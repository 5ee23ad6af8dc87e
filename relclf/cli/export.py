"""`relclf export`: writes a run in the form of another tool."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relclf.cli import completion

if TYPE_CHECKING:
    from relclf.exports.writing import Export
    from relclf.runs.directory import RunDirectory


class Target(StrEnum):
    """The forms, by the name that the option takes."""

    CSV = "csv"
    MODEL_CARD = "model-card"
    ONNX = "onnx"
    TENSORBOARD = "tensorboard"


def export(
    run: Annotated[Path, typer.Argument(help="The run directory.", autocompletion=completion.runs)],
    to: Annotated[
        Target,
        typer.Option(
            help="csv: records, predictions, scores; model-card: Markdown; onnx: the network and its vocabulary; "
            "tensorboard: an event file."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The folder, or the file of a model card. [default: here, named after the run]",
        ),
    ] = None,
    weights: Annotated[
        str, typer.Option(metavar="best|last", help="Of onnx and model-card: which epoch's weights.")
    ] = "best",
    no_calibration: Annotated[
        bool,
        typer.Option("--no-calibration", help="Leave the probabilities of a calibrated run as they are."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the files of an export that is there.")
    ] = False,
) -> None:
    """Write a run as CSV, model card, ONNX or TensorBoard events.

    Nothing in the run changes.
    """
    from relclf.cli.console import messages
    from relclf.errors import UserMistake
    from relclf.exports.writing import check_free, write_file, write_folder
    from relclf.runs.directory import open_run

    if weights not in ("best", "last"):
        raise UserMistake(f"--weights: must be best or last (got {weights!r}).")
    opened = open_run(run)
    suffix = ".md" if to is Target.MODEL_CARD else ""
    target = output or Path(f"{run.resolve().name}-{to.value}{suffix}")
    check_free(target, opened, force)
    made = _made(opened, to, weights, not no_calibration)
    if to is Target.MODEL_CARD:
        write_file(target, made)
    else:
        write_folder(target, made)
    for note in made.notes:
        messages().print(f"note   {note}", style="yellow")
    print(target)


def _made(run: "RunDirectory", to: Target, weights: str, calibrated: bool) -> "Export":
    """Each form imports what it needs, and no more."""
    match to:
        case Target.CSV:
            from relclf.exports.csv_files import csv_export

            return csv_export(run, calibrated)
        case Target.MODEL_CARD:
            from relclf.exports.model_card import model_card

            return model_card(run, weights, calibrated)
        case Target.TENSORBOARD:
            from relclf.exports.tensorboard import tensorboard_export

            return tensorboard_export(run)
        case Target.ONNX:
            from relclf.exports.onnx_model import check_onnx, onnx_export
            from relclf.prediction.opening import open_trained
            from relclf.runs.calibration import read_calibration

            check_onnx()
            calibration = read_calibration(run, weights) if calibrated else None
            return onnx_export(open_trained(run.path, weights, "cpu"), calibration)
