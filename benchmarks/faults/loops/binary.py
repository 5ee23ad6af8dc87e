"""Is there a relation at all? One output, a sigmoid in the model and BCELoss on it, which is right."""

# mypy: disable-error-code="no-untyped-call"

import torch
from torch import Tensor, nn

import relclf
from benchmarks.faults.data import quickstart
from relclf.diagnosis.report import Report


class Classifier(nn.Module):
    def __init__(self, words: int, positions: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, 30)
        self.heads = nn.Embedding(positions, 5)
        self.tails = nn.Embedding(positions, 5)
        self.conv = nn.Conv1d(40, 60, 3)
        self.fc1 = nn.Linear(60, 30)
        self.fc2 = nn.Linear(30, 1)

    def forward(self, words: Tensor, heads: Tensor, tails: Tensor) -> Tensor:
        x = torch.cat([self.words(words), self.heads(heads), self.tails(tails)], dim=2)
        x = torch.tanh(self.conv(x.permute(0, 2, 1))).amax(dim=2)
        x = torch.relu(self.fc1(x))
        return torch.sigmoid(self.fc2(x)).squeeze(1)


def train(seed: int) -> Report:
    torch.manual_seed(seed)
    corpus = quickstart()
    data = corpus.train
    target = (data.relations > 0).float()
    model = Classifier(corpus.words, corpus.positions)
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters())
    watch = relclf.watch(model, optimizer, criterion)
    for _epoch in range(4):
        for rows in torch.randperm(len(target)).split(50):
            model.zero_grad()
            probability = model(data.words[rows], data.heads[rows], data.tails[rows])
            loss = criterion(probability, target[rows])
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            dev = corpus.dev
            predicted = (model(dev.words, dev.heads, dev.tails) > 0.5).long()
        watch.epoch(gold=(dev.relations > 0).long().tolist(), predicted=predicted.tolist())
    return watch.report()
