"""The layers that networks share: the word embedding with constant rows, and dropout with its own generator."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from relclf.compiled import compiled
from relclf.encoding.batches import Batch
from relclf.encoding.ngrams import hashed_ngrams
from relclf.encoding.vocabulary import PAD_ID, UNKNOWN_ID


class NgramEmbedding(nn.Module):
    """What stands for a word without a vector: the mean of the rows of its hashed character n-grams.

    Bojanowski et al. 2017, equation 2, but for the mean in place of the sum, so that long words are no larger.
    """

    buckets: Tensor
    """(n-grams of all words,) one word after the other."""
    starts: Tensor
    """(word ids + 1,) where each word's begin."""

    def __init__(self, rows: Tensor, words: Sequence[str]) -> None:
        """rows: (buckets, width); words: one a word id, "" for those whose n-grams do not count."""
        super().__init__()
        self.weight = nn.Parameter(rows)
        for name, values in zip(("buckets", "starts"), hashed_ngrams(words, len(rows)), strict=True):
            self.register_buffer(name, torch.from_numpy(values), persistent=False)

    @contextmanager
    def extended(self, words: Sequence[str]) -> Iterator[None]:
        """Within the block the ids after the last are those of `words`."""
        before = self.buckets, self.starts
        buckets, starts = (torch.from_numpy(each) for each in hashed_ngrams(words, len(self.weight)))
        self.buckets = torch.cat([before[0], buckets.to(before[0].device)])
        self.starts = torch.cat([before[1], len(before[0]) + starts[1:].to(before[1].device)])
        try:
            yield
        finally:
            self.buckets, self.starts = before

    def of(self, ids: Tensor) -> Tensor:
        """(words,) -> (words, width), zeros where a word has no n-grams."""
        starts, ends = self.starts[ids], self.starts[ids + 1]
        before = (ends - starts).cumsum(0) - (ends - starts)
        places = torch.arange(int((ends - starts).sum()), device=ids.device)
        places = places + torch.repeat_interleave(starts - before, ends - starts)
        return functional.embedding_bag(self.buckets[places], self.weight, before, mode="mean")


class WordEmbedding(nn.Module):
    """Rows that training changes, followed by rows that stay as the vectors file has them.

    Constant rows are a buffer that checkpoints leave out: they are kept once a run (vectors.safetensors). With
    n-grams, to the row of a word is added what these say of it.
    """

    constant: Tensor | None
    row_gradient: "RowGradient | None" = None
    """Where a training keeps the gradient of `rows`; None: autograd makes a new one each time."""

    def __init__(
        self, trained: Tensor, constant: Tensor | None, ngrams: NgramEmbedding | None = None
    ) -> None:
        """trained: (trained rows, width), row 0 zeros for padding; constant: (other rows, width) or None."""
        super().__init__()
        self.weight = nn.Parameter(trained)
        self.register_buffer("constant", constant, persistent=False)
        self.ngrams = ngrams

    @contextmanager
    def extended(self, rows: Tensor | None, words: Sequence[str] = ()) -> Iterator[None]:
        """Within the block the ids after the last are those of `rows`, (more words, width), constant too.

        `words`: as many, for an embedding with n-grams, "" where these do not count.
        """
        if rows is None or not len(rows):
            yield
            return
        before = self.constant
        rows = rows.to(self.weight.device)
        self.constant = rows if before is None else torch.cat([before, rows])
        try:
            with nullcontext() if self.ngrams is None else self.ngrams.extended(words):
                yield
        finally:
            self.constant = before

    def rows(self, ids: Tensor) -> Tensor:
        """The rows of distinct word ids, which rise: (words,) -> (words, width)."""
        rows = self._own_rows(ids)
        return rows if self.ngrams is None else rows + self.ngrams.of(ids)

    def _own_rows(self, ids: Tensor) -> Tensor:
        trained = self.weight.shape[0]
        if self.constant is None or not len(ids) or int(ids[-1]) < trained:
            return self._trained_rows(ids)
        known = int(torch.searchsorted(ids, trained))
        constant = self.constant.index_select(0, ids[known:] - trained)
        return torch.cat([self._trained_rows(ids[:known]), constant])

    def _trained_rows(self, ids: Tensor) -> Tensor:
        if self.row_gradient is None or not torch.is_grad_enabled():
            return self.weight.index_select(0, ids)
        rows: Tensor = _RowsWithGradientInPlace.apply(  # type: ignore[no-untyped-call]
            self.weight, ids, self.row_gradient
        )
        return rows

    def forward(self, batch: Batch) -> Tensor:
        """(batch, length) word ids -> (batch, length, width)."""
        if self.row_gradient is not None or self.ngrams is not None:
            words, places = torch.unique(batch.token_ids, return_inverse=True)
            padding = 0 if int(words[0]) == PAD_ID else None
            return functional.embedding(places, self.rows(words.long()), padding_idx=padding)
        rows = self.weight.shape[0]
        if self.constant is None or batch.max_token_id < rows:
            return functional.embedding(batch.token_ids, self.weight, padding_idx=PAD_ID)
        is_trained = batch.token_ids < rows
        trained = functional.embedding(batch.token_ids.clamp(max=rows - 1), self.weight, padding_idx=PAD_ID)
        constant = functional.embedding((batch.token_ids - rows).clamp(min=0), self.constant)
        return torch.where(is_trained[:, :, None], trained, constant)


