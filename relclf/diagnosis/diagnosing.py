"""Diagnoses a config before its training, or a run during or after it: every check that can look, in turn."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from relclf.config.loading import load_config
from relclf.config.schema import ExperimentConfig
from relclf.diagnosis.bench import Answer, Bench, Skipped
from relclf.diagnosis.config_checks import config_findings
from relclf.diagnosis.drawn import looks_drawn
from relclf.diagnosis.findings import Finding
from relclf.diagnosis.inspecting import inspect_config
from relclf.diagnosis.prediction_checks import prediction_findings
from relclf.diagnosis.probes import Ids
from relclf.diagnosis.rate_probes import StepSizes
from relclf.diagnosis.record_checks import record_findings
from relclf.errors import UserMistake
from relclf.runs.directory import RunDirectory, open_run
from relclf.runs.files import read_json
from relclf.runs.lock import is_locked
from relclf.runs.records import EpochRecord, best_record, read_records
from relclf.training.experiment import Material, prepare
from relclf.training.loop import NotFinite
from relclf.training.network import Network, load_run_weights, open_network
from relclf.training.stopping import StopReason

Probes = Literal["default", "all", "lr-range"]
"""What to run beside the checks: `all` adds what takes minutes, `lr-range` is that test alone, without checks."""


@dataclass(frozen=True)
class Looking:
    """What is being looked at from now on."""

    at: str


Seen = Looking | Skipped | Finding | StepSizes
Step = tuple[str, Callable[[], Answer]]


def diagnose_config(
    config: ExperimentConfig,
    probes: Probes = "default",
    budget_seconds: float | None = None,
    path: str = "CONFIG",
) -> Iterator[Seen]:
    """What the config, its data and short trainings of its network say, as it comes. Writes nothing.

    `path` is the config's file, for the commands that are advised; `findings.in_order` sorts what came.
    Raises UserMistake where the config cannot be trained at all.
    """
    budget = _Budget(budget_seconds)
    yield Looking("the config")
    material = prepare(_on_one_thread(config))
    if probes != "lr-range":
        yield from _config_findings(config, material, path)
    yield from _in_turn(_probe_steps(material, probes, budget, path), budget)


def diagnose_run(
    path: Path, probes: Literal["default", "all"] = "default", budget_seconds: float | None = None
) -> Iterator[Seen]:
    """What a run's records, predictions, checkpoints and data say, and the probes of its config. Writes nothing.

    Raises UserMistake where it is no run, or its files are broken.
    """
    budget = _Budget(budget_seconds)
    run = open_run(path)
    config, records = load_config(run.config), read_records(run.records)
    network = open_network(run, config)
    yield Looking("the records")
    yield from _records(run, config, records, network)
    yield Looking("the config")
    try:
        material = prepare(_on_one_thread(_on_this_machine(config)))
    except UserMistake as error:
        yield from config_findings(config, path=str(run.config))
        yield Skipped("the data, the network and probes of them", str(error))
        return
    yield from _config_findings(config, material, str(run.config))
    bench = Bench(material, budget.check, str(run.config))
    trained: Step = ("the trained network", lambda: _trained(run, network, bench))
    yield from _in_turn([trained, *_probe_steps(material, probes, budget, str(run.config))], budget)


def diagnose_files(path: Path) -> Answer:
    """What a run's records, dev predictions and config say: all checks that need neither data nor a training.

    Raises UserMistake where it is no run, or its files are broken.
    """
    run = open_run(path)
    config, records = load_config(run.config), read_records(run.records)
    said = _records(run, config, records, open_network(run, config))
    return [*said, *config_findings(config, path=str(run.config))]


class _Spent(Exception):
    """The budget is spent."""


class _Budget:
    """Seconds that a diagnosis may take."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._started = time.monotonic()

    def check(self) -> None:
        """Raise _Spent where it is spent."""
        if self.seconds is not None and time.monotonic() - self._started >= self.seconds:
            raise _Spent


def _in_turn(steps: Sequence[Step], budget: _Budget) -> Iterator[Seen]:
    for name, step in steps:
        try:
            budget.check()
            yield Looking(name)
            yield from step()
        except _Spent:
            yield Skipped(name, f"the budget of {budget.seconds:g} seconds is spent")
        except NotFinite as error:
            yield Skipped(name, f"in a short training {str(error).partition('. ')[0]}")


def _probe_steps(material: Material, probes: Probes, budget: _Budget, path: str) -> list[Step]:
    """What needs the data: those that tell most for their time come first."""
    bench = Bench(material, budget.check, path)
    step_sizes: Step = ("a range of learning rates", bench.step_sizes)
    if probes == "lr-range":
        return [step_sizes]
    steps: list[Step] = [
        ("the data", lambda: _inspected(material.config)),
        ("the first loss", bench.first_loss),
        ("a few sentences by heart", bench.by_heart),
        ("the learning rate", bench.rates),
        ("unusual settings", bench.settings),
        ("the filters", bench.filters_after_short_training),
    ]
    if probes == "default":
        return steps
    with_dev: list[Step] = [
        ("shuffled relations", bench.shuffled_relations),
        ("input left out", bench.left_out_after_short_training),
        ("half and twice the filters", bench.more_and_fewer_filters),
        ("the learning curve", bench.learning_curve),
    ]
    if material.dev is None:
        return [*steps, *((name, _without_dev(name)) for name, _ in with_dev), step_sizes]
    return [*steps, *with_dev, step_sizes]


