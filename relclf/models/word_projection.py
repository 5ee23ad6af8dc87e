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
   Where no loops are compiled, each distinct window of position ids is one row.

The maximum hands its gradient g to one token a filter and sentence, and dropout hands about half of them none.
With x(t) for the rows of a winner's window side by side, the backward pass goes over these alone and adds

3. g x(t) to the gradient of the filter, and g times the filter to that of x(t), whence to the tables' rows.

With b sentences of length n, f filters, window k, d-wide words of which u are distinct, a pass costs
u d k f multiplications instead of b n d k f, and 2 b d k f backward instead of 2 b n d k f. Where two windows tie
exactly the first wins, one valid subgradient. Departure from Zeng et al. 2014, equation 3, none: the sums are the
same in another order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from relclf.compiled import compiled
from relclf.encoding.batches import Batch

HASH = 40503
"""Knuth's multiplier for 16 bits: frequent words have small ids, which must not lie side by side."""
LARGEST_CODE = 2**62
"""Of a window of position ids as one number."""
Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Symbols:
    """Which symbols stand where in a batch: its distinct words, and head and tail position ids."""

    words: Tensor
    """(distinct words,) their ids, rising."""
    places: Tensor
    """(batch, length, tables) int32: where each token's word stands among `words`, its position ids in `positions`."""
    lengths: Tensor
    """(batch,) tokens of each sentence."""
    positions: slice
    """The position ids to be projected."""
    loops: bool
    """Whether `pooled_filters` uses compiled loops."""

    @property
    def word_places(self) -> Tensor:
        """(batch, length) where among `words` each token's stands."""
        return self.places[:, :, 0]


def find_symbols(batch: Batch, positions: bool, loops: bool) -> Symbols:
    """The symbols of a batch, with or without those of the relative positions.

    loops: whether compiled loops are used, here and by `pooled_filters`; without them there are no gradients.
    """
    if loops:
        return _find_symbols_in_loops(batch, positions)
    words, places = _distinct(batch.token_ids.flatten())
    tables = [places.view(batch.mask.shape).int()]
    if positions:
        tables += [batch.head_positions, batch.tail_positions]
    return Symbols(words.long(), torch.stack(tables, dim=2), batch.mask.sum(dim=1), slice(None), False)


def _find_symbols_in_loops(batch: Batch, positions: bool) -> Symbols:
    """The same in loops, with those position ids alone that the batch has, padding's left out."""
    names = (batch.token_ids, batch.head_positions, batch.tail_positions)
    tables = tuple(each.numpy() for each in (names if positions else names[:1]))
    words = np.empty(batch.token_ids.numel(), np.int64)
    places = torch.empty(*batch.token_ids.shape, len(tables), dtype=torch.int32)
    lengths = torch.empty(len(batch.mask), dtype=torch.int64)
    numbers = np.zeros(3, np.int64)
    _number_symbols(tables, batch.mask.numpy(), words, places.numpy(), lengths.numpy(), numbers)
    count, least, most = numbers.tolist()
    return Symbols(torch.from_numpy(words[:count]), places, lengths, slice(least, most + 1), True)


def pooled_filters(
    symbols: Symbols, pieces: list[Tensor], tables: tuple[Tensor, ...], filters: Tensor, window: int
) -> Tensor:
    """The maximum over each piece of a sentence of each filter, without its bias: (pieces * batch, filters).

    pieces: the tokens of which a maximum is taken, (batch, length) bool each; of no token it is -inf.
    tables: the rows of the distinct words, (distinct words, word width), and, where there are positions, those of
    all position ids, (position ids, position width) twice. filters: (filters, window * width), as a linear layer
    over windows laid side by side, zeros beyond the sentence.
    """
    mask = torch.cat(pieces) if len(pieces) > 1 else pieces[0]
    if not symbols.loops:
        return _without_winners(symbols, mask, filters, tables, window)
    pooled: Tensor = _PooledFilters.apply(symbols, mask, window, filters, *tables)  # type: ignore[no-untyped-call]
    return pooled


def _shares(filters: Tensor, tables: Sequence[Tensor], window: int) -> tuple[Tensor, ...]:
    """What a table's rows are multiplied with, (width, window * filters) each."""
    number, width = filters.shape[0], filters.shape[1] // window
    weights = filters.view(number, window, width).permute(2, 1, 0).reshape(width, window * number)
    return torch.split(weights, [table.shape[1] for table in tables])


