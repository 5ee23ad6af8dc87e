"""An experiment from config to run directory: starts a training, or resumes one, and sums it up."""

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from relclf.config.loading import changed_keys, config_from_mapping, dump_config, load_config
from relclf.config.schema import ExperimentConfig
from relclf.encoding.dataset import encode
from relclf.errors import Interrupted, RelclfError, UserMistake
from relclf.models.losses import build_objective
from relclf.runs.directory import FORMAT, RunDirectory, create_run, open_run
from relclf.runs.environment import available_cores, describe_environment
from relclf.runs.files import link_or_copy, write_bytes, write_json, write_text
from relclf.runs.lock import RunLock
from relclf.runs.records import EpochRecord, best_record, write_records
from relclf.runs.summary import summarise
from relclf.training.checkpoint import (
    TrainingState,
    checkpoint_epoch,
    load_weights,
    read_checkpoint,
    restore_checkpoint,
    save_checkpoint,
)
from relclf.training.corpus import Corpus, read_corpus, with_hashes
from relclf.training.device import choose_device, device_name, prepare_torch
from relclf.training.devset import write_dev_predictions
from relclf.training.evaluation import evaluate, labelled_set
from relclf.training.interruption import StopRequest
from relclf.training.loop import LoopInputs, NotFinite, run_epochs
from relclf.training.network import Network, new_network, open_network, save_network_files
from relclf.training.optimizers import build_optimizer, depends_on_length
from relclf.training.seeding import torch_generator
from relclf.training.stopping import StopReason, stop_reason

EXTENDABLE = ("training.max_epochs", "training.patience")
"""The keys that a resumed run may change."""


def train(
    config: "ExperimentConfig | Path | str | Mapping[str, Any]",
    *,
    run: Path | str | None = None,
    runs_dir: Path | str = "runs",
    overrides: Sequence[str] = (),
) -> Iterator[EpochRecord]:
    """Train and yield one EpochRecord an epoch; everything is kept in a run directory.

    `config` is a config file's path, a mapping of its content (paths relative to the current folder) or an
    ExperimentConfig. The run is `run`, or the next free name under `runs_dir`. Raises RelclfError.
    """
    name = "experiment"
    if isinstance(config, str | Path):
        name = Path(config).stem
        config = load_config(Path(config), overrides)
    elif not isinstance(config, ExperimentConfig):
        config = config_from_mapping(config, Path.cwd(), overrides)
    elif overrides:
        raise UserMistake("overrides go with a config file or a mapping, not with an ExperimentConfig.")
    experiment = start(config, name, Path(runs_dir), Path(run) if run is not None else None)
    yield from experiment.epochs()


@dataclass(frozen=True)
class Experiment:
    """A training about to run: its inputs, its state, and the lock on its run directory."""

    network: Network
    inputs: LoopInputs
    state: TrainingState
    notes: tuple[str, ...]
    device: torch.device
    threads: int
    lock: RunLock

    @property
    def run(self) -> RunDirectory:
        """The run directory."""
        return self.inputs.run

    def epochs(self, request: StopRequest | None = None) -> Iterator[EpochRecord]:
        """Train to the end, yielding each epoch's record; summary.json says at last why it ended.

        Raises Interrupted, NotFinite, or Failure; then too the summary is written and the run can be resumed.
        """
        try:
            self.run.summary.unlink(missing_ok=True)
            yield from run_epochs(self.inputs, self.state, request or StopRequest())
            reason = stop_reason(self.state.records, self.inputs.config.training, len(self.inputs.relations))
            self._write_summary(reason or "error")
        except (Interrupted, KeyboardInterrupt, GeneratorExit):
            self._write_summary("interrupted")
            raise
        except NotFinite:
            self._write_summary("not_finite")
            raise
        except Exception:
            with contextlib.suppress(RelclfError):  # the first error is the one to report
                self._write_summary("error")
            raise
        finally:
            self.lock.release()

    def _write_summary(self, reason: StopReason) -> None:
        monitor = self.inputs.config.training.monitor
        write_json(self.run.summary, summarise(self.state.records, monitor, self.state.best_from, reason))


def start(config: ExperimentConfig, name: str, runs_dir: Path, explicit: Path | None) -> Experiment:
    """A new run: data read, network drawn, run directory made with a checkpoint of epoch 0."""
    device = choose_device(config.training.device)
    threads = config.training.threads or available_cores()
    resolved = {"device": str(device) if device.index else device.type, "threads": threads}
    config = config.model_copy(update={"training": config.training.model_copy(update=resolved)})
    prepare_torch(config.training, device, threads)
    config = with_hashes(config)
    corpus = read_corpus(config)
    network = new_network(config, corpus)
    network.model.to(device)
    optimizer = build_optimizer(config.training.optimizer, network.model.parameters(), device)
    state = TrainingState(network.model, optimizer, torch_generator(config.seed, "dropout", 0, device), [])

    def fill(run: RunDirectory) -> None:
        environment = describe_environment(str(device), device_name(device), threads)
        write_json(run.environment, {"format": FORMAT, **environment})
        write_text(run.config, dump_config(config, run.path))
        save_network_files(run, network)
        write_records(run.records, [])
        save_checkpoint(run, state)

    run, lock = create_run(runs_dir, name, explicit, fill)
    return _experiment(config, corpus, network, state, run, device, threads, lock)


