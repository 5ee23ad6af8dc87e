"""Times training and dev evaluation beside the loop that people write by hand, in one process, in turn.

    python benchmarks/training.py --data ../shared/data/semeval2010/TRAIN_FILE.TXT

A row a system: sentences a CPU-second (median, smallest and largest over the rounds), the ratio to the naive
loop of the same shape, the share of the measured GEMM rate on real tokens, and the peak memory of a process of
its own. One thread by default.
"""

import argparse
import json
import os
import resource
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
from relclf.training.devset import score_dev
from relclf.training.experiment import Experiment, start
from relclf.training.interruption import StopRequest
from relclf.training.loop import begin_epoch, captured_updates, train_epoch

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "semeval2010-cnn.yaml"
LENGTH = 100
"""Tokens to which the naive loop pads every sentence."""
FILTERS = 230
NAIVE_BATCHES = 24
"""Batches of the naive loop that are timed in each round."""


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
    """What was measured of one system: CPU-seconds and sentences of each round."""

    rounds: list[tuple[float, int]] = field(default_factory=list)

    def add(self, work: Callable[[], int]) -> None:
        """Run and time it; `work` returns the sentences it has done."""
        started = time.process_time()
        sentences = work()
        self.rounds.append((time.process_time() - started, sentences))

    @property
    def rates(self) -> list[float]:
        """Sentences a CPU-second, one a round; the first round warms up."""
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

    def evaluate(self) -> int:
        """Dev once: losses, predictions, macro-F1; the standard error of 1,000 bootstrap samples is timed too."""
        inputs = self.experiment.inputs
        if inputs.dev is None:
            raise ValueError("the benchmark's config has a dev set")
        score_dev(inputs.dev, self.experiment.state.model, inputs.objective, inputs.config, 1)
        return len(inputs.dev.ids)


def main() -> None:
    """Parse the options, measure each case, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="SemEval-2010's TRAIN_FILE.TXT")
    parser.add_argument("--rounds", type=int, default=8, help="the first warms up")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cases", type=int, nargs="+", default=list(range(len(CASES))), help="from 0")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--json", type=Path, help="write every number to this file")
    parser.add_argument("--memory-of", choices=("ours", "naive"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        print(json.dumps(_peak_memory(options)))
        return
    results = [row for index in options.cases for row in measure(CASES[index], index, options)]
    Console(width=None if sys.stdout.isatty() else 120).print(_table(results, options))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def measure(case: Case, index: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows of one case: training and dev evaluation, naive and ours, in turn within each round."""
    with tempfile.TemporaryDirectory() as folder:
        experiment = _experiment(case, Path(folder), options)
        ours, naive = OurLoop(experiment), NaiveLoop(case, experiment)
        torch.set_num_threads(options.threads)
        timings = {name: Timing() for name in ("naive", "ours", "naive dev", "ours dev", "gemm")}
        for _ in range(options.rounds):
            timings["ours"].add(ours.train_epoch)
            timings["naive"].add(naive.train_some)
            timings["gemm"].add(lambda: _gemm_pass(case, experiment.inputs.train))
            timings["ours dev"].add(ours.evaluate)
            timings["naive dev"].add(naive.evaluate)
        limit = statistics.median(timings.pop("gemm").rates)
        memory = {name: _memory(name, index, options) for name in ("naive", "ours")}
    return [
        _row(case.name, name, timing, timings["naive dev" if "dev" in name else "naive"], limit, memory)
        for name, timing in timings.items()
    ]


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


def _memory(system: str, index: int, options: argparse.Namespace) -> float:
    """MiB of a process that trains a little with one system alone."""
    command = [sys.executable, __file__, "--data", str(options.data), "--memory-of", system]
    command += ["--cases", str(index), *(part for each in options.overrides for part in ("--set", each))]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _peak_memory(options: argparse.Namespace) -> float:
    case = CASES[options.cases[0]]
    with tempfile.TemporaryDirectory() as folder:
        experiment = _experiment(case, Path(folder), options)
        if options.memory_of == "ours":
            OurLoop(experiment).train_epoch()
        else:
            NaiveLoop(case, experiment).train_some()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _row(
    case: str, name: str, timing: Timing, naive: Timing, limit: float, memory: dict[str, float]
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
        "peak_mib": memory[name] if training else None,
    }


def _table(results: list[dict[str, Any]], options: argparse.Namespace) -> Table:
    threads = "1 thread" if options.threads == 1 else f"{options.threads} threads"
    table = Table(title=f"sentences a CPU-second, torch {torch.__version__}, {threads}")
    table.add_column("shape")
    table.add_column("system")
    for heading in ("median", "min-max", "CPU s", "ratio", "of GEMM", "peak MiB"):
        table.add_column(heading, justify="right")
    for row in results:
        share, memory = row["share_of_gemm"], row["peak_mib"]
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


if __name__ == "__main__":
    main()
