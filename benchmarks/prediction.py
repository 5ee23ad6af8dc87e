"""Times prediction from raw text beside the loop that people write by hand, in one process, in turn.

    python benchmarks/prediction.py [RUN] [--data ../shared/data/semeval2010/TRAIN_FILE.TXT] [--whole 1000000]

A row a system: sentences a CPU-second from a file to a file (median, smallest and largest over the rounds), the ratio
to the naive loop. One thread. With --whole, `relclf predict` then labels a file of that many sentences in a process of
its own, without and with processes that read beside: CPU-seconds, wall seconds, and the peak memory of all its
processes together. Without RUN a small network is trained on the quickstart corpus first.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

import relclf
from relclf.prediction.opening import OpenedRun, open_trained
from relclf.prediction.predictor import Predictor
from relclf.prediction.streaming import predict_file

PROJECT = Path(__file__).resolve().parents[1]
LENGTH = 100
"""Tokens to which the naive loop pads every sentence."""
BATCH = 50

Record = dict[str, Any]


@dataclass
class Timing:
    """CPU-seconds and sentences of each round; the first warms up."""

    rounds: list[tuple[float, int]] = field(default_factory=list)

    def add(self, work: Callable[[], int]) -> None:
        """Run and time it; `work` returns the sentences it has done."""
        started = time.process_time()
        sentences = work()
        self.rounds.append((time.process_time() - started, sentences))

    @property
    def rates(self) -> list[float]:
        """Sentences a CPU-second, one a round."""
        return [sentences / seconds for seconds, sentences in self.rounds[1:]]


class NaiveCnn(nn.Module):
    """The run's network as public loops write it: embeddings, a convolution over 100 tokens, the maximum."""

    def __init__(self, opened: OpenedRun) -> None:
        super().__init__()
        model, config = opened.network.model, opened.network.config.model
        constant = model.words.constant
        rows = model.words.weight if constant is None else torch.cat([model.words.weight, constant])
        self.words = nn.Embedding(rows.shape[0], rows.shape[1], _weight=rows.detach())
        if model.head_positions is None or model.tail_positions is None:
            raise SystemExit("the naive loop needs a run with position embeddings")
        self.head_positions, self.tail_positions = model.head_positions, model.tail_positions
        width = config.word_dim + 2 * config.position_dim
        self.convolutions = nn.ModuleList()
        for window, filters in zip(config.windows, model.filters, strict=True):
            convolution = nn.Conv1d(width, config.filters, window, padding=window // 2)
            weights = filters.state_dict()
            weights["weight"] = weights["weight"].view(-1, window, width).transpose(1, 2)
            convolution.load_state_dict(weights)
            self.convolutions.append(convolution)
        self.activation = {"tanh": torch.tanh, "relu": torch.relu}[config.activation]
        self.output = model.output

    def forward(self, words: Tensor, head: Tensor, tail: Tensor) -> Tensor:
        parts = [self.words(words), self.head_positions(head), self.tail_positions(tail)]
        inputs = torch.cat(parts, dim=2).transpose(1, 2)
        features = [self.activation(layer(inputs)).max(dim=2).values for layer in self.convolutions]
        scores: Tensor = self.output(torch.cat(features, dim=1))
        return scores


class NaiveLoop:
    """Read a line, parse, tokenise, pad to 100; batches of 50; copy the scores back; write a line each."""

    def __init__(self, opened: OpenedRun) -> None:
        self.network = opened.network
        self.model = NaiveCnn(opened).eval()
        self.word_ids = {word: index for index, word in enumerate(self.network.vocabulary.words, 2)}

    @torch.no_grad()
    def predict(self, source: Path, output: Path) -> int:
        """Label a file of JSON lines."""
        done = 0
        names = self.network.relations.names
        with source.open(encoding="utf-8") as lines, output.open("w", encoding="utf-8") as out:
            while batch := [json.loads(line) for line in islice(lines, BATCH)]:
                inputs = [self.encoded(record) for record in batch]
                columns = [torch.tensor(column) for column in zip(*inputs, strict=True)]
                shares = torch.softmax(self.model(*columns), dim=1).cpu().numpy()
                for record, row in zip(batch, shares, strict=True):
                    best = row.argmax()
                    answer = {"id": record["id"], "relation": names[best], "probability": float(row[best])}
                    out.write(json.dumps(answer, ensure_ascii=False) + "\n")
                done += len(batch)
        return done

    def encoded(self, record: Record) -> tuple[list[int], list[int], list[int]]:
        """Word ids and two relative positions, each padded to 100."""
        matches = list(re.finditer(r"\w+|[^\w\s]", record["text"]))
        words = [self.network.vocabulary.normalise(match.group()) for match in matches]
        ids = [self.word_ids.get(word, 1) for word in words]
        head, tail = (_padded(self.positions(matches, *record[role])) for role in ("head", "tail"))
        return _padded(ids), head, tail

    def positions(self, matches: list[re.Match[str]], start: int, end: int) -> list[int]:
        """Of each token, to the mention at these characters, shifted so that 0 is padding."""
        inside = [i for i, match in enumerate(matches) if match.end() > start and match.start() < end]
        first, last = inside[0], inside[-1]
        most = self.network.config.encoding.max_distance
        distances = [min(i - first, 0) + max(i - last, 0) for i in range(len(matches))]
        return [max(-most, min(most, distance)) + most + 1 for distance in distances]


def main() -> None:
    """Time the systems in turn, then whole processes; print the tables."""
    options = _options()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = options.run or _small_run(folder)
        results = {"systems": _in_turn(run, folder, options)}
        Console().print(_systems_table(results["systems"]))
        if options.whole:
            source = folder / "whole.jsonl"
            with source.open("w", encoding="utf-8") as file:
                file.writelines(map(_json_line, islice(_records(options.data), options.whole)))
            results["whole"] = [
                _whole(run, source, options.whole, "--threads", "1", "--readers", readers)
                for readers in ("0", "1")
            ]
            Console().print(_whole_table(results["whole"], options.whole))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, nargs="?", help="a run directory; none: train a small one")
    parser.add_argument("--data", type=Path, default=PROJECT / "data" / "quickstart" / "test.jsonl")
    parser.add_argument("--rounds", type=int, default=7, help="the first warms up")
    parser.add_argument("--sentences", type=int, default=20_000, help="a round; the naive loop gets a tenth")
    parser.add_argument("--whole", type=int, default=0, metavar="SENTENCES", help="through whole processes")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("--rounds: at least 2, the first warms up")
    return options


