"""Trains several runs for `relclf train`, one after the other or packed, and sums them up."""

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from relclf.cli.console import answers, messages
from relclf.cli.formatting import shell_path
from relclf.cli.reporting import print_error
from relclf.cli.several_runs_table import PackedTable, print_summary
from relclf.cli.train import follow, progress_bar
from relclf.config.loading import load_config
from relclf.errors import Interrupted, RelclfError, UserMistake
from relclf.runs.files import read_json
from relclf.runs.folds import fold_path
from relclf.runs.records import EpochRecord
from relclf.training.experiment import Experiment, begin, prepare, resume, start
from relclf.training.interruption import stop_on_signals
from relclf.training.packing import pays, run_packed
from relclf.training.stopping import ENDED_WELL

if TYPE_CHECKING:
    from relclf.config.schema import ExperimentConfig


@dataclass(frozen=True)
class Planned:
    """A run that is to be trained, before it is made or opened."""

    name: str
    make: Callable[[], Experiment]


def new_runs(
    config: Path, overrides: list[str], seeds: str, run: Path | None, runs_dir: Path
) -> list[Planned]:
    """One run a seed, named after the config (or `run`) and the seed; the data are read once for all."""
    loaded = load_config(config, overrides)
    paths = {
        seed: run.with_name(f"{run.name}-seed-{seed}") if run else None for seed in _seeds(seeds, loaded.seed)
    }
    for path in paths.values():
        if path is not None and path.exists():
            raise UserMistake(
                f"{path}: exists already, and a run is never overwritten. Choose another --run."
            )
    material = prepare(loaded)
    return [
        Planned(f"seed {seed}", partial(begin, material, seed, f"{config.stem}-seed-{seed}", runs_dir, path))
        for seed, path in paths.items()
    ]


def fold_runs(config: "ExperimentConfig", folder: Path) -> list[Planned]:
    """One run a fold of the config, in a folder."""
    return [
        Planned(f"fold {fold}", partial(_of_fold, config, fold, folder))
        for fold in range(1, (config.data.folds or 0) + 1)
    ]


def _of_fold(config: "ExperimentConfig", fold: int, folder: Path) -> Experiment:
    data = config.data.model_copy(update={"fold": fold})
    return start(config.model_copy(update={"data": data}), "", folder, fold_path(folder, fold))


def resumed_runs(paths: Sequence[Path], checkpoint: str, overrides: list[str]) -> list[Planned]:
    """The runs to go on with."""
    return [Planned(str(path), partial(resume, path, checkpoint, overrides)) for path in paths]


def train_several(
    planned: Sequence[Planned], *, packed: bool, quiet: bool, as_json: bool, live: bool = False
) -> None:
    """Train all runs; exit code 1 where one of them fails or diverges, which leaves the others as they are."""
    console = Console(quiet=True) if quiet else messages() if as_json else answers()
    experiments = _make_all(planned) if packed else []
    if packed and pays(experiments[0].device):
        paths = _train_packed(experiments, console, quiet, as_json)
    else:
        if packed:
            console.print(
                Text("note   --pack: on a CPU one run after the other is faster, so they take turns")
            )
            planned = [Planned(str(each.run.path), partial(_given, each)) for each in experiments]
        paths = _train_in_turn(planned, quiet, as_json, live)
    reasons = [
        read_json(path / "summary.json", "The training left no summary.")["stop_reason"] for path in paths
    ]
    print_summary(paths, console)
    if len(paths) < len(planned) or any(reason not in ENDED_WELL for reason in reasons):
        raise typer.Exit(1)


def _seeds(text: str, first: int) -> list[int]:
    """The seeds that --seeds means: a number of them, from `first` on, or a list with commas."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise UserMistake(f"--seeds: must be a number of seeds, or a list such as 1,2,3 (got {text!r}).")
    numbers = [int(part) for part in parts]
    if len(numbers) == 1:
        numbers = list(range(first, first + numbers[0]))
    if not numbers:
        raise UserMistake("--seeds: must be at least 1.")
    if len(set(numbers)) < len(numbers):
        raise UserMistake(f"--seeds: has a seed twice (got {text!r}); its two runs would be the same.")
    return numbers


def _make_all(planned: Sequence[Planned]) -> list[Experiment]:
    """All runs at once; where one cannot be made, the locks of the others are given back."""
    made: list[Experiment] = []
    try:
        for each in planned:
            made.append(each.make())
    except BaseException:
        for experiment in made:
            experiment.lock.release()
        raise
    return made


def _given(experiment: Experiment) -> Experiment:
    return experiment


def _train_in_turn(planned: Sequence[Planned], quiet: bool, as_json: bool, live: bool) -> list[Path]:
    """Train one run after the other, printing each as if it were alone; returns those that were made."""
    paths: list[Path] = []
    for number, each in enumerate(planned):
        try:
            experiment = each.make()
            paths.append(experiment.run.path)
            follow(experiment, quiet, as_json, named=True, live=live)
        except Interrupted as error:
            rest = ", ".join(other.name for other in planned[number + 1 :])
            raise Interrupted(
                f"{error}\nnot trained: {rest}" if rest else str(error), error.signal_number
            ) from None
        except RelclfError as error:
            print_error(f"{each.name}: {error}")
    return paths


def _train_packed(experiments: list[Experiment], console: Console, quiet: bool, as_json: bool) -> list[Path]:
    """Train all runs as one stacked network, a row an epoch for all of them."""
    paths = [each.run.path for each in experiments]
    table = PackedTable(console, experiments)
    with contextlib.ExitStack() as stack:
        table.header()
        request = stack.enter_context(stop_on_signals())
        stack.enter_context(progress_bar(experiments, console))
        try:
            for outcomes in run_packed(experiments, request):
                table.row([(each, o) for each, o in outcomes if isinstance(o, EpochRecord)])
                for experiment, outcome in outcomes:
                    if isinstance(outcome, RelclfError):
                        print_error(f"{experiment.run.path}: {outcome}")
                    elif as_json:
                        print(json.dumps({"run": str(experiment.run.path)} | outcome.to_json()), flush=True)
        except BrokenPipeError:
            runs = " ".join(f"--resume {shell_path(path)}" for path in paths)
            messages().print(
                f"nobody reads the output any more: training stopped. To go on: relclf train {runs}"
            )
            raise
    if quiet and not as_json:
        for path in paths:
            print(path)
    return paths
