"""Measures how the cost of a training grows with its sentences, words, filters and relations, as an exponent.

    python benchmarks/growth.py [--data ../shared/data/semeval2010/TRAIN_FILE.TXT] [--json FILE]

Each size is a process of its own, on one thread, on a corpus made by repeating the sentences of --data. Set-up is
from the config to the first update, imports aside. Then come 300 updates that are not timed, in which Adam is still
dense, then --updates that are, then the end of an epoch: dev scores, their bootstrap, predictions and checkpoint. An
epoch is put together from these: order and batches of all its sentences, the cost of one update for each of its
batches, and its end. Memory is the peak of set-up, and the peak of what follows, beyond what the process held after
its imports (on Linux). The exponent is log(cost ratio) / log(size ratio) against a smaller size, medians over the
rounds: 1 is linear, 0 costs nothing.
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
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from rich.console import Console
from rich.table import Table

from relclf.config.loading import config_from_mapping
from relclf.data.reading import read_examples
from relclf.training.experiment import Experiment, start
from relclf.training.interruption import StopRequest
from relclf.training.loop import begin_epoch, end_epoch, train_epoch

QUICKSTART = Path(__file__).resolve().parents[1] / "data" / "quickstart" / "train.jsonl"
DENSE_UPDATES = 300
"""Updates after which Adam may leave out rows that a batch lacks."""
RARE = 20
"""With `own_words`, a word that --data has fewer times is spelled anew in each copy."""


@dataclass(frozen=True)
class Size:
    """How large the work is, and the smaller one that it is compared with."""

    name: str
    grows: str
    """sentences, words, filters or relations."""
    against: str | None = None
    copies: int = 1
    own_words: bool = False
    filters: int = 230
    parts: int = 1
    """Into how many each relation is split, sentence by sentence."""


SIZES = (
    Size("1x", "sentences"),
    Size("10x sentences", "sentences", "1x", copies=10),
    Size("100x sentences", "sentences", "10x sentences", copies=100),
    Size("10x sentences and words", "words", "10x sentences", copies=10, own_words=True),
    Size("10x filters", "filters", "1x", filters=2300),
    Size("10x relations", "relations", "1x", parts=10),
    Size("100x relations", "relations", "10x relations", parts=100),
)


def main() -> None:
    """Measure every size `rounds` times in turn, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=QUICKSTART, help="in any format (default: quickstart)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=600, help="that are timed, in whole epochs or a part")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(range(len(SIZES))), help="from 0")
    parser.add_argument("--json", type=Path, help="write every number to this file")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_this_process:
        print(json.dumps(measure(SIZES[options.sizes[0]], options.data, options.updates)))
        return
    found: dict[str, list[dict[str, dict[str, float]]]] = {SIZES[i].name: [] for i in options.sizes}
    with tempfile.TemporaryDirectory() as folder:
        for i in options.sizes:
            write_corpus(Path(folder) / f"{i}.txt", options.data, SIZES[i])
        for _ in range(options.rounds):
            for i in options.sizes:
                command = [sys.executable, __file__, "--in-this-process", "--sizes", str(i)]
                command += ["--data", f"{folder}/{i}.txt", "--updates", str(options.updates)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                found[SIZES[i].name].append(json.loads(done.stdout))
    results = [_summary(SIZES[i], found) for i in options.sizes]
    Console(width=None if sys.stdout.isatty() else 120).print(_table(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def write_corpus(path: Path, source: Path, size: Size) -> None:
    """The sentences of a file, copy after copy, in the format of SemEval-2010."""
    examples = list(read_examples(source))
    counts = Counter(token for example in examples for token in example.tokens)
    rare = {token for token, count in counts.items() if count < RARE and token.isalpha() and size.own_words}
    with path.open("w", encoding="utf-8") as file:
        for number in range(size.copies * len(examples)):
            copy, index = divmod(number, len(examples))
            example = examples[index]
            words = [f"{token}_{chr(97 + copy)}" if token in rare else token for token in example.tokens]
            for mention, tag in ((example.head, "e1"), (example.tail, "e2")):
                words[mention.start] = f"<{tag}>{words[mention.start]}"
                words[mention.end - 1] += f"</{tag}>"
            part = f"-{index % size.parts}" if size.parts > 1 else ""
            file.write(f'{number + 1}\t"{" ".join(words)}"\n{example.relation}{part}\nComment:\n\n')


def measure(size: Size, corpus: Path, updates: int) -> dict[str, dict[str, float]]:
    """What one size is and costs, in this process."""
    imported = _resident("VmRSS")
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        experiment = _experiment(size, corpus, Path(folder))
        setup, setup_peak = time.process_time() - started, _resident("VmHWM")
        _forget_peak()
        inputs, state = experiment.inputs, experiment.state
        batches = math.ceil(len(inputs.train) / inputs.config.training.batch_size)
        order = statistics.median(_train(experiment, batches, 0) for _ in range(3))
        seconds = 0.0
        for count in (DENSE_UPDATES, updates):
            parts = [min(batches, count - done) for done in range(0, count, batches)]
            seconds = sum(_train(experiment, batches, part) - order for part in parts)
        progress = begin_epoch(inputs, state)
        progress.batches_done = batches - 1
        train_epoch(inputs, state, progress, StopRequest())
        started = time.process_time()
        end_epoch(inputs, state, progress)
        end = time.process_time() - started
    relations, words = len(inputs.relations), len(experiment.network.vocabulary)
    return {
        "sizes": {
            "sentences": len(inputs.train),
            "words": words,
            "filters": size.filters,
            "relations": relations,
        },
        "costs": {
            "set-up, CPU s": setup,
            "update, CPU ms": 1000 * seconds / updates,
            "epoch, CPU s": order + seconds / updates * batches + end,
            "of it order and batches": order,
            "of it the end": end,
            "set-up, peak MiB": setup_peak - imported,
            "training, peak MiB": _resident("VmHWM") - imported,
        },
    }


def _experiment(size: Size, corpus: Path, folder: Path) -> Experiment:
    config = {
        "data": {"train": str(corpus), "dev": 0.1},
        "model": {"word_dim": 50, "position_dim": 5, "windows": [3], "filters": size.filters},
        "training": {"batch_size": 50, "max_epochs": 99, "device": "cpu", "threads": 1},
    }
    return start(config_from_mapping(config, folder), "growth", folder, None)


def _train(experiment: Experiment, batches: int, last: int) -> float:
    """CPU-seconds of an epoch that goes on before its last batches, as a resumed one does."""
    started = time.process_time()
    progress = begin_epoch(experiment.inputs, experiment.state)
    progress.batches_done = batches - last
    train_epoch(experiment.inputs, experiment.state, progress, StopRequest())
    return time.process_time() - started


def _resident(field: str) -> float:
    """MiB of this process by a field of /proc/self/status: VmRSS is now, VmHWM the peak."""
    status = Path("/proc/self/status")
    found = re.search(rf"{field}:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else math.nan


def _forget_peak() -> None:
    """Give freed memory back, and let the peak begin anew."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")


def _summary(size: Size, found: dict[str, list[dict[str, dict[str, float]]]]) -> dict[str, Any]:
    rounds, before = found[size.name], found.get(size.against or "")
    growth = rounds[0]["sizes"][size.grows] / before[0]["sizes"][size.grows] if before else None
    costs = {}
    for name in rounds[0]["costs"]:
        values = [each["costs"][name] for each in rounds]
        costs[name] = {"median": statistics.median(values), "least": min(values), "most": max(values)}
        if before and growth:
            ratio = costs[name]["median"] / statistics.median(each["costs"][name] for each in before)
            costs[name]["exponent"] = math.log(ratio) / math.log(growth)
    sizes = {"sizes": rounds[0]["sizes"], "grows": size.grows, "growth": growth, "against": size.against}
    return {"name": size.name, **sizes, "costs": costs}


def _table(results: list[dict[str, Any]]) -> Table:
    table = Table(title=f"the cost of training as the work grows, torch {torch.__version__}, 1 thread")
    for heading in ("work", "cost"):
        table.add_column(heading)
    for heading in ("median", "min-max", "exponent"):
        table.add_column(heading, justify="right")
    for result in results:
        ratio = f"{result['grows']} x {result['growth']:.1f}" if result["growth"] else ""
        work = [result["name"], ratio, *[""] * len(result["costs"])]
        for line, (name, cost) in enumerate(result["costs"].items()):
            median, least, most = (f"{cost[key]:,.4g}" for key in ("median", "least", "most"))
            exponent = f"{cost['exponent']:.2f}" if "exponent" in cost else ""
            last = line == len(result["costs"]) - 1
            table.add_row(work[line], name, median, f"{least}-{most}", exponent, end_section=last)
    return table


if __name__ == "__main__":
    main()
