"""A small transformer: attention has softmaxes inside, warm-up over 500 updates, label smoothing."""

# mypy: disable-error-code="no-untyped-call"

import torch
from torch import Tensor, nn

import relclf
from benchmarks.faults.data import quickstart
from relclf.diagnosis.report import Report


class Transformer(nn.Module):
    def __init__(self, words: int, positions: int, relations: int, dim: int = 32) -> None:
        super().__init__()
        self.words = nn.Embedding(words, dim, padding_idx=0)
        self.heads = nn.Embedding(positions, dim, padding_idx=0)
        self.tails = nn.Embedding(positions, dim, padding_idx=0)
        layer = nn.TransformerEncoderLayer(dim, 4, 64, dropout=0.1, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.query = nn.Linear(dim, 1)
        self.head = nn.Linear(dim, relations)

    def forward(self, x: Tensor, h: Tensor, t: Tensor) -> Tensor:
        padding = x == 0
        states = self.encoder(self.words(x) + self.heads(h) + self.tails(t), src_key_padding_mask=padding)
        weights = self.query(states).squeeze(-1).masked_fill(padding, -1e9).softmax(dim=-1)
        out: Tensor = self.head((weights.unsqueeze(-1) * states).sum(dim=1))
        return out


def train(seed: int) -> Report:
    torch.manual_seed(seed)
    corpus = quickstart()
    data = corpus.train
    model = Transformer(corpus.words, corpus.positions, corpus.relations)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 500))
    watch = relclf.watch(model, optimizer, criterion)
    for _epoch in range(6):
        model.train()
        for rows in torch.randperm(len(data.relations)).split(40):
            loss = criterion(
                model(data.words[rows], data.heads[rows], data.tails[rows]), data.relations[rows]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            dev = corpus.dev
            predicted = model(dev.words, dev.heads, dev.tails).argmax(-1)
        watch.epoch(gold=dev.relations.tolist(), predicted=predicted.tolist())
    return watch.report()
