"""A regression: one output, mean squared error, Adagrad."""

# mypy: disable-error-code="no-untyped-call"

import torch
from torch import nn

import relclf
from benchmarks.faults.data import blobs
from relclf.diagnosis.report import Report


def train(seed: int) -> Report:
    torch.manual_seed(seed)
    x, classes = blobs(3)
    y = (x[:, :4].prod(dim=1, keepdim=True) + classes[:, None]).float()
    model = nn.Sequential(nn.Linear(20, 50), nn.ReLU(), nn.Linear(50, 50), nn.ReLU(), nn.Linear(50, 1))
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.05)
    watch = relclf.watch(model, optimizer)
    for _epoch in range(8):
        losses = []
        for rows in torch.randperm(1200).split(40):
            optimizer.zero_grad()
            loss = ((model(x[rows]) - y[rows]) ** 2).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            dev_loss = ((model(x[1200:]) - y[1200:]) ** 2).mean().item()
        watch.epoch(train_loss=sum(losses) / len(losses), dev_loss=dev_loss)
    return watch.report()
