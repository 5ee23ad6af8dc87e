"""Sweeps on a real Ray cluster, whose nodes are processes of this machine."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relclf.cli.app import app
from tests.sweeps.tiny_sweep import write_base


@pytest.mark.parametrize(
    ("address", "reason"),
    [("127.0.0.1:{port}", "refused"), ("somewhere", "an address is HOST:PORT"), ("no.invalid:1", "")],
)
def test_a_cluster_that_cannot_be_reached_is_an_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, reason: str
) -> None:
    write_base(tmp_path)
    (tmp_path / "grid.yaml").write_text("base: tiny.yaml\ngrid: {model.filters: [8, 9]}\n")
    monkeypatch.chdir(tmp_path)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = address.format(port=unused.getsockname()[1])
        result = CliRunner().invoke(app, ["sweep", "grid.yaml", "--engine", "ray", "--address", address])
    assert result.exit_code == 1
    assert f"error: --engine ray: no cluster could be reached at {address} (" in result.stderr
    assert reason in result.stderr


@pytest.mark.slow
def test_a_sweep_that_loses_a_node_ends_with_the_results_of_a_local_one(tmp_path: Path) -> None:
    base = write_base(tmp_path)
    command = [
        sys.executable,
        "-m",
        "benchmarks.cluster",
        "--config",
        str(base),
        "--keep",
        str(tmp_path / "kept"),
    ]
    command += ["--set", "training.max_epochs=80", "--set", "training.patience=null", "--epochs", "10"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    project = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": identical\n") == 4
    assert "node killed at epochs" in done.stdout
