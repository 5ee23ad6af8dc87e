"""Times training on a GPU beside the loop that people write by hand, on the same card, in one process, in turn.

    python -m benchmarks.gpu --data ../shared/data/semeval2010/TRAIN_FILE.TXT --json gpu.json

First what the card can do, as measured, and the floor that follows for each shape (docs/gpu.md derives it). Then a
row a system: sentences a second of wall-clock time, the ratio to the naive loop, the shares of the floor and of what
launching the update's operations costs, and the most memory. Then several seeds packed beside one run, and a whole
`relclf train` up to its best dev epoch. With `--device cpu` the updates are those of a GPU, run without graphs: that
shows that it works and counts its operations, and says nothing of a GPU's speed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # for the deterministic rows; torch reads it once

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.floor import count_operations, floor_of, measure_card, seconds_of
from benchmarks.training import CONFIG, FILTERS, Case, NaiveLoop, OurLoop
from relclf.config.loading import load_config
from relclf.encoding.batches import placed_batches
from relclf.errors import UserMistake
from relclf.runs.records import best_record, read_records
from relclf.training.device import choose_device, device_name, prepare_torch
from relclf.training.experiment import Experiment, begin, prepare, start
from relclf.training.interruption import StopRequest
from relclf.training.loop import POLLED_UPDATES, captured_updates, epoch_batches
from relclf.training.optimizers import build_optimizer
from relclf.training.pack import Pack

CASES = (
    Case("50d + 2x5, batch 50", 50, 5, ("training.batch_size=50",)),
    Case("50d + 2x5, batch 1024", 50, 5, ("training.batch_size=1024",)),
    Case("300d + 2x50, batch 50", 300, 50, ("training.batch_size=50",)),
)
SYSTEMS: dict[str, str | None] = {
    "relclf": None,
    "no graphs": "training.graphs=false",
    "deterministic": "training.deterministic=true",
    "tf32": "training.precision=tf32",
    "bf16": "training.precision=bf16",
}
WARM_UP = 2
"""Rounds left out: a shape that comes once an epoch is captured in the second."""


@dataclass
class System:
    """One way to train, and what was measured of it."""

    experiment: Experiment
    work: Callable[[], int]
    """Trains for a while as the experiment's config asks; returns the sentences of it."""
    rates: list[float] = field(default_factory=list)
    """Sentences a second, one a round."""
    mib: float | None = None
    """The most that was allocated on a GPU to build it and to run it once."""

    def run(self) -> float:
        """One round; returns its seconds."""
        done = []
        prepare_torch(self.experiment.inputs.config.training, self.experiment.device, self.experiment.threads)
        seconds = seconds_of(self.experiment.device, lambda: done.append(self.work()))
        self.rates.append(sum(done) / seconds)
        return seconds


def main() -> None:
    """Parse the options, measure everything, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument(
        "--data", type=Path, help="SemEval-2010's TRAIN_FILE.TXT; else the config's own files"
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=9, help=f"the first {WARM_UP} warm up")
    parser.add_argument("--seeds", type=int, default=16, help="runs in the pack")
    parser.add_argument("--cases", type=int, nargs="+", default=list(range(len(CASES))), help="from 0")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--json", type=Path, help="write every number to this file")
    options = parser.parse_args()
    try:
        device = choose_device(options.device)
    except UserMistake as error:
        raise SystemExit(str(error)) from None
    if device.type == "cuda":
        torch.cuda.set_device(device)
    else:
        print("Not on CUDA, so nothing is captured: no speed below says anything of a GPU.")
    result: dict[str, Any] = {"device": device_name(device), "torch": str(torch.__version__)}
    result |= {"card": measure_card(device), "floors": {}, "rows": []}
    print(f"{result['device']}, torch {result['torch']}: {_in_words(result['card'])}", flush=True)
    for case in (CASES[index] for index in options.cases):
        floor, rows = measure_case(case, result["card"], options, device)
        print(f"floor of {case.name}: {_in_words(floor)}", flush=True)
        result["floors"][case.name] = floor
        result["rows"] += rows
    Console(width=None if sys.stdout.isatty() else 120).print(_table(result["rows"]))
    for name, measure in (("packed", measure_pack), ("relclf train", measure_to_best)):
        result[name] = measure(options)
        print(f"{name}: {_in_words(result[name])}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def measure_case(
    case: Case, card: dict[str, float], options: argparse.Namespace, device: torch.device
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """The floor of a shape, and the rows of all systems, which take turns within each round."""
    with tempfile.TemporaryDirectory() as folder:

        def ours(change: str | None) -> System:
            experiment = _as_on_cuda(start(_config(options, case, change), "gpu", Path(folder), None))
            return System(experiment, OurLoop(experiment).train_epoch)

        systems = {
            name: _built(partial(ours, change), device)
            for name, change in SYSTEMS.items()
            if device.type == "cuda" or "precision" not in (change or "")
        }
        plain = systems["relclf"].experiment
        naive = _built(lambda: System(plain, NaiveLoop(case, plain).train_some), device)
        floor = floor_of(plain, card, _operations(plain))
        for _ in range(options.rounds - 1):  # one is done
            for system in (naive, *systems.values()):
                system.run()
        for system in systems.values():
            system.experiment.lock.release()
    named = {"naive": naive, **systems}
    return floor, [_row(case, name, system, naive, floor) for name, system in named.items()]


def measure_pack(options: argparse.Namespace) -> dict[str, float]:
    """Seconds of an epoch of one run and of several packed, in turn; dev evaluation and checkpoints left out."""
    with tempfile.TemporaryDirectory() as folder:
        material = prepare(_config(options, CASES[0], None))
        one, *runs = (begin(material, seed, "gpu", Path(folder), None) for seed in range(options.seeds + 1))

        def pack_epoch() -> int:
            Pack(runs, {}).train_epoch(StopRequest())
            for run in runs:
                run.state.progress = None
            return len(runs) * len(material.train)

        alone, packed = System(one, OurLoop(one).train_epoch), System(one, pack_epoch)
        seconds = [(alone.run(), packed.run()) for _ in range(options.rounds)][WARM_UP:]
        for run in (one, *runs):
            run.lock.release()
    of_one, of_all = (statistics.median(each) for each in zip(*seconds, strict=True))
    return {"runs": len(runs), "s of one run": of_one, "s packed": of_all, "times one run": of_all / of_one}


def measure_to_best(options: argparse.Namespace) -> dict[str, float]:
    """Seconds from the start of a `relclf train` process to the row of its best epoch, and to its end."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "relclf", "train", "--json", "--config", str(options.config)]
        command += [part for each in _overrides(options, None, None) for part in ("--set", each)]
        started = time.perf_counter()
        with subprocess.Popen([*command, "--run", str(run)], stdout=subprocess.PIPE) as process:
            rows = [time.perf_counter() - started for _ in process.stdout or ()]
        whole = time.perf_counter() - started
        if process.returncode != 0:
            raise SystemExit(f"relclf train ended with {process.returncode}")
        best = best_record(
            read_records(run / "records.jsonl"), load_config(run / "config.yaml").training.monitor
        )
    assert best is not None, "the config has a dev set"
    return {"epochs": len(rows), "best epoch": best.epoch, "s to best": rows[best.epoch - 1], "s": whole}


