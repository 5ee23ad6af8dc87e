"""Ctrl-C while processes read beside: one line, exit code 130, nothing left behind."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from relclf.prediction.reading import BLOCK_BYTES, BLOCKS_ALONE


def heed_interrupts() -> None:
    """Tests that a shell has started in the background ignore Ctrl-C, and so would what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupted_prediction_says_so_and_leaves_nothing(tiny_run: Path, tmp_path: Path) -> None:
    record = {"tokens": ["a", "b"], "head": [0, 1], "tail": [1, 2], "note": "x" * 100_000}
    line = json.dumps(record).encode() + b"\n"
    arguments = ["predict", str(tiny_run), "-", "-o", str(tmp_path / "out"), "--readers", "1"]
    with subprocess.Popen(
        [sys.executable, "-m", "relclf", *arguments],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heed_interrupts,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        for _ in range((BLOCKS_ALONE + 3) * BLOCK_BYTES // len(line)):
            process.stdin.write(line)  # once all but a pipe's worth is read, the process beside has begun
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert process.stderr.read() == b"error: interrupted before anything was saved\n"
    assert list(tmp_path.iterdir()) == []
