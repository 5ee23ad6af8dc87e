"""The CNN numbers that data/README.md states are those that its commands print."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relclf.cli.app import app

PROJECT = Path(__file__).resolve().parents[1]
TOLERANCE = 3.0
"""Points of macro-F1: another processor rounds otherwise, and training amplifies it."""


def stated(model: str) -> float:
    """The number in the row of a model, in %."""
    text = (PROJECT / "data" / "README.md").read_text(encoding="utf-8")
    match = re.search(rf"^\| {model}(?::[^|]*)? \| ([\d.]+) \|", text, flags=re.MULTILINE)
    assert match, model
    return float(match[1])


def measured(run: Path, *settings: str) -> float:
    """Test macro-F1 of the quickstart config, in %."""
    runner = CliRunner()
    config = str(PROJECT / "configs" / "quickstart.yaml")
    trained = runner.invoke(app, ["train", "--config", config, "--run", str(run), "--quiet", *settings])
    assert trained.exit_code == 0, trained.stderr
    result = runner.invoke(app, ["evaluate", str(run), "--json"])
    return float(100 * json.loads(result.stdout)["scores"]["macro_f1"]["value"])


@pytest.mark.slow
def test_the_cnn_rows_are_measured_and_far_apart(tmp_path: Path) -> None:
    with_positions = measured(tmp_path / "with")
    without = measured(tmp_path / "without", "--set", "model.position_dim=0")
    assert with_positions == pytest.approx(stated("CNN"), abs=TOLERANCE)
    assert without == pytest.approx(stated("CNN without position embeddings"), abs=TOLERANCE)
    assert with_positions - without > 20
    assert with_positions - stated("linear bag-of-words") > 20
    assert with_positions < 95
