"""A convolutional network over word and position embeddings, after Zeng et al. 2014 (sections 3.3-3.5)."""

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from relclf.config.schema import CnnConfig
from relclf.encoding.batches import Batch
from relclf.models.layers import WordEmbedding, dropout
from relclf.models.word_projection import find_symbols, pooled_filters

if TYPE_CHECKING:
    from collections.abc import Sequence

ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu}


class Cnn(nn.Module):
    """Word and two relative-position embeddings -> filters of each window -> activation -> max over time ->
    dropout -> linear. Departures from the paper: no lexical features, no hidden layer after pooling.

    Sentences are padded with zeros by window - 1 tokens in all, so that every token is the middle of one
    window; windows whose middle is padding are left out of the maximum, hence padding never changes a score.
    """

    def __init__(self, config: CnnConfig, words: WordEmbedding, positions: int, relations: int) -> None:
        """`positions` is the number of position ids, padding's 0 among them."""
        super().__init__()
        self.words = words
        width = config.word_dim + 2 * config.position_dim
        self.head_positions = _position_embedding(positions, config.position_dim)
        self.tail_positions = _position_embedding(positions, config.position_dim)
        self.filters = nn.ModuleList(nn.Linear(width * window, config.filters) for window in config.windows)
        self.output = nn.Linear(config.filters * len(config.windows), relations)
        self._windows = config.windows
        self._activation = ACTIVATIONS[config.activation]
        self._dropout = config.dropout

    def forward(self, batch: Batch, dropout_generator: torch.Generator | None = None) -> Tensor:
        """Scores of shape (batch, relations); with a generator, dropout is applied."""
        return self.scores(self.features(batch), dropout_generator)

    def scores(self, features: Tensor, dropout_generator: torch.Generator | None) -> Tensor:
        """The second half of `forward`: features are (batch, filters of all windows)."""
        if dropout_generator is not None:
            features = dropout(features, self._dropout, dropout_generator)
        scores: Tensor = self.output(features)
        return scores

    def features(self, batch: Batch) -> Tensor:
        """The pooled activations, shape (batch, filters of all windows).

        The maximum is taken before the activation, which is the same since tanh and ReLU never fall, and cheaper.
        On a CPU each distinct word is projected once (word_projection.py has the derivation).
        """
        if batch.token_ids.device.type == "cpu":
            return self._features_of_distinct_words(batch)
        return self.features_of_windows(batch)

    def _features_of_distinct_words(self, batch: Batch) -> Tensor:
        positions: tuple[Tensor, ...] = ()
        if self.head_positions is not None and self.tail_positions is not None:
            positions = (self.head_positions.weight, self.tail_positions.weight)
        symbols = find_symbols(batch, max(self._windows), len(positions[0]) if positions else 0)
        tables = (self.words.rows(symbols.words), *positions)
        pooled = [
            self._activation(pooled_filters(symbols, tables, bank.weight, window) + bank.bias)
            for window, bank in zip(self._windows, cast("Sequence[nn.Linear]", self.filters), strict=True)
        ]
        return torch.cat(pooled, dim=1)

    def features_of_windows(self, batch: Batch) -> Tensor:
        """The same with all windows of a batch laid side by side and multiplied with the filters at once."""
        tokens = self.embed(batch)  # (batch, length, width)
        padding = torch.where(batch.mask, 0.0, -torch.inf)[:, :, None]  # (batch, length, 1)
        pooled = []
        for window, filters in zip(self._windows, self.filters, strict=True):
            outputs = filters(windows_of(tokens, window))  # (batch, length, filters)
            pooled.append(self._activation(outputs.add_(padding).amax(dim=1)))
        return torch.cat(pooled, dim=1)

    def embed(self, batch: Batch) -> Tensor:
        """The network's input, shape (batch, length, word width + 2 position widths); zeros at padding."""
        parts = [self.words(batch)]
        if self.head_positions is not None and self.tail_positions is not None:
            parts += [self.head_positions(batch.head_positions), self.tail_positions(batch.tail_positions)]
        return torch.cat(parts, dim=2)

    def watched_weights(self) -> list[nn.Parameter]:
        """The weights whose update ratio is recorded: convolutions and output; a single number has no spread."""
        return [
            p
            for name, p in self.named_parameters()
            if name.startswith(("filters", "output")) and p.dim() == 2 and p.numel() > 1
        ]


def windows_of(tokens: Tensor, window: int) -> Tensor:
    """(batch, length, width) -> (batch, length, window * width): each token with its neighbours, zeros outside."""
    length = tokens.shape[1]
    before = (window - 1) // 2
    padded = functional.pad(tokens, (0, 0, before, window - 1 - before))
    return torch.cat([padded[:, offset : offset + length] for offset in range(window)], dim=2)


def _position_embedding(positions: int, width: int) -> nn.Embedding | None:
    return nn.Embedding(positions, width, padding_idx=0) if width else None
