"""Trains a sweep on a Ray cluster of three node processes, kills one in the middle, and compares with local runs.

    python -m benchmarks.cluster --config configs/quickstart.yaml --set training.max_epochs=10

Needs the extra [ray]. All node processes are on this machine. Prints a row a run; exits with 1 where one differs.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from ray.cluster_utils import Cluster

from benchmarks.kills import QUICKSTART, differences, ending
from relclf.config.yaml_source import plain_scalar
from relclf.runs.directory import RunDirectory
from relclf.sweeps.results import epochs_so_far

OBJECT_STORE = 80 * 2**20
"""Bytes of each node; a sweep puts next to nothing there."""


def main() -> int:
    """Parse the options, train both ways, compare; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--config", type=Path, default=QUICKSTART)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=3, help="of a run on the node that is killed, before")
    parser.add_argument("--keep", type=Path, help="a folder for the sweeps (default: a temporary one)")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="relclf-cluster-"))
    try:
        fixed = dict(text.split("=", 1) for text in options.overrides)
        sweep = write_sweep(folder, options.config, fixed, options.seeds)
        local = run_sweep(sweep, folder / "sweeps", "--name", "local")
        if local.wait() != 0:
            raise RuntimeError(f"the local sweep ended with {local.returncode}")
        return on_cluster(sweep, folder / "sweeps", options.epochs)
    finally:
        if options.keep is None:
            shutil.rmtree(folder)


def write_sweep(folder: Path, config: Path, fixed: dict[str, str], seeds: int) -> Path:
    """A grid of two learning rates; returns its file."""
    folder.mkdir(parents=True, exist_ok=True)
    grid = {key: [plain_scalar(value)] for key, value in fixed.items()}
    grid |= {"training.threads": [1], "training.device": ["cpu"], "training.optimizer.lr": [0.001, 0.01]}
    path = folder / "cluster.yaml"
    path.write_text(yaml.safe_dump({"base": str(config.resolve()), "grid": grid, "seeds": seeds}))
    return path


def run_sweep(sweep: Path, sweeps: Path, *options: str) -> "subprocess.Popen[bytes]":
    """Start `relclf sweep`."""
    command = [sys.executable, "-m", "relclf", "sweep", str(sweep), "--sweeps-dir", str(sweeps), *options]
    return subprocess.Popen(command)


def on_cluster(sweep: Path, sweeps: Path, epochs: int) -> int:
    """The same sweep on a cluster that loses a node once a run on it has done some epochs; 1 where a run differs."""
    head = {"num_cpus": 0, "object_store_memory": OBJECT_STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        doomed, _ = (cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE) for _ in range(2))
        process = run_sweep(sweep, sweeps, "--name", "ray", "--engine", "ray", "--address", cluster.address)
        while process.poll() is None and sum(map(epochs_so_far, sweeps.glob("ray/*/*"))) < 2 * epochs:
            time.sleep(0.1)
        if process.poll() is not None:
            raise RuntimeError(f"the sweep ended before the node was killed, with {process.returncode}")
        cluster.remove_node(doomed, allow_graceful=False)
        at_kill = {path: epochs_so_far(path) for path in sweeps.glob("ray/*/*")}
        print(f"node killed at epochs {sorted(at_kill.values())}", flush=True)
        code = process.wait()
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call,unused-ignore]
    faults = 0
    for local in sorted(path for path in sweeps.glob("local/*/seed-*")):
        name = local.relative_to(sweeps / "local")
        different = differences(ending(RunDirectory(local)), ending(RunDirectory(sweeps / "ray" / name)))
        print(f"{name}: {'identical' if not different else 'differs in ' + ', '.join(different)}")
        faults += len(different)
    print(f"relclf sweep --engine ray ended with {code}")
    return 1 if faults or code else 0


if __name__ == "__main__":
    sys.exit(main())
