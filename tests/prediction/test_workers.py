"""Processes beside: results in order, errors in their place, no process left behind."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from relclf.errors import Failure, UserMistake
from relclf.prediction.workers import in_workers


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("blocks", [0, 1, 2, 3, 10])
def test_results_are_those_of_map_in_order(count: int, blocks: int) -> None:
    numbers = range(-blocks, 0)
    assert list(in_workers(abs, numbers, count)) == list(map(abs, numbers))


def test_blocks_far_beyond_what_a_pipe_holds_go_in_and_out() -> None:
    blocks = [bytes([number]) * 3_000_000 for number in range(5)]
    assert list(in_workers(bytes.upper, blocks, 2)) == [block.upper() for block in blocks]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_error_of_the_blocks_comes_after_the_results_before_it(count: int) -> None:
    def blocks() -> Iterator[int]:
        yield from (-1, -2)
        raise UserMistake("cannot be read")

    results = in_workers(abs, blocks(), count)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(UserMistake, match="cannot be read"):
        next(results)


def test_a_process_that_ends_is_a_failure_that_says_what_to_do() -> None:
    with pytest.raises(Failure, match=r"exit code 3; .* --readers 0 reads without"):
        list(in_workers(os._exit, [3, 3], 1))


def test_a_defect_in_a_process_shows_its_traceback_and_is_a_failure(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(Failure, match="exit code"):
        list(in_workers(int, ["7", "seven"], 1))
    assert "ValueError: invalid literal for int()" in capfd.readouterr().err


def test_processes_end_with_the_generator_and_with_the_process_that_started_them() -> None:
    results = in_workers(_parent, iter(int, 1), 2)  # zeros without end
    workers = {next(results), next(results)}
    assert workers == {os.getpid()}
    results.close()
    code = (
        "import os, signal\n"
        "from relclf.prediction.workers import _Worker\n"
        "worker = _Worker(); worker.send(abs); print(worker._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -9
    assert _ends(int(done.stdout))
    assert done.stderr == ""


def test_a_process_reads_without_pytorch() -> None:
    code = "import sys, relclf.prediction.reading, relclf.prediction.workers; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "pydantic", "sklearn"} & set(done.stdout.split())


def _parent(_: int) -> int:
    return os.getppid()


def _ends(pid: int) -> bool:
    """Whether a process that is no child of this one is gone, or a zombie, within ten seconds."""
    for _ in range(1000):
        state = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        if not state.stdout.strip() or state.stdout.startswith("Z"):
            return True
    return False
