"""The CSV files hold the run's numbers to the bit, and no text in them is a formula."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from relclf.errors import UserMistake
from relclf.exports.csv_files import csv_export
from relclf.prediction.evaluating import evaluate_run
from relclf.prediction.opening import open_trained
from relclf.runs.calibration import read_calibration
from relclf.runs.directory import RunDirectory
from relclf.runs.records import read_records
from relclf.scoring.calibration import probabilities
from tests.exports.conftest import HOSTILE


def read(content: bytes) -> list[dict[str, Any]]:
    """The rows, with the ' taken away that marks a text."""
    rows = csv.DictReader(io.StringIO(content.decode(), newline=""), quoting=csv.QUOTE_NONNUMERIC)
    return [{plain(key): plain(value) for key, value in row.items()} for row in rows]


def plain(cell: Any) -> Any:
    return cell.removeprefix("'") if isinstance(cell, str) else cell


def test_the_records_come_back_with_every_bit(hostile_run: Path) -> None:
    run = RunDirectory(hostile_run)
    rows = read(csv_export(run).files["records.csv"])
    assert rows == [record.to_json() for record in read_records(run.records)]


def test_the_predictions_are_those_of_the_run_with_calibrated_probabilities(hostile_run: Path) -> None:
    copy = shutil.copytree(hostile_run, hostile_run.with_name("evaluated on dev"))
    run, opened = RunDirectory(copy), open_trained(copy)
    dev = evaluate_run(opened, split="dev")
    made = csv_export(run)
    calibration = read_calibration(run, "best")
    assert calibration is not None
    names = opened.network.relations.names
    for row, gold, scores in zip(
        read(made.files["predictions.dev.csv"]), dev.labelled.gold, dev.evaluation.scores, strict=True
    ):
        shares = probabilities(scores[None], calibration.temperature)[0]
        assert row["gold"] == names[gold]
        assert row["relation"] == names[shares.argmax()]
        assert row["probability"] == pytest.approx(shares.max(), abs=2e-6)
        assert [row[f"p({name})"] for name in names] == pytest.approx(shares.tolist(), abs=2e-6)
    assert "predictions.dev.csv: calibrated probabilities" in made.notes
    assert made.files["predictions.dev.best.csv"] == made.files["predictions.dev.csv"]


def test_an_evaluation_of_an_older_relclf_has_no_probabilities(hostile_run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(hostile_run, tmp_path / "run"))
    path = copy / "evaluations" / "test.best.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    older = [{key: line[key] for key in ("id", "gold", "relation")} for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in older), encoding="utf-8")
    assert read(csv_export(RunDirectory(copy)).files["predictions.test.best.csv"]) == older


def test_the_scores_have_their_intervals_and_signatures(hostile_run: Path) -> None:
    rows = read(csv_export(RunDirectory(hostile_run)).files["scores.csv"])
    stored = json.loads((hostile_run / "evaluations" / "test.best.json").read_bytes())
    found = {row["score"]: {key: row[key] for key in ("value", "low", "high", "signature")} for row in rows}
    assert found == stored["scores"]
    assert {row["examples"] for row in rows} == {20}


def test_no_text_begins_like_a_formula_and_the_marks_are_counted(hostile_run: Path) -> None:
    made = csv_export(RunDirectory(hostile_run))
    marked = 0
    for content in made.files.values():
        for row in csv.reader(io.StringIO(content.decode(), newline="")):
            assert not any(cell.startswith(("=", "+", "@", "\t", "\r")) for cell in row)
            marked += sum(cell.startswith("'") for cell in row)
    assert f"{marked:,} texts begin like a formula" in made.notes[-1]
    assert HOSTILE in {row["gold"] for row in read(made.files["predictions.dev.csv"])}


def test_a_run_without_evaluations_says_how_to_make_one(hostile_run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(hostile_run, tmp_path / "run"))
    shutil.rmtree(copy / "evaluations")
    made = csv_export(RunDirectory(copy))
    assert list(made.files) == ["records.csv", "scores.csv", "predictions.dev.csv"]
    assert f"the run has no evaluation yet: relclf evaluate {copy} makes one" in made.notes


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "predictions.dev.jsonl",
            "[1]\n",
            "predictions.dev.jsonl:1: must be an object with id, gold, relation",
        ),
        ("predictions.dev.jsonl", "{", "predictions.dev.jsonl: cannot be read"),
        (
            "predictions.dev.jsonl",
            '{"id": "1", "gold": "none", "relation": "none", "scores": [1]}\n',
            "predictions.dev.jsonl: not the predictions of this run",
        ),
        ("evaluations/test.best.json", "{}", "test.best.json: not an evaluation"),
        ("evaluations/test.best.jsonl", "\xff", "test.best.jsonl: cannot be read"),
        ("records.jsonl", "nonsense\n", "records.jsonl:1: not an epoch record"),
    ],
)
def test_a_damaged_file_is_named(
    hostile_run: Path, tmp_path: Path, name: str, content: str, message: str
) -> None:
    copy = Path(shutil.copytree(hostile_run, tmp_path / "run"))
    (copy / name).write_text(content, encoding="latin-1")
    with pytest.raises(UserMistake, match=message):
        csv_export(RunDirectory(copy))