def _without_dev(name: str) -> Callable[[], Answer]:
    return lambda: [Skipped(name, "it needs a dev set, and data.all_data leaves none")]


def _inspected(config: ExperimentConfig) -> Answer:
    inspection = inspect_config(config)
    found = [each for finding in inspection.findings for each in (finding, *finding.symptoms)]
    return [*found, *(Skipped("the data", reason) for reason in inspection.skipped)]


def _config_findings(config: ExperimentConfig, material: Material, path: str) -> list[Finding]:
    vectors = material.words.vectors
    return config_findings(
        config,
        train_sentences=len(material.train),
        relations=len(material.corpus.relations),
        path=path,
        vectors_drawn=vectors is not None and looks_drawn(torch.from_numpy(vectors.vectors)),
    )


def _records(
    run: RunDirectory, config: ExperimentConfig, records: Sequence[EpochRecord], network: Network
) -> Answer:
    """What the records and the dev predictions say."""
    if not records:
        return [Skipped("the records", "no epoch is completed yet")]
    gold, predicted = _dev_predictions(run, network)
    relations = len(network.relations)
    found = record_findings(
        config,
        records,
        _stop_reason(run),
        dev_counts=np.bincount(gold, minlength=relations).tolist() if len(gold) else (),
        filter_std=_filter_std(run, network),
        run=str(run.path),
    )
    if not len(gold):
        return [*found, Skipped("the dev predictions", f"there is no {run.dev_predictions}")]
    nlls = [record.dev_nll for record in records if record.dev_nll is not None]
    learning = bool(nlls) and nlls[-1] == min(nlls)
    updates = updates_behind_predictions(config, records)
    return [
        *found,
        *prediction_findings(gold, predicted, relations, updates, network.relations.names, learning),
    ]


def updates_behind_predictions(config: ExperimentConfig, records: Sequence[EpochRecord]) -> int:
    """Updates up to the best epoch; all of them where no later epoch had a higher macro-F1, so that none helped."""
    best = best_record(records, config.training.monitor)
    if best is None or best.dev_macro_f1 is None:
        return 0
    higher = any((record.dev_macro_f1 or 0) > best.dev_macro_f1 for record in records[best.epoch :])
    return best.total_updates if higher else records[-1].total_updates


def _stop_reason(run: RunDirectory) -> StopReason | None:
    """Why the training ended; None while it goes on, and after a kill."""
    if is_locked(run.path) or not run.summary.exists():
        return None
    summary = read_json(run.summary, "relclf train --resume writes it anew.")
    try:
        reason: StopReason = summary["stop_reason"]
    except (KeyError, TypeError):
        raise UserMistake(f"{run.summary}: not a summary. relclf train --resume writes it anew.") from None
    return reason


def _dev_predictions(run: RunDirectory, network: Network) -> tuple[Ids, Ids]:
    """Gold and predicted relation ids of dev at the best epoch; sentences of unknown relations are left out."""
    ids = network.relations.ids
    pairs = []
    if run.dev_predictions.exists():
        for number, line in enumerate(run.dev_predictions.read_bytes().splitlines(), 1):
            try:
                value = json.loads(line)
                if value["gold"] in ids:
                    pairs.append((ids[value["gold"]], ids[value["relation"]]))
            except (ValueError, KeyError, TypeError):
                where = f"{run.dev_predictions}:{number}"
                raise UserMistake(
                    f"{where}: not a prediction. relclf train --resume {run.path} writes the file anew."
                ) from None
    both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _filter_std(run: RunDirectory, network: Network) -> float | None:
    """The spread of the filters' weights after the last epoch."""
    if not run.checkpoint("last").exists():
        return None
    loaded = load_run_weights(run, network, "last", torch.device("cpu")).model
    return (
        torch.cat(
            [
                weight.detach().flatten()
                for name, weight in loaded.named_parameters()
                if name.startswith("filters") and weight.dim() == 2
            ]
        )
        .std()
        .item()
    )


def _trained(run: RunDirectory, network: Network, bench: Bench) -> Answer:
    """What the weights of the best epoch say."""
    if not run.checkpoint("best").exists():
        return [Skipped("the trained network", f"there is no {run.checkpoint('best')}")]
    model = load_run_weights(run, network, "best", bench.material.device).model
    found = bench.filters_of(model)
    if bench.material.dev is None:
        return [*found, Skipped("input left out", "it needs a dev set, and data.all_data leaves none")]
    return [*found, *bench.left_out_of(model)]


def _on_this_machine(config: ExperimentConfig) -> ExperimentConfig:
    """The run's config on a device that is here."""
    training = config.training.model_copy(update={"device": "auto", "precision": "float32"})
    return config.model_copy(update={"training": training})


def _on_one_thread(config: ExperimentConfig) -> ExperimentConfig:
    """A second thread gains little on small batches, and waits for its turn where the cores are busy."""
    return config.model_copy(update={"training": config.training.model_copy(update={"threads": 1})})
