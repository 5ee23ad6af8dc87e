"""Makes the generators of the training loop, each for one purpose."""

import numpy as np
import torch

from relclf.seeding import named_seed


def torch_generator(
    seed: int, purpose: str, index: int = 0, device: torch.device | None = None
) -> torch.Generator:
    """A torch generator on `device` (default: the CPU)."""
    generator = torch.Generator(device=device or torch.device("cpu"))
    generator.manual_seed(named_seed(seed, purpose, index))
    return generator


def numpy_generator(seed: int, purpose: str, index: int = 0) -> np.random.Generator:
    """A NumPy generator."""
    return np.random.Generator(np.random.PCG64(named_seed(seed, purpose, index)))
