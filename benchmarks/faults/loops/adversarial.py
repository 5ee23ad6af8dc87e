"""A generator against a discriminator, two optimisers in one loop, both watched."""

# mypy: disable-error-code="no-untyped-call"

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

import relclf
from benchmarks.faults.data import blobs
from relclf.diagnosis.report import Report


def train(seed: int) -> Report:
    torch.manual_seed(seed)
    real, _ = blobs(5)
    generator = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 20))
    discriminator = nn.Sequential(nn.Linear(20, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    opt_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    watch_g = relclf.watch(generator, opt_g)
    watch_d = relclf.watch(discriminator, opt_d)
    for _epoch in range(6):
        for rows in torch.randperm(len(real)).split(50):
            fake = generator(torch.randn(len(rows), 8))
            d_real, d_fake = discriminator(real[rows]), discriminator(fake.detach())
            loss_d = F.binary_cross_entropy_with_logits(d_real, torch.ones_like(d_real))
            loss_d = loss_d + F.binary_cross_entropy_with_logits(d_fake, torch.zeros_like(d_fake))
            opt_d.zero_grad()
            loss_d.backward()
            opt_d.step()

            scores = discriminator(fake)
            loss_g = F.binary_cross_entropy_with_logits(scores, torch.ones_like(scores))
            opt_g.zero_grad()
            loss_g.backward()
            opt_g.step()
    return Report([*watch_g.report(), *watch_d.report()])
