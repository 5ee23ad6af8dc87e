"""An experiment from config to run directory: starts a training, or resumes one, and sums it up."""

import contextlib
import copy
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from relclf.config.loading import changed_keys, config_from_mapping, dump_config, load_config
from relclf.config.schema import ExperimentConfig, TrainingConfig
from relclf.encoding.dataset import EncodedDataset, encode
from relclf.encoding.vocabulary import Vocabulary
from relclf.errors import Interrupted, RelclfError, UserMistake
from relclf.models.cnn import Cnn
from relclf.relations import RelationSet
from relclf.runs.directory import FORMAT, RunDirectory, create_run, open_run
from relclf.runs.environment import describe_environment, usual_threads
from relclf.runs.files import link_or_copy, remove_leftovers, write_bytes, write_json, write_text
from relclf.runs.lock import RunLock
from relclf.runs.records import EpochRecord, best_record, read_records, write_records
from relclf.runs.summary import summarise
from relclf.training.checkpoint import (
    TrainingState,
    load_weights,
    read_checkpoint,
    restore_checkpoint,
    save_checkpoint,
    weights_for_use,
)
from relclf.training.corpus import Corpus, read_corpus, with_hashes
from relclf.training.device import (
    check_precision,
    choose_device,
    device_name,
    memory_explained,
    prepare_torch,
    resident,
)
from relclf.training.devset import check_monitor, write_scored
from relclf.training.evaluation import LabelledSet, evaluate, labelled_set
from relclf.training.interruption import StopRequest
from relclf.training.loop import POLLED_UPDATES, LoopInputs, NotFinite, run_epochs
from relclf.training.network import (
    Network,
    new_network,
    objective_of,
    open_network,
    save_network_files,
)
from relclf.training.optimizers import (
    Optimizer,
    build_optimizer,
    depends_on_length,
    leaves_out_broken_updates,
    own_word_share,
)
from relclf.training.seeding import torch_generator
from relclf.training.stopping import StopReason, stop_reason
from relclf.training.words import Words, read_words

EXTENDABLE = ("training.max_epochs", "training.patience")
"""The keys that a resumed run may change."""
DEFERRED_ROWS = 8
"""Word rows are deferred where the embedding has this many times the tokens that an update reads."""


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

    def epochs(self, request: StopRequest | None = None) -> Generator[EpochRecord, None, None]:
        """Train to the end, yielding each epoch's record; summary.json says at last why it ended.

        Raises Interrupted, NotFinite, or Failure; then too the summary is written and the run can be resumed.
        """
        try:
            self.run.summary.unlink(missing_ok=True)
            yield from run_epochs(self.inputs, self.state, request or StopRequest())
        except BaseException as error:
            self.end(error)
            raise
        self.end()

    def end(self, error: BaseException | None = None) -> None:
        """Write summary.json, which says why training has ended, and release the lock on the run."""
        try:
            if isinstance(error, Interrupted | KeyboardInterrupt | GeneratorExit):
                self._write_summary("interrupted")
            elif isinstance(error, NotFinite):
                self._write_summary("not_finite")
            elif error is not None:
                with contextlib.suppress(RelclfError):  # the first error is the one to report
                    self._write_summary("error")
            else:
                training, relations = self.inputs.config.training, len(self.inputs.relations)
                self._write_summary(stop_reason(self.state.records, training, relations) or "error")
        finally:
            self.lock.release()

    def _write_summary(self, reason: StopReason) -> None:
        """Sum up the records on disk: after an error they are what a resumed run goes on from."""
        monitor = self.inputs.config.training.monitor
        records = read_records(self.run.records)
        write_json(self.run.summary, summarise(records, monitor, self.state.best_from, reason))


@dataclass(frozen=True)
class Material:
    """What the runs of one config have in common, whatever their seeds: the data, read and encoded once."""

    config: ExperimentConfig
    """With the device, the threads and the hashes of the data files filled in."""
    corpus: Corpus
    words: Words
    train: EncodedDataset
    dev: LabelledSet | None
    device: torch.device
    threads: int


def start(config: ExperimentConfig, name: str, runs_dir: Path, explicit: Path | None) -> Experiment:
    """A new run: data read, network drawn, run directory made with a checkpoint of epoch 0."""
    return begin(prepare(config), config.seed, name, runs_dir, explicit)


