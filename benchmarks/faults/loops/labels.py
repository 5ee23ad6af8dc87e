"""Several labels an example, each yes or no, from one linear layer on another."""

# mypy: disable-error-code="no-untyped-call"

import torch
from torch import nn
from torch.nn import functional

import relclf
from relclf.diagnosis.report import Report


def train(seed: int) -> Report:
    torch.manual_seed(seed)
    inputs = torch.randn(1200, 20)
    labels = (inputs[:, :6] + 0.3 * torch.randn(1200, 6) > 0).float()
    model = nn.Sequential(nn.Linear(20, 64), nn.GELU(), nn.Linear(64, 6))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    watch = relclf.watch(model, optimizer)
    for _ in range(8):
        for rows in torch.randperm(1000).split(20):
            logits = model(inputs[rows])
            loss = functional.binary_cross_entropy_with_logits(logits, labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            model(inputs[1000:])
    return watch.report()
