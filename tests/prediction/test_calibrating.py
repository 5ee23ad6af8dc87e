"""A run's temperature is fitted on dev, kept with its weights, used by predict, and changes no relation."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import relclf
from relclf.cli.app import app
from relclf.errors import UserMistake
from relclf.prediction.calibrating import calibrate
from relclf.prediction.evaluating import evaluate_run
from relclf.prediction.opening import open_trained
from relclf.runs.calibration import read_calibration
from relclf.runs.directory import RunDirectory
from relclf.runs.lock import RunLock
from relclf.scoring.calibration import probabilities
from relclf.training.experiment import start
from tests.scoring.test_calibration import nll
from tests.tiny import tiny_config

runner = CliRunner()


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the run, free to be changed."""
    return Path(shutil.copytree(tiny_run, tiny_run.with_name(tmp_path.name)))


def predicted(run: Path, *options: str) -> tuple[list[dict[str, Any]], str]:
    """The lines that `relclf predict` prints for the test file, and its messages."""
    test = run.parents[1] / "test.jsonl"
    result = runner.invoke(app, ["predict", str(run), str(test), "--probabilities", *options])
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def test_no_temperature_near_it_has_a_lower_nll_on_dev(run: Path) -> None:
    opened = open_trained(run)
    calibration = calibrate(opened)
    dev = evaluate_run(opened, split="dev")
    found = [
        nll(dev.evaluation.scores, dev.labelled.gold, calibration.temperature * f) for f in (0.99, 1, 1.01)
    ]
    assert min(found) == found[1]
    assert calibration.dev["nll"]["after"] == pytest.approx(found[1], abs=1e-9)
    assert calibration.dev["nll"]["before"] == pytest.approx(dev.evaluation.nll, abs=1e-6)
    assert read_calibration(opened.run, "best") == calibration


def test_predict_gives_calibrated_probabilities_and_says_so_and_no_relation_changes(run: Path) -> None:
    before, said = predicted(run)
    assert said == ""
    temperature = calibrate(open_trained(run)).temperature
    after, said = predicted(run)
    left, unsaid = predicted(run, "--no-calibration")
    assert f"calibrated probabilities: scores divided by {temperature:.3f}, as fitted on dev" in said
    assert (left, unsaid) == (before, "")
    assert [line["relation"] for line in after] == [line["relation"] for line in before]
    evaluation = evaluate_run(open_trained(run)).evaluation
    expected = probabilities(evaluation.scores, temperature).max(axis=1)
    np.testing.assert_allclose([line["probability"] for line in after], expected, atol=1e-6)
    test = [json.loads(line) for line in (run.parents[1] / "test.jsonl").read_text().splitlines()]
    from_python = relclf.load(run).predict(test)
    assert [each.probabilities for each in from_python] == [line["probabilities"] for line in after]


def test_evaluate_shows_both_errors_and_stores_them(run: Path) -> None:
    arguments = ["evaluate", str(run), "--calibrate"]
    table = runner.invoke(app, arguments)
    assert table.exit_code == 0, table.stderr
    assert "calibration  sentences     nll  error %  95 % interval  by chance\ndev " in table.stdout
    value = json.loads(runner.invoke(app, [*arguments, "--json"]).stdout)
    assert value == json.loads((run / "evaluations" / "test.best.json").read_bytes())
    assert set(value["calibration"]) == {"temperature", "sentences", "nll", "error"}
    assert value["calibration"]["nll"]["before"] == pytest.approx(value["nll"], abs=1e-6)
    without = json.loads(runner.invoke(app, ["evaluate", str(run), "--no-calibration", "--json"]).stdout)
    assert "calibration" not in without
    again = json.loads(runner.invoke(app, ["evaluate", str(run), "--json"]).stdout)
    assert again["calibration"] == value["calibration"]
    assert again["scores"] == without["scores"]