POSITION_STD = 0.1
"""The spread of what stands for a position before training."""


class Sinusoids(nn.Module):
    """Sines and cosines of a relative position, as many as the width; nothing in it is learned.

    Columns 2i and 2i + 1 are the sine and the cosine of d / 10000^(2i / width), d being the distance to the mention
    (Vaswani et al. 2017, section 3.5), here with the spread of new position embeddings.
    """

    weight: Tensor

    def __init__(self, positions: int, width: int) -> None:
        """`positions` is the number of position ids, padding's 0 among them, whose row is zeros."""
        super().__init__()
        distances = torch.arange(positions, dtype=torch.float64)[:, None] - positions // 2
        rates = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        table = torch.stack([(distances * rates).sin(), (distances * rates).cos()], dim=2)
        table = table.flatten(1)[:, :width] * POSITION_STD * 2**0.5
        table[0] = 0
        self.register_buffer("weight", table.float(), persistent=False)

    def forward(self, positions: Tensor) -> Tensor:
        """(batch, length) position ids -> (batch, length, width)."""
        return functional.embedding(positions, self.weight)


class RowGradient:
    """The gradient of a large table of which a batch touches few rows: one buffer, kept zero elsewhere.

    Autograd would allocate and clear a gradient as large as the table for every batch, which costs more than
    all the arithmetic on a few hundred rows. Here a backward pass adds its rows to the buffer, which is the
    weight's `.grad` until that is set to None; the next pass then zeroes the rows that were touched.
    """

    def __init__(self) -> None:
        self._buffer: Tensor | None = None
        self._touched: list[Tensor] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> "RowGradient":
        return RowGradient()  # a copied model has no part in the training of the first

    def read(self, weight: Tensor, ids: Tensor) -> Tensor:
        """The rows `ids` of the weight."""
        return weight.index_select(0, ids)

    def add(self, weight: Tensor, ids: Tensor, gradient: Tensor) -> None:
        """Add (rows, width) to the rows `ids`, each named once, of the weight's gradient."""
        if weight.grad is None:
            if self._buffer is None:
                self._buffer = torch.zeros_like(weight)
            for touched in self._touched:
                _fill_rows(self._buffer.numpy(), touched.numpy(), 0.0)
            self._touched = []
            weight.grad = self._buffer
        _add_rows(weight.grad.numpy(), ids.numpy(), gradient.numpy())
        self._touched.append(ids)

    def touched(self, gradient: Tensor) -> Tensor:
        """The ids of the rows of the weight's gradient that may not be zero, each once."""
        if gradient is not self._buffer:  # one that a checkpoint brought
            return (gradient != 0).any(dim=1).nonzero()[:, 0]
        return self._touched[0] if len(self._touched) == 1 else torch.unique(torch.cat(self._touched))


@compiled
def _fill_rows(table: NDArray[Any], ids: NDArray[Any], value: float) -> None:
    for id in ids:
        table[id, :] = value


@compiled
def _add_rows(table: NDArray[Any], ids: NDArray[Any], rows: NDArray[Any]) -> None:
    for i in range(len(ids)):
        row = table[ids[i]]
        for j in range(len(row)):
            row[j] += rows[i, j]


class _RowsWithGradientInPlace(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, ids: Tensor, gradient: RowGradient) -> Tensor:
        ctx.weight, ctx.ids, ctx.gradient = weight, ids, gradient
        return gradient.read(weight, ids)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, None]:
        ctx.gradient.add(ctx.weight, ctx.ids, gradient)
        return None, None, None


def with_unknown_words(batch: Batch, rate: float, generator: torch.Generator | None) -> Batch:
    """The batch with each word replaced by the unknown one with probability `rate`; without a generator as it is."""
    if rate == 0 or generator is None:
        return batch
    kept = keep_mask(torch.empty(batch.mask.shape, device=batch.mask.device), rate, generator).bool()
    return replace(batch, token_ids=batch.token_ids.masked_fill(~kept & batch.mask, UNKNOWN_ID))


def dropout(values: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Zero each value with probability `rate`, drawn from `generator`, and scale the rest up by 1/(1 - rate)."""
    if rate == 0:
        return values
    return values * keep_mask(torch.empty_like(values), rate, generator).div_(1 - rate)


def keep_mask(values: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Fill with 0 with probability `rate` and with 1 else; uniform numbers are drawn, four times as fast as bits."""
    return values.uniform_(generator=generator).ge_(rate)
