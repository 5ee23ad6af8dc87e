"""Times runs of several seeds packed beside the same runs one after the other, in one process, in turn.

    python benchmarks/packing.py --config configs/quickstart.yaml --runs 16 --set model.filters=16

Training alone: dev evaluation and checkpoints, which are each run's own in both cases, are left out. CPU-seconds
on a CPU, wall-clock seconds on a GPU.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from relclf.config.loading import load_config
from relclf.training.experiment import Experiment, begin, prepare
from relclf.training.interruption import StopRequest
from relclf.training.loop import begin_epoch, train_epoch
from relclf.training.pack import Pack


def main() -> None:
    """Parse the options, measure, print a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=4, help="the first warms up")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    overrides = [f"training.device={options.device}", "training.threads=1", *options.overrides]
    with tempfile.TemporaryDirectory() as folder:
        material = prepare(load_config(options.config, overrides))
        runs = [begin(material, seed, "benchmark", Path(folder), None) for seed in range(1, options.runs + 1)]
        alone, packed = [], []
        for _ in range(options.rounds):
            alone.append(_seconds(material.device, lambda: _train_alone(runs)))
            packed.append(_seconds(material.device, lambda: _train_packed(runs)))
        for run in runs:
            run.lock.release()
    one, all_packed = statistics.median(alone[1:]), statistics.median(packed[1:])
    print(
        f"{options.runs} runs, an epoch each: {one:.2f} s one after the other, {all_packed:.2f} s packed; "
        f"ratio {one / all_packed:.2f}; packed, the time of {options.runs * all_packed / one:.1f} runs"
    )


def _train_alone(runs: list[Experiment]) -> None:
    for run in runs:
        train_epoch(run.inputs, run.state, begin_epoch(run.inputs, run.state), StopRequest())


def _train_packed(runs: list[Experiment]) -> None:
    Pack(runs, {}).train_epoch(StopRequest())
    for run in runs:
        run.state.progress = None


def _seconds(device: torch.device, work: Callable[[], None]) -> float:
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    started = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - started


if __name__ == "__main__":
    main()
