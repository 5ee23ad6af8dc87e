"""Runs a sweep on an engine, from what is missing to its end, a job at a time."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from relclf.errors import Interrupted
from relclf.sweeps import search
from relclf.sweeps.engines import Engine
from relclf.sweeps.folder import keep_copy, read_description, write_description
from relclf.sweeps.jobs import Job, JobEnd, PlannedRun, Pruning
from relclf.sweeps.plan import Plan, next_variant
from relclf.sweeps.results import RunResult, monitored_by_epoch, run_result, variant_score
from relclf.sweeps.variants import Variant
from relclf.training.interruption import StopRequest

MOST_REPEATS = 100
"""Proposals of a search, one after the other, that were tried before: then the space has no more."""


@dataclass
class Sweeping:
    """A sweep that runs: what is known of every run, which a table may read at any time."""

    plan: Plan
    engine: Engine
    packed: bool
    """Whether the seeds of a variant are trained together."""
    variants: list[Variant] = field(init=False)
    results: dict[str, list[RunResult]] = field(init=False)
    """The runs of each variant, in the order of the seeds."""
    errors: dict[str, str] = field(default_factory=dict)
    """Why a run has failed, by its path."""
    ended_early: dict[str, int] = field(init=False)
    """The epoch after which a search ended a variant, by its name."""
    training: dict[str, tuple[Job, float]] = field(default_factory=dict)
    """The jobs at work and when they were given away, by the path of their first run."""
    seconds: list[float] = field(default_factory=list)
    """How long each job took that has ended."""
    _repeats: int = 0

    def __post_init__(self) -> None:
        self.variants = list(self.plan.variants)
        self.results = {each.name: self._results(each) for each in self.variants}
        described = (read_description(self.plan.folder) or {}).get("variants", [])
        early = {each["name"]: each["ended_early"] for each in described if "ended_early" in each}
        self.ended_early = {name: epoch for name, epoch in early.items() if name in self.results}
        self._waiting = self._missing() if self.plan.sweep.kind != "search" else self._begun()

    def steps(self, request: StopRequest, pause: float = 0.2) -> Iterator[JobEnd | None]:
        """Train what is missing; yields each job that has ended, and None whenever a moment has passed.

        Raises Interrupted, all runs saved, when `request` is set.
        """
        keep_copy(self.plan.folder, self.plan.sweep)
        self._describe()
        while True:
            while len(self.training) < self.engine.slots() and (job := self._next()) is not None:
                self.training[_key(job)] = job, time.monotonic()
                self.engine.submit(job)
            if not self.training:
                return
            yield from self._ended(pause)
            if request.signal_number is not None:
                self.engine.stop()
                while self.training:
                    yield from self._ended(pause)
                raise Interrupted("interrupted; everything is saved.", request.signal_number)

    def runs_left(self) -> int:
        """How many runs are at work or wait."""
        jobs = [*self._waiting, *(job for job, _ in self.training.values())]
        known = sum(len(job.runs) for job in jobs)
        if self.plan.sweep.kind == "search":
            known += (self.plan.sweep.variants - len(self.variants)) * len(self.plan.seeds)
        return known

    def seconds_left(self) -> float | None:
        """How long the rest will take at the pace so far; None before a job has ended."""
        if not self.seconds:
            return None
        mean, now = sum(self.seconds) / len(self.seconds), time.monotonic()
        jobs = len(self._waiting)
        if self.plan.sweep.kind == "search":
            jobs += max(0, self.plan.sweep.variants - len(self.variants))
        begun = sum(max(0.0, mean - (now - started)) for _, started in self.training.values())
        return (jobs * mean + begun) / max(1, self.engine.slots())

    def _ended(self, pause: float) -> Iterator[JobEnd | None]:
        ends = self.engine.ended(pause)
        for end in ends:
            self._note(end)
            yield end
        if not ends:
            yield None

    def _note(self, end: JobEnd) -> None:
        _, started = self.training.pop(_key(end.job))
        if not any(run.interrupted for run in end.runs):
            self.seconds.append(time.monotonic() - started)
        for run in end.runs:
            if run.error is not None:
                self.errors[str(run.path)] = run.error
            if run.ended_early is not None:
                self.ended_early[end.job.variant] = run.ended_early
                self._describe()
        variant = next(each for each in self.variants if each.name == end.job.variant)
        self.results[variant.name] = self._results(variant)

    def _next(self) -> Job | None:
        if self._waiting:
            return self._waiting.pop(0)
        return self._proposed() if self.plan.sweep.kind == "search" else None

    def _missing(self) -> list[Job]:
        """The runs of a grid or a random sweep that are not finished: every variant's first seed comes first."""
        runs = {each.name: self.plan.runs(each) for each in self.variants}
        missing = {
            name: [run for run, found in zip(of, self.results[name], strict=True) if not found.finished]
            for name, of in runs.items()
        }
        if self.packed:
            return [self._job(name, tuple(of)) for name, of in missing.items() if of]
        pairs = [
            (name, run)
            for seed in self.plan.seeds
            for name, of in missing.items()
            for run in of
            if run.seed == seed
        ]
        return [self._job(name, (run,)) for name, run in pairs]

    def _begun(self) -> list[Job]:
        """The variants of a search that were proposed before and are not finished."""
        return [
            self._search_job(each) for each in self.variants if self.state(each) in ("training", "waiting")
        ]

    def _proposed(self) -> Job | None:
        """The next variant of a search; None where there are enough."""
        plan = self.plan
        while len(self.variants) < plan.sweep.variants and self._repeats < MOST_REPEATS:
            tried = [self._tried(each) for each in self.variants]
            number = len(self.variants) + self._repeats
            monitor = plan.typical.training.monitor
            settings = search.propose(plan.sweep.space, tried, monitor, plan.sweep.draw_seed, number)
            variant = next_variant(plan, settings, self.variants)
            if variant is None:
                self._repeats += 1
                continue
            self.variants.append(variant)
            self.results[variant.name] = self._results(variant)
            self._describe()
            return self._search_job(variant)
        return None

    def _search_job(self, variant: Variant) -> Job:
        plan = self.plan
        pruning = None
        if plan.sweep.prune_after is not None:
            tried = [self._tried(each) for each in self.variants]
            completed = tuple(each.by_epoch for each in tried if each.state in search.COMPLETE)
            direction = search.direction(plan.typical.training.monitor)
            pruning = Pruning(direction, completed, plan.sweep.prune_after)
        return self._job(variant.name, plan.runs(variant), pruning)

    def _tried(self, variant: Variant) -> search.Tried:
        state = self.state(variant)
        score = variant_score(self.results[variant.name], "monitored") if state in search.COMPLETE else None
        scores: Mapping[int, float] = {}
        if state in (*search.COMPLETE, "ended early"):
            scores = monitored_by_epoch(self.results[variant.name][0].path)
        return search.Tried(variant.settings, score.mean if score else None, scores, state)

    def state(self, variant: Variant) -> search.State:
        """Where a variant stands: its worst run decides."""
        results = self.results[variant.name]
        if variant.name in self.ended_early:
            return "ended early"
        if any(str(each.path) in self.errors for each in results):
            return "failed"
        if all(each.finished for each in results):
            return "diverged" if any(each.diverged for each in results) else "finished"
        at_work = any(job.variant == variant.name for job, _ in self.training.values())
        return "training" if at_work or any(each.finished for each in results) else "waiting"

    def _job(self, variant: str, runs: tuple[PlannedRun, ...], pruning: Pruning | None = None) -> Job:
        return Job(
            variant, self.plan.folder.path, runs, self.packed and len(runs) > 1 and pruning is None, pruning
        )

    def _results(self, variant: Variant) -> list[RunResult]:
        return [run_result(run.path) for run in self.plan.runs(variant)]

    def _describe(self) -> None:
        write_description(self.plan.folder, self.plan.sweep, self.plan.seeds, self.variants, self.ended_early)


def _key(job: Job) -> str:
    return str(job.runs[0].path)