def prepare(config: ExperimentConfig) -> Material:
    """Read and encode the data of a config. Raises UserMistake where it cannot be learned from."""
    device = choose_device(config.training.device)
    threads = config.training.threads or usual_threads()
    resolved = {"device": str(device) if device.index else device.type, "threads": threads}
    config = config.model_copy(update={"training": config.training.model_copy(update=resolved)})
    check_precision(config.training, device)
    prepare_torch(config.training, device, threads)
    config = with_hashes(config)
    corpus = read_corpus(config)
    if corpus.dev is not None:
        check_monitor(config.training.monitor, corpus.relations)
    words = read_words(config, corpus)
    train_set, dev, notes = _encoded(config, corpus, words.vocabulary, corpus.relations, device)
    corpus = replace(corpus, notes=(*corpus.notes, *notes))
    return Material(config, corpus, words, train_set, dev, device, threads)


def begin(material: Material, seed: int, name: str, runs_dir: Path, explicit: Path | None) -> Experiment:
    """A new run of one seed: network drawn, run directory made with a checkpoint of epoch 0."""
    config, network, state = draw(material, seed)
    device, threads = material.device, material.threads

    def fill(run: RunDirectory) -> None:
        environment = describe_environment(str(device), device_name(device), threads)
        write_json(run.environment, {"format": FORMAT, **environment})
        write_text(run.config, dump_config(config, run.path))
        save_network_files(run, network, material.words)
        write_records(run.records, [])
        save_checkpoint(run, state)

    run, lock = create_run(runs_dir, name, explicit, fill)
    inputs = loop_inputs(config, network, state, material.train, material.dev, run, device)
    return Experiment(network, inputs, state, material.corpus.notes, device, threads, lock)


def draw(material: Material, seed: int) -> tuple[ExperimentConfig, Network, TrainingState]:
    """The config with this seed, its network, and the state of a training not yet begun; nothing is on disk."""
    config = material.config.model_copy(update={"seed": seed})
    network = new_network(config, material.corpus, material.words)
    with memory_explained("for the network"):
        network.model.to(material.device)
    optimizer = optimizer_of(config, material.corpus, network.model)
    dropout = torch_generator(seed, "dropout", 0, material.device)
    return config, network, TrainingState(network.model, optimizer, dropout, [])


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
        threads = config.training.threads or usual_threads()
        check_precision(config.training, device)
        prepare_torch(config.training, device, threads)
        with_hashes(config)
        corpus = read_corpus(config)
        network = open_network(run, config)
        with memory_explained("for the network"):
            network.model.to(device)
        optimizer = optimizer_of(config, corpus, network.model)
        state = TrainingState(
            network.model, optimizer, torch_generator(config.seed, "dropout", 0, device), []
        )
        restore_checkpoint(run.checkpoint(checkpoint), state)
        _check_not_shortened(before.training, config.training, state, len(network.relations))
        train_set, dev, said = _encoded(config, corpus, network.vocabulary, network.relations, device)
        inputs = loop_inputs(config, network, state, train_set, dev, run, device)
        experiment = Experiment(network, inputs, state, (*corpus.notes, *said), device, threads, lock)
        if config != before:
            write_text(run.config, dump_config(config, run.path))
        notes = _settle(experiment, checkpoint)
    except BaseException:
        lock.release()
        raise
    return replace(experiment, notes=(*experiment.notes, *notes))


def _encoded(
    config: ExperimentConfig,
    corpus: Corpus,
    vocabulary: Vocabulary,
    relations: RelationSet,
    device: torch.device,
) -> tuple[EncodedDataset, LabelledSet | None, tuple[str, ...]]:
    """Train and dev as arrays on the device, and notes on what does not fit there."""
    distance = config.encoding.max_distance
    with memory_explained("for the data"):
        train_set, notes = resident(encode(corpus.train, vocabulary, relations, distance), "train", device)
        if corpus.dev is None:
            return train_set, None, notes
        dev, more = resident(encode(corpus.dev, vocabulary, relations, distance), "dev", device)
    return train_set, labelled_set(corpus.dev, dev, relations), (*notes, *more)


def loop_inputs(
    config: ExperimentConfig,
    network: Network,
    state: TrainingState,
    train_set: EncodedDataset,
    dev: LabelledSet | None,
    run: RunDirectory,
    device: torch.device,
) -> LoopInputs:
    """What the loop needs beside the state; `run` is where it saves."""
    objective = objective_of(network, device)
    network.model.uses_loops = True
    polled = device.type != "cpu" and leaves_out_broken_updates(state.optimizer)
    poll_every = POLLED_UPDATES if polled else 1
    training = config.training
    captured = polled and training.graphs and training.update_every in ("batch", 1)
    captured = captured and device.type == "cuda" and train_set.device == device
    # A recorded update keeps the share of the rate that the words had then.
    captured = captured and training.words_from_epoch == 1
    # How many n-grams the words of a batch have is no shape of the batch.
    captured = captured and config.encoding.missing_vectors != "ngrams"
    return LoopInputs(config, network.relations, train_set, dev, objective, run, poll_every, captured)


