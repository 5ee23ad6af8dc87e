"""`relclf export`: what it prints, what it refuses, and what it leaves alone."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from relclf.cli.app import app
from relclf.runs.lock import RunLock
from relclf.training.experiment import start
from tests.exports.conftest import hostile_run
from tests.tiny import tiny_config

__all__ = ["hostile_run"]
runner = CliRunner()
FORMS = ("csv", "model-card", "tensorboard", "onnx")


@pytest.fixture
def run(hostile_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run beside its data; the current folder is an empty one."""
    monkeypatch.chdir(tmp_path)
    return hostile_run


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("form", FORMS)
def test_an_export_is_named_after_the_run_and_changes_nothing_in_it(run: Path, form: str) -> None:
    before = contents(run)
    result = runner.invoke(app, ["export", str(run), "--to", form])
    assert result.exit_code == 0, result.stderr
    name = "tiny-001-model-card.md" if form == "model-card" else f"tiny-001-{form}"
    assert result.stdout == f"{name}\n"
    assert [path.name for path in Path().iterdir()] == [name]
    assert contents(run) == before


@pytest.mark.parametrize("form", ["csv", "model-card"])
def test_what_is_there_is_refused_unless_it_is_forced(run: Path, form: str) -> None:
    arguments = ["export", str(run), "--to", form, "-o", "out"]
    assert runner.invoke(app, arguments).exit_code == 0
    before = contents(Path("out")) if form == "csv" else Path("out").read_bytes()
    if form == "csv":
        Path("out/mine.txt").write_text("mine")
    refused = runner.invoke(app, arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "out: exists already. Name another with --output, or give --force" in refused.stderr
    assert runner.invoke(app, [*arguments, "--force"]).exit_code == 0
    after = contents(Path("out")) if form == "csv" else Path("out").read_bytes()
    if isinstance(after, dict):
        assert after.pop("out/mine.txt") == b"mine"
    assert after == before


def test_wrong_places_for_an_export_are_refused(run: Path) -> None:
    Path("file").write_text("x")
    Path("folder").mkdir()
    for form, output, code, message in (
        ("csv", str(run), 2, "is the run itself"),
        ("csv", "file/out", 1, "cannot be made"),
        ("csv", "file", 2, "is a file, and this export is a folder"),
        ("model-card", "folder", 2, "is a folder, and this export is a file"),
        ("model-card", "missing/card.md", 2, "the folder missing does not exist"),
    ):
        result = runner.invoke(app, ["export", str(run), "--to", form, "-o", output, "--force"])
        assert (result.exit_code, result.stdout) == (code, ""), result.stderr
        assert message in result.stderr


@pytest.mark.parametrize(("form", "extra"), [("onnx", "onnx"), ("tensorboard", "tensorboard")])
def test_a_missing_extra_is_named(run: Path, monkeypatch: pytest.MonkeyPatch, form: str, extra: str) -> None:
    found = importlib.util.find_spec

    def without(name: str, *rest: Any) -> Any:
        return None if name in ("onnx", "tensorboardX") else found(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    result = runner.invoke(app, ["export", str(run), "--to", form])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f'pip install "relclf[{extra}]"' in result.stderr
    assert list(Path().iterdir()) == []


def test_a_run_in_training_and_one_cut_off_give_what_there_is_and_say_so(run: Path) -> None:
    copy = Path(shutil.copytree(run, run.with_name("cut off")))
    (copy / "summary.json").unlink()
    for form in ("csv", "model-card", "tensorboard"):
        result = runner.invoke(app, ["export", str(copy), "--to", form])
        assert (result.exit_code, "the training was cut off" in result.stderr) == (0, True)
    lock = RunLock(copy)
    result = runner.invoke(app, ["export", str(copy), "--to", "csv", "--force"])
    lock.release()
    assert (result.exit_code, "is being trained: this is what there is so far" in result.stderr) == (0, True)


def test_a_run_without_an_epoch_has_nothing_to_export_as_a_network(tmp_path: Path) -> None:
    experiment = start(tiny_config(tmp_path), "tiny", tmp_path / "runs", None)
    experiment.lock.release()
    path = experiment.run.path
    for form, message in (("onnx", "has not completed an epoch"), ("model-card", "has no evaluation")):
        result = runner.invoke(app, ["export", str(path), "--to", form, "-o", str(tmp_path / form)])
        assert (result.exit_code, message in result.stderr) == (2, True)
        assert not (tmp_path / form).exists()


def test_no_run_wrong_weights_and_unknown_forms_are_refused(run: Path) -> None:
    for arguments, message in (
        (["export", "nowhere", "--to", "csv"], "nowhere: no such run directory"),
        (["export", str(run), "--to", "onnx", "--weights", "x"], "--weights: must be best or last (got 'x')"),
        (["export", str(run), "--to", "pdf"], "'pdf'"),
        (["export", str(run)], "--to"),
    ):
        result = runner.invoke(app, arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in result.stderr


def test_csv_and_card_need_no_torch(run: Path) -> None:
    for form in ("csv", "model-card"):
        ask = (
            f"import sys; sys.argv = ['relclf', 'export', {str(run)!r}, '--to', {form!r}]\n"
            "from relclf.cli.app import main\n"
            "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
            "assert 'torch' not in sys.modules"
        )
        ended = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
