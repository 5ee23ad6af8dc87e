"""Convolution and max-pooling over a batch at the cost of its distinct words: the fast path on a CPU.

A convolution is linear in its input, and the input of a token is three rows of tables, of its word and of its
two relative positions. With the filters F of a window split by the offset o in the window and by table,

    output(t) = sum over o of  F[o, word] W[w(t+o)] + F[o, head] H[h(t+o)] + F[o, tail] T[u(t+o)]

so each term depends on a symbol (a word or a position id) and an offset alone. The forward pass therefore

1. projects each *distinct* word of the batch, and each position id, once for every offset: one matrix product
   each of (symbols, width) with (width, window * filters);
2. adds up, for each token, its 3 * window rows of these, and keeps each filter's largest sum over the tokens of
   a sentence together with the token that has it, the winner. The sums of all tokens are never in memory at once.
   Position ids mostly rise by one from token to token; the sum over such a window is kept as one row.

The maximum hands its gradient g to one token a filter and sentence, and dropout hands about half of them none.
With x(t) for the rows of a winner's window side by side, the backward pass goes over these alone and adds

3. g x(t) to the gradient of the filter, and g times the filter to that of x(t), whence to the tables' rows.

With b sentences of length n, f filters, window k, d-wide words of which u are distinct, a pass costs
u d k f multiplications instead of b n d k f, and 2 b d k f backward instead of 2 b n d k f. Where two windows tie
exactly the first wins, one valid subgradient. Departure from Zeng et al. 2014, equation 3, none: the sums are the
same in another order.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from relclf.encoding.batches import Batch
from relclf.models.compiled import compiled

Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Symbols:
    """Which symbols stand where in a batch: its distinct words, and head and tail position ids."""

    words: Tensor
    """(distinct words,) their ids, rising."""
    places: Tensor
    """(batch, length, tables) the row of each token in each table."""
    lengths: Tensor
    """(batch,) tokens of each sentence."""

    @property
    def word_places(self) -> Tensor:
        """(batch, length) where among `words` each token's stands."""
        return self.places[:, :, 0]


def find_symbols(batch: Batch, positions: bool) -> Symbols:
    """The symbols of a batch, with or without those of the relative positions."""
    words, places = torch.unique(batch.token_ids, return_inverse=True)
    tables = [places, batch.head_positions, batch.tail_positions] if positions else [places]
    return Symbols(words.long(), torch.stack(tables, dim=2), batch.mask.sum(dim=1))


def pooled_filters(
    symbols: Symbols, pieces: list[Tensor], tables: tuple[Tensor, ...], filters: Tensor, window: int
) -> Tensor:
    """The maximum over each piece of a sentence of each filter, without its bias: (pieces * batch, filters).

    pieces: the tokens of which a maximum is taken, (batch, length) bool each; of no token it is -inf.
    tables: the rows of the symbols, (distinct words, word width) and, where there are positions, twice
    (position ids, position width). filters: (filters, window * width), as a linear layer over windows laid side by
    side, zeros beyond the sentence.
    """
    mask = torch.cat(pieces)
    if not torch.is_grad_enabled():
        return _without_winners(symbols, mask, filters, tables, window)
    pooled: Tensor = _PooledFilters.apply(symbols, mask, window, filters, *tables)  # type: ignore[no-untyped-call]
    return pooled


def _projections(
    filters: Tensor, tables: tuple[Tensor, ...], window: int, more: int = 0
) -> tuple[Tensor, list[Tensor]]:
    """Step 1: the projections of all tables as (symbols * window + more, filters), and each table's part of them,
    (symbols, window, filters); the last `more` rows are left to the caller.
    """
    number, width = filters.shape[0], filters.shape[1] // window
    weights = filters.view(number, window, width).permute(2, 1, 0).reshape(width, window * number)
    shares = torch.split(weights, [table.shape[1] for table in tables])
    sizes = [len(table) for table in tables]
    rows = filters.new_empty(sum(sizes) * window + more, number)
    parts = torch.split(rows[: sum(sizes) * window].view(-1, window * number), sizes)
    for table, share, part in zip(tables, shares, parts, strict=True):
        torch.mm(table, share, out=part)
    return rows, [part.view(-1, window, number) for part in parts]


