"""A plain network on numbers, no words: batch norm, log-softmax and NLL loss, which belong together."""

# mypy: disable-error-code="no-untyped-call"

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

import relclf
from benchmarks.faults.data import blobs
from relclf.diagnosis.report import Report


def train(seed: int) -> Report:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x_train, y_train = blobs(1)
    x_test, y_test = blobs(2, number=500)
    model = nn.Sequential(
        nn.Linear(20, 64),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 5),
        nn.LogSoftmax(dim=1),
    )
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    w = relclf.watch(model, optimizer)
    history = []
    for _epoch in range(10):
        model.train()
        perm = rng.permutation(len(x_train))
        for i in range(0, len(perm), 30):
            b = perm[i : i + 30]
            optimizer.zero_grad()
            loss = F.nll_loss(model(x_train[b]), y_train[b])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            log_p = model(x_test)
            history.append(
                (F.nll_loss(log_p, y_test).item(), (log_p.argmax(1) == y_test).float().mean().item())
            )
    return w.report()
