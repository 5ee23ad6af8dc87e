"""Times training and dev evaluation beside the loop that people write by hand, in one process, in turn.

    python benchmarks/training.py --data ../shared/data/semeval2010/TRAIN_FILE.TXT

A row a system: sentences a CPU-second (median, smallest and largest over the rounds), the ratio to the naive
loop of the same shape, and the share of the measured GEMM rate on real tokens. One thread by default. The memory is
what a process of its own holds at most while it trains with one system alone, beyond what it held after its imports:
the encoded sentences (ours ragged, the naive loop's padded), the weights, the optimiser, and what an update needs.
Reading and encoding come before, and what they alone need has been given back (on Linux; elsewhere it is left out).

    python benchmarks/training.py --data TRAIN_FILE.TXT --compare-threads 2 --rounds 60

times our loop with one thread and with that many instead, in turn: sentences a second by the clock, which means
nothing unless the other cores are idle. The product of two large matrices says what they give at most just then.
"""

import argparse
import ctypes
import gc
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from relclf.config.loading import load_config
from relclf.encoding.dataset import EncodedDataset
from relclf.scoring.metrics import score
from relclf.training.devset import score_dev
from relclf.training.evaluation import LabelledSet, counts, evaluate
from relclf.training.experiment import Experiment, start
from relclf.training.interruption import StopRequest
from relclf.training.loop import begin_epoch, captured_updates, train_epoch

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "semeval2010-cnn.yaml"
LENGTH = 100
"""Tokens to which the naive loop pads every sentence."""
FILTERS = 230
NAIVE_BATCHES = 24
"""Batches of the naive loop that are timed in each round."""
OUR_BATCHES = 24
"""Batches of our loop in a round of --compare-threads, short so that many rounds fit in a quiet moment."""


@dataclass(frozen=True)
class Case:
    """One shape, ours and naive."""

    name: str
    word_dim: int
    position_dim: int
    overrides: tuple[str, ...] = ()
    vector_words: int = 0
    """Words of a vectors file, which the naive loop trains whole."""


CASES = (
    Case("50d + 2x5", 50, 5),
    Case("300d + 2x50", 300, 50),
    Case("50d + 2x5, 246,000 vectors", 50, 5, vector_words=246_000),
)


@dataclass
class Timing:
    """What was measured of one system: seconds by `clock` (of the CPU) and sentences of each round."""

    rounds: list[tuple[float, int]] = field(default_factory=list)
    clock: Callable[[], float] = time.process_time

    def add(self, work: Callable[[], int]) -> None:
        """Run and time it; `work` returns the sentences it has done."""
        started = self.clock()
        sentences = work()
        self.rounds.append((self.clock() - started, sentences))

    @property
    def rates(self) -> list[float]:
        """Sentences a second, one a round; the first round warms up."""
        rounds = self.rounds[1:] or self.rounds
        return [sentences / seconds for seconds, sentences in rounds]


class NaiveCnn(nn.Module):
    """The network as public loops write it: three embeddings, one convolution over 100 tokens, the maximum."""

    def __init__(self, case: Case, words: int, relations: int, positions: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, case.word_dim, padding_idx=0)
        self.head_positions = nn.Embedding(positions, case.position_dim, padding_idx=0)
        self.tail_positions = nn.Embedding(positions, case.position_dim, padding_idx=0)
        width = case.word_dim + 2 * case.position_dim
        self.convolution = nn.Conv1d(width, FILTERS, 3, padding=1)
        self.output = nn.Linear(FILTERS, relations)

    def forward(self, words: Tensor, head: Tensor, tail: Tensor) -> Tensor:
        parts = [self.words(words), self.head_positions(head), self.tail_positions(tail)]
        inputs = torch.cat(parts, dim=2).transpose(1, 2)
        features = torch.tanh(self.convolution(inputs)).max(dim=2).values
        scores: Tensor = self.output(nn.functional.dropout(features, 0.5, self.training))
        return scores


