"""A run that was evaluated and calibrated, with names that mean harm, for all tests of this folder."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relclf.cli.app import app
from relclf.training.experiment import start
from tests.tiny import tiny_config, write_tiny_corpus

HOSTILE = "=1+1|<script>alert(1)</script>`**x**`\n| www.evil.example \u202e"
"""A relation's name that is a formula, a cell of its own, a script, markup, a line end and a turn to the left."""


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained for four epochs; `contains` is called HOSTILE, and the id of a dev sentence begins like a formula."""
    folder = tmp_path_factory.mktemp("hostile")
    corpus = write_tiny_corpus(folder)
    records = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()]
    for record in records:
        record["id"] = f"@{record['id']}"
        if record["relation"] == "contains":
            record["relation"] = HOSTILE
    corpus.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    test = folder / "test.jsonl"
    records[0]["relation"] = "only in test"
    test.write_text("".join(json.dumps(record) + "\n" for record in records[:20]), encoding="utf-8")
    experiment = start(tiny_config(folder, data__test=str(test)), "tiny", folder / "runs", None)
    list(experiment.epochs())
    result = CliRunner().invoke(app, ["evaluate", str(experiment.run.path), "--calibrate"])
    assert result.exit_code == 0, result.stderr
    return experiment.run.path
