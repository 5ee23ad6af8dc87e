"""Trains jobs, and labels shards, as tasks on a Ray cluster, which gives a lost worker's task to another."""

import functools
import importlib.util
import logging
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from relclf.errors import Failure, RelclfError, UserMistake
from relclf.prediction.shards import DESCRIPTION, Labelling, ShardEnd, label_shard
from relclf.sweeps.jobs import Job, JobEnd, RunEnd

RETRIES = 10
"""How often a task is begun again whose worker was lost; it goes on from the run's last checkpoint."""
CONNECT_SECONDS = 10.0
"""How long the head node may take to answer."""
LOCK_SECONDS = 120.0
"""How long a retried task waits for the run directory, which a worker that was cut off may hold a while yet."""


def check_ray() -> None:
    """Raise UserMistake where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise UserMistake('--engine ray: needs Ray, which is not installed: pip install "relclf[ray]"')


def connect(address: str | None) -> Any:
    """The module `ray`, connected to a cluster: that of `address`, or what Ray finds. Raises Failure."""
    check_ray()
    try:
        if address is not None:
            _check_answers(address)
        import ray

        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, OSError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise Failure(
            f"--engine ray: no cluster could be reached{f' at {address}' if address else ''} ({reason[0]}). "
            "`ray status` on its head node says whether it runs; `ray start --head` printed its address."
        ) from None
    return ray


def _check_answers(address: str) -> None:
    """Raise OSError or ValueError where nothing listens: Ray itself would try for many minutes."""
    if address in ("auto", "local"):
        return
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isascii() or not port.isdigit():
        raise ValueError("an address is HOST:PORT")
    socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()


class RayEngine:
    """Tasks of a Ray cluster, one a job."""

    def __init__(self, address: str | None, cpus: float, gpus: float) -> None:
        """`cpus` and `gpus` are what one job takes of a node; they may be fractions."""
        self._address, self._cpus, self._gpus = address, cpus, gpus
        self._jobs: dict[Any, Job] = {}

    def __enter__(self) -> "RayEngine":
        self._ray = connect(self._address)
        self._stdout = sys.stdout
        sys.stdout = _WithoutRay(sys.stdout)
        try:
            if not self.slots():
                raise UserMistake(self._too_small())
            options = {"num_cpus": self._cpus, "num_gpus": self._gpus, "max_retries": RETRIES}
            self._train = self._ray.remote(_train).options(**options)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self._ray.shutdown()
        sys.stdout = self._stdout

    def __str__(self) -> str:
        return f"Ray, {self.slots()} runs at once"

    def slots(self) -> int:
        """How many jobs the nodes that are alive now can train at once."""
        return sum(self._fit(node["Resources"]) for node in self._ray.nodes() if node["Alive"])

    def submit(self, job: Job) -> None:
        """Hand a job to the cluster."""
        self._jobs[self._train.remote(job)] = job

    def ended(self, timeout: float) -> list[JobEnd]:
        """The jobs that have ended since the last call; waits up to `timeout` seconds for one."""
        ready, _ = self._ray.wait(list(self._jobs), timeout=timeout)
        return [self._end(each, self._jobs.pop(each)) for each in ready]

    def stop(self) -> None:
        """Ask all tasks to save their runs and to end."""
        for each in self._jobs:
            self._ray.cancel(each)

    def labelled(
        self, shards: Sequence[Path], folder: Path, labelling: Labelling, threads: int
    ) -> Iterator[ShardEnd]:
        """Label shards, as many at once as there is room for."""
        options = {"num_cpus": self._cpus, "num_gpus": self._gpus, "max_retries": RETRIES}
        task = self._ray.remote(_label).options(**options)
        waiting, at_work = list(reversed(shards)), dict[Any, Path]()
        while waiting or at_work:
            while waiting and len(at_work) < max(1, self.slots()):
                shard = waiting.pop()
                at_work[task.remote(shard.absolute(), folder.absolute(), labelling, threads)] = shard
            for each in self._ray.wait(list(at_work), timeout=1)[0]:
                shard = at_work.pop(each)
                try:
                    yield replace(self._ray.get(each), shard=shard)
                except self._ray.exceptions.RayError as error:
                    yield ShardEnd(
                        shard, error=f"the cluster lost it ({str(error).strip().splitlines()[0]})."
                    )

    def _end(self, reference: Any, job: Job) -> JobEnd:
        try:
            end = self._ray.get(reference)
            assert isinstance(end, JobEnd)
            return end
        except self._ray.exceptions.TaskCancelledError:
            return JobEnd(job, tuple(RunEnd(run.path, interrupted=True) for run in job.runs))
        except self._ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[0]
            what = f"the cluster lost it ({reason}). The sweep goes on from its last checkpoint when it is run again."
            return JobEnd(job, tuple(RunEnd(run.path, what) for run in job.runs))

    def _fit(self, resources: dict[str, float]) -> int:
        wanted = {"CPU": self._cpus, "GPU": self._gpus}
        return int(min(resources.get(name, 0) / amount for name, amount in wanted.items() if amount))

    def _too_small(self) -> str:
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        sizes = ", ".join(f"{each.get('CPU', 0):g} CPUs and {each.get('GPU', 0):g} GPUs" for each in nodes)
        return (
            f"--engine ray: a run takes {self._cpus:g} CPUs and {self._gpus:g} GPUs, and no node has as much "
            f"({sizes}). Ask for less with --cpus and --gpus, or set training.threads."
        )


def label_on_cluster(
    shards: Sequence[Path], folder: Path, labelling: Labelling, threads: int, address: str | None, gpus: float
) -> Iterator[ShardEnd]:
    """Label shards as tasks, a shard each, in the order in which they end."""
    with RayEngine(address, threads, gpus) as engine:
        yield from engine.labelled(shards, folder, labelling, threads)


class _WithoutRay:
    """Standard output without what Ray prints there, in a thread of its own, of nodes that were lost."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text, unless it is Ray's."""
        if threading.current_thread().name == "ray_listen_error_messages":
            return len(text)
        return int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _train(job: Job) -> JobEnd:
    """A task: train a job on whichever node it has come to."""
    from relclf.training.interruption import stop_on_signals

    with stop_on_signals() as request:  # cancelling a task is a SIGINT
        end: JobEnd = _executor().execute(job, request)
    return end


def _label(shard: Path, folder: Path, labelling: Labelling, threads: int) -> ShardEnd:
    """A task: label a shard on whichever node it has come to."""
    if not (folder / DESCRIPTION).is_file():
        return ShardEnd(
            shard, error=f"{folder}: no such folder on this node. Put it on storage that all nodes share."
        )
    try:
        return label_shard(_predictor(labelling, threads), shard, folder, labelling)
    except RelclfError as error:
        return ShardEnd(shard, error=str(error))


@functools.cache
def _predictor(labelling: Labelling, threads: int) -> Any:
    from relclf.prediction.predictor import load

    return load(labelling.run, labelling.weights, labelling.device, threads, calibrated=labelling.calibrated)


@functools.cache
def _executor() -> Any:
    from relclf.sweeps.execution import Executor

    return Executor(LOCK_SECONDS)
