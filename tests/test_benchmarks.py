"""The benchmarks run, where nobody measures with them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


def test_the_gpu_benchmark_runs_its_own_path_on_a_cpu_and_says_what_that_is_worth(tmp_path):
    found = tmp_path / "gpu.json"
    command = [
        sys.executable,
        "-m",
        "benchmarks.gpu",
        "--config",
        "configs/quickstart.yaml",
        "--device",
        "cpu",
    ]
    command += ["--cases", "0", "--rounds", "3", "--seeds", "2", "--json", str(found)]
    command += ["--set", "model.filters=8", "--set", "training.max_epochs=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    ended = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    assert "no speed below says anything of a GPU" in ended.stdout
    measured = json.loads(found.read_text())
    assert {*measured["card"]} == {"float32 FLOP/s", "bytes/s", "s a launch"}
    (floor,) = measured["floors"].values()
    parameters = 26_654
    assert floor["bytes a sentence"] == 24 * parameters / 50
    assert 50 < floor["operations an update"] < 100
    assert 0 < floor["padding"] < floor["padding, rounded"] < 0.5
    assert [row["system"] for row in measured["rows"]] == ["naive", "relclf", "no graphs", "deterministic"]
    for row in measured["rows"]:
        assert 0 < row["smallest"] <= row["median"] <= row["largest"]
    assert measured["rows"][0]["ratio"] == 1
    assert measured["packed"]["runs"] == 2
    assert measured["relclf train"]["epochs"] == 2
    assert measured["relclf train"]["s to best"] <= measured["relclf train"]["s"]


@pytest.mark.slow
def test_the_startup_benchmark_reaches_the_first_update(tmp_path):
    command = [sys.executable, "-m", "benchmarks.startup", "--repeats", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    ended = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "train quickstart" in ended.stdout
