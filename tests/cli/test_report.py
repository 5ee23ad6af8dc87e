"""`relclf report`: what it writes and says, exit codes, and what is refused."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relclf.cli.app import app
from relclf.runs.calibration import Calibration, checkpoint_sha256, write_calibration
from relclf.runs.directory import RunDirectory
from relclf.runs.lock import RunLock
from relclf.training.experiment import start
from tests.comparison.runs import write_group, write_run
from tests.tiny import tiny_config


def report(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data of a run and, in runs/tiny, the run, trained for two epochs."""
    folder = tmp_path_factory.mktemp("trained")
    config = tiny_config(folder, data__test=str(folder / "train.jsonl"), training__max_epochs=2)
    list(start(config, "", folder, folder / "runs" / "tiny").epochs())
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """The run, with its data beside it, in the current directory."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return RunDirectory(Path("runs/tiny"))


def test_missing_evaluations_are_made_and_kept(run: RunDirectory) -> None:
    result = report(run.path)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("report.html  0.")
    kept = {path.name for path in run.evaluations.iterdir()}
    assert kept == {f"{split}.best.{end}" for split in ("test", "dev") for end in ("json", "jsonl")}


def test_the_same_run_gives_the_same_page(run: RunDirectory) -> None:
    report(run.path, "-o", "a.html")
    report(run.path, "-o", "b.html")
    assert Path("a.html").read_bytes() == Path("b.html").read_bytes()


def test_a_page_refers_to_nothing_outside_itself(run: RunDirectory) -> None:
    report(run.path)
    page = Path("report.html").read_text(encoding="utf-8")
    assert not [
        word for word in ("http://", "https://", "url(http", "@import", "<link") if word in _unnamed(page)
    ]
    assert "default-src 'none'" in page


def _unnamed(page: str) -> str:
    """Without the names of XML's vocabularies, which are no addresses."""
    return page.replace("http://www.w3.org/2000/svg", "").replace("http://www.w3.org/1999/xlink", "")


def test_predictions_of_an_older_relclf_without_scores_are_made_anew(run: RunDirectory) -> None:
    report(run.path)
    said = run.evaluations / "test.best.jsonl"
    rows = [json.loads(line) for line in said.read_text(encoding="utf-8").splitlines()]
    said.write_text(
        "".join(json.dumps({**row, "scores": 0}).replace(', "scores": 0', "") + "\n" for row in rows)
    )
    assert report(run.path).exit_code == 0
    assert "scores" in json.loads(said.read_text(encoding="utf-8").splitlines()[0])


def test_a_run_whose_data_are_gone_shows_the_scores_that_it_has_kept(run: RunDirectory) -> None:
    report(run.path)
    (run.evaluations / "dev.best.json").unlink()
    Path("train.jsonl").unlink()
    result = report(run.path)
    assert result.exit_code == 0
    assert "note   test: no sentences: " in result.stderr
    assert "note   dev: no scores: " in result.stderr
    page = Path("report.html").read_text(encoding="utf-8")
    assert "The sentences of test are not shown" in page
    assert "relclf evaluate runs/tiny --split dev" in page


def test_a_run_that_still_trains_says_so(run: RunDirectory) -> None:
    lock = RunLock(run.path)
    try:
        result = report(run.path)
    finally:
        lock.release()
    assert result.exit_code == 0
    assert "Still training: this is how far it has come, after epoch 2" in Path("report.html").read_text()


def test_a_run_trained_on_dev_has_no_dev_to_show(tmp_path: Path) -> None:
    config = tiny_config(
        tmp_path, data__all_data=True, data__dev=str(tmp_path / "train.jsonl"), training__max_epochs=1
    )
    experiment = start(config, "", tmp_path, tmp_path / "run")
    list(experiment.epochs())
    result = report(experiment.run.path, "-o", tmp_path / "report.html")
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_calibrated_run_shows_calibrated_probabilities(run: RunDirectory) -> None:
    checkpoint = checkpoint_sha256(run, "best") or ""
    write_calibration(run, "best", Calibration(2.0, 2, checkpoint, "a" * 64, {}))
    assert report(run.path).exit_code == 0
    assert "the scores divided by 2.000" in Path("report.html").read_text(encoding="utf-8")
    assert report(run.path, "--no-calibration").exit_code == 0
    assert "the scores divided by" not in Path("report.html").read_text(encoding="utf-8")