class NaiveLoop:
    """A training loop over batches of padded sentences, copied to the device and their scores back batch by batch."""

    def __init__(self, case: Case, experiment: Experiment) -> None:
        inputs = experiment.inputs
        if inputs.dev is None:
            raise ValueError("the benchmark's config has a dev set")
        positions = 2 * inputs.config.encoding.max_distance + 2
        words = max(case.vector_words, experiment.state.model.words.weight.shape[0])
        self.device, batch = experiment.device, inputs.config.training.batch_size
        self.model = NaiveCnn(case, words, len(inputs.relations), positions).to(self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters())
        self.criterion = nn.CrossEntropyLoss()
        self.train = DataLoader(_padded(inputs.train, words), batch_size=batch, shuffle=True)
        self.dev = DataLoader(_padded(inputs.dev.dataset, words), batch_size=batch)
        self._running = iter(self.train)

    def train_some(self) -> int:
        """NAIVE_BATCHES updates, going on where the last round stopped."""
        self.model.train()
        losses: list[float] = []
        gold: list[int] = []
        predicted: list[int] = []
        for words, head, tail, relations in self._next_batches():
            self.optimizer.zero_grad()
            scores = self.model(words, head, tail)
            loss = self.criterion(scores, relations)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
            predicted += scores.argmax(dim=1).cpu().tolist()
            gold += relations.cpu().tolist()
        f1_score(gold, predicted, average="macro", zero_division=0)
        return len(gold)

    def evaluate(self) -> int:
        """Dev once: losses and predictions a batch at a time, then macro-F1."""
        self.model.eval()
        losses: list[float] = []
        gold: list[int] = []
        predicted: list[int] = []
        with torch.no_grad():
            for words, head, tail, relations in self._moved(self.dev):
                scores = self.model(words, head, tail)
                losses.append(self.criterion(scores, relations).item())
                predicted += scores.argmax(dim=1).cpu().tolist()
                gold += relations.cpu().tolist()
        f1_score(gold, predicted, average="macro", zero_division=0)
        return len(gold)

    def _next_batches(self) -> Iterator[list[Tensor]]:
        done = 0
        while done < NAIVE_BATCHES:
            for batch in self._moved(islice(self._running, NAIVE_BATCHES - done)):
                done += 1
                yield batch
            if done < NAIVE_BATCHES:
                self._running = iter(self.train)

    def _moved(self, batches: Iterable[list[Tensor]]) -> Iterator[list[Tensor]]:
        return ([array.to(self.device) for array in batch] for batch in batches)


