"""Convolution and max-pooling over a batch at the cost of its distinct words: the fast path on a CPU.

A convolution is linear in its input, and the input of a token is three rows of tables, of its word and of its
two relative positions. With the filters F of a window split by the offset o in the window and by table,

    output(t) = sum over o of  F[o, word] W[w(t+o)] + F[o, head] H[h(t+o)] + F[o, tail] T[u(t+o)]

so each term depends on a symbol (a word or a position id) and an offset alone. The forward pass therefore

1. projects each *distinct* word of the batch, and each position id, once for every offset: one matrix product
   each of (symbols, width) with (width, window * filters), seen as a table of (symbols * window, filters);
2. adds up, for each token, its 3 * window rows of that table;
3. takes the maximum over the tokens of each sentence, and remembers the winning token.

The maximum hands its gradient to one token a filter and sentence, so the backward pass

4. adds the gradient of each winner to its 3 * window places in a gradient table of the same shape as in 1;
5. gives each table and the filters their gradients by two matrix products each, the transposes of 1.

With b sentences of length n, f filters, window k, d-wide words of which u are distinct, a pass costs
u d k f multiplications instead of b n d k f, and 3 k b f additions backward instead of 3 k b n f. Where two
windows tie exactly the first wins, one valid subgradient. Departure from Zeng et al. 2014, equation 3, none:
the sums are the same in another order.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from relclf.encoding.batches import Batch
from relclf.encoding.vocabulary import PAD_ID


@dataclass(frozen=True)
class Symbols:
    """Which symbols stand where in a batch; symbols are its distinct words, then head and tail position ids."""

    words: Tensor
    """(distinct words,) their ids, rising; the first is padding's."""
    places: Tensor
    """(batch, length + before + after, tables) the symbol of each token in each table, padding around."""
    mask: Tensor
    """(batch, length) bool: True where a token stands."""
    before: int
    """Columns of padding before the first token."""

    def in_pieces(self, pieces: list[Tensor]) -> "Symbols":
        """The same sentences once for each piece, of which only its own tokens count; pieces: (batch, length) each."""
        if len(pieces) == 1:
            return replace(self, mask=pieces[0])
        return replace(self, places=self.places.repeat(len(pieces), 1, 1), mask=torch.cat(pieces))

    @property
    def word_places(self) -> Tensor:
        """(batch, length) where among `words` each token's stands."""
        return self.places[:, self.before : self.before + self.mask.shape[1], 0]

    def rows(self, window: int, symbols: int) -> Tensor:
        """The rows of the table of projections that make up each window: (batch * length, tables * window).

        Windows whose middle is padding have, as one of theirs, the row after the last symbol's.
        """
        first = self.before - (window - 1) // 2
        length = self.mask.shape[1]
        around = self.places[:, first : first + length + window - 1].unfold(1, window, 1)
        rows = (around * window + torch.arange(window)).reshape(self.mask.numel(), -1)
        rows[:, 0].masked_fill_(~self.mask.view(-1), symbols * window)
        return rows


def find_symbols(batch: Batch, widest: int, positions: int) -> Symbols:
    """The symbols of a batch for windows up to `widest`; `positions` is the number of position ids, or 0."""
    before = (widest - 1) // 2
    around = (before, max(1, widest - 1 - before))  # one column at least, so that padding is among the words
    padded = functional.pad(batch.token_ids, around, value=PAD_ID)
    words, places = torch.unique(padded, return_inverse=True)
    tables = [places]
    if positions:
        tables.append(functional.pad(batch.head_positions, around) + len(words))
        tables.append(functional.pad(batch.tail_positions, around) + (len(words) + positions))
    return Symbols(words.long(), torch.stack(tables, dim=2), batch.mask, before)


def pooled_filters(symbols: Symbols, tables: tuple[Tensor, ...], filters: Tensor, window: int) -> Tensor:
    """The maximum over time of each filter, without its bias: (batch, filters).

    tables: the rows of the symbols, (distinct words, word width) and, where there are positions, twice
    (position ids, position width); padding's row is the first of each, zeros, and gets no gradient.
    filters: (filters, window * width), as a linear layer over windows laid side by side.
    """
    pooled: Tensor = _PooledFilters.apply(symbols, window, filters, *tables)  # type: ignore[no-untyped-call]
    return pooled


class _PooledFilters(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, symbols: Symbols, window: int, filters: Tensor, *tables: Tensor) -> Tensor:
        number, width = filters.shape[0], filters.shape[1] // window
        batch, length = symbols.mask.shape
        # (width, window * filters): a table's rows times its share of these are its projections.
        weights = filters.view(number, window, width).permute(2, 1, 0).reshape(width, window * number)
        sizes = [len(table) for table in tables]
        projections = filters.new_empty(sum(sizes) * window + 1, number)
        projections[-1] = -torch.inf  # what a window has that must not win
        blocks = torch.split(projections[:-1].view(sum(sizes), window * number), sizes)
        for table, share, block in zip(tables, _shares(weights, tables), blocks, strict=True):
            torch.mm(table, share, out=block)
        rows = symbols.rows(window, sum(sizes))
        outputs = functional.embedding_bag(rows, projections, mode="sum")  # (batch * length, filters)
        # As an image of one column, with the filters as its channels, laid out channels last.
        image = outputs.view(batch, length, 1, number).permute(0, 3, 1, 2)
        pooled, winners = functional.max_pool2d(image, (length, 1), return_indices=True)
        if any(ctx.needs_input_grad):
            tokens = winners.view(batch, number) + torch.arange(0, batch * length, length)[:, None]
            ctx.save_for_backward(weights, rows, tokens, *tables)
            ctx.window = window
        return pooled.view(batch, number)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weights, rows, tokens, *tables = ctx.saved_tensors
        batch, number = gradient.shape
        symbols = sum(len(table) for table in tables)
        # (batch, filters, tables * window): where each winner's summands stand in the flat gradient table.
        won = rows.index_select(0, tokens.view(-1)).view(batch, number, -1)
        places = torch.add(torch.arange(number)[:, None], won, alpha=number)
        flat = gradient.new_zeros(
            (symbols * ctx.window + 1) * number
        )  # the last row: of sentences without tokens
        flat.scatter_add_(0, places.view(-1), gradient[:, :, None].expand_as(places).reshape(-1))
        blocks = torch.split(flat[:-number].view(symbols, -1), [len(table) for table in tables])
        weights_gradient = torch.empty_like(weights)
        table_gradients = []
        shares = zip(tables, _shares(weights, tables), _shares(weights_gradient, tables), blocks, strict=True)
        for table, share, share_gradient, block in shares:
            torch.mm(table.T, block, out=share_gradient)
            table_gradient = block @ share.T
            table_gradient[0] = 0  # padding's
            table_gradients.append(table_gradient)
        width = weights.shape[0]
        filters_gradient = weights_gradient.view(width, ctx.window, number).permute(2, 1, 0)
        return None, None, filters_gradient.reshape(number, -1), *table_gradients


def _shares(weights: Tensor, tables: "tuple[Tensor, ...] | list[Tensor]") -> tuple[Tensor, ...]:
    """The rows of the weights that belong to each table's width."""
    return torch.split(weights, [table.shape[1] for table in tables])
