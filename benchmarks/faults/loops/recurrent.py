"""An LSTM on packed sentences from a DataLoader; the model returns a tuple, the loss is a function."""

# mypy: disable-error-code="no-untyped-call"

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.data import DataLoader, TensorDataset

import relclf
from benchmarks.faults.data import Split, quickstart
from relclf.diagnosis.report import Report


class Tagger(nn.Module):
    def __init__(self, words: int, positions: int, relations: int, hidden: int = 32) -> None:
        super().__init__()
        self.emb = nn.Embedding(words, 24, padding_idx=0)
        self.pos = nn.Embedding(positions, 4, padding_idx=0)
        self.lstm = nn.LSTM(32, hidden, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(2 * hidden, relations)

    def forward(self, x: Tensor, h: Tensor, t: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        e = torch.cat([self.emb(x), self.pos(h), self.pos(t)], dim=-1)
        e = self.drop(e)
        packed = pack_padded_sequence(e, lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, (state, _) = self.lstm(packed)
        state = torch.cat([state[0], state[1]], dim=1)
        return self.fc(self.drop(state)), state


def make_loader(split: Split, shuffle: bool) -> DataLoader[Any]:
    ds = TensorDataset(split.words, split.heads, split.tails, split.lengths, split.relations)
    return DataLoader(ds, batch_size=64, shuffle=shuffle)


def run_dev(model: Tagger, loader: DataLoader[Any]) -> float:
    model.eval()
    correct = n = 0
    with torch.no_grad():
        for x, h, t, lengths, y in loader:
            logits, _ = model(x, h, t, lengths)
            correct += (logits.argmax(-1) == y).sum().item()
            n += len(y)
    return correct / n


def train(seed: int) -> Report:
    torch.manual_seed(seed)
    corpus = quickstart()
    train_loader = make_loader(corpus.train, shuffle=True)
    dev_loader = make_loader(corpus.dev, shuffle=False)
    model = Tagger(corpus.words, corpus.positions, corpus.relations)
    opt = torch.optim.Adam(model.parameters(), lr=2e-3)

    watch = relclf.watch(model, opt)
    accuracies = []
    for _ in range(2):
        model.train()
        running_loss = 0.0
        for x, h, t, lengths, y in train_loader:
            opt.zero_grad()
            logits, _ = model(x, h, t, lengths)
            loss = F.cross_entropy(logits, y)
            loss.backward()
            opt.step()
            running_loss += loss.item()
        accuracies.append(run_dev(model, dev_loader))
    return watch.report()