class OurLoop:
    """relclf's own loop, epoch by epoch, without the writing of checkpoints."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self._captured = captured_updates(experiment.inputs, experiment.state)

    def train_epoch(self) -> int:
        """One epoch; its dev evaluation and checkpoint are not run."""
        inputs, state = self.experiment.inputs, self.experiment.state
        progress = begin_epoch(inputs, state)
        train_epoch(inputs, state, progress, StopRequest(), self._captured)
        return len(inputs.train)

    def train_some(self) -> int:
        """The last batches of an epoch, OUR_BATCHES, always the same ones."""
        inputs, state = self.experiment.inputs, self.experiment.state
        progress = begin_epoch(inputs, state)
        progress.batches_done = max(0, math.ceil(len(inputs.train) / 50) - OUR_BATCHES)
        train_epoch(inputs, state, progress, StopRequest())
        return progress.examples

    def evaluate(self) -> int:
        """Dev once: losses, predictions, macro-F1, as in the naive loop."""
        inputs, dev = self.experiment.inputs, self._dev
        evaluation = evaluate(self.experiment.state.model, dev.dataset, inputs.objective)
        score("macro_f1", counts(dev, evaluation), dev.relations)
        return len(dev.ids)

    def evaluate_with_error(self) -> int:
        """Dev as at the end of an epoch: with the standard error from 1,000 bootstrap samples."""
        inputs = self.experiment.inputs
        score_dev(self._dev, self.experiment.state.model, inputs.objective, inputs.config, 1)
        return len(self._dev.ids)

    @property
    def _dev(self) -> LabelledSet:
        if self.experiment.inputs.dev is None:
            raise ValueError("the benchmark's config has a dev set")
        return self.experiment.inputs.dev


def main() -> None:
    """Parse the options, measure each case, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="SemEval-2010's TRAIN_FILE.TXT")
    parser.add_argument("--rounds", type=int, default=8, help="the first warms up")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compare-threads", type=int, metavar="N", help="time 1 thread and N instead")
    parser.add_argument("--cases", type=int, nargs="+", default=list(range(len(CASES))), help="from 0")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--json", type=Path, help="write every number to this file")
    parser.add_argument("--memory-of", choices=("ours", "naive"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        print(json.dumps(_training_memory(options)))
        return
    if options.compare_threads:
        results = [row for index in options.cases for row in compare_threads(CASES[index], options)]
        table = _threads_table(results)
    else:
        results = [row for index in options.cases for row in measure(CASES[index], index, options)]
        table = _table(results, options)
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def measure(case: Case, index: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows of one case: training and dev evaluation, naive and ours, in turn within each round."""
    with tempfile.TemporaryDirectory() as folder:
        experiment = _experiment(case, Path(folder), options)
        ours, naive = OurLoop(experiment), NaiveLoop(case, experiment)
        torch.set_num_threads(options.threads)
        timings = {
            name: Timing() for name in ("naive", "ours", "naive dev", "ours dev", "ours dev, error", "gemm")
        }
        for _ in range(options.rounds):
            timings["ours"].add(ours.train_epoch)
            timings["naive"].add(naive.train_some)
            timings["gemm"].add(lambda: _gemm_pass(case, experiment.inputs.train))
            timings["ours dev"].add(ours.evaluate)
            timings["ours dev, error"].add(ours.evaluate_with_error)
            timings["naive dev"].add(naive.evaluate)
        limit = statistics.median(timings.pop("gemm").rates)
        memory = {name: _memory(name, index, options) for name in ("naive", "ours")}
    return [
        _row(case.name, name, timing, timings["naive dev" if "dev" in name else "naive"], limit, memory)
        for name, timing in timings.items()
    ]


def compare_threads(case: Case, options: argparse.Namespace) -> list[dict[str, Any]]:
    """One thread and several, in turn within each round, by the clock: our loop, and one product of matrices."""
    with tempfile.TemporaryDirectory() as folder:
        ours = OurLoop(_experiment(case, Path(folder), options))
        work = {"ours": ours.train_some, "ours dev": ours.evaluate, "large product": _large_product}
        for _ in range(3):  # past the updates in which Adam is dense
            ours.train_epoch()
        timings = {
            (name, threads): Timing(clock=time.perf_counter)
            for name in work
            for threads in (1, options.compare_threads)
        }
        for _ in range(options.rounds):
            for (name, threads), timing in timings.items():
                torch.set_num_threads(threads)
                timing.add(work[name])
    rows = []
    for name in work:
        one, several = timings[name, 1].rates, timings[name, options.compare_threads].rates
        ratios = [b / a for a, b in zip(one, several, strict=True)]
        rows.append({"case": case.name, "system": name, "threads": options.compare_threads})
        for key, values in (("one", one), ("several", several), ("ratio", ratios)):
            rows[-1][key] = {"median": statistics.median(values), "least": min(values), "most": max(values)}
        rows[-1]["best_over_best"] = max(several) / max(one)
    return rows


def _experiment(case: Case, folder: Path, options: argparse.Namespace) -> Experiment:
    overrides = [
        f"data.train={options.data.resolve()}",
        "data.test=null",
        f"model.word_dim={case.word_dim}",
        f"model.position_dim={case.position_dim}",
        f"model.filters={FILTERS}",
        "training.optimizer={name: adam}",
        "training.schedule={name: constant}",
        "training.device=cpu",
        f"training.threads={options.threads}",
        *case.overrides,
        *options.overrides,
    ]
    if case.vector_words:
        vectors = folder / "vectors.txt"
        _write_vectors(vectors, case, options.data)
        overrides.append(f"encoding.vectors={vectors}")
    return start(load_config(CONFIG, overrides), "benchmark", folder, None)


def _write_vectors(path: Path, case: Case, data: Path) -> None:
    """A vectors file of random numbers: the words of the data first, then made-up ones."""
    found = sorted(set(data.read_text(encoding="utf-8").lower().split()))
    words = (found + [f"made-up-{index}" for index in range(case.vector_words)])[: case.vector_words]
    rows = np.random.default_rng(0).normal(0, 0.3, (len(words), case.word_dim)).round(3).astype(str)
    with path.open("w", encoding="utf-8") as file:
        for word, row in zip(words, rows, strict=True):
            file.write(f"{word} {' '.join(row)}\n")


def _padded(dataset: EncodedDataset, words: int) -> TensorDataset:
    """The data set as matrices of 100 columns, int64, on the host."""
    dataset = dataset.to(torch.device("cpu"))
    ids = torch.zeros(len(dataset), LENGTH, dtype=torch.int64)
    heads, tails = torch.zeros_like(ids), torch.zeros_like(ids)
    for index, (first, length) in enumerate(
        zip(dataset.spans[:, 0].tolist(), dataset.lengths.tolist(), strict=True)
    ):
        kept = min(length, LENGTH)
        ids[index, :kept] = dataset.token_ids[first : first + kept].clamp(max=words - 1)
        heads[index, :kept] = dataset.head_positions[first : first + kept]
        tails[index, :kept] = dataset.tail_positions[first : first + kept]
    return TensorDataset(ids, heads, tails, dataset.gold)


def _gemm_pass(case: Case, train: EncodedDataset) -> int:
    """The convolution's matrix products over real tokens, forward and twice backward, batches of 50."""
    tokens = round(50 * float(train.lengths.mean()))
    width = 3 * (case.word_dim + 2 * case.position_dim)
    inputs, filters = torch.randn(tokens, width), torch.randn(width, FILTERS)
    outputs = torch.empty(tokens, FILTERS)
    to_inputs, to_filters = torch.empty_like(inputs), torch.empty_like(filters)
    for _ in range(100):
        torch.mm(inputs, filters, out=outputs)
        torch.mm(outputs, filters.T, out=to_inputs)
        torch.mm(inputs.T, outputs, out=to_filters)
    return 50 * 100


def _large_product() -> int:
    factor = torch.ones(1024, 1024)
    for _ in range(4):
        factor @ factor
    return 4


def _memory(system: str, index: int, options: argparse.Namespace) -> float | None:
    """MiB of a process that trains with one system alone; None where the system does not say."""
    if not _FORGET_PEAK.exists():
        return None
    command = [sys.executable, __file__, "--data", str(options.data), "--memory-of", system]
    command += ["--cases", str(index), *(part for each in options.overrides for part in ("--set", each))]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _training_memory(options: argparse.Namespace) -> float:
    case, imported = CASES[options.cases[0]], _resident("VmRSS")
    with tempfile.TemporaryDirectory() as folder:
        experiment = _experiment(case, Path(folder), options)
        ours = options.memory_of == "ours"
        work = OurLoop(experiment).train_epoch if ours else NaiveLoop(case, experiment).train_some
        del experiment  # the naive loop has its own arrays
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        _FORGET_PEAK.write_text("5")
        for _ in range(3):
            work()
    return _resident("VmHWM") - imported


_FORGET_PEAK = Path("/proc/self/clear_refs")
"""Linux lets the peak of a process begin anew where a 5 is written here."""


def _resident(field: str) -> float:
    """MiB of this process by a field of /proc/self/status: VmRSS is now, VmHWM the peak."""
    found = re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _row(
    case: str, name: str, timing: Timing, naive: Timing, limit: float, memory: dict[str, float | None]
) -> dict[str, Any]:
    rates = timing.rates
    training = "dev" not in name
    return {
        "case": case,
        "system": name,
        "median": statistics.median(rates),
        "smallest": min(rates),
        "largest": max(rates),
        "cpu_seconds": sum(seconds for seconds, _ in timing.rounds[1:]),
        "ratio": statistics.median(a / b for a, b in zip(rates, naive.rates, strict=True)),
        "gemm_limit": limit if training else None,
        "share_of_gemm": statistics.median(rates) / limit if training else None,
        "training_mib": memory[name] if training else None,
    }


def _table(results: list[dict[str, Any]], options: argparse.Namespace) -> Table:
    threads = "1 thread" if options.threads == 1 else f"{options.threads} threads"
    table = Table(title=f"sentences a CPU-second, torch {torch.__version__}, {threads}")
    table.add_column("shape")
    table.add_column("system")
    for heading in ("median", "min-max", "CPU s", "ratio", "of GEMM", "MiB"):
        table.add_column(heading, justify="right")
    for row in results:
        share, memory = row["share_of_gemm"], row["training_mib"]
        table.add_row(
            row["case"],
            row["system"],
            f"{row['median']:,.0f}",
            f"{row['smallest']:,.0f}-{row['largest']:,.0f}",
            f"{row['cpu_seconds']:.1f}",
            f"{row['ratio']:.1f}",
            f"{share:.0%}" if share is not None else "",
            f"{memory:,.0f}" if memory is not None else "",
        )
    return table


def _threads_table(results: list[dict[str, Any]]) -> Table:
    table = Table(title=f"sentences (or products) a second by the clock, torch {torch.__version__}")
    table.add_column("shape")
    table.add_column("work")
    several = f"{results[0]['threads']} threads"
    for heading in ("1 thread", several, "ratio, median (min-max)", "best / best"):
        table.add_column(heading, justify="right")
    for row in results:
        table.add_row(
            row["case"],
            row["system"],
            *(f"{row[key]['median']:,.0f}" for key in ("one", "several")),
            f"{row['ratio']['median']:.2f} ({row['ratio']['least']:.2f}-{row['ratio']['most']:.2f})",
            f"{row['best_over_best']:.2f}",
        )
    return table


if __name__ == "__main__":
    main()
