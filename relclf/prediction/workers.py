"""Applies a function to blocks in processes beside this one, in order."""

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from types import TracebackType
from typing import IO, Any, TypeVar, cast

from relclf.errors import Failure, RelclfError

Block = TypeVar("Block")
Result = TypeVar("Result")

_LOST = (EOFError, OSError, pickle.UnpicklingError)
"""What reading from a process or writing to it raises where its other end is gone."""


def in_workers(function: Callable[[Block], Result], blocks: Iterable[Block], count: int) -> Iterator[Result]:
    """`map(function, blocks)` in `count` processes, which take turns and hold one block each; with 0 in this one.

    The function and what goes in and out can be pickled. An error that `blocks` raises comes after the results of
    the blocks before it. Raises Failure where a process ends.
    """
    if count == 0:
        yield from map(function, blocks)
        return
    with ExitStack() as stack:
        sound = _UntilError(blocks)
        first = list(islice(sound, count))
        workers = deque(stack.enter_context(_Worker()) for _ in first)
        for worker, block in zip(workers, first, strict=True):
            worker.send(function)
            worker.send(block)
        for block in sound:
            result = workers[0].receive()
            workers[0].send(block)
            workers.rotate(-1)
            yield result
        for worker in workers:
            yield worker.receive()
        if sound.error is not None:
            raise sound.error


class _UntilError(Iterator[Any]):
    """Blocks up to the error that ends them, which is kept."""

    def __init__(self, blocks: Iterable[Any]) -> None:
        self._blocks = iter(blocks)
        self.error: RelclfError | None = None

    def __next__(self) -> Any:
        try:
            return next(self._blocks)
        except RelclfError as error:
            self.error = error
            raise StopIteration from None


class _Worker:
    """A process that answers each block with the function's result; it ends with this one, whatever ends this one.

    In a process group of its own, so that Ctrl-C reaches this process alone.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "relclf.prediction.workers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        )

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def send(self, value: object) -> None:
        """Hand a value over, for which the process is waiting."""
        try:
            stdin = cast("IO[bytes]", self._process.stdin)
            pickle.dump(value, stdin, pickle.HIGHEST_PROTOCOL)
            stdin.flush()
        except _LOST:
            raise self._lost() from None

    def receive(self) -> Any:
        """The result of the block that was sent last."""
        try:
            return pickle.load(cast("IO[bytes]", self._process.stdout))
        except _LOST:
            raise self._lost() from None

    def _lost(self) -> Failure:
        self._process.kill()
        code = self._process.wait()
        return Failure(
            f"a process that reads the input ended (exit code {code}; -9 is often a lack of memory). "
            "--readers 0 reads without such processes."
        )


def _answer() -> None:
    """The process itself: a function comes in, then blocks; results go out until nobody asks any more."""
    try:
        function = pickle.load(sys.stdin.buffer)
        while True:
            pickle.dump(function(pickle.load(sys.stdin.buffer)), sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)
            sys.stdout.buffer.flush()
    except _LOST:
        os._exit(0)  # without a last flush, which would fail


if __name__ == "__main__":
    _answer()