def _config(options: argparse.Namespace, case: Case, change: str | None) -> Any:
    return load_config(options.config, _overrides(options, case, change))


def _overrides(options: argparse.Namespace, case: Case | None, change: str | None) -> list[str]:
    overrides = [f"training.device={options.device}", *([change] if change else [])]
    if options.data:
        overrides += [f"data.train={options.data.resolve()}", "data.test=null"]
    if case is not None:
        overrides += [f"model.word_dim={case.word_dim}", f"model.position_dim={case.position_dim}"]
        overrides += [f"model.filters={FILTERS}", "training.optimizer={name: adam}", *case.overrides]
        overrides += ["training.schedule={name: constant}"]
    return [*overrides, *options.overrides]


def _as_on_cuda(experiment: Experiment) -> Experiment:
    """On a CPU, the training with the passes, the optimiser, the polling and the updates that it has on CUDA."""
    inputs, state = experiment.inputs, experiment.state
    if experiment.device.type == "cuda":
        return experiment
    training = inputs.config.training
    state.model.words.row_gradient = None
    state.model.features = state.model.features_of_windows  # type: ignore[method-assign]
    state.optimizer = build_optimizer(training.optimizer, state.model.parameters(), experiment.device)
    return replace(experiment, inputs=replace(inputs, poll_every=POLLED_UPDATES, captured=training.graphs))


def _operations(experiment: Experiment) -> int:
    """The operations of an update that is captured, counted as the first of a shape is run, which is not."""
    inputs = experiment.inputs
    updates = captured_updates(inputs, experiment.state)
    assert updates is not None, "Adam is captured"
    batch = placed_batches(inputs.train, epoch_batches(inputs, 1))[0]
    return count_operations(lambda: updates.run(batch, inputs.config.training.optimizer.lr))


def _built(build: Callable[[], System], device: torch.device) -> System:
    """The system after its first round, with the memory that it took."""
    before = 0
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
    system = build()
    system.run()
    if device.type == "cuda":
        system.mib = (torch.cuda.max_memory_allocated(device) - before) / 2**20
    return system


def _row(case: Case, name: str, system: System, naive: System, floor: dict[str, float]) -> dict[str, Any]:
    rates, others = system.rates[WARM_UP:], naive.rates[WARM_UP:]
    median, precision = statistics.median(rates), system.experiment.inputs.config.training.precision
    return {
        "case": case.name,
        "system": name,
        "median": median,
        "smallest": min(rates),
        "largest": max(rates),
        "ratio": statistics.median(a / b for a, b in zip(rates, others, strict=True)),
        "of the floor": median * floor[f"s a sentence, {precision}"],
        "of launches": median * floor["s a sentence, launches"] if name != "naive" else None,
        "peak MiB": system.mib,
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="sentences a second, wall clock")
    for heading in ("case", "system"):
        table.add_column(heading)
    for heading in ("median", "min-max", "ratio", "of the floor", "of launches", "peak MiB"):
        table.add_column(heading, justify="right")
    for row in rows:
        launches, memory = row["of launches"], row["peak MiB"]
        table.add_row(
            row["case"],
            row["system"],
            f"{row['median']:,.0f}",
            f"{row['smallest']:,.0f}-{row['largest']:,.0f}",
            f"{row['ratio']:.1f}",
            f"{row['of the floor']:.1%}",
            f"{launches:.0%}" if launches is not None else "",
            f"{memory:,.0f}" if memory is not None else "",
        )
    return table


def _in_words(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:,.4g}" for name, value in values.items())


if __name__ == "__main__":
    main()
