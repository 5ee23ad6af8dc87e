"""Packed runs end as the same runs trained alone do, and leave ordinary run directories."""

import json
import math
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.kills import ending
from relclf.errors import Interrupted, RelclfError, UserMistake
from relclf.runs.directory import RunDirectory
from relclf.runs.records import EpochRecord, read_records
from relclf.training.experiment import Experiment, begin, prepare, resume
from relclf.training.loop import NotFinite
from relclf.training.optimizers import build_optimizer
from relclf.training.packing import run_packed
from tests.tiny import tiny_config
from tests.training.test_resume import OPTIMIZERS, StopAfter

SEEDS = (1, 2, 3)
EXACT = {"data__dev": 0.2, "model__position_dim": 3}


def begin_runs(folder: Path, kind: str, seeds: Sequence[int] = SEEDS, **overrides: Any) -> list[Experiment]:
    """New runs of the tiny corpus, one a seed, under folder/kind; `model` dtype stays float32."""
    material = prepare(tiny_config(folder, **overrides))
    return [begin(material, seed, f"seed-{seed}", folder / kind, None) for seed in seeds]


def in_double(experiments: list[Experiment]) -> list[Experiment]:
    """The same runs with weights of float64, and an optimiser of its own for each."""
    for experiment in experiments:
        model = experiment.state.model.double()
        config = experiment.inputs.config.training.optimizer
        experiment.state.optimizer = build_optimizer(config, model.parameters(), torch.device("cpu"))
    return experiments


def train_alone(experiments: list[Experiment]) -> list[list[EpochRecord]]:
    return [list(experiment.epochs()) for experiment in experiments]


def train_packed(experiments: list[Experiment]) -> list[list[EpochRecord]]:
    """The records of each run; every outcome must be one."""
    records: dict[Path, list[EpochRecord]] = {each.run.path: [] for each in experiments}
    for outcomes in run_packed(experiments):
        for experiment, outcome in outcomes:
            assert isinstance(outcome, EpochRecord), outcome
            records[experiment.run.path].append(outcome)
    return list(records.values())


def assert_equal(alone: list[Experiment], packed: list[Experiment], weights: float, losses: float) -> None:
    """Weights, optimiser states and records agree within these, whatever is counted exactly."""
    for one, other in zip(alone, packed, strict=True):
        expected, found = one.state.model.state_dict(), other.state.model.state_dict()
        assert expected.keys() == found.keys()
        for name, tensor in expected.items():
            torch.testing.assert_close(found[name], tensor, rtol=0, atol=weights, msg=lambda m, n=name: f"{n}: {m}")
        records = zip(one.state.records, other.state.records, strict=True)
        for a, b in records:
            assert (a.epoch, a.updates, a.total_updates, a.batches) == (b.epoch, b.updates, b.total_updates, b.batches)
            assert a.learning_rate == b.learning_rate
            assert b.train_loss == pytest.approx(a.train_loss, abs=losses)
            assert b.dev_loss == pytest.approx(a.dev_loss, abs=losses)
            assert b.gradient_norm == pytest.approx(a.gradient_norm, rel=1e-3)
            assert b.update_ratio == pytest.approx(a.update_ratio, rel=1e-3)


def test_in_float64_the_weights_after_200_updates_are_those_of_the_separate_runs(tmp_path: Path) -> None:
    changes = {"training__max_epochs": 34, "training__optimizer": {"name": "adam", "lr": 0.003}, "data__all_data": True}
    alone = in_double(begin_runs(tmp_path, "alone", **changes))
    packed = in_double(begin_runs(tmp_path, "packed", **changes))
    train_alone(alone)
    train_packed(packed)
    assert packed[0].state.records[-1].total_updates == 34 * 6
    assert_equal(alone, packed, weights=1e-9, losses=1e-9)


def test_in_float32_the_losses_of_200_updates_are_those_of_the_separate_runs(tmp_path: Path) -> None:
    changes = {"training__max_epochs": 40, "training__optimizer": {"name": "adam", "lr": 0.001}}
    alone, packed = begin_runs(tmp_path, "alone", **changes), begin_runs(tmp_path, "packed", **changes)
    train_alone(alone)
    train_packed(packed)
    assert_equal(alone, packed, weights=1e-4, losses=1e-5)