def optimizer_of(config: ExperimentConfig, corpus: Corpus, model: Cnn) -> Optimizer:
    """The config's optimiser; word rows are deferred where an update reads few of them."""
    words = model.words
    tokens = sum(len(example.tokens) for example in corpus.train) / len(corpus.train)
    few = DEFERRED_ROWS * config.training.batch_size * tokens <= len(words.weight)
    # Where several batches make an update, a resumed run could not tell which rows the first ones have read.
    deferred = few and config.training.update_every in ("batch", 1)
    device = model.output.weight.device
    share = own_word_share(config.training, config.training.words_from_epoch)
    return build_optimizer(
        config.training.optimizer, model.parameters(), device, words, deferred=deferred, word_share=share
    )


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


def _check_not_shortened(
    before: TrainingConfig, after: TrainingConfig, state: TrainingState, relations: int
) -> None:
    """Raise UserMistake where training would have ended before the state that it goes on from."""
    if after.max_epochs >= before.max_epochs and _patience(after) >= _patience(before):
        return
    past = len(state.records) - (state.progress is None)
    for epochs in range(1, past + 1):
        if stop_reason(state.records[:epochs], after, relations) is not None:
            raise UserMistake(
                f"with these values training would have ended after epoch {epochs}, but the run has gone on "
                f"to epoch {past + 1}. A resumed run can only become longer; train a new one."
            )


def _patience(config: TrainingConfig) -> float:
    return math.inf if config.patience is None else config.patience


def _settle(experiment: Experiment, checkpoint: str) -> list[str]:
    """Make the files beside the restored checkpoint agree with it; returns what a person should know."""
    run, state, inputs = experiment.run, experiment.state, experiment.inputs
    remove_leftovers(run.path)
    if checkpoint != "last":
        _keep_discarded_records(run, len(state.records))
        link_or_copy(run.checkpoint(checkpoint), run.checkpoint("last"))
    for weights in run.epochs.glob("*.safetensors"):
        if weights > run.epoch_weights(len(state.records)):
            weights.unlink()
    write_records(run.records, state.records)
    notes = _settle_best(experiment, chosen=checkpoint != "last")
    best_path = run.checkpoint("best")
    if inputs.dev is not None and best_path.exists():
        model = copy.deepcopy(state.model)
        load_weights(best_path, model, weights_for_use(read_checkpoint(best_path)[0]))
        evaluation = evaluate(model, inputs.dev.dataset, inputs.objective)
        write_scored(run.dev_predictions, inputs.dev, evaluation)
    else:
        run.dev_predictions.unlink(missing_ok=True)
    return notes


def _settle_best(experiment: Experiment, chosen: bool) -> list[str]:
    """Make `best` the checkpoint of the best record. `chosen`: the person went back with --from."""
    run, state = experiment.run, experiment.state
    completed = len(state.records)
    path = run.checkpoint("best")
    found = _epoch_of_best(path, chosen)
    notes = []
    if found is None or found > completed:
        # Removed or broken, or overwritten by an epoch that is now discarded: only what comes can be the best.
        path.unlink(missing_ok=True)
        state.best_from = completed + 1 if state.progress else max(1, completed)
        if state.best_from > 1:
            notes.append(f"the earlier best weights are lost: best counts from epoch {state.best_from} on")
    best = best_record(state.records, experiment.inputs.config.training.monitor, state.best_from)
    if best is not None and best.epoch == completed != found:
        # The process ended after the checkpoint of a new best epoch, before it was named so.
        link_or_copy(run.checkpoint("last"), path)
    return notes


def _epoch_of_best(path: Path, chosen: bool) -> int | None:
    """The epoch of the checkpoint `best`; None where there is none, or a broken one and the person went back."""
    if not path.exists():
        return None
    try:
        return len(read_checkpoint(path)[1]["records"])
    except UserMistake as error:
        if chosen:
            return None
        what = str(error).split(". ")[0]
        raise UserMistake(
            f"{what}. Remove it to go on from the last epoch without it; earlier epochs cannot be the best then."
        ) from None


def _keep_discarded_records(run: RunDirectory, completed: int) -> None:
    """Move the records after `completed` epochs to the end of records.discarded.jsonl."""
    lines = run.records.read_bytes().splitlines(keepends=True) if run.records.exists() else []
    before = run.discarded_records.read_bytes() if run.discarded_records.exists() else b""
    later = b"".join(line for line in lines[completed:] if line.endswith(b"\n"))
    if not before.endswith(later):  # else an interrupted resume has moved them
        write_bytes(run.discarded_records, before + later)
