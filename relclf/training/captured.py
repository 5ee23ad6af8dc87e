"""Captures the update of a batch once for each shape of a batch, and replays it from then on (CUDA graphs).

An update of a small network is some hundred kernels of a few microseconds each, which the host launches more slowly
than the device runs them. A graph is launched as one. It repeats its kernels on the same memory, hence

- what differs from batch to batch lies in tensors that stay where they are: the sentences' numbers and the
  learning rate; the batch is gathered inside;
- shapes are few: batches are padded to rounded lengths, which changes no score;
- the epoch's sums and the gradient's norm are always the same tensors, and the dropout generator is registered
  with each graph, so that replays draw on from its state as plain updates do.

The first batch of a shape is trained on as it is, on the stream of the captures, which readies everything that
must not happen inside one (libraries loaded, workspaces and the optimiser's state allocated); the second is
captured. Elsewhere than on CUDA a "graph" is the update itself, so that all the rest can be tested on a CPU.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from relclf.encoding.batches import Batch, PlacedBatch, gather_rows, rounded_length
from relclf.encoding.dataset import EncodedDataset
from relclf.training.checkpoint import EpochSums


class CapturedUpdates:
    """The updates of one training, each one of a few graphs, by the batch's size and padded length."""

    def __init__(
        self,
        train: EncodedDataset,
        sums: EpochSums,
        dropout: torch.Generator,
        update: Callable[[Batch, Tensor], Tensor],
    ) -> None:
        """`update` is given a batch and the () learning rate, adds to `sums`, draws from `dropout`, and returns
        the () norm of the gradient."""
        self._train = train
        self._sums = sums
        self._update = update
        self._rate = torch.zeros((), device=train.device)
        self._norm = torch.zeros((), device=train.device)
        self._rows: dict[int, Tensor] = {}
        """(batch,) the sentences of the running batch, by the batch's size."""
        self._graphs: dict[tuple[int, int], Callable[[], None] | None] = {}
        """None where only one batch of the shape has come."""
        self._captures = _CudaGraphs(train.device, dropout) if train.device.type == "cuda" else _NoGraphs()
        self._host_rate = 0.0

    def adopt(self, sums: EpochSums) -> EpochSums:
        """The tensors that the updates add to, now with the values of `sums`."""
        self._sums.copy_(sums)
        return self._sums

    def run(self, batch: PlacedBatch, rate: float) -> Tensor:
        """One update, which the host does not wait for; returns where the gradient's norm is until the next."""
        if rate != self._host_rate:
            self._rate.fill_(rate)
            self._host_rate = rate
        shape = len(batch.rows), rounded_length(batch.longest, len(self._train.columns))
        rows = self._rows.get(shape[0])
        if rows is None:
            rows = self._rows[shape[0]] = torch.empty_like(batch.rows)
        rows.copy_(batch.rows)
        if shape not in self._graphs:
            self._graphs[shape] = None
            self._captures.warm_up(self._work(rows, shape[1]))
        else:
            graph = self._graphs[shape]
            if graph is None:
                graph = self._graphs[shape] = self._captures.capture(self._work(rows, shape[1]))
            graph()
        return self._norm

    def _work(self, rows: Tensor, length: int) -> Callable[[], None]:
        def work() -> None:
            self._norm.copy_(self._update(gather_rows(self._train, rows, length), self._rate))

        return work


class _CudaGraphs:
    """Graphs that share one pool of memory; they run one after the other, and keep nothing in it in between."""

    def __init__(self, device: torch.device, dropout: torch.Generator) -> None:
        self._dropout = dropout
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def warm_up(self, work: Callable[[], None]) -> None:
        """Run the work on the stream of the captures, in its turn."""
        caller = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(caller)
        with torch.cuda.stream(self._stream):
            work()
        caller.wait_stream(self._stream)

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """The work as a graph; nothing of it is run."""
        with torch.cuda.device(self._stream.device):  # the generator's numbers are put on the current one
            graph = torch.cuda.CUDAGraph()
            graph.register_generator_state(self._dropout)
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                work()
        return graph.replay


class _NoGraphs:
    """The same on a device without graphs, where the work itself is run each time."""

    def warm_up(self, work: Callable[[], None]) -> None:
        """Run the work."""
        work()

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """The work as it is."""
        return work
