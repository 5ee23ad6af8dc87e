"""What a command imports before it begins: nothing that takes longer to import than the command takes to run."""

import os
import subprocess
import sys
from pathlib import Path

from tests.cli.test_train import CONFIG
from tests.tiny import write_tiny_corpus

COSTLY = {"torch._dynamo", "torch._inductor", "sympy", "sklearn", "scipy.stats", "scipy.sparse"}
COMPILER = {"numba", "scipy"}
"""What compiled loops bring along, the second for the first's sake; only training has any."""


def imported_by(folder: Path, *arguments: str) -> set[str]:
    """The modules that a relclf in a process of its own has imported by the time it ends well."""
    code = (
        "import sys\nfrom relclf.cli.app import main\ntry:\n    main()\nexcept SystemExit as end:\n"
        "    assert not end.code\nprint('imported', *sys.modules)"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    last = done.stdout.splitlines()[-1].split()
    assert last[0] == "imported"
    return set(last[1:])


def test_training_evaluating_and_predicting_import_neither_torchs_compiler_nor_scikit_learn(
    tmp_path: Path,
) -> None:
    data = write_tiny_corpus(tmp_path)
    (tmp_path / "tiny.yaml").write_text(CONFIG, encoding="utf-8")
    for command in (
        ["train", "-c", "tiny.yaml", "--run", "run"],
        ["evaluate", "run"],
        ["predict", "run", str(data)],
    ):
        modules = imported_by(tmp_path, *command)
        assert "torch" in modules
        assert not (COSTLY if command[0] == "train" else COSTLY | COMPILER) & modules, command


def test_a_config_is_shown_without_torch(tmp_path: Path) -> None:
    write_tiny_corpus(tmp_path)
    (tmp_path / "tiny.yaml").write_text(CONFIG, encoding="utf-8")
    assert not {"torch", "numpy"} & imported_by(tmp_path, "config", "show", "tiny.yaml")


def test_what_is_printed_last_arrives_though_nothing_is_taken_apart_at_the_end(tmp_path: Path) -> None:
    data = write_tiny_corpus(tmp_path)
    (tmp_path / "tiny.yaml").write_text(CONFIG, encoding="utf-8")
    command = [sys.executable, "-m", "relclf", "train", "-c", "tiny.yaml", "--run", "run", "--quiet"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "run\n"
    command = [sys.executable, "-m", "relclf", "predict", "run", str(data), "-o", "labels.jsonl"]
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    labelled = (tmp_path / "labels.jsonl").read_text(encoding="utf-8")
    assert labelled.endswith("\n")
    assert labelled.count("\n") == 60
