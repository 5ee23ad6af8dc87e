"""What a worker does with a job: packed as alone, errors as values, nothing where the folder is missing."""

from pathlib import Path

from relclf.runs.directory import RunDirectory
from relclf.runs.files import write_json
from relclf.runs.lock import RunLock
from relclf.runs.records import read_records
from relclf.sweeps.execution import Executor
from relclf.sweeps.jobs import Job, PlannedRun, RunEnd
from relclf.sweeps.results import run_result
from relclf.training.interruption import StopRequest
from tests.tiny import tiny_config


def job(folder: Path, name: str, seeds: tuple[int, ...], packed: bool = False, **changes: object) -> Job:
    write_json(folder / "sweep.json", {})
    config = tiny_config(folder, **changes)
    seeded = {seed: config.model_copy(update={"seed": seed}) for seed in seeds}
    runs = tuple(PlannedRun(folder / name / f"seed-{seed}", seed, each) for seed, each in seeded.items())
    return Job(name, folder, runs, packed)


def scores(folder: Path, name: str, seed: int) -> list[float | None]:
    return [r.dev_loss for r in read_records(RunDirectory(folder / name / f"seed-{seed}").records)]


def test_packed_runs_end_as_they_would_alone_and_go_on_where_one_was_finished(tmp_path: Path) -> None:
    executor = Executor()
    alone, packed = job(tmp_path, "alone", (1, 2)), job(tmp_path, "packed", (1, 2), packed=True)
    first = job(tmp_path, "packed", (1,))
    assert executor.execute(first, StopRequest()).runs == (RunEnd(first.runs[0].path),)
    for each in (alone, packed):
        assert executor.execute(each, StopRequest()).runs == tuple(RunEnd(run.path) for run in each.runs)
        assert all(run_result(run.path).finished for run in each.runs)
    for seed in (1, 2):
        pairs = zip(scores(tmp_path, "alone", seed), scores(tmp_path, "packed", seed), strict=True)
        assert all(a is not None and b is not None and abs(a - b) < 1e-5 for a, b in pairs)


def test_the_data_of_the_last_job_serve_the_next_only_where_they_are_the_same(tmp_path: Path) -> None:
    executor = Executor()
    jobs = [
        job(tmp_path, "slow", (1,), training__optimizer__lr=0.001),
        job(tmp_path, "fast", (1,), training__optimizer__lr=0.05),
        job(tmp_path, "rare", (1,), encoding__min_count=3),
    ]
    for each in jobs:
        assert executor.execute(each, StopRequest()).runs[0].error is None
    for each in jobs:
        Executor().execute(
            Job("x", tmp_path, (PlannedRun(tmp_path / f"{each.variant}-x/seed-1", 1, each.runs[0].config),)),
            StopRequest(),
        )
        assert scores(tmp_path, each.variant, 1) == scores(tmp_path, f"{each.variant}-x", 1)


def test_a_run_that_another_process_holds_is_an_error_of_that_run(tmp_path: Path) -> None:
    both = job(tmp_path, "held", (1, 2))
    Executor().execute(Job("held", tmp_path, both.runs[:1]), StopRequest(signal_number=15))
    lock = RunLock(both.runs[0].path)
    first, second = Executor().execute(both, StopRequest()).runs
    lock.release()
    assert first.error is not None
    assert "another process is training" in first.error
    assert second == RunEnd(both.runs[1].path)


def test_a_worker_that_does_not_see_the_sweep_makes_nothing(tmp_path: Path) -> None:
    lost = job(tmp_path, "a", (1,))
    (tmp_path / "sweep.json").unlink()
    (end,) = Executor().execute(lost, StopRequest()).runs
    assert end.error is not None
    assert "put it on storage that they share" in end.error
    assert not (tmp_path / "a").exists()
