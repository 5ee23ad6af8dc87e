"""The example of docs/watch.md runs, and prints what stands below it."""

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "watch.md").read_text(encoding="utf-8")


def test_the_example_prints_what_the_page_shows() -> None:
    code = PAGE.split("```python\n")[1].split("```")[0]
    shown = PAGE.split("<!-- watched -->\n```text\n")[1].split("```")[0]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert _without_losses(result.stdout) == _without_losses(shown)


def _without_losses(text: str) -> str:
    """Losses and ratios differ in their last digit between machines."""
    return re.sub(r"\d\.\d+(e-\d+)?", "0.0", text)
