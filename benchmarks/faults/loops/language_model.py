"""A language model with tied weights on one long text, the state carried over and detached, SGD with clipping."""

import torch
from torch import Tensor, nn

import relclf
from benchmarks.faults.data import quickstart
from relclf.diagnosis.report import Report

BPTT = 20
ROWS = 20


class RNNModel(nn.Module):
    def __init__(self, ntoken: int, ninp: int = 64) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.2)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.LSTM(ninp, ninp)
        self.decoder = nn.Linear(ninp, ntoken)
        self.decoder.weight = self.encoder.weight
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, x: Tensor, hidden: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        out, hidden = self.rnn(self.drop(self.encoder(x)), hidden)
        return self.decoder(self.drop(out)).view(-1, self.decoder.out_features), hidden


def batchify(words: Tensor) -> Tensor:
    text = words[words > 0]
    return text[: len(text) // ROWS * ROWS].view(ROWS, -1).t().contiguous()


def train(seed: int) -> Report:
    torch.manual_seed(seed)
    corpus = quickstart()
    train_data, val_data = batchify(corpus.train.words[:1200]), batchify(corpus.dev.words[:200])
    model = RNNModel(corpus.words)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=5.0)
    watch = relclf.watch(model, optimizer)
    for _epoch in range(3):
        model.train()
        hidden = (torch.zeros(1, ROWS, 64), torch.zeros(1, ROWS, 64))
        for i in range(0, len(train_data) - 1 - BPTT, BPTT):
            data, targets = train_data[i : i + BPTT], train_data[i + 1 : i + 1 + BPTT].reshape(-1)
            hidden = (hidden[0].detach(), hidden[1].detach())
            model.zero_grad()
            output, hidden = model(data, hidden)
            loss = criterion(output, targets)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            optimizer.step()
        model.eval()
        total = 0.0
        hidden = (torch.zeros(1, ROWS, 64), torch.zeros(1, ROWS, 64))
        with torch.no_grad():
            for i in range(0, len(val_data) - 1 - BPTT, BPTT):
                output, hidden = model(val_data[i : i + BPTT], hidden)
                total += criterion(output, val_data[i + 1 : i + 1 + BPTT].reshape(-1)).item()
        watch.epoch(dev_loss=total / (len(val_data) / BPTT))
    return watch.report()