def test_predictions_of_evaluate_are_those_of_predict(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    runner.invoke(app, ["evaluate", str(run), "--calibrate", "--predictions", str(out)])
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    lines, _ = predicted(run)
    assert [(row["id"], row["probability"]) for row in rows] == [
        (line["id"], line["probability"]) for line in lines
    ]


def test_a_calibration_of_other_weights_is_refused_and_says_what_to_do(run: Path) -> None:
    calibrate(open_trained(run))
    assert read_calibration(RunDirectory(run), "last") is None
    shutil.copy(run / "previous.safetensors", run / "best.safetensors")
    for command in (["predict", str(run), str(run.parents[1] / "test.jsonl")], ["evaluate", str(run)]):
        result = runner.invoke(app, command)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "calibration.json: was fitted to other weights (epoch " in result.stderr
        assert f"relclf evaluate {run} --calibrate makes it anew" in result.stderr
    assert runner.invoke(app, ["evaluate", str(run), "--calibrate"]).exit_code == 0
    assert predicted(run)[1].startswith("note   calibrated")


@pytest.mark.parametrize("content", ["{", "[]", '{"best": {"temperature": 1}}', '{"best": 3}'])
def test_a_broken_calibration_is_refused(run: Path, content: str) -> None:
    (run / "calibration.json").write_text(content)
    with pytest.raises(UserMistake, match=r"calibration\.json: .* --calibrate makes it anew"):
        relclf.load(run)


def test_best_and_last_weights_have_each_their_own(run: Path) -> None:
    best, last = (calibrate(open_trained(run, weights)) for weights in ("best", "last"))
    assert read_calibration(RunDirectory(run), "best") == best
    assert read_calibration(RunDirectory(run), "last") == last


def test_shards_labelled_without_a_calibration_are_not_mixed_with_others(run: Path, tmp_path: Path) -> None:
    shards = tmp_path / "in"
    shards.mkdir()
    shutil.copy(run.parents[1] / "test.jsonl", shards)
    arguments = ["predict", str(run), str(shards), "-o", str(tmp_path / "out"), "--probabilities"]
    assert runner.invoke(app, arguments).exit_code == 0
    calibrate(open_trained(run))
    refused = runner.invoke(app, arguments)
    assert (refused.exit_code, "other options have labelled" in refused.stderr) == (2, True)
    assert runner.invoke(app, [*arguments, "--no-calibration"]).exit_code == 0
    arguments[4] = str(tmp_path / "calibrated")
    assert runner.invoke(app, arguments).stderr.startswith("note   calibrated probabilities")
    lines = (tmp_path / "calibrated" / "test.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == predicted(run)[0]


def test_the_ranking_loss_keeps_its_decoding(tmp_path: Path) -> None:
    """The negative relation's score of 0 stays 0 at any temperature: it wins where no other score is above 0."""
    config = tiny_config(tmp_path, training__loss={"name": "ranking"}, training__max_epochs=2)
    experiment = start(config, "tiny", tmp_path / "runs", None)
    list(experiment.epochs())
    opened = open_trained(experiment.run.path)
    calibration = calibrate(opened)
    result = evaluate_run(opened, split="dev", temperature=calibration.temperature)
    negative = opened.network.relations.negative_id
    scores = result.evaluation.scores
    assert (scores[:, negative] == 0).all()
    others = np.delete(scores, negative, axis=1).max(axis=1)
    assert ((result.evaluation.predicted == negative) == (others <= 0)).all()
    calibrated = probabilities(scores, calibration.temperature).argmax(axis=1)
    assert (calibrated == result.evaluation.predicted).all()


def test_an_ensemble_is_not_calibrated_and_says_so(run: Path, tiny_run: Path) -> None:
    other = Path(shutil.copytree(run, run.with_name(f"{run.name}-other")))
    before, _ = predicted(run, "--with", str(other))
    calibrate(open_trained(run))
    after, said = predicted(run, "--with", str(other))
    assert after == before
    assert said == "note   the probabilities of an ensemble are not calibrated\n"
    refused = runner.invoke(app, ["evaluate", str(run), "--with", str(other), "--calibrate"])
    assert (refused.exit_code, "--calibrate is for one run" in refused.stderr) == (2, True)


def test_what_cannot_be_calibrated_is_refused(run: Path, tmp_path: Path) -> None:
    lock = RunLock(run)
    with pytest.raises(UserMistake, match="is being trained"):
        calibrate(open_trained(run))
    lock.release()
    config = tiny_config(tmp_path, data__all_data=True, training__max_epochs=1)
    experiment = start(config, "tiny", tmp_path / "runs", None)
    list(experiment.epochs())
    with pytest.raises(UserMistake, match="trained on dev too"):
        calibrate(open_trained(experiment.run.path))


def test_a_dev_set_without_a_wrong_sentence_shows_no_temperature(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, training__max_epochs=40)
    experiment = start(config, "tiny", tmp_path / "runs", None)
    list(experiment.epochs())
    opened = open_trained(experiment.run.path, "last")
    dev = evaluate_run(opened, split="dev")
    assert dev.report.scores["accuracy"].value == 1
    with pytest.raises(UserMistake, match="show no temperature: all of them are right"):
        calibrate(opened)
    assert not (experiment.run.path / "calibration.json").exists()
