"""A convolutional network over word and position embeddings, after Zeng et al. 2014 (sections 3.3-3.5)."""

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from relclf.config.schema import CnnConfig
from relclf.encoding.batches import Batch
from relclf.models.layers import Sinusoids, WordEmbedding, dropout, with_unknown_words
from relclf.models.mentions import mention_vectors
from relclf.models.word_projection import find_symbols, pooled_filters

if TYPE_CHECKING:
    from collections.abc import Sequence

ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "gelu": functional.gelu}
RISING = ("tanh", "relu")
"""Activations that never fall, so that the maximum may be taken before them."""


class Cnn(nn.Module):
    """Word and two relative-position embeddings -> filters of each window -> activation -> max over time ->
    dropout -> linear; on request the mentions' word vectors beside the maximum, and a tanh layer after both.

    Sentences are padded with zeros by window - 1 tokens in all, so that every token is the middle of one
    window; windows whose middle is padding are left out of the maximum, hence padding never changes a score.
    """

    uses_loops: bool = False
    """Whether compiled loops also serve where no gradient is asked for, on a CPU: who trains has them in memory."""

    def __init__(
        self,
        config: CnnConfig,
        words: WordEmbedding,
        positions: int,
        relations: int,
        unscored: int | None = None,
    ) -> None:
        """`positions` is the number of position ids, padding's 0 among them; `unscored` a relation whose score is 0."""
        super().__init__()
        self.words = words
        width = config.word_dim + 2 * config.position_dim
        self.head_positions = _position_table(positions, config)
        self.tail_positions = _position_table(positions, config)
        self.filters = nn.ModuleList(nn.Linear(width * window, config.filters) for window in config.windows)
        self.hidden = nn.Linear(config.features, config.hidden) if config.hidden else None
        self.output = nn.Linear(config.hidden or config.features, relations)
        self._config = config
        self._unscored = unscored
        self._activation = ACTIVATIONS[config.activation]
        self.positions = positions
        self._inside = positions // 2
        """The position id of a mention's own tokens."""

    def forward(self, batch: Batch, dropout_generator: torch.Generator | None = None) -> Tensor:
        """Scores of shape (batch, relations); with a generator, dropout is applied."""
        return self.scores(self.features(batch, dropout_generator), dropout_generator)

    def scores(self, features: Tensor, dropout_generator: torch.Generator | None) -> Tensor:
        """The second half of `forward`: features are (batch, config.features)."""
        if dropout_generator is not None:
            features = dropout(features, self._config.dropout, dropout_generator)
        if self.hidden is not None:
            features = torch.tanh(self.hidden(features))
        scores: Tensor = self.output(features)
        if self._unscored is not None:
            scores.select(1, self._unscored).zero_()
        return scores

    def features(self, batch: Batch, dropout_generator: torch.Generator | None = None) -> Tensor:
        """The first half: pooled activations window by window, then what stands beside, (batch, config.features).

        On a CPU each distinct word is projected once (word_projection.py has the derivation), if the maximum
        may be taken before the activation and no number of an embedding is dropped by itself.
        """
        whole = dropout_generator is None or self._config.embedding_dropout == 0
        if batch.token_ids.device.type == "cpu" and whole and self._config.activation in RISING:
            return self._features_of_distinct_words(batch, dropout_generator)
        return self.features_of_windows(batch, dropout_generator)

    def _features_of_distinct_words(self, batch: Batch, dropout_generator: torch.Generator | None) -> Tensor:
        batch = with_unknown_words(batch, self._config.word_dropout, dropout_generator)
        positions: tuple[Tensor, ...] = ()
        if self.head_positions is not None and self.tail_positions is not None:
            positions = (self.head_positions.weight, self.tail_positions.weight)
        loops = self.uses_loops or torch.is_grad_enabled()
        symbols = find_symbols(batch, bool(positions), loops)
        tables = (self.words.rows(symbols.words), *positions)
        pieces = self.pieces(batch)
        features: list[Tensor] = []
        for window, bank in self._banks():
            pooled = pooled_filters(symbols, pieces, tables, bank.weight, window)  # (pieces * batch, filters)
            activated = self._activation(self.filled(pooled + bank.bias))
            features += activated.chunk(len(pieces)) if len(pieces) > 1 else [activated]
        if self._config.features > self._config.pooled:
            features += self.beside(functional.embedding(symbols.word_places, tables[0]), batch)
        return torch.cat(features, dim=1) if len(features) > 1 else features[0]

    def features_of_windows(self, batch: Batch, dropout_generator: torch.Generator | None = None) -> Tensor:
        """The same with all windows of a batch laid side by side and multiplied with the filters at once."""
        batch = with_unknown_words(batch, self._config.word_dropout, dropout_generator)
        tokens = self._embed(batch)  # (batch, length, width)
        if dropout_generator is not None:
            tokens = dropout(tokens, self._config.embedding_dropout, dropout_generator)
        outside = [torch.where(piece, 0.0, -torch.inf)[:, :, None] for piece in self.pieces(batch)]
        features = []
        for window, filters in self._banks():
            outputs = filters(windows_of(tokens, window))  # (batch, length, filters)
            if self._config.activation in RISING:
                features += [self._activation(self.filled((outputs + each).amax(dim=1))) for each in outside]
            else:
                outputs = self._activation(outputs)
                features += [self.filled((outputs + each).amax(dim=1)) for each in outside]
        features += self.beside(tokens[:, :, : self._config.word_dim], batch)
        return torch.cat(features, dim=1)

    def pieces(self, batch: Batch) -> list[Tensor]:
        """The tokens of which each maximum is taken, (batch, length) bool each: all but padding."""
        return [batch.mask]

    def filled(self, pooled: Tensor) -> Tensor:
        """Maxima with what stands for the maximum of no token, which is -inf; each sentence has tokens."""
        return pooled

    def beside(self, words: Tensor, batch: Batch) -> list[Tensor]:
        """The features that stand beside the maxima, (batch, some width) each; words: (batch, length, word width)."""
        if not self._config.mention_features:
            return []
        return [mention_vectors(words, batch, self._inside)]

    def pooled(self, batch: Batch) -> Tensor:
        """The activations after pooling alone, without what stands beside them."""
        return self.features(batch)[:, : self._config.pooled]

    @property
    def reads_positions(self) -> bool:
        """Whether anything depends on the relative positions of a batch."""
        return self._config.reads_positions

    def watched_weights(self) -> list[nn.Parameter]:
        """The weights whose update ratio is recorded: convolutions and output; a single number has no spread."""
        return [
            p
            for name, p in self.named_parameters()
            if name.startswith(("filters", "hidden", "output")) and p.dim() == 2 and p.numel() > 1
        ]

    def _banks(self) -> "Sequence[tuple[int, nn.Linear]]":
        """Each window with its filters."""
        banks = cast("Sequence[nn.Linear]", self.filters)
        return list(zip(self._config.windows, banks, strict=True))

    def _embed(self, batch: Batch) -> Tensor:
        """The network's input, shape (batch, length, word width + 2 position widths); zeros at padding."""
        parts = [self.words(batch)]
        if self.head_positions is not None and self.tail_positions is not None:
            parts += [self.head_positions(batch.head_positions), self.tail_positions(batch.tail_positions)]
        return torch.cat(parts, dim=2)


def windows_of(tokens: Tensor, window: int) -> Tensor:
    """(batch, length, width) -> (batch, length, window * width): each token with its neighbours, zeros outside."""
    length = tokens.shape[1]
    before = (window - 1) // 2
    padded = functional.pad(tokens, (0, 0, before, window - 1 - before))
    return torch.cat([padded[:, offset : offset + length] for offset in range(window)], dim=2)


def _position_table(positions: int, config: CnnConfig) -> nn.Embedding | Sinusoids | None:
    if config.position_dim == 0:
        return None
    if config.positions == "sinusoid":
        return Sinusoids(positions, config.position_dim)
    return nn.Embedding(positions, config.position_dim, padding_idx=0)