def _without_winners(
    symbols: Symbols, mask: Tensor, filters: Tensor, tables: tuple[Tensor, ...], window: int
) -> Tensor:
    """Steps 1 and 2 in torch's own operations, without a gradient: (pieces * batch, filters)."""
    length, number = symbols.places.shape[1], len(filters)
    words, *others = _used(tables, symbols.positions)
    of_words, *of_others = _shares(filters, tables, window)
    before = (window - 1) // 2
    around = functional.pad(symbols.places, (0, 0, before, window - 1 - before), value=-1)
    around = around.unfold(1, window, 1).flatten(0, 1)  # (windows, tables, window), -1 beyond the sentence
    sums = [
        _position_sums(torch.mm(table, share).view(-1, window, number), around[:, index])
        for index, (table, share) in enumerate(zip(others, of_others, strict=True), start=1)
    ]
    sizes = [len(words) * window, *(len(rows) for rows, _ in sums), 2]
    rows = filters.new_empty(sum(sizes), number)
    parts = torch.split(rows, sizes)
    torch.mm(words, of_words, out=parts[0].view(-1, window * number))
    parts[-1][0], parts[-1][1] = 0, -torch.inf  # of what lies beyond the sentence, and of what must not win
    places = [_rows_of(around[:, 0], len(rows) - 2)]
    for index, (part, (sum_rows, place)) in enumerate(zip(parts[1:-1], sums, strict=True), start=1):
        part.copy_(sum_rows)
        places.append(place[:, None] + sum(sizes[:index]))
    bags = torch.cat(places, dim=1).repeat(len(mask) // len(symbols.lengths), 1)
    bags[:, 0].masked_fill_(~mask.view(-1), len(rows) - 1)
    return functional.embedding_bag(bags, rows, mode="sum").view(-1, length, number).amax(dim=1)


def _position_sums(projections: Tensor, windows: Tensor) -> tuple[Tensor, Tensor]:
    """The sums over the distinct windows among some, (sums, filters), and which is each window's, (windows,).

    projections: (position ids, window, filters); windows: (windows, window) ids, -1 beyond the sentence.
    """
    codes, most, base = torch.zeros(len(windows), dtype=torch.int64), 1, len(projections) + 1
    for ids in windows.unbind(dim=1):
        if most * base >= LARGEST_CODE:
            known, codes = _distinct(codes)
            most = len(known)
        codes, most = codes * base + ids + 1, most * base
    codes, places = _distinct(codes)
    one_of_each = torch.empty_like(codes).scatter_(0, places, torch.arange(len(places)))
    rows = torch.cat([projections.flatten(0, 1), projections.new_zeros(1, projections.shape[2])])
    places_of_rows = _rows_of(windows[one_of_each], len(rows) - 1)
    return functional.embedding_bag(places_of_rows, rows, mode="sum"), places.int()


def _distinct(values: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct numbers, rising, and where among them each of (values,) stands; numpy sorts in half of torch's time."""
    distinct, places = np.unique(values.numpy(), return_inverse=True)
    return torch.from_numpy(distinct), torch.from_numpy(places.reshape(-1))


def _rows_of(windows: Tensor, beyond: int) -> Tensor:
    """Where the projections of windows of ids stand, (windows, window), `beyond` for -1."""
    window = windows.shape[1]
    return (windows * window + torch.arange(window, dtype=windows.dtype)).masked_fill_(windows < 0, beyond)


class _PooledFilters(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, symbols: Symbols, mask: Tensor, window: int, filters: Tensor, *tables: Tensor
    ) -> Tensor:
        pooled = filters.new_empty(len(mask), len(filters))
        winners = torch.empty(pooled.shape, dtype=torch.int32)
        shares = _shares(filters, tables, window)
        projections = tuple(
            torch.mm(table, share).view(-1, window, len(filters)).numpy()
            for table, share in zip(_used(tables, symbols.positions), shares, strict=True)
        )
        places, lengths = symbols.places.numpy(), symbols.lengths.numpy()
        _pool(projections, places, lengths, mask.numpy(), pooled.numpy(), winners.numpy())
        ctx.save_for_backward(winners, filters, *tables)
        ctx.symbols, ctx.window = symbols, window
        return pooled

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        winners, filters, *tables = ctx.saved_tensors
        symbols = ctx.symbols
        gradients = [torch.zeros_like(each) for each in (filters, *tables)]
        _add_gradients(
            gradient.contiguous().numpy(),
            winners.numpy(),
            symbols.places.numpy(),
            symbols.lengths.numpy(),
            ctx.window,
            filters.numpy(),
            tuple(table.numpy() for table in _used(tables, symbols.positions)),
            gradients[0].numpy(),
            tuple(each.numpy() for each in _used(gradients[1:], symbols.positions)),
        )
        return None, None, None, *gradients


def _used(tables: Sequence[Tensor], positions: slice) -> tuple[Tensor, ...]:
    """The tables with those rows of the position ids alone."""
    return tables[0], *(table[positions] for table in tables[1:])


@compiled
def _number_symbols(
    tables: Arrays,
    mask: NDArray[Any],
    words: NDArray[Any],
    places: NDArray[Any],
    lengths: NDArray[Any],
    numbers: NDArray[Any],
) -> None:
    """Fills places, lengths, the beginning of words with the distinct words, rising, and numbers with their count
    and the least and the largest position id. tables: the ids, (batch, length) each.
    """
    batch, length = mask.shape
    size = 2  # of a hash table of words with open addresses
    while size < 2 * batch * length:
        size *= 2
    slots = np.full(size, -1, np.int64)
    ranks = np.empty(size, np.int32)
    count = 0
    least, most = np.iinfo(np.int64).max, np.int64(-1)
    for sentence in range(batch):
        lengths[sentence] = 0
        for token in range(length):
            lengths[sentence] += mask[sentence, token]
            word = np.int64(tables[0][sentence, token])
            slot = word * HASH & (size - 1)
            while slots[slot] != word and slots[slot] != -1:
                slot = (slot + 1) & (size - 1)
            if slots[slot] == -1:
                slots[slot] = word
                words[count] = word
                count += 1
            places[sentence, token, 0] = slot
        for table in range(1, len(tables)):
            for token in range(lengths[sentence]):
                least = min(least, tables[table][sentence, token])
                most = max(most, tables[table][sentence, token])
    words[:count].sort()
    for rank in range(count):
        slot = words[rank] * HASH & (size - 1)
        while slots[slot] != words[rank]:
            slot = (slot + 1) & (size - 1)
        ranks[slot] = rank
    for sentence in range(batch):
        for token in range(length):
            places[sentence, token, 0] = ranks[places[sentence, token, 0]]
            for table in range(1, len(tables)):
                is_token = token < lengths[sentence]
                places[sentence, token, table] = tables[table][sentence, token] - least if is_token else 0
    numbers[:] = count, least, most


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

    Sums are made in the order of `_without_winners`, of each table first: both give the same numbers.
    projections: (symbols, window, filters) a table; places: (batch, length, tables); mask: (pieces * batch, length).
    """
    window, number = projections[0].shape[1:]
    before = (window - 1) // 2
    positions = len(projections[-1]) if len(projections) > 1 else 0
    # Sums over windows whose ids rise by one, by table and first id.
    runs = np.zeros((len(projections) - 1, positions, number), pooled.dtype)
    for table in range(1, len(projections)):
        for place in range(positions - window + 1):
            for offset in range(window):
                for f in range(number):
                    runs[table - 1, place, f] += projections[table][place + offset, offset, f]
    total, partial = np.empty(number, pooled.dtype), np.empty(number, pooled.dtype)
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
            for table in range(len(projections)):
                start = places[sentence, first + low, table]
                is_run = table > 0 and high - low == window
                for offset in range(1, window):
                    is_run = is_run and places[sentence, first + offset, table] == start + offset
                if is_run:
                    summand = runs[table - 1, start]
                    for f in range(number):
                        total[f] += summand[f]
                    continue
                sums = total if table == 0 else partial
                sums[:] = 0
                for offset in range(low, high):
                    summand = projections[table][places[sentence, first + offset, table], offset]
                    for f in range(number):
                        sums[f] += summand[f]
                if table > 0:
                    for f in range(number):
                        total[f] += partial[f]
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
