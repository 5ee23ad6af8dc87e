"""A GRU whose forward takes and returns dicts, two groups of parameters, clipping and a schedule."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

import relclf
from benchmarks.faults.data import Split, quickstart
from relclf.diagnosis.report import Report


class Relations(Dataset[dict[str, Tensor]]):
    def __init__(self, split: Split) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split.relations)

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        s = self.split
        return {"words": s.words[i], "heads": s.heads[i], "tails": s.tails[i], "labels": s.relations[i]}


class Model(nn.Module):
    def __init__(self, words: int, positions: int, relations: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleDict(
            {
                "words": nn.Embedding(words, 30),
                "heads": nn.Embedding(positions, 5),
                "tails": nn.Embedding(positions, 5),
            }
        )
        self.encoder = nn.GRU(40, 40, batch_first=True, bidirectional=True)
        self.norm = nn.LayerNorm(80)
        self.classifier = nn.Sequential(
            nn.Dropout(0.4), nn.Linear(80, 40), nn.Tanh(), nn.Linear(40, relations)
        )

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        parts = [embedding(batch[name]) for name, embedding in self.embeddings.items()]
        states, _ = self.encoder(torch.cat(parts, dim=-1))
        features = self.norm(states.max(dim=1).values)
        return {"logits": self.classifier(features), "features": features}


def validate(model: Model, loader: DataLoader[Any], loss_function: nn.Module) -> tuple[float, float]:
    model.eval()
    losses, hits = [], []
    with torch.inference_mode():
        for batch in loader:
            logits = model(batch)["logits"]
            losses.append(loss_function(logits, batch["labels"]))
            hits.append((logits.argmax(-1) == batch["labels"]).float().mean())
    return torch.stack(losses).mean().item(), torch.stack(hits).mean().item()


def train(seed: int) -> Report:
    torch.manual_seed(seed)
    corpus = quickstart()
    train_loader = DataLoader(Relations(corpus.train), batch_size=100, shuffle=True)
    dev_loader = DataLoader(Relations(corpus.dev), batch_size=100)
    model = Model(corpus.words, corpus.positions, corpus.relations)
    loss_function = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(
        [
            {"params": model.embeddings.parameters(), "weight_decay": 0.0},
            {
                "params": [p for n, p in model.named_parameters() if not n.startswith("embeddings")],
                "lr": 2e-3,
            },
        ],
        lr=4e-3,
        weight_decay=0.01,
    )
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.9)

    watch = relclf.watch(model, optimizer, criterion=loss_function, loader=train_loader)
    for _ in range(3):
        model.train()
        train_loss = 0.0
        for batch in train_loader:
            output = model(batch)
            loss = loss_function(output["logits"], batch["labels"])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            train_loss += loss.detach().item()
        scheduler.step()
        valid_loss, accuracy = validate(model, dev_loader, loss_function)
        watch.epoch(train_loss / len(train_loader), valid_loss, accuracy)
    report = watch.report()
    watch.close()
    return report