def resume(path: Path, checkpoint: str = "last", overrides: Sequence[str] = ()) -> Experiment:
    """A run that goes on from its checkpoint `last`, `previous` or `best`, bit for bit where it stood.

    The checkpoint's records are authoritative: later ones in records.jsonl are cut off, and kept in
    records.discarded.jsonl where the person chose an earlier checkpoint. `overrides` may change
    EXTENDABLE keys only. Raises UserMistake; never starts afresh.
    """
    run = open_run(path)
    lock = RunLock(path)
    try:
        before = load_config(run.config)
        config = load_config(run.config, overrides)
        _check_extension(before, config)
        device = choose_device(config.training.device)
        threads = config.training.threads or available_cores()
        prepare_torch(config.training, device, threads)
        with_hashes(config)
        corpus = read_corpus(config)
        network = open_network(run, config)
        network.model.to(device)
        optimizer = build_optimizer(config.training.optimizer, network.model.parameters(), device)
        state = TrainingState(
            network.model, optimizer, torch_generator(config.seed, "dropout", 0, device), []
        )
        restore_checkpoint(run.checkpoint(checkpoint), state)
        if config != before:
            write_text(run.config, dump_config(config, run.path))
        experiment = _experiment(config, corpus, network, state, run, device, threads, lock)
        _settle(experiment, checkpoint)
    except BaseException:
        lock.release()
        raise
    return experiment


def _experiment(
    config: ExperimentConfig,
    corpus: Corpus,
    network: Network,
    state: TrainingState,
    run: RunDirectory,
    device: torch.device,
    threads: int,
    lock: RunLock,
) -> Experiment:
    distance = config.encoding.max_distance
    train_set = encode(corpus.train, network.vocabulary, network.relations, distance).to(device)
    dev = None
    if corpus.dev is not None:
        encoded = encode(corpus.dev, network.vocabulary, network.relations, distance).to(device)
        dev = labelled_set(corpus.dev, encoded, network.relations)
    objective = build_objective(config.training.imbalance, network.relation_counts, device)
    inputs = LoopInputs(config, network.relations, train_set, dev, objective, run)
    return Experiment(network, inputs, state, corpus.notes, device, threads, lock)


def _check_extension(before: ExperimentConfig, after: ExperimentConfig) -> None:
    """Raise UserMistake unless only keys changed that a resumed run may change."""
    changed = changed_keys(before, after)
    if refused := [key for key in changed if key not in EXTENDABLE]:
        raise UserMistake(
            f"{', '.join(refused)}: cannot change in a resumed run, only {' and '.join(EXTENDABLE)} can. "
            "Train a new run for another config."
        )
    if "training.max_epochs" in changed and depends_on_length(after.training.schedule):
        raise UserMistake(
            f"training.max_epochs: the {after.training.schedule.name} schedule depends on it, so the epochs "
            "already run would have been others. Train a new run."
        )


def _settle(experiment: Experiment, checkpoint: str) -> None:
    """Make the files beside the restored checkpoint agree with it."""
    run, state = experiment.run, experiment.state
    completed = len(state.records)
    if checkpoint != "last":
        _keep_discarded_records(run, completed)
        link_or_copy(run.checkpoint(checkpoint), run.checkpoint("last"))
    write_records(run.records, state.records)
    best_path = run.checkpoint("best")
    best_epoch = checkpoint_epoch(best_path) if best_path.exists() else None
    if best_epoch is not None and best_epoch > completed:
        # An epoch that is now discarded has overwritten the best weights of those kept.
        state.best_from = completed + 1 if state.progress else max(1, completed)
        best_path.unlink()
    best = best_record(state.records, experiment.inputs.config.training.monitor, state.best_from)
    if best is not None and best.epoch == completed != best_epoch:
        # The process ended after the checkpoint of a new best epoch, before it was named so.
        link_or_copy(run.checkpoint("last"), best_path)
    if experiment.inputs.dev is not None and best_path.exists():
        model = copy.deepcopy(state.model)
        load_weights(best_path, model, read_checkpoint(best_path)[0])
        evaluation = evaluate(model, experiment.inputs.dev.dataset, experiment.inputs.objective)
        write_dev_predictions(run.dev_predictions, experiment.inputs.dev, evaluation)


def _keep_discarded_records(run: RunDirectory, completed: int) -> None:
    """Move the records after `completed` epochs to the end of records.discarded.jsonl."""
    lines = run.records.read_bytes().splitlines(keepends=True) if run.records.exists() else []
    before = run.discarded_records.read_bytes() if run.discarded_records.exists() else b""
    if later := b"".join(lines[completed:]):
        write_bytes(run.discarded_records, before + later)
