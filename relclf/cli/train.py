"""`relclf train`: trains a network from a config, or goes on with a run."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
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
    resume: Annotated[
        list[Path] | None, typer.Option(metavar="RUN", help="Go on with this run; repeatable.")
    ] = None,
    from_: Annotated[
        str, typer.Option("--from", metavar="last|previous|best", help="The checkpoint to resume from.")
    ] = "last",
    all_data: Annotated[
        bool, typer.Option("--all-data", help="Train on train + dev, for a final model; needs --epochs.")
    ] = False,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Train exactly this many epochs; with --all-data.")
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            metavar="N|A,B,...", help="A run for each of N seeds from the config's on, or of a list."
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(min=2, metavar="K", help="Cross-validation: a run for each of K folds of train."),
    ] = None,
    pack: Annotated[
        bool, typer.Option("--pack", help="Train several runs as one stacked network (on a GPU).")
    ] = False,
    pack_vectors: Annotated[
        bool, typer.Option("--pack-vectors", help="Keep a copy of all word vectors in the run.")
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Redraw the curves below the table, on a terminal.")
    ] = False,
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
    resumed = list(resume or [])
    _check(config, resumed, run, from_, all_data, epochs, seeds, pack)
    _check_live(live, quiet, pack)
    overrides = list(set_ or [])
    if folds is not None:
        overrides.append(f"data.folds={folds}")
    if all_data:
        overrides += ["data.all_data=true", f"training.max_epochs={epochs}", "training.min_epochs=1"]
    if pack_vectors:
        overrides.append("encoding.pack_vectors=true")
    if config is not None and _trains_folds(config, overrides, folds, seeds):
        _cross_validate(config, overrides, run, runs_dir, quiet, json_, live)
        return
    if seeds is None and len(resumed) < 2:
        experiment = (
            _resumed(resumed[0], from_, overrides) if resumed else _new(config, overrides, run, runs_dir)
        )
        if follow(experiment, quiet, json_, live=live) == "diverged":
            raise typer.Exit(1)
        return
    from relclf.cli.several_runs import new_runs, resumed_runs, train_several

    if config is not None and seeds is not None:
        runs = new_runs(config, overrides, seeds, run, runs_dir)
    else:
        runs = resumed_runs(resumed, from_, overrides)
    train_several(runs, packed=pack, quiet=quiet, as_json=json_, live=live)


def _check(
    config: Path | None,
    resumed: list[Path],
    run: Path | None,
    checkpoint: str,
    all_data: bool,
    epochs: int | None,
    seeds: str | None,
    pack: bool,
) -> None:
    """Raise UserMistake where the options contradict each other."""
    from relclf.errors import UserMistake

    if (config is None) == (not resumed):
        raise UserMistake(
            "train needs either --config FILE, for a new run, or --resume RUN, to go on with one."
        )
    if all_data != (epochs is not None):
        raise UserMistake(
            "--all-data and --epochs N go together: without dev nothing else says when to stop."
        )
    if checkpoint not in ("last", "previous", "best"):
        raise UserMistake(f"--from: must be last, previous or best (got {checkpoint!r}).")
    if resumed and (run is not None or all_data):
        raise UserMistake("--resume goes on with the run as it is; --run and --all-data are for new runs.")
    if resumed and seeds is not None:
        raise UserMistake("--seeds is for new runs. To go on with several, give --resume for each of them.")
    if not resumed and checkpoint != "last":
        raise UserMistake("--from goes with --resume.")
    if pack and seeds is None and len(resumed) < 2:
        raise UserMistake("--pack is for several runs: give --seeds, or --resume for each run.")


def _check_live(live: bool, quiet: bool, pack: bool) -> None:
    from relclf.errors import UserMistake

    if live and quiet:
        raise UserMistake("--live draws, --quiet does not. Leave one of the two out.")
    if live and pack:
        raise UserMistake(
            "--live draws one run at a time, --pack trains all at once. Leave one of the two out."
        )


def _trains_folds(config: Path, overrides: list[str], folds: int | None, seeds: str | None) -> bool:
    """Whether the config asks for all folds. Raises UserMistake where it asks for several seeds too."""
    from relclf.config.loading import load_config
    from relclf.errors import UserMistake

    data = load_config(config, overrides).data
    if data.folds is None or (data.fold is not None and folds is None):
        return False
    if data.fold is not None:
        raise UserMistake("--folds trains all folds; data.fold names one of them. Leave one of the two out.")
    if seeds is not None:
        raise UserMistake("--seeds and folds: train the folds seed by seed, --set seed=N each time.")
    return True


def _cross_validate(
    config: Path,
    overrides: list[str],
    run: Path | None,
    runs_dir: Path,
    quiet: bool,
    as_json: bool,
    live: bool,
) -> None:
    from relclf.cli.console import messages
    from relclf.cli.formatting import shell_path
    from relclf.cli.several_runs import fold_runs, train_several
    from relclf.config.loading import load_config
    from relclf.runs.folds import create_folds_folder

    folder = create_folds_folder(runs_dir, config.stem, run)
    planned = fold_runs(load_config(config, overrides), folder)
    train_several(planned, packed=False, quiet=quiet, as_json=as_json, live=live)
    if not quiet:
        messages().print(f"next: relclf evaluate {shell_path(folder)}")


def _new(config: Path | None, overrides: list[str], run: Path | None, runs_dir: Path) -> "Experiment":
    assert config is not None
    from relclf.config.loading import load_config

    loaded = load_config(config, overrides)
    from relclf.training.experiment import start

    return start(loaded, config.stem, runs_dir, run)


def _resumed(run: Path, checkpoint: str, overrides: list[str]) -> "Experiment":
    from relclf.training.experiment import resume

    return resume(run, checkpoint, overrides)


def follow(
    experiment: "Experiment", quiet: bool, as_json: bool, named: bool = False, live: bool = False
) -> str:
    """Run the training and print it; returns why it ended. `named`: each record says its run; `live`: with curves."""
    from rich.console import Console
    from rich.text import Text

    from relclf.cli.console import answers, messages
    from relclf.cli.formatting import shell_path
    from relclf.cli.terminal_chart import print_chart
    from relclf.cli.training_table import TrainingTable, curves
    from relclf.runs.files import read_json
    from relclf.training.interruption import stop_on_signals

    console = Console(quiet=True) if quiet else messages() if as_json else answers()
    table = TrainingTable(console, experiment)
    try:
        table.header()
        with stop_on_signals() as request, progress_bar([experiment], console, live):
            for record in experiment.epochs(request):
                table.row(experiment.state.records)
                if as_json:
                    name = {"run": str(experiment.run.path)} if named else {}
                    print(json.dumps(name | record.to_json()), flush=True)
    except BrokenPipeError:
        run = shell_path(experiment.run.path)
        messages().print(
            f"nobody reads the output any more: training stopped. To go on: relclf train --resume {run}"
        )
        raise
    reason = read_json(experiment.run.summary, "The training left no summary.")["stop_reason"]
    if live and console.is_terminal:
        print_chart([Text(), *curves(experiment, console), Text()], console)
    table.closing(reason)
    if quiet and not as_json:
        print(experiment.run.path)
    return str(reason)


@contextlib.contextmanager
def progress_bar(
    experiments: "Sequence[Experiment]", console: "Console", live: bool = False
) -> Iterator[None]:
    """A bar of the running epoch's batches under the table, on a terminal only; it polls the training's state.

    Of several runs that train together it shows the first that is inside an epoch. `live`: the curves of the first.
    """
    if not console.is_terminal or console.quiet:
        yield
        return
    from rich.console import Group
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    from relclf.cli.training_table import curves

    inputs = experiments[0].inputs
    batches = -(-len(inputs.train) // inputs.config.training.batch_size)

    def bar() -> Table:
        experiment = next((each for each in experiments if each.state.progress), experiments[0])
        progress = experiment.state.progress
        done = progress.batches_done if progress else batches
        epoch = progress.epoch if progress else len(experiment.state.records)
        grid = Table.grid(padding=(0, 1))
        state = f"batch {done}/{batches}" if done < batches else "evaluating"
        grid.add_row(f"epoch {epoch}", ProgressBar(batches, done, width=30), state)
        return grid

    @lru_cache(maxsize=1)
    def drawn(_epochs: int, _width: int, height: int) -> Group:
        return Group(Text(), *curves(experiments[0], console, height - _ROWS_IN_SIGHT))

    def view() -> Group:
        epochs = len(experiments[0].state.records)
        return Group(drawn(epochs, console.width, console.height), bar()) if live and epochs else Group(bar())

    with Live(
        get_renderable=view, console=console, transient=True, refresh_per_second=8, redirect_stderr=False
    ):
        yield


_ROWS_IN_SIGHT = 5
"""Lines of a terminal that the live curves leave free: for some rows of the table and the bar."""
