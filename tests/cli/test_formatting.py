"""Numbers as the tables show them."""

import math

import pytest

from relclf.cli.formatting import loss


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.53149, "0.531"),
        (9.9994, "9.999"),
        (12.3456, "12.35"),
        (99.9951, "1e2"),
        (5.4e6, "5.4e6"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_a_loss_fits_its_column_however_large(value: float | None, text: str) -> None:
    assert loss(value) == text
    assert len(text) <= 5
