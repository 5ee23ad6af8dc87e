"""A bag of embeddings in nn.Sequential, batches from a generator, SGD, watch as a context manager."""

import random
from collections.abc import Iterator

import torch
from torch import Tensor, nn

import relclf
from benchmarks.faults.data import Split, quickstart
from relclf.diagnosis.report import Report


def batches(split: Split, size: int, shuffle: bool = True) -> Iterator[tuple[Tensor, Tensor]]:
    idx = list(range(len(split.relations)))
    if shuffle:
        random.shuffle(idx)
    for i in range(0, len(idx), size):
        yield split.words[idx[i : i + size]], split.relations[idx[i : i + size]]


def train(seed: int) -> Report:
    torch.manual_seed(seed)
    random.seed(seed)
    corpus = quickstart()
    net = nn.Sequential(
        nn.EmbeddingBag(corpus.words, 64, mode="mean", padding_idx=0),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(64, corpus.relations),
    )
    loss_fn = nn.CrossEntropyLoss()
    optim = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    with relclf.watch(net, optim, criterion=loss_fn) as watch:
        for _ in range(6):
            net.train()
            epoch_loss, n = 0.0, 0
            for x, y in batches(corpus.train, 32):
                out = net(x)
                loss = loss_fn(out, y)
                net.zero_grad()
                loss.backward()
                optim.step()
                epoch_loss += loss.item()
                n += 1
            net.eval()
            right = 0
            with torch.no_grad():
                for x, y in batches(corpus.dev, 100, shuffle=False):
                    right += int((net(x).argmax(1) == y).sum())
            watch.epoch(train_loss=epoch_loss / n)
    return watch.report()
