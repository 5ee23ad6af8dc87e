"""Kills trainings at random moments, resumes them, and compares every ending with one that was never stopped.

    python benchmarks/kills.py --kills 30 --config configs/quickstart.yaml

Prints a row a kill and a row an ending; exits with 1 where an ending differs or an exit code is wrong.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relclf.runs.directory import RunDirectory
from relclf.runs.lock import is_locked
from relclf.runs.records import NOT_REPRODUCED
from relclf.training.checkpoint import read_checkpoint

QUICKSTART = Path(__file__).resolve().parents[1] / "configs" / "quickstart.yaml"
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
STARTUP_SHARE = 0.1
"""Share of the kills that come before the training holds its run directory."""


def main() -> int:
    """Parse the options, train, kill, compare; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=30, help="how many kills must hit a living process")
    parser.add_argument(
        "--each", type=int, help="kills a training at most (default: until it ends by itself)"
    )
    parser.add_argument("--config", type=Path, default=QUICKSTART)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--seed", type=int, default=1, help="of the moments and signals")
    parser.add_argument("--keep", type=Path, help="a folder for the runs (default: a temporary one)")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="relclf-kills-"))
    try:
        return compare(folder, options.config, options.overrides, options.kills, options.seed, options.each)
    finally:
        if options.keep is None:
            shutil.rmtree(folder)


def compare(
    folder: Path, config: Path, overrides: list[str], kills: int, seed: int, each: int | None = None
) -> int:
    """Train once in peace, then again and again under `kills` kills in all, `each` a training; 1 where it differs."""
    command = ["--config", str(config), *(part for each in overrides for part in ("--set", each))]
    peaceful = RunDirectory(folder / "uninterrupted")
    started = time.monotonic()
    train([*command, "--run", str(peaceful.path)]).check_end(0)
    whole = time.monotonic() - started
    training = json.loads(peaceful.summary.read_bytes())["seconds"]
    print(f"uninterrupted: {whole:.1f} s, {training:.1f} s of them training")
    print(f"{'run':>4} {'kill':>5} {'signal':<8} {'after s':>8} {'records':>8}  exit")
    plan = Plan(random.Random(seed), startup=max(0.0, whole - training), training=training)
    faults: list[str] = []
    done = runs = 0
    while done < kills:
        runs += 1
        run = RunDirectory(folder / f"run-{runs:03d}")
        until = kills if each is None else min(kills, done + each)
        done, wrong = train_under_fire(command, run, plan, runs, done, until)
        different = differences(ending(peaceful), ending(run))
        print(f"{runs:>4} ended: {'identical' if not different else 'differs in ' + ', '.join(different)}")
        faults += wrong + different
    print(
        f"{done} kills, {runs} endings, {'all identical' if not faults else 'FAULTS: ' + '; '.join(faults)}"
    )
    return 1 if faults else 0


@dataclass(frozen=True)
class Plan:
    """Draws when and how to kill; seconds of an uninterrupted training."""

    generator: random.Random
    startup: float
    training: float

    def draw(self) -> tuple[bool, float, signal.Signals]:
        """Whether to strike during start-up, after how many seconds, and with which signal."""
        if self.generator.random() < STARTUP_SHARE:
            return True, self.generator.uniform(0, self.startup), signal.SIGKILL
        return False, self.generator.uniform(0, 0.7 * self.training), self.generator.choice(SIGNALS)


def train_under_fire(
    command: list[str], run: RunDirectory, plan: Plan, number: int, done: int, until: int
) -> tuple[int, list[str]]:
    """One training, killed and resumed until `until` kills in all or its end; the kills so far, and wrong exits."""
    wrong: list[str] = []
    while True:
        exists = run.config.exists()
        process = train(["--resume", str(run.path)] if exists else [*command, "--run", str(run.path)])
        if done == until:
            process.check_end(0)
            return done, wrong
        at_startup, delay, number_of_signal = plan.draw()
        if not at_startup:
            process.wait_for_lock(run.path)
        code = process.strike(delay, number_of_signal)
        if code == 0:
            return done, wrong
        done += 1
        records = run.records.read_bytes().count(b"\n") if run.records.exists() else 0
        print(
            f"{number:>4} {done:>5} {number_of_signal.name:<8} {delay:>8.2f} {records:>8}  {code}", flush=True
        )
        # Before the handlers are set, and once training is over, a signal ends the process itself.
        if code not in (-number_of_signal, 128 + number_of_signal):
            wrong.append(f"kill {done} ({number_of_signal.name}): exit {code}: {process.messages()}")


@dataclass(frozen=True)
class Training:
    """A `relclf train` in a process of its own."""

    process: "subprocess.Popen[bytes]"

    def check_end(self, expected: int) -> None:
        """Wait for the end. Raises RuntimeError where the exit code is another."""
        messages = self.messages()
        if self.process.returncode != expected:
            raise RuntimeError(f"relclf train ended with {self.process.returncode}: {messages}")

    def messages(self) -> str:
        """What it wrote to standard error, to its end."""
        if self.process.stderr is None or self.process.stderr.closed:
            return ""
        return self.process.communicate()[1].decode()

    def wait_for_lock(self, run: Path) -> None:
        """Wait until it holds its run directory, or has ended."""
        while self.process.poll() is None and not is_locked(run):
            time.sleep(0.01)

    def strike(self, delay: float, number: signal.Signals) -> int:
        """Send the signal after so many seconds, unless it has ended; the exit code."""
        try:
            return self.process.wait(delay)
        except subprocess.TimeoutExpired:
            self.process.send_signal(number)
            return self.process.wait()


def train(arguments: list[str]) -> Training:
    """Start `relclf train` quietly."""
    command = [sys.executable, "-m", "relclf", "train", "--quiet", *arguments]
    return Training(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))


def ending(run: RunDirectory) -> dict[str, Any]:
    """What a finished run holds that interruptions must not change, by name.

    `previous` is left out: after an interruption inside an epoch it is the state that was saved there.
    """
    facts: dict[str, Any] = {
        path.name: path.read_bytes()
        for path in (run.config, run.vocabulary, run.relations, run.vectors, run.dev_predictions)
        if path.exists()
    }
    for name in ("last", "best"):
        tensors, state = read_checkpoint(run.checkpoint(name))
        for key, tensor in tensors.items():
            facts[f"{name}: {key}"] = (tensor.dtype, tensor.shape, tensor.contiguous().numpy().tobytes())
        facts[f"{name}: optimizer"], facts[f"{name}: progress"] = state["optimizer"], state["progress"]
        facts[f"{name}: records"] = [_reproduced(record) for record in state["records"]]
    lines = run.records.read_bytes().splitlines(keepends=True)
    facts["records.jsonl"] = [(_reproduced(json.loads(line)), line[-1:]) for line in lines]
    facts["summary.json"] = _reproduced(json.loads(run.summary.read_bytes()))
    return facts


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The names of the facts that differ."""
    return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))


def _reproduced(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in NOT_REPRODUCED}


if __name__ == "__main__":
    sys.exit(main())
