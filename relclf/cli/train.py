"""`relclf train`: trains a network from a config, or goes on with a run."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from relclf.training.experiment import Experiment


def train(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The experiment's YAML file.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the config; repeatable."),
    ] = None,
    run: Annotated[Path | None, typer.Option(help="The run directory to make.")] = None,
    runs_dir: Annotated[Path, typer.Option(help="Where runs get a name and a number.")] = Path("runs"),
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Go on with this run.")] = None,
    from_: Annotated[
        str, typer.Option("--from", metavar="last|previous|best", help="The checkpoint to resume from.")
    ] = "last",
    all_data: Annotated[
        bool, typer.Option("--all-data", help="Train on train + dev, for a final model; needs --epochs.")
    ] = False,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Train exactly this many epochs; with --all-data.")
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only the run directory, at the end.")
    ] = False,
    json_: Annotated[
        bool, typer.Option("--json", help="One JSON record an epoch on standard output.")
    ] = False,
) -> None:
    """Train a network and keep everything in a run directory.

    Prints a row an epoch, then best and last side by side, and what to type next.
    """
    overrides = list(set_ or [])
    experiment = _experiment(config, overrides, run, runs_dir, resume, from_, all_data, epochs)
    _follow(experiment, quiet, json_)


def _experiment(
    config: Path | None,
    overrides: list[str],
    run: Path | None,
    runs_dir: Path,
    resumed: Path | None,
    checkpoint: str,
    all_data: bool,
    epochs: int | None,
) -> "Experiment":
    """What the options ask for. Raises UserMistake where they contradict each other."""
    from relclf.errors import UserMistake

    if (config is None) == (resumed is None):
        raise UserMistake(
            "train needs either --config FILE, for a new run, or --resume RUN, to go on with one."
        )
    if all_data != (epochs is not None):
        raise UserMistake(
            "--all-data and --epochs N go together: without dev nothing else says when to stop."
        )
    if checkpoint not in ("last", "previous", "best"):
        raise UserMistake(f"--from: must be last, previous or best (got {checkpoint!r}).")
    if resumed is not None:
        if run is not None or all_data:
            raise UserMistake(
                "--resume goes on with the run as it is; --run and --all-data are for new runs."
            )
        from relclf.training.experiment import resume

        return resume(resumed, checkpoint, overrides)
    if checkpoint != "last":
        raise UserMistake("--from goes with --resume.")
    assert config is not None
    from relclf.config.loading import load_config

    if all_data:
        overrides = [
            *overrides,
            "data.all_data=true",
            f"training.max_epochs={epochs}",
            "training.min_epochs=1",
        ]
    loaded = load_config(config, overrides)
    from relclf.training.experiment import start

    return start(loaded, config.stem, runs_dir, run)


def _follow(experiment: "Experiment", quiet: bool, as_json: bool) -> None:
    """Run the training and print it."""
    from rich.console import Console

    from relclf.cli.console import answers, messages
    from relclf.cli.formatting import shell_path
    from relclf.cli.training_table import TrainingTable
    from relclf.runs.files import read_json
    from relclf.training.interruption import stop_on_signals

    console = Console(quiet=True) if quiet else messages() if as_json else answers()
    table = TrainingTable(console, experiment)
    try:
        table.header()
        with stop_on_signals() as request, _progress(experiment, console):
            for record in experiment.epochs(request):
                table.row(experiment.state.records)
                if as_json:
                    print(json.dumps(record.to_json()), flush=True)
    except BrokenPipeError:
        run = shell_path(experiment.run.path)
        messages().print(
            f"nobody reads the output any more: training stopped. To go on: relclf train --resume {run}"
        )
        raise
    reason = read_json(experiment.run.summary, "The training left no summary.")["stop_reason"]
    table.closing(reason)
    if quiet and not as_json:
        print(experiment.run.path)
    if reason == "diverged":
        raise typer.Exit(1)


@contextlib.contextmanager
def _progress(experiment: "Experiment", console: "Console") -> Iterator[None]:
    """A bar of the running epoch's batches under the table, on a terminal only; it polls the training's state."""
    if not console.is_terminal or console.quiet:
        yield
        return
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    batches = -(-len(experiment.inputs.train) // experiment.inputs.config.training.batch_size)

    def bar() -> Table:
        progress = experiment.state.progress
        done = progress.batches_done if progress else batches
        epoch = progress.epoch if progress else len(experiment.state.records)
        grid = Table.grid(padding=(0, 1))
        state = f"batch {done}/{batches}" if done < batches else "evaluating"
        grid.add_row(f"epoch {epoch}", ProgressBar(batches, done, width=30), state)
        return grid

    with Live(
        get_renderable=bar, console=console, transient=True, refresh_per_second=8, redirect_stderr=False
    ):
        yield
