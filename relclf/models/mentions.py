"""Where the mentions stand in a batch, and the word vectors of and beside them."""

import torch
from torch import Tensor
from torch.nn import functional

from relclf.encoding.batches import Batch


def mention_vectors(words: Tensor, batch: Batch, inside: int) -> Tensor:
    """The mean vector of a mention, then those of its left and right neighbour: of the head, then of the tail.

    words: (batch, length, width); inside: the position id of a mention's tokens -> (batch, 6 * width).
    A neighbour that there is not, and a mention that nothing marks, are zeros.
    """
    shares = torch.cat(
        [
            _shares(positions == inside, batch.mask, words.dtype)
            for positions in (batch.head_positions, batch.tail_positions)
        ],
        dim=1,
    )
    return torch.bmm(shares, words).flatten(1)


def mention_means(words: Tensor, batch: Batch, inside: int) -> Tensor:
    """The mean vector of each mention alone, (batch, 2, width): of the head, then of the tail."""
    return mention_vectors(words, batch, inside).view(words.shape[0], 2, 3, -1)[:, :, 0]


def _shares(mention: Tensor, mask: Tensor, dtype: torch.dtype) -> Tensor:
    """(batch, 3, length): each token's share in the mention and in its neighbours. mention, mask: (batch, length)."""
    outside = mask & ~mention
    left = functional.pad(mention[:, 1:], (0, 1)) & outside
    right = functional.pad(mention[:, :-1], (1, 0)) & outside
    shares = torch.stack([mention, left, right], dim=1).to(dtype)
    return shares / shares.sum(dim=2, keepdim=True).clamp(min=1)
