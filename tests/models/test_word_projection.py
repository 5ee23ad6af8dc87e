"""Convolving by distinct words gives the maxima and gradients of the legible loop below, whatever the sentences."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relclf.encoding.batches import Batch
from relclf.models.word_projection import find_symbols, pooled_filters

WORDS, POSITIONS, FILTERS = 9, 12, 4


def reference(tables, filters, window, batch, pieces):
    """Each sentence, piece, filter and token by itself: (pieces * batch, filters), -inf for no token."""
    before = (window - 1) // 2
    ids = [batch.token_ids, batch.head_positions, batch.tail_positions]
    pooled = []
    for piece in pieces:
        for sentence, length in enumerate(batch.mask.sum(dim=1).tolist()):
            tokens = [
                torch.cat([table[i[sentence, t]] for table, i in zip(tables, ids, strict=False)])
                for t in range(length)
            ]
            nothing = torch.zeros_like(tokens[0])
            outputs = [
                filters @ torch.cat([tokens[t] if 0 <= t < length else nothing for t in around])
                for around in (range(t - before, t - before + window) for t in range(length))
            ]
            kept = [output for t, output in enumerate(outputs) if piece[sentence, t]]
            pooled.append(
                torch.stack(kept).amax(dim=0) if kept else torch.full((len(filters),), -torch.inf).double()
            )
    return torch.stack(pooled)


@st.composite
def cases(draw):
    """A batch, three pieces of it, a window, and whether there are positions; now and then ids that rise by one."""
    lengths = draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    longest = max(lengths)
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]

    def ids(count):
        return torch.randint(1, count, mask.shape, generator=generator, dtype=torch.int32) * mask

    def rising():
        firsts = torch.randint(1, POSITIONS - longest + 1, (len(lengths), 1), generator=generator)
        return ((firsts + torch.arange(longest)) * mask).int()

    positions = [rising() if draw(st.booleans()) else ids(POSITIONS) for _ in range(2)]
    label = torch.randint(0, 3, mask.shape, generator=generator)
    pieces = [mask & (label == each) for each in range(3)] if draw(st.booleans()) else [mask]
    gold = torch.zeros(len(lengths), dtype=torch.int64)
    batch = Batch(ids(WORDS), *positions, mask, gold, WORDS - 1)
    return batch, pieces, draw(st.integers(1, 5)), draw(st.booleans()), generator


@settings(max_examples=60, deadline=None)
@given(cases())
def test_maxima_and_gradients_are_those_of_each_token_by_itself(case):
    batch, pieces, window, with_positions, generator = case
    widths = (3, 2, 2) if with_positions else (3,)
    sizes = (WORDS, POSITIONS, POSITIONS)
    tables = [
        torch.randn(n, width, generator=generator, dtype=torch.float64)
        for n, width in zip(sizes, widths, strict=False)
    ]
    for table in tables:
        table[0] = 0  # padding's
    filters = torch.randn(FILTERS, window * sum(widths), generator=generator, dtype=torch.float64)
    leaves = [each.requires_grad_() for each in (filters, *tables)]

    expected = reference(tables, filters, window, batch, pieces)
    symbols = find_symbols(batch, with_positions, loops=True)
    rows = (tables[0].index_select(0, symbols.words), *tables[1:])
    pooled = pooled_filters(symbols, pieces, rows, filters, window)
    torch.testing.assert_close(pooled, expected, rtol=0, atol=1e-12)
    with torch.no_grad():
        for loops in (True, False):
            again = find_symbols(batch, with_positions, loops)
            without = pooled_filters(again, pieces, rows, filters, window)
            torch.testing.assert_close(without, expected, rtol=0, atol=1e-12)

    # A factor of zero is what dropout gives: that filter and sentence must hand nothing on.
    factors = torch.randn(pooled.shape, generator=generator, dtype=torch.float64)
    factors[torch.rand(pooled.shape, generator=generator) < 0.3] = 0
    ours, theirs = (
        torch.autograd.grad((each * factors)[each.isfinite()].sum(), leaves) for each in (pooled, expected)
    )
    for mine, its in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, its, rtol=0, atol=1e-12)


def test_windows_over_very_many_position_ids_are_told_apart():
    positions, window = 40_000, 5  # 40,000^5 is more than 64 bits hold
    generator = torch.Generator().manual_seed(1)
    mask = torch.ones(3, 12, dtype=torch.bool)
    heads, tails = (torch.randint(1, positions, mask.shape, generator=generator).int() for _ in range(2))
    batch = Batch(torch.ones_like(heads), heads, tails, mask, torch.zeros(3, dtype=torch.int64), 1)
    tables = [torch.randn(n, 2, generator=generator).double() for n in (2, positions, positions)]
    filters = torch.randn(FILTERS, window * 6, generator=generator).double()
    expected = reference(tables, filters, window, batch, [mask])
    for loops in (True, False):
        symbols = find_symbols(batch, True, loops)
        rows = (tables[0].index_select(0, symbols.words), *tables[1:])
        pooled = pooled_filters(symbols, [mask], rows, filters, window)
        torch.testing.assert_close(pooled, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("loops", [True, False])
def test_a_number_that_is_none_is_not_lost_in_the_maximum(loops):
    mask = torch.tensor([[True, True, True]])
    ids = torch.tensor([[1, 2, 3]], dtype=torch.int32)
    batch = Batch(ids, ids, ids, mask, torch.zeros(1, dtype=torch.int64), 3)
    for broken in (1, 2, 3):
        table = torch.arange(4.0)[:, None].clone()
        table[broken] = torch.nan
        symbols = find_symbols(batch, False, loops)
        rows = (table.index_select(0, symbols.words),)
        pooled = pooled_filters(symbols, [mask], rows, torch.ones(2, 1), 1)
        assert pooled.isnan().all(), broken


def test_loops_are_compiled_where_no_folder_can_be_written(tmp_path):
    """A copy of the module in a folder, and a cache, that are files: nothing can be kept, and the result is right."""
    kept = tmp_path / "no-folder"
    kept.write_text("")
    source = tmp_path / "loops.py"
    source.write_text(
        "import numba.core.caching\n"
        "import numpy as np\n"
        "from relclf.compiled import compiled\n"
        "numba.core.caching.CacheImpl._locator_classes = []\n"
        "@compiled\n"
        "def doubled(values):\n"
        "    for i in range(len(values)):\n"
        "        values[i] *= 2\n"
        "array = np.arange(3.0)\n"
        "doubled(array)\n"
        "print(array.tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, source], capture_output=True, text=True, cwd=Path.cwd(), check=False
    )
    assert done.stdout == "[0.0, 2.0, 4.0]\n", done.stderr
