"""A convolutional network that pools over three pieces of a sentence, after Zeng et al. 2015 (section 3.3)."""

import torch
from torch import Tensor

from relclf.encoding.batches import Batch
from relclf.models.cnn import Cnn


class Pcnn(Cnn):
    """The CNN with three maxima a filter: of the tokens up to the end of the mention that ends first, of those after
    it up to the end of the other, and of those after both. It does not matter which of the two is the head.

    A piece without tokens (nothing follows the second mention, or both end together) has zeros for its maxima.
    """

    def pieces(self, batch: Batch) -> list[Tensor]:
        """The three pieces, (batch, length) bool each."""
        after = [positions > self._inside for positions in (batch.head_positions, batch.tail_positions)]
        both, either = torch.logical_and(*after), torch.logical_or(*after)
        return [batch.mask & ~either, either & ~both, both]

    def filled(self, pooled: Tensor) -> Tensor:
        """Zeros, which tanh and ReLU leave as they are, for the maxima of no token."""
        return pooled.masked_fill(pooled.isneginf(), 0)
