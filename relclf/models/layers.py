"""The layers that networks share: the word embedding with constant rows, and dropout with its own generator."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from relclf.encoding.batches import Batch
from relclf.encoding.vocabulary import PAD_ID


class WordEmbedding(nn.Module):
    """Rows that training changes, followed by rows that stay as the vectors file has them.

    Constant rows are a buffer that checkpoints leave out: they are kept once a run (vectors.safetensors).
    """

    constant: Tensor | None

    def __init__(self, trained: Tensor, constant: Tensor | None) -> None:
        """trained: (trained rows, width), row 0 zeros for padding; constant: (other rows, width) or None."""
        super().__init__()
        self.weight = nn.Parameter(trained)
        self.register_buffer("constant", constant, persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        """(batch, length) word ids -> (batch, length, width)."""
        rows = self.weight.shape[0]
        if self.constant is None or batch.max_token_id < rows:
            return functional.embedding(batch.token_ids, self.weight, padding_idx=PAD_ID)
        is_trained = batch.token_ids < rows
        trained = functional.embedding(batch.token_ids.clamp(max=rows - 1), self.weight, padding_idx=PAD_ID)
        constant = functional.embedding((batch.token_ids - rows).clamp(min=0), self.constant)
        return torch.where(is_trained[:, :, None], trained, constant)


def dropout(values: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Zero each value with probability `rate`, drawn from `generator`, and scale the rest up by 1/(1 - rate)."""
    if rate == 0:
        return values
    keep = torch.empty_like(values).bernoulli_(1 - rate, generator=generator)
    return values * (keep / (1 - rate))
