"""Finds the runs that a person names and puts those of one resolved config into one group."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from relclf.config.loading import changed_keys, load_config
from relclf.config.schema import DataHashes, ExperimentConfig
from relclf.errors import UserMistake
from relclf.runs.directory import RunDirectory, list_runs, open_run
from relclf.runs.files import read_json
from relclf.runs.lock import is_locked
from relclf.runs.records import EpochRecord, best_record, read_records

SWEEP_FORMAT = 1


@dataclass(frozen=True)
class Run:
    """What a run directory says, read once."""

    directory: RunDirectory
    config: ExperimentConfig
    environment: Mapping[str, Any]
    records: tuple[EpochRecord, ...]
    state: str
    """Why training ended, "training" while it goes on, "killed" where it left no summary."""
    best: EpochRecord | None
    """The record of the best epoch; None before the first epoch is done."""


@dataclass(frozen=True)
class Sweep:
    """sweep.json: the variants that were tried, each with the settings that it changes."""

    path: Path
    name: str
    kind: str
    """grid, random or search."""
    keys: tuple[str, ...]
    resampled: bool
    """Each seed has a dev split of its own."""
    seeds: int
    variants: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Group:
    """All runs of one resolved config; they differ in their seed alone."""

    name: str
    runs: tuple[Run, ...]
    sweep: Sweep | None = None
    variant: str | None = None
    whole: bool = False
    """All runs of a folder were asked for, not single ones."""

    @property
    def tried(self) -> int:
        """Variants that were tried to find this one."""
        return len(self.sweep.variants) if self.sweep else 1


@dataclass(frozen=True)
class Gathered:
    """The groups in the order in which they were named, and the sweep where one was named alone."""

    groups: tuple[Group, ...]
    sweep: Sweep | None


def gather(paths: Sequence[Path]) -> Gathered:
    """The groups that the paths name: runs, folders of runs, sweeps, variants of a sweep.

    Single runs of one config make one group, wherever they lie; a folder is a group of its own. A sweep named alone
    is a group for each variant that has runs; beside others it is its best variant on dev. Raises UserMistake.
    """
    groups: list[Group] = []
    lone: dict[tuple[ExperimentConfig, Path | None], list[Run]] = {}
    for path in paths:
        if (path / "sweep.json").is_file():
            variants = _variants(read_sweep(path))
            groups += variants if len(paths) == 1 else [_best_on_dev(variants)]
        elif (path / "environment.json").is_file():
            sweep = _sweep_above(path.absolute().parent)
            run = read_run(path)
            lone.setdefault((_without_seed(run.config, sweep), sweep.path if sweep else None), []).append(run)
        else:
            groups.append(_folder(path))
    groups += [_lone_group(runs) for runs in lone.values()]
    _refuse_repeated(groups)
    alone = groups[0].sweep if len(paths) == 1 and (paths[0] / "sweep.json").is_file() else None
    return Gathered(tuple(sorted(groups, key=lambda group: _place(group, paths))), alone)


def read_run(path: Path) -> Run:
    """A run as it is now. Raises UserMistake."""
    directory = open_run(path)
    config = load_config(directory.config)
    records = read_records(directory.records) if directory.records.exists() else []
    summary = (
        read_json(directory.summary, "relclf train --resume writes it anew.")
        if directory.summary.exists()
        else None
    )
    state = "training" if is_locked(path) else _stop_reason(directory, summary)
    if state == "training" or summary is None:
        best = best_record(records, config.training.monitor)
    else:
        best = _best_of_summary(directory, summary, records)
    return Run(directory, config, directory.read_environment(), tuple(records), state, best)


def read_sweep(path: Path) -> Sweep:
    """The sweep in a folder. Raises UserMistake where its file is malformed or of a newer format."""
    file = path / "sweep.json"
    value = read_json(file, "Is this a sweep?")
    try:
        if value["format"] > SWEEP_FORMAT:
            raise UserMistake(f"{file}: a sweep of format {value['format']}. Install a newer relclf.")
        variants = {each["name"]: dict(each["settings"]) for each in value["variants"]}
        return Sweep(
            path,
            value["name"],
            value["kind"],
            tuple(value["keys"]),
            value["split"] == "resample",
            len(value["seeds"]),
            variants,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserMistake(
            f"{file}: not a sweep ({type(error).__name__}: {error}). Is this a sweep?"
        ) from None


def _variants(sweep: Sweep) -> list[Group]:
    """A group for each variant that has runs."""
    groups = [
        Group(name, tuple(_runs_in(sweep.path / name)), sweep, name, whole=True)
        for name in sweep.variants
        if (sweep.path / name).is_dir()
    ]
    groups = [group for group in groups if group.runs]
    if not groups:
        raise UserMistake(f"{sweep.path}: no variant of this sweep has a run yet. relclf sweep makes them.")
    for group in groups:
        _check_one_config(sweep.path / group.name, group.runs, sweep)
    return groups


def _best_on_dev(variants: Sequence[Group]) -> Group:
    """The variant with the highest mean dev macro-F1 at its best epochs."""
    found = [(dev_mean(group), group) for group in variants]
    known = [(mean, group) for mean, group in found if mean is not None]
    if not known:
        raise UserMistake(
            f"{variants[0].name}: no variant of its sweep has a dev score. Name a variant itself."
        )
    best = max(known, key=lambda each: each[0])[1]
    assert best.sweep is not None
    return replace(best, name=f"{best.sweep.name}/{best.name}, best on dev")


def dev_mean(group: Group) -> float | None:
    """The mean over the runs of dev macro-F1 at the best epoch."""
    scores = [run.best.dev_macro_f1 for run in group.runs if run.best and run.best.dev_macro_f1 is not None]
    return sum(scores) / len(scores) if scores else None


def _folder(path: Path) -> Group:
    """A variant of a sweep, or any folder of runs."""
    if path.is_file():
        raise UserMistake(
            f"{path}: a file. Name runs, folders of runs, or sweeps; files go with --predictions."
        )
    if not path.is_dir():
        raise UserMistake(
            f"{path}: no such run, folder of runs, or sweep. relclf runs lists the runs there are."
        )
    sweep = _sweep_above(path.absolute())
    runs = tuple(_runs_in(path))
    if not runs:
        raise UserMistake(f"{path}: not a run, and no runs lie in it. relclf runs lists the runs there are.")
    _check_one_config(path, runs, sweep)
    variant = path.absolute().name if sweep else None
    return Group(variant or str(path), runs, sweep, variant, whole=True)


def _runs_in(path: Path) -> Iterator[Run]:
    return (read_run(run.path) for run in list_runs(path))


def _sweep_above(path: Path) -> Sweep | None:
    """The sweep that a folder is a variant of."""
    if (path.parent / "sweep.json").is_file():
        sweep = read_sweep(path.parent)
        return sweep if path.name in sweep.variants else None
    return None


def _lone_group(runs: Sequence[Run]) -> Group:
    first = runs[0].directory.path
    sweep = _sweep_above(first.absolute().parent)
    name = str(first) if len(runs) == 1 else f"{first} and {len(runs) - 1} more"
    return Group(name, tuple(runs), sweep, first.absolute().parent.name if sweep else None)


def _check_one_config(path: Path, runs: Sequence[Run], sweep: Sweep | None) -> None:
    first = _without_seed(runs[0].config, sweep)
    for run in runs[1:]:
        if (other := _without_seed(run.config, sweep)) != first:
            keys = ", ".join(changed_keys(first, other))
            raise UserMistake(
                f"{path}: its runs have different configs: {run.directory.path} differs from "
                f"{runs[0].directory.path} in {keys}. A group is all seeds of one config: name the runs themselves, "
                "and they are put into groups by their configs."
            )


def _refuse_repeated(groups: Sequence[Group]) -> None:
    """One training counted twice would look like two seeds that agree."""
    for group in groups:
        seen: dict[int, Path] = {}
        for run in group.runs:
            path, seed = run.directory.path, run.config.seed
            if seed in seen:
                raise UserMistake(
                    f"{path}: has the config and the seed ({seed}) of {seen[seed]}, so it is the same training again. "
                    "Give one of them. To compare two versions of a program, put the runs of each into a folder."
                )
            seen[seed] = path
    named: set[Path] = set()
    for path in (run.directory.path for group in groups for run in group.runs):
        if path.resolve() in named:
            raise UserMistake(f"{path}: is in two of the groups. Name each run once.")
        named.add(path.resolve())


def _place(group: Group, paths: Sequence[Path]) -> int:
    """Groups come in the order in which they were named."""
    run = group.runs[0].directory.path.absolute()
    return next(i for i, path in enumerate(paths) if run.is_relative_to(path.absolute()))


def _without_seed(config: ExperimentConfig, sweep: Sweep | None) -> ExperimentConfig:
    """The config apart from what the runs of a group may differ in: the seed, the machine, where the files lie."""
    hashes, data = config.data.sha256, config.data
    dev = data.dev if isinstance(data.dev, float) else Path(hashes.dev or data.dev)
    same_files = {
        "train": Path(hashes.train or data.train),
        "dev": dev,
        "test": Path(hashes.test or data.test) if isinstance(data.test, Path) else data.test,
        "sha256": DataHashes(),
        "split_seed": 0 if sweep is not None and sweep.resampled else data.split_seed,
    }
    vectors = (Path(hashes.vectors),) if hashes.vectors else config.encoding.vectors
    return config.model_copy(
        update={
            "seed": 0,
            "data": data.model_copy(update=same_files),
            "encoding": config.encoding.model_copy(update={"vectors": vectors}),
            "training": config.training.model_copy(update={"device": "auto", "threads": None}),
        }
    )


def _stop_reason(directory: RunDirectory, summary: Any) -> str:
    if summary is None:
        return "killed"
    try:
        return str(summary["stop_reason"])
    except (KeyError, TypeError):
        raise _no_summary(directory) from None


def _best_of_summary(
    directory: RunDirectory, summary: Any, records: Sequence[EpochRecord]
) -> EpochRecord | None:
    """The record of the epoch that the summary calls the best (a person may have given up earlier ones)."""
    try:
        epoch = summary["best"] and summary["best"]["epoch"]
        return records[epoch - 1] if epoch else None
    except (KeyError, TypeError, IndexError):
        raise _no_summary(directory) from None


def _no_summary(directory: RunDirectory) -> UserMistake:
    return UserMistake(
        f"{directory.summary}: does not fit {directory.records}. "
        f"relclf train --resume {directory.path} writes both anew."
    )
