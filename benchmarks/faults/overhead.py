"""What watching costs in CPU-seconds, side by side in one process, and whether it changes a weight."""

# mypy: disable-error-code="no-untyped-call"

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

import relclf
from benchmarks.faults.data import quickstart
from benchmarks.faults.loops.convolution import Network

OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "Adam": lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
    "AdamW": lambda parameters: torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01),
    "Adagrad": lambda parameters: torch.optim.Adagrad(parameters, lr=0.1),
    "RMSprop": lambda parameters: torch.optim.RMSprop(parameters, lr=1e-3),
}


@dataclass(frozen=True)
class Size:
    """A convolution over the quickstart corpus."""

    name: str
    filters: int
    vector: int
    """width of the word embedding"""
    batch: int


CHUNK = 7
"""Updates that a side takes before it is the other's turn."""
SIZES = (Size("naive", 100, 50, 50), Size("larger", 400, 200, 100))


def overhead(seeds: list[int], rounds: int = 5) -> int:
    """Print the costs and the equality; 1 where a weight differs."""
    for size in SIZES:
        for part in ("training", "training and evaluation"):
            costs = _costs(size, evaluated=part != "training", rounds=rounds)
            print(f"{size.name:<8} {part:<24} {costs}", flush=True)
    different = 0
    for name in OPTIMIZERS:
        for seed in seeds:
            unequal = [watched for watched in (1, 50) if not _equal(name, seed, watched)]
            different += len(unequal)
            print(
                f"{name:<8} seed {seed}: weights {'DIFFER' if unequal else 'equal'} after 168 updates with dropout"
            )
    return int(different > 0)


def _costs(size: Size, evaluated: bool, rounds: int) -> str:
    """Trainings with and without watch take turns every few updates; the medians of their CPU-seconds."""
    plain, watched = [], []
    for _ in range(rounds):
        sides = [_training(size, "Adam", 1, every, evaluated) for every in (None, 50)]
        seconds = [0.0, 0.0]
        gc.collect()
        while True:
            done = False
            for side, training in enumerate(sides):
                started = time.process_time()
                done = next(training, None) is None
                seconds[side] += time.process_time() - started
            if done:
                break
        plain.append(seconds[0])
        watched.append(seconds[1])
    ratios = [w / p - 1 for w, p in zip(watched, plain, strict=True)]
    return (
        f"{statistics.median(plain):.2f} s without, {statistics.median(watched):.2f} s with watch: "
        f"{statistics.median(ratios):+.1%} (rounds {min(ratios):+.1%} to {max(ratios):+.1%})"
    )


def _training(
    size: Size, optimizer_name: str, seed: int, every: int | None, evaluated: bool, epochs: int = 6
) -> Iterator[nn.Module]:
    """Train, and hand over the model after each few updates; with `every`, watched. No report is asked for."""
    random = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    corpus = quickstart()
    train, dev = corpus.train, corpus.dev
    model = Network(corpus.words, corpus.positions, corpus.relations)
    model.word_embedding = nn.Embedding(corpus.words, size.vector)
    model.convolution = nn.Conv1d(size.vector + 10, size.filters, 3, padding=1)
    model.output = nn.Linear(size.filters, corpus.relations)
    criterion = nn.CrossEntropyLoss()
    optimizer = OPTIMIZERS[optimizer_name](model.parameters())
    watch = None if every is None else relclf.watch(model, optimizer, every=every)
    for _ in range(epochs):
        model.train()
        for number, rows in enumerate(torch.randperm(2800, generator=random).split(size.batch)):
            loss = criterion(
                model(train.words[rows], train.heads[rows], train.tails[rows]), train.relations[rows]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if number % CHUNK == CHUNK - 1:
                yield model
        if evaluated:
            model.eval()
            with torch.no_grad():
                for rows in torch.arange(600).split(size.batch):
                    model(dev.words[rows], dev.heads[rows], dev.tails[rows]).argmax(1)
    if watch is not None:
        watch.close()
    yield model


def _equal(optimizer_name: str, seed: int, every: int) -> bool:
    """Whether three epochs end at the same weights, buffers and random state with and without watch."""
    states = []
    for watched in (None, every):
        model = list(_training(SIZES[0], optimizer_name, seed, watched, evaluated=True, epochs=3))[-1]
        states.append({**model.state_dict(), "random state": torch.get_rng_state()})
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])
