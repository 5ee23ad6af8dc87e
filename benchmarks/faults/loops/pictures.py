"""Convolutions with batch norm over small pictures, SGD with momentum and a cosine schedule, an auxiliary head."""

# mypy: disable-error-code="no-untyped-call"

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import relclf
from relclf.diagnosis.report import Report


def pictures(number: int = 900) -> TensorDataset:
    """A bright square in one of four quarters, its size 2 or 4, in noise."""
    random = torch.Generator().manual_seed(6)
    x = torch.randn(number, 1, 12, 12, generator=random)
    quarter = torch.randint(4, (number,), generator=random)
    size = torch.randint(2, (number,), generator=random)
    for i in range(number):
        row, column = int(quarter[i]) // 2 * 6 + 1, int(quarter[i]) % 2 * 6 + 1
        side = 2 + 2 * int(size[i])
        x[i, 0, row : row + side, column : column + side] += 2
    return TensorDataset(x, quarter, size)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.fc = nn.Linear(144, 4)
        self.aux = nn.Linear(144, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.features(x)
        return self.fc(z), self.aux(z)


def train(seed: int) -> Report:
    torch.manual_seed(seed)
    train_set, val_set = random_split(pictures(), [700, 200])
    trainloader = DataLoader(train_set, batch_size=32, shuffle=True, drop_last=True)
    valloader = DataLoader(val_set, batch_size=100)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=6)
    watch = relclf.watch(net, optimizer, loader=trainloader)
    for _epoch in range(6):
        net.train()
        running = 0.0
        for inputs, quarter, size in trainloader:
            optimizer.zero_grad()
            outputs, aux = net(inputs)
            loss = F.cross_entropy(outputs, quarter) + 0.3 * F.cross_entropy(aux, size)
            loss.backward()
            optimizer.step()
            running += loss.item()
        scheduler.step()
        net.eval()
        correct = total = 0
        with torch.no_grad():
            for inputs, quarter, _size in valloader:
                outputs, _aux = net(inputs)
                correct += int((outputs.argmax(1) == quarter).sum())
                total += len(quarter)
        watch.epoch(train_loss=running / len(trainloader), score=correct / total)
    return watch.report()
