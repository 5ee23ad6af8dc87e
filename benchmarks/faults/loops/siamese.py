"""One encoder called twice a batch, binary loss on the similarity of both."""

# mypy: disable-error-code="no-untyped-call"

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

import relclf
from benchmarks.faults.data import blobs
from relclf.diagnosis.report import Report


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 16))

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.layers(x), dim=1)


def pairs(y: Tensor) -> tuple[Tensor, Tensor]:
    left, right = torch.randint(len(y), (2, 4 * len(y)))
    return left, right


def train(seed: int) -> Report:
    torch.manual_seed(seed)
    x, y = blobs(4)
    encoder = Encoder()
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3)
    watch = relclf.watch(encoder, optimizer)
    for _epoch in range(4):
        encoder.train()
        left, right = pairs(y)
        for i in range(0, len(left), 64):
            a, b = left[i : i + 64], right[i : i + 64]
            similarity = (encoder(x[a]) * encoder(x[b])).sum(dim=1)
            loss = F.binary_cross_entropy_with_logits(5 * similarity, (y[a] == y[b]).float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        encoder.eval()
        with torch.no_grad():
            a, b = pairs(y)
            same = ((encoder(x[a]) * encoder(x[b])).sum(dim=1) > 0) == (y[a] == y[b])
            same.float().mean().item()
    return watch.report()
