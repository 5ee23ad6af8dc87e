"""Turns loops over arrays into machine code, which is kept on disk for the next process."""

from collections.abc import Callable
from typing import TypeVar

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., None])


def compiled(loops: Kernel) -> Kernel:
    """The function compiled for the types that it is first called with; it fills arrays and returns nothing.

    The first call ever takes about a second. Sums are made in the order that is written. A division by zero is
    infinite, as in torch.
    """
    try:
        kernel: Kernel = numba.njit(cache=True, error_model="numpy")(loops)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written: compile in each process
        kernel = numba.njit(error_model="numpy")(loops)
    return kernel
