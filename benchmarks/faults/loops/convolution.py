"""A convolution over words and positions, batches by slicing a permutation, and every epoch handed to watch."""

import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn

import relclf
from benchmarks.faults.data import Split, quickstart
from relclf.diagnosis.report import Report

EPOCHS = 5
BATCH = 50


class Network(nn.Module):
    def __init__(self, words: int, positions: int, relations: int) -> None:
        super().__init__()
        self.word_embedding = nn.Embedding(words, 30, padding_idx=0)
        self.head_embedding = nn.Embedding(positions, 5, padding_idx=0)
        self.tail_embedding = nn.Embedding(positions, 5, padding_idx=0)
        self.convolution = nn.Conv1d(40, 60, kernel_size=3, padding=1)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(60, relations)

    def forward(self, words: Tensor, heads: Tensor, tails: Tensor) -> Tensor:
        embedded = torch.cat(
            [self.word_embedding(words), self.head_embedding(heads), self.tail_embedding(tails)], dim=2
        )
        filtered = torch.relu(self.convolution(embedded.transpose(1, 2)))
        pooled = filtered.max(dim=2).values
        logits: Tensor = self.output(self.dropout(pooled))
        return logits


def evaluate(model: Network, dev: Split, criterion: nn.Module) -> tuple[float, list[int]]:
    model.eval()
    loss = 0.0
    predicted = []
    with torch.no_grad():
        for start in range(0, len(dev.relations), BATCH):
            rows = slice(start, start + BATCH)
            scores = model(dev.words[rows], dev.heads[rows], dev.tails[rows])
            loss += criterion(scores, dev.relations[rows]).item() * len(scores)
            predicted += scores.argmax(dim=1).tolist()
    return loss / len(dev.relations), predicted


def train(seed: int) -> Report:
    torch.manual_seed(seed)
    corpus = quickstart()
    train, dev = corpus.train, corpus.dev
    model = Network(corpus.words, corpus.positions, corpus.relations)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    watch = relclf.watch(model, optimizer)

    for _ in range(EPOCHS):
        model.train()
        order = torch.randperm(len(train.relations))
        total = 0.0
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            scores = model(train.words[rows], train.heads[rows], train.tails[rows])
            loss = criterion(scores, train.relations[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        train_loss = total / len(order)
        dev_loss, predicted = evaluate(model, dev, criterion)
        gold = dev.relations.tolist()
        score = f1_score(gold, predicted, average="macro", zero_division=0)
        watch.epoch(train_loss, dev_loss, score, gold, predicted)

    return watch.report()
