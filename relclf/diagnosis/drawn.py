"""Tells a table of word vectors that was drawn at random from one that was learned."""

from torch import Tensor

SAMPLE = 4096
"""Rows that are looked at."""


def looks_drawn(table: Tensor) -> bool:
    """Whether all rows have one spread and no direction: rows of word vectors differ in length and lean one way."""
    rows = table[table.abs().amax(dim=1) > 0][:SAMPLE].float()
    if len(rows) < 20 or rows.shape[1] < 4:
        return False
    lengths = rows.norm(dim=1)
    of_normal = 1 / (2 * rows.shape[1]) ** 0.5  # the lengths' spread over their mean, for large widths
    lean = rows.mean(dim=0).norm() / lengths.mean() * len(rows) ** 0.5  # about 1 without a direction
    return bool(0.5 < (lengths.std() / lengths.mean()) / of_normal < 1.5) and bool(lean < 2)
