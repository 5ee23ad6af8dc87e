"""A stream of examples without a length, batch norm, two groups of parameters, and a rate that changes each batch."""

# mypy: disable-error-code="no-untyped-call"

from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

import relclf
from benchmarks.faults.data import blobs
from relclf.diagnosis.report import Report


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.y))
        for i in order:
            yield self.x[i], self.y[i]


def train(seed: int) -> Report:
    torch.manual_seed(seed)
    x_train, y_train = blobs(1)
    x_test, _ = blobs(2, number=500)
    body = nn.Sequential(nn.Linear(20, 50), nn.BatchNorm1d(50), nn.ReLU())
    model = nn.Sequential(body, nn.Linear(50, 5))
    groups = [
        {"params": body.parameters(), "lr": 1e-3},
        {"params": model[1].parameters(), "lr": 3e-3, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    loader = DataLoader(Stream(x_train, y_train), batch_size=40)
    watch = relclf.watch(model, optimizer, loader=loader)
    updates = 6 * -(-len(y_train) // 40)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, [1e-3, 3e-3], total_steps=updates)
    for _epoch in range(6):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            scheduler.step()
        model.eval()
        with torch.no_grad():
            for rows in torch.arange(len(x_test)).split(100):
                model(x_test[rows])
    return watch.report()