def test_a_calibration_of_other_weights_is_refused(run: RunDirectory) -> None:
    write_calibration(run, "best", Calibration(2.0, 1, "b" * 64, "a" * 64, {}))
    result = report(run.path)
    assert result.exit_code == 2
    assert "was fitted to other weights" in result.stderr
    assert report(run.path, "--no-calibration").exit_code == 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("not json\n", "test.best.jsonl:1: not a prediction. relclf evaluate writes the file anew."),
        (
            '{"id": "a", "gold": "cause", "relation": "cause", "scores": [1]}\n',
            "test.best.jsonl:1: not a prediction.",
        ),
        (
            '{"id": "a", "gold": "x", "relation": "x", "scores": [1, 2, 3]}\n',
            "test.best.jsonl:1: not a prediction.",
        ),
        (
            '{"id": "a", "gold": "x", "relation": "none", "scores": [1, 2, 3]}\n',
            "not of the sentences of the data",
        ),
    ],
)
def test_damaged_predictions_are_named(run: RunDirectory, damage: str, message: str) -> None:
    report(run.path)
    Path("report.html").unlink()
    path = run.evaluations / "test.best.jsonl"
    path.write_text(damage if '"scores"' in damage else f'{{"scores": [\n{damage}')
    result = report(run.path)
    assert result.exit_code == 2
    assert message in result.stderr.replace("\n", "")
    assert not Path("report.html").exists()


def test_a_run_without_an_epoch_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "run", dev=[], stop_reason=None)
    result = report(tmp_path / "run", "-o", tmp_path / "report.html")
    assert result.exit_code == 2
    assert "no epoch is completed yet, so there is nothing to report" in result.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "no such run"),
        (["runs/tiny", "-o", "runs"], "must end in .html"),
        (["runs/tiny", "-o", "runs/tiny/config.yaml"], "must end in .html or .html.gz (got 'config.yaml')"),
        (["runs/tiny", "-o", "no/such/report.html"], "the folder no/such does not exist"),
        (["runs/tiny", "--split", "test"], "are for several runs"),
        (["runs/tiny", "train.jsonl"], "a file. Name runs"),
    ],
)
def test_wrong_arguments_are_refused(run: RunDirectory, arguments: list[str], message: str) -> None:
    result = report(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr.replace("\n", " ")
    assert not Path("report.html").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody can write in: /proc")
def test_an_output_that_cannot_be_written_is_a_failure(run: RunDirectory) -> None:
    result = report(run.path, "-o", "/proc/report.html")
    assert result.exit_code == 1
    assert "/proc/report.html: cannot be written" in result.stderr


def test_an_evaluation_that_cannot_be_kept_is_a_failure(run: RunDirectory) -> None:
    run.evaluations.write_text("in the way")
    result = report(run.path)
    assert result.exit_code == 1
    assert "evaluations: cannot be made: File exists" in result.stderr


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_a_missing_package_is_named_with_the_extra(
    run: RunDirectory, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    result = report(run.path)
    assert result.exit_code == 2
    assert f"needs {package}" in result.stderr
    assert "pip install 'relclf[report]'" in result.stderr
    assert not run.evaluations.exists()


def test_a_cross_validation_is_referred_to_its_folds(tmp_path: Path) -> None:
    (tmp_path / "folds" / "fold-1").mkdir(parents=True)
    result = report(tmp_path / "folds")
    assert result.exit_code == 2
    assert "such as" in result.stderr
    assert "fold-1" in result.stderr


def test_groups_under_other_conditions_are_marked_only_by_force(tmp_path: Path) -> None:
    write_group(tmp_path / "a", [0.8, 0.81])
    write_group(tmp_path / "b", [0.7, 0.71], settings={"training.max_epochs": 3})
    out = tmp_path / "report.html"
    refused = report(tmp_path / "a", tmp_path / "b", "-o", out)
    assert refused.exit_code == 2
    assert "not the same budget" in refused.stderr
    assert report(tmp_path / "a", tmp_path / "b", "-o", out, "--force").exit_code == 0
    assert "forced: not the same budget" in out.read_text(encoding="utf-8")


def test_two_single_runs_are_compared_on_their_sentences(tmp_path: Path) -> None:
    for name, rate in (("a", 0.1), ("b", 0.2)):
        write_run(tmp_path / name, settings={"training.optimizer.lr": rate})
    out = tmp_path / "report.html"
    assert report(tmp_path / "a", tmp_path / "b", "-o", out).exit_code == 0
    assert "It says nothing of other seeds" in out.read_text(encoding="utf-8")
