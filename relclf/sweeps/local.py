"""Trains jobs in processes on this machine, which end with this one."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from relclf.sweeps.jobs import Job, JobEnd, RunEnd

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

_STOP_SECONDS = 60
"""How long a worker may take to save its run; then it is killed, and the run's last checkpoint stands."""


class LocalEngine:
    """Worker processes, each of which trains one job at a time."""

    def __init__(self, workers: int) -> None:
        self._count = workers
        self._workers: list[_Worker] = []
        self._stopping = False

    def __enter__(self) -> "LocalEngine":
        return self

    def __exit__(self, *error: object) -> None:
        with ExitStack() as stack:
            for worker in self._workers:
                stack.callback(worker.end)
            self.stop()

    def __str__(self) -> str:
        return f"{self._count} worker{'s' if self._count > 1 else ''}"

    def slots(self) -> int:
        """How many jobs can be trained at once."""
        return self._count

    def submit(self, job: Job) -> None:
        """Give a job to a worker that is free; the first jobs start the workers."""
        free = next((worker for worker in self._workers if worker.job is None), None)
        if free is None:
            free = _Worker()
            self._workers.append(free)
        free.send(job)

    def ended(self, timeout: float) -> list[JobEnd]:
        """The jobs that have ended since the last call; waits up to `timeout` seconds for one."""
        busy = {worker.connection: worker for worker in self._workers if worker.job is not None}
        ready = connection.wait(list(busy), timeout)
        ends = [busy[each].receive() for each in ready if isinstance(each, Connection)]
        self._workers = [worker for worker in self._workers if not worker.lost]
        return ends

    def stop(self) -> None:
        """Ask all workers to save their runs; asked again, they do nothing new."""
        if not self._stopping:
            self._stopping = True
            for worker in self._workers:
                worker.stop()


class _Worker:
    """One process, and the job that it has."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process: SpawnProcess = context.Process(target=_work, args=(theirs,))
        self._process.start()
        theirs.close()
        self.job: Job | None = None
        self.lost = False

    def send(self, job: Job) -> None:
        self.job = job
        with contextlib.suppress(OSError):  # the process is gone: `receive` says so
            self.connection.send(job)

    def receive(self) -> JobEnd:
        """What became of the job; of a process that is gone, that it is."""
        job, self.job = self.job, None
        assert job is not None
        try:
            end = self.connection.recv()
            assert isinstance(end, JobEnd)
            return end
        except (EOFError, OSError):
            self.lost = True
            self._process.join()
            error = (
                f"the process that trained it ended (exit code {self._process.exitcode}; -9 is often a lack of "
                "memory). The last checkpoint is kept; the sweep goes on from it when it is run again."
            )
            return JobEnd(job, tuple(RunEnd(run.path, error) for run in job.runs))

    def stop(self) -> None:
        """Ask the process to end: a run is saved first."""
        if self.job is not None and self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, signal.SIGTERM)

    def end(self) -> None:
        """Let the process end; it does once its connection is closed and its job is saved."""
        self.connection.close()
        self._process.join(_STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def _work(jobs: Connection) -> None:
    """The process itself: jobs come in, what became of them goes out, until the other end is closed."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # so that Ctrl-C reaches the parent alone, which asks to stop
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    from relclf.sweeps.execution import Executor
    from relclf.training.interruption import stop_on_signals

    executor = Executor()
    for job in _received(jobs):
        with stop_on_signals() as request:
            end = executor.execute(job, request)
        with contextlib.suppress(OSError):
            jobs.send(end)


def _received(jobs: Connection) -> Iterator[Job]:
    with contextlib.suppress(EOFError, OSError):
        while True:
            yield jobs.recv()


def _end_with_the_parent() -> None:
    """Where the parent is gone, however it ended, save the run and end."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
