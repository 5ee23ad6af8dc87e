"""A training loop as people write it by hand, with one place for each fault to go wrong."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

CLASSES = 4
SENTENCES = 240
LENGTH = 12
WORDS = 60


class Net(nn.Module):
    """Embeddings of words and of one position, a convolution, the maximum, dropout, scores."""

    def __init__(self, activation: Callable[[Tensor], Tensor] = torch.tanh) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, 16, padding_idx=0)
        self.positions = nn.Embedding(2 * LENGTH, 4)
        self.convolution = nn.Conv1d(20, 24, 3, padding=1)
        self.drop = nn.Dropout(0.3)
        self.output = nn.Linear(24, CLASSES)
        self.activation = activation

    def forward(self, words: Tensor, positions: Tensor) -> Tensor:
        tokens = torch.cat([self.words(words), self.positions(positions)], dim=2).transpose(1, 2)
        features = self.activation(self.convolution(tokens)).amax(dim=2)
        scores: Tensor = self.output(self.drop(features))
        return scores


@dataclass
class Data:
    """Sentences whose relation is told by one word."""

    words: Tensor
    positions: Tensor
    gold: Tensor

    @classmethod
    def draw(cls, seed: int, sentences: int = SENTENCES) -> "Data":
        generator = torch.Generator().manual_seed(seed)
        words = torch.randint(10, WORDS, (sentences, LENGTH), generator=generator)
        gold = torch.multinomial(torch.tensor([0.1, 0.2, 0.3, 0.4]), sentences, True, generator=generator)
        place = torch.randint(0, LENGTH, (sentences,), generator=generator)
        words[torch.arange(sentences), place] = 1 + gold
        positions = torch.arange(LENGTH) - place[:, None] + LENGTH
        return cls(words, positions, gold)

    def first(self, sentences: int) -> "Data":
        return Data(self.words[:sentences], self.positions[:sentences], self.gold[:sentences])

    def batches(self, size: int = 20, seed: int | None = None) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """In the order of a seed, or in file order."""
        order = torch.arange(len(self.gold))
        if seed is not None:
            order = torch.randperm(len(self.gold), generator=torch.Generator().manual_seed(seed))
        for rows in order.split(size):
            yield self.words[rows], self.positions[rows], self.gold[rows]


@dataclass
class Loop:
    """What a loop needs; a fault replaces one of these or one of the loop's lines."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    train: Data = field(default_factory=lambda: Data.draw(1))
    dev: Data = field(default_factory=lambda: Data.draw(2, 60))
    criterion: Callable[[Tensor, Tensor], Tensor] = field(default_factory=nn.CrossEntropyLoss)
    epochs: int = 4

    def run(self) -> None:
        """The healthy loop."""
        for epoch in range(self.epochs):
            self.model.train()
            for words, positions, gold in self.train.batches(seed=epoch):
                self.optimizer.zero_grad()
                loss = self.criterion(self.model(words, positions), gold)
                loss.backward()
                self.optimizer.step()
            self.evaluate()

    def evaluate(self) -> None:
        self.model.eval()
        with torch.no_grad():
            for words, positions, _ in self.dev.batches():
                self.model(words, positions)


def healthy(seed: int = 0, lr: float = 1e-3) -> Loop:
    torch.manual_seed(seed)
    model = Net()
    return Loop(model, torch.optim.Adam(model.parameters(), lr=lr))