def _without_winners(
    symbols: Symbols, mask: Tensor, filters: Tensor, tables: tuple[Tensor, ...], window: int
) -> Tensor:
    """Steps 1 and 2 in torch's own operations, for who needs no gradient: (pieces * batch, filters)."""
    batch, length, _ = symbols.places.shape
    rows, _ = _projections(filters, tables, window, more=2)
    rows[-2], rows[-1] = 0, -torch.inf  # of what lies beyond the sentence, and of what must not win
    firsts = torch.tensor([0, *(len(table) for table in tables[:-1])]).cumsum(0)
    before = (window - 1) // 2
    around = functional.pad(symbols.places + firsts, (0, 0, before, window - 1 - before), value=-1)
    places = around.unfold(1, window, 1) * window + torch.arange(window)  # (batch, length, tables, window)
    places = places.masked_fill_(places < 0, len(rows) - 2).reshape(batch * length, -1)
    places = places.repeat(len(mask) // batch, 1)
    places[:, 0].masked_fill_(~mask.view(-1), len(rows) - 1)
    return functional.embedding_bag(places, rows, mode="sum").view(-1, length, len(filters)).amax(dim=1)


class _PooledFilters(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, symbols: Symbols, mask: Tensor, window: int, filters: Tensor, *tables: Tensor
    ) -> Tensor:
        pooled = filters.new_empty(len(mask), len(filters))
        winners = torch.empty(pooled.shape, dtype=torch.int32)
        projections = tuple(part.numpy() for part in _projections(filters, tables, window)[1])
        places, lengths = symbols.places.numpy(), symbols.lengths.numpy()
        _pool(projections, places, lengths, mask.numpy(), pooled.numpy(), winners.numpy())
        ctx.save_for_backward(symbols.places, symbols.lengths, winners, filters, *tables)
        ctx.window = window
        return pooled

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        places, lengths, winners, filters, *tables = ctx.saved_tensors
        gradients = [torch.zeros_like(each) for each in (filters, *tables)]
        filters_gradient, *table_gradients = (each.numpy() for each in gradients)
        _add_gradients(
            gradient.contiguous().numpy(),
            winners.numpy(),
            places.numpy(),
            lengths.numpy(),
            ctx.window,
            filters.numpy(),
            tuple(table.numpy() for table in tables),
            filters_gradient,
            tuple(table_gradients),
        )
        return None, None, None, *gradients


@compiled
def _pool(
    projections: Arrays,
    places: NDArray[Any],
    lengths: NDArray[Any],
    mask: NDArray[Any],
    pooled: NDArray[Any],
    winners: NDArray[Any],
) -> None:
    """Step 2: fills pooled and winners, (pieces * batch, filters), which are -inf and -1 for no token.

    projections: (symbols, window, filters) a table; places: (batch, length, tables); mask: (pieces * batch, length).
    """
    window, number = projections[0].shape[1:]
    before = (window - 1) // 2
    positions = len(projections[-1]) if len(projections) > 1 else 0
    # Sums over windows whose ids rise by one, by table and first id.
    runs = np.zeros((len(projections), positions, number), pooled.dtype)
    for table in range(1, len(projections)):
        for place in range(positions - window + 1):
            for offset in range(window):
                for f in range(number):
                    runs[table, place, f] += projections[table][place + offset, offset, f]
    total = np.empty(number, pooled.dtype)
    for row in range(len(pooled)):
        sentence = row % len(lengths)
        length = lengths[sentence]
        most, winner = pooled[row], winners[row]
        most[:] = -np.inf
        winner[:] = -1
        for token in range(length):
            if not mask[row, token]:
                continue
            first = token - before
            low, high = max(0, -first), min(window, length - first)
            total[:] = 0
            for table in range(len(projections)):
                start = places[sentence, first + low, table]
                is_run = table > 0 and high - low == window
                for offset in range(1, window):
                    is_run = is_run and places[sentence, first + offset, table] == start + offset
                if is_run:
                    summand = runs[table, start]
                    for f in range(number):
                        total[f] += summand[f]
                    continue
                for offset in range(low, high):
                    summand = projections[table][places[sentence, first + offset, table], offset]
                    for f in range(number):
                        total[f] += summand[f]
            for f in range(number):
                wins = total[f] > most[f] or total[f] != total[f]  # what is not a number must be seen
                most[f] = total[f] if wins else most[f]
                winner[f] = token if wins else winner[f]


@compiled
def _add_gradients(
    gradient: NDArray[Any],
    winners: NDArray[Any],
    places: NDArray[Any],
    lengths: NDArray[Any],
    window: int,
    filters: NDArray[Any],
    tables: Arrays,
    filters_gradient: NDArray[Any],
    table_gradients: Arrays,
) -> None:
    """Step 3: adds to the gradients of the filters and of the tables; gradient, winners: (pieces * batch, filters)."""
    before = (window - 1) // 2
    width = filters.shape[1] // window
    tokens = np.empty(places.shape[1] * width, filters.dtype)  # the rows of a sentence's tokens, side by side
    tokens_gradient = np.empty_like(tokens)
    for row in range(len(gradient)):
        sentence = row % len(lengths)
        length = lengths[sentence]
        start = 0
        for token in range(length):
            for table in range(len(tables)):
                values = tables[table][places[sentence, token, table]]
                tokens[start : start + len(values)] = values
                start += len(values)
        tokens_gradient[:start] = 0
        for f in range(len(filters)):
            share, first = gradient[row, f], winners[row, f] - before
            if share == 0 or winners[row, f] < 0:
                continue
            low, high = max(0, -first), min(window, length - first)
            inputs = tokens[(first + low) * width : (first + high) * width]
            inputs_gradient = tokens_gradient[(first + low) * width : (first + high) * width]
            weights = filters[f, low * width : high * width]
            weights_gradient = filters_gradient[f, low * width : high * width]
            for i in range(len(inputs)):
                weights_gradient[i] += share * inputs[i]
            for i in range(len(inputs)):
                inputs_gradient[i] += share * weights[i]
        start = 0
        for token in range(length):
            for table in range(len(tables)):
                values = table_gradients[table][places[sentence, token, table]]
                for i in range(len(values)):
                    values[i] += tokens_gradient[start + i]
                start += len(values)
