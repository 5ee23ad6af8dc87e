"""Trains the runs of a job: begins those that are new, goes on with those that were begun, packs where asked."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace

from relclf.config.schema import ExperimentConfig
from relclf.errors import Interrupted, RelclfError
from relclf.runs.lock import is_locked
from relclf.runs.records import EpochRecord
from relclf.sweeps.jobs import Job, JobEnd, PlannedRun, Pruning, RunEnd
from relclf.sweeps.results import run_result
from relclf.training.experiment import Experiment, Material, begin, prepare, resume
from relclf.training.interruption import StopRequest
from relclf.training.packing import run_packed

STEADY = ("device", "threads", "deterministic", "precision", "monitor")
"""Keys of `training` that the data are prepared for."""


class Executor:
    """Trains jobs one after the other; the data of the last one are kept for the next."""

    def __init__(self, patience: float = 0) -> None:
        """`patience`: seconds to wait for a run that another process still holds."""
        self._patience = patience
        self._material: tuple[str, Material] | None = None

    def execute(self, job: Job, request: StopRequest) -> JobEnd:
        """Train the job's runs to their ends, or until `request` is set; errors come back as values."""
        if not (job.sweep / "sweep.json").is_file():
            error = (
                f"{job.sweep}: no such sweep on this machine. "
                "Every worker needs the folder of the sweep: put it on storage that they share."
            )
            return JobEnd(job, tuple(RunEnd(run.path, error) for run in job.runs))
        if job.packed:
            return JobEnd(job, tuple(self._packed(job, request)))
        ends: list[RunEnd] = []
        for run in job.runs:
            ends.append(self._train(run, request, job.pruning if not ends else None))
            if ends[-1].ended_early is not None or request.signal_number is not None:
                break
        return JobEnd(job, tuple(ends))

    def _train(self, run: PlannedRun, request: StopRequest, pruning: Pruning | None) -> RunEnd:
        with _errors_as_values(ends := [RunEnd(run.path)]):
            if run_result(run.path).finished:
                return ends[0]
            experiment = self._opened(run)
            epochs = experiment.epochs(request)
            if pruning is None:
                for _ in epochs:
                    pass
            else:
                from relclf.sweeps.search import worse_than_the_median

                before = tuple(experiment.state.records)
                try:
                    with contextlib.closing(epochs):
                        ends[0] = replace(ends[0], ended_early=worse_than_the_median(before, epochs, pruning))
                finally:
                    experiment.lock.release()  # which a generator that was never begun does not
        return ends[0]

    def _packed(self, job: Job, request: StopRequest) -> list[RunEnd]:
        """Train all runs that are not finished as one stacked network."""
        ends = {run.path: RunEnd(run.path) for run in job.runs}
        experiments: list[Experiment] = []
        for run in job.runs:
            with _errors_as_values(made := [ends[run.path]]):
                if not run_result(run.path).finished:
                    experiments.append(self._opened(run))
            ends[run.path] = made[0]
        with _errors_as_values(all_ends := [RunEnd(each.run.path) for each in experiments]):
            for outcomes in run_packed(experiments, request) if experiments else ():
                for experiment, outcome in outcomes:
                    if not isinstance(outcome, EpochRecord):
                        ends[experiment.run.path] = RunEnd(experiment.run.path, str(outcome))
        ends |= {each.path: each for each in all_ends if ends[each.path].error is None}
        return list(ends.values())

    def _opened(self, run: PlannedRun) -> Experiment:
        """A new run, or one that was begun; it is given time where a process that was lost still holds it."""
        if not run.path.exists():
            return begin(self._prepared(run.config), run.seed, "", run.path.parent, run.path)
        deadline = time.monotonic() + self._patience
        while is_locked(run.path) and time.monotonic() < deadline:
            time.sleep(0.5)
        return resume(run.path)

    def _prepared(self, config: ExperimentConfig) -> Material:
        """The data of a config, read anew only where the last job's would not do."""
        training = [getattr(config.training, name) for name in STEADY]
        needs = repr((config.data, config.encoding, config.model, training))
        if self._material is None or self._material[0] != needs:
            self._material = needs, prepare(config)
        material = self._material[1]
        resolved = {name: getattr(material.config.training, name) for name in ("device", "threads")}
        whole = {"data": material.config.data, "training": config.training.model_copy(update=resolved)}
        return replace(material, config=config.model_copy(update=whole))


@contextlib.contextmanager
def _errors_as_values(ends: list[RunEnd]) -> Iterator[None]:
    """Note in `ends` why their runs ended, where an error ends them: a sweep goes on with its other runs."""
    try:
        yield
    except Interrupted:
        ends[:] = [replace(end, interrupted=True) for end in ends]
    except KeyboardInterrupt:  # how Ray stops a task
        ends[:] = [replace(end, interrupted=True) for end in ends]
    except RelclfError as error:
        ends[:] = [replace(end, error=str(error)) for end in ends]
    except Exception as error:
        what = (
            f"relclf failed: {type(error).__name__}: {error}. This is a defect of relclf: please report it."
        )
        ends[:] = [replace(end, error=what) for end in ends]