def _in_turn(run: Path, folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    opened = open_trained(run, device="cpu", threads=1)
    predictor, naive = Predictor(opened), NaiveLoop(opened)
    records = list(islice(_records(options.data), options.sentences))
    source, few, blocks = (folder / name for name in ("all.jsonl", "few.jsonl", "all.txt"))
    source.write_text("".join(map(_json_line, records)), encoding="utf-8")
    few.write_text("".join(map(_json_line, records[: len(records) // 10])), encoding="utf-8")
    blocks.write_text("".join(map(_semeval_block, records)), encoding="utf-8")
    out, naive_out = folder / "out.jsonl", folder / "naive.jsonl"
    systems: dict[str, Callable[[], int]] = {
        "naive loop": lambda: naive.predict(few, naive_out),
        "relclf predict, jsonl": lambda: predict_file(predictor, source, out).sentences,
        "relclf predict, semeval2010": lambda: predict_file(predictor, blocks, out).sentences,
        "Predictor.predict, mappings": lambda: len(predictor.predict(records)),
    }
    timings = {name: Timing() for name in systems}
    for _ in range(options.rounds):
        for name, work in systems.items():
            timings[name].add(work)
    predict_file(predictor, few, out)
    pairs = zip(_relations(out), _relations(naive_out), strict=True)
    print(f"same relation from the naive loop, which pads: {statistics.mean(a == b for a, b in pairs):.2%}")
    baseline = timings["naive loop"].rates
    return [
        {
            "system": name,
            "median": statistics.median(timing.rates),
            "smallest": min(timing.rates),
            "largest": max(timing.rates),
            "cpu_seconds": sum(seconds for seconds, _ in timing.rounds[1:]),
            "ratio": statistics.median(a / b for a, b in zip(timing.rates, baseline, strict=True)),
        }
        for name, timing in timings.items()
    ]


def _whole(run: Path, source: Path, sentences: int, *arguments: str) -> dict[str, Any]:
    """`relclf predict` on a file; its output is checked for order and number."""
    out = source.with_name("labelled.jsonl")
    command = [sys.executable, "-m", "relclf", "predict", str(run), str(source), "-o", str(out), *arguments]
    started = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    memory = _PeakMemory(process.pid)
    _, status, used = os.wait4(process.pid, 0)
    wall, peak = time.perf_counter() - started, memory.stop()
    if status:
        raise SystemExit(f"{' '.join(command)} failed ({os.waitstatus_to_exitcode(status)})")
    with out.open(encoding="utf-8") as lines:
        number = 0
        for number, line in enumerate(lines, 1):
            assert line.startswith(f'{{"id": "{number}", '), f"line {number} is out of order"
    assert number == sentences, f"{number} lines for {sentences} sentences"
    seconds = used.ru_utime + used.ru_stime
    return {
        "arguments": " ".join(arguments),
        "sentences": sentences,
        "cpu_seconds": seconds,
        "sentences_per_cpu_second": sentences / seconds,
        "wall_seconds": wall,
        "peak_mib": peak,
    }


class _PeakMemory:
    """The largest resident memory of a process and its children together, looked at five times a second."""

    def __init__(self, pid: int) -> None:
        self._command = ["ps", "-o", "rss=", "--pid", str(pid), "--ppid", str(pid)]
        self._peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def stop(self) -> float:
        """MiB."""
        self._done.set()
        self._thread.join()
        return self._peak / 1024

    def _look(self) -> None:
        while not self._done.wait(0.2):
            found = subprocess.run(self._command, capture_output=True, text=True, check=False).stdout
            self._peak = max(self._peak, sum(map(int, found.split())))


def _small_run(folder: Path) -> Path:
    overrides = ["training.max_epochs=2", "training.threads=1", "training.device=cpu"]
    run = folder / "run"
    for _ in relclf.train(PROJECT / "configs" / "quickstart.yaml", run=run, overrides=overrides):
        pass
    return run


def _records(path: Path) -> Iterator[Record]:
    """The sentences of a file in either format as text with character spans, over and over, with ids from 1."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if lines[0].startswith("{"):
        records = [json.loads(line) for line in lines]
    else:
        records = [_from_semeval(line) for line in lines if re.match(r"\d+\t", line)]
    for number, record in enumerate(cycle(records), 1):
        yield {"id": str(number), **{key: record[key] for key in ("text", "head", "tail")}}


def _from_semeval(line: str) -> Record:
    before, head, between, tail, after = re.split(r"</?e[12]>", line.split("\t")[1].strip('"'))
    start = len(before) + len(head) + len(between)
    return {
        "text": before + head + between + tail + after,
        "head": [len(before), len(before) + len(head)],
        "tail": [start, start + len(tail)],
    }


def _json_line(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def _semeval_block(record: Record) -> str:
    text = record["text"]
    marks = [(*record["head"], "e1"), (*record["tail"], "e2")]
    for start, end, tag in sorted(marks, reverse=True):
        text = f"{text[:start]}<{tag}>{text[start:end]}</{tag}>{text[end:]}"
    return f'{record["id"]}\t"{text}"\n\n'


def _relations(path: Path) -> list[str]:
    return [json.loads(line)["relation"] for line in path.read_text(encoding="utf-8").splitlines()]


def _padded(numbers: list[int]) -> list[int]:
    return (numbers + [0] * LENGTH)[:LENGTH]


def _systems_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title=f"sentences a CPU-second from raw text, torch {torch.__version__}, 1 thread")
    table.add_column("system")
    for heading in ("median", "min-max", "CPU s", "ratio"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            row["system"],
            f"{row['median']:,.0f}",
            f"{row['smallest']:,.0f}-{row['largest']:,.0f}",
            f"{row['cpu_seconds']:.1f}",
            f"{row['ratio']:.1f}",
        )
    return table


def _whole_table(rows: list[dict[str, Any]], sentences: int) -> Table:
    table = Table(title=f"relclf predict on {sentences:,} sentences, start included")
    table.add_column("arguments")
    for heading in ("CPU s", "sentences/CPU s", "wall s", "peak MiB"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            row["arguments"],
            f"{row['cpu_seconds']:,.1f}",
            f"{row['sentences_per_cpu_second']:,.0f}",
            f"{row['wall_seconds']:,.1f}",
            f"{row['peak_mib']:,.0f}",
        )
    return table


if __name__ == "__main__":
    main()
