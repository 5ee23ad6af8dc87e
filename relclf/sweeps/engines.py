"""What a sweep asks of an engine: to take jobs, to say what has ended, and to stop."""

from typing import Protocol

from relclf.sweeps.jobs import Job, JobEnd


class Engine(Protocol):
    """Trains jobs somewhere; used within its `with` block, at whose end nothing of it is left running."""

    def __enter__(self) -> "Engine": ...

    def __exit__(self, *error: object) -> None: ...

    def __str__(self) -> str:
        """What it is, in a few words for a person."""
        ...

    def slots(self) -> int:
        """How many jobs can be trained at once, now."""
        ...

    def submit(self, job: Job) -> None:
        """Take a job; there may be no more of them than slots."""
        ...

    def ended(self, timeout: float) -> list[JobEnd]:
        """The jobs that have ended since the last call; waits up to `timeout` seconds for one."""
        ...

    def stop(self) -> None:
        """Ask all jobs to save what they have and to end; `ended` then gives them as interrupted."""
        ...
