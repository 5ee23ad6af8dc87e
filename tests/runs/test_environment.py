"""The environment of a run says what was there, and how many threads a training has that names no number."""

import pytest

from relclf.runs.environment import available_cores, usual_threads


@pytest.mark.parametrize(("asked", "threads"), [("1", 1), ("3", 3)])
def test_omp_num_threads_says_how_many_threads_a_training_has(monkeypatch, asked, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert usual_threads() == threads


@pytest.mark.parametrize("asked", ["", "0", "two", "4,2"])
def test_without_a_number_there_a_training_has_a_thread_a_core(monkeypatch, asked):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert usual_threads() == available_cores() >= 1
