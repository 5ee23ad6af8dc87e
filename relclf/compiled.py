"""Turns loops over arrays into machine code, which is kept on disk for the next process."""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any


def compiled(loops: Callable[..., None]) -> Callable[..., None]:
    """The function compiled for the types that it is called with; it fills arrays and returns nothing.

    numba is loaded by the first call: that costs 0.2 CPU-seconds and 120 MiB, which what only predicts need not pay.
    Compiling takes seconds once an installation. Sums are made in the order that is written, and a division by zero
    is infinite, as in torch.
    """

    @cache
    def kernel() -> Callable[..., None]:
        from numba import njit

        try:
            of_disk: Callable[..., None] = njit(cache=True, error_model="numpy")(loops)
        except RuntimeError:  # neither the package's folder nor the user's cache can be written
            in_memory: Callable[..., None] = njit(error_model="numpy")(loops)
            return in_memory
        return of_disk

    @wraps(loops)
    def call(*arguments: Any) -> None:
        kernel()(*arguments)

    return call
