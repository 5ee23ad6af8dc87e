"""One small trained run for all tests of this folder."""

import json
from pathlib import Path

import pytest

from relclf.training.experiment import start
from tests.tiny import tiny_config


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the tiny corpus with a test file, trained for four epochs."""
    folder = tmp_path_factory.mktemp("tiny")
    config = tiny_config(folder)
    train = (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in train[:20]]
    records[0]["relation"] = "only in test"
    test = folder / "test.jsonl"
    test.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    config = config.model_copy(update={"data": config.data.model_copy(update={"test": test})})
    experiment = start(config, "tiny", folder / "runs", None)
    list(experiment.epochs())
    return experiment.run.path
