"""Runs what the README shows and writes the output into it, between its markers.

    python benchmarks/readme.py [README.md]

The story's two runs take some minutes. Nothing in those blocks is typed in by hand.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Make every block anew."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / "README.md"
    text = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for link in ("configs", "data"):
            (folder / link).symlink_to(PROJECT / link)
        quickstart = output(folder, "train", "--config", "configs/quickstart.yaml")
        slow = output(folder, "train", "--config", "configs/slow-learner.yaml")
        fixed = output(folder, "train", "--config", "configs/slow-learner-fixed.yaml")
        evaluation = output(folder, "evaluate", "runs/quickstart-001")
        blocks = {
            "quickstart": shortened(quickstart, (1, 2, 3)),
            "slow": shortened(slow, (1, 2, 3, 50, 100, 200, 299, 300)),
            "fixed": shortened(fixed, (1, 2, 3, 5, 10, 20, 50, 100, 299, 300)),
            "evaluate": evaluation.split("\nrelation ")[0].split("\n    relation ")[0].rstrip(),
            "help": output(folder, "--help").rstrip(),
        }
    for name, content in blocks.items():
        pattern = re.compile(rf"(<!-- {name} -->\n```(?:text)?\n).*?(\n```)", flags=re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise SystemExit(f"{path}: one block <!-- {name} --> is needed")
        text = pattern.sub(lambda match, content=content: match[1] + content + match[2], text)  # type: ignore[misc]
    path.write_text(text, encoding="utf-8")


def output(folder: Path, *arguments: str) -> str:
    """What relclf prints, at a width of 80, without the speed, which differs from run to run."""
    environment = {**os.environ, "COLUMNS": "80"}
    command = [sys.executable, "-m", "relclf", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    return done.stdout


def shortened(table: str, epochs: Sequence[int]) -> str:
    """The table with the rows of these epochs and of the best alone; dots for those left out."""
    lines = table.rstrip().splitlines()
    best = next((line.split()[1] for line in lines if line.startswith("best ")), "")
    kept: list[str] = []
    for line in lines:
        row = re.match(r"[* ] *(\d+) +\d+/\d+ ", line)
        if row is None or int(row[1]) in epochs or row[1] == best:
            kept.append(line.rstrip())
        elif kept[-1] != _DOTS:
            kept.append(_DOTS)
    return "\n".join(kept)


_DOTS = "  ..."


if __name__ == "__main__":
    main()
