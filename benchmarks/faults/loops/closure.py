"""Full batches with L-BFGS, which evaluates its closure several times an update."""

# mypy: disable-error-code="no-untyped-call"

import torch
from torch import Tensor, nn

import relclf
from benchmarks.faults.data import blobs
from relclf.diagnosis.report import Report


def train(seed: int) -> Report:
    torch.manual_seed(seed)
    x, y = blobs(7)
    model = nn.Sequential(nn.Linear(20, 16), nn.Tanh(), nn.Linear(16, 5))
    loss_function = nn.CrossEntropyLoss()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=1.0, max_iter=5)
    watch = relclf.watch(model, optimizer)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = loss_function(model(x[:1000]), y[:1000])
        loss.backward()
        return loss

    for _step in range(15):
        optimizer.step(closure)
    return watch.report()
