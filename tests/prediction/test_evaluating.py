"""Evaluating a run: scores that agree with scikit-learn, what is stored, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from relclf.errors import UserMistake
from relclf.prediction.evaluating import evaluate_run, write_answers, write_predictions
from relclf.prediction.opening import open_trained
from relclf.scoring.calibration import probabilities


def test_the_scores_are_those_of_scikit_learn_on_the_written_predictions(
    tiny_run: Path, tmp_path: Path
) -> None:
    result = evaluate_run(open_trained(tiny_run))
    write_predictions(tmp_path / "p.jsonl", result)
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()]
    gold, predicted = [row["gold"] for row in rows], [row["relation"] for row in rows]
    scores = result.report.scores
    labels = sorted(set(gold))
    assert scores["macro_f1"].value == pytest.approx(
        f1_score(gold, predicted, average="macro", labels=labels, zero_division=0)
    )
    assert scores["accuracy"].value == pytest.approx(accuracy_score(gold, predicted))


def test_a_relation_that_train_lacks_counts_as_wrong_and_is_said(tiny_run: Path) -> None:
    result = evaluate_run(open_trained(tiny_run))
    assert result.labelled.unknown_relations == {"only in test": 1}
    assert "'only in test', which train lacks" in result.notes[0]
    row = next(row for row in result.report.relations if row.relation == "only in test")
    assert (row.support, row.f1, row.precision) == (1, 0.0, None)


def test_nll_is_the_mean_log_probability_of_the_known_gold_relations(tiny_run: Path) -> None:
    result = evaluate_run(open_trained(tiny_run))
    shares = probabilities(result.evaluation.scores)
    known = [(i, gold) for i, gold in enumerate(result.labelled.gold) if gold < shares.shape[1]]
    expected = -np.mean([np.log(shares[i, gold]) for i, gold in known])
    assert result.evaluation.nll == pytest.approx(expected, abs=1e-6)
    assert result.evaluation.loss == pytest.approx(expected, abs=1e-6)


def test_the_dev_split_of_evaluate_is_the_one_of_training(tiny_run: Path) -> None:
    result = evaluate_run(open_trained(tiny_run), split="dev")
    best = json.loads((tiny_run / "summary.json").read_bytes())["best"]
    assert result.report.scores["macro_f1"].value == pytest.approx(best["dev_macro_f1"], abs=1e-12)
    assert result.evaluation.loss == pytest.approx(best["dev_loss"], abs=1e-6)
    kept = (tiny_run / "predictions.dev.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in kept] == list(result.labelled.ids)


def test_the_result_is_stored_by_split_and_weights(tiny_run: Path) -> None:
    result = evaluate_run(open_trained(tiny_run, "last"))
    stored = json.loads((tiny_run / "evaluations" / "test.last.json").read_bytes())
    assert stored == json.loads(json.dumps(result.to_json()))
    assert stored["epoch"] == 4
    assert stored["examples"] == 20


def test_another_file_is_stored_under_its_name_and_hash(tiny_run: Path) -> None:
    other = tiny_run.parents[1] / "train.jsonl"
    result = evaluate_run(open_trained(tiny_run), data=other)
    assert (tiny_run / "evaluations" / f"train-{result.sha256[:8]}.best.json").is_file()
    assert result.split == "train.jsonl"


def test_answers_are_in_the_official_format(tiny_run: Path, tmp_path: Path) -> None:
    result = evaluate_run(open_trained(tiny_run))
    write_answers(tmp_path / "answers.txt", result)
    lines = (tmp_path / "answers.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 20
    assert all(len(line.split("\t")) == 2 for line in lines)


def test_a_test_file_that_changed_is_refused(tmp_path: Path) -> None:
    from relclf.training.experiment import start
    from tests.tiny import tiny_config, write_tiny_corpus

    test = write_tiny_corpus(tmp_path).rename(tmp_path / "test.jsonl")
    config = tiny_config(tmp_path, data__test=str(test), training__max_epochs=1)
    experiment = start(config, "tiny", tmp_path / "runs", None)
    list(experiment.epochs())
    with test.open("a", encoding="utf-8") as file:
        file.write("\n")
    with pytest.raises(UserMistake, match=r"test\.jsonl: changed since the run was made"):
        evaluate_run(open_trained(experiment.run.path))


@pytest.mark.parametrize("name", ["a\tb", "a\nb", " a"])
def test_an_id_that_would_break_the_answer_file_is_refused(tiny_run: Path, tmp_path: Path, name: str) -> None:
    record = {"id": name, "tokens": ["a", "b"], "head": [0, 1], "tail": [1, 2], "relation": "cause"}
    (tmp_path / "odd.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    result = evaluate_run(open_trained(tiny_run), data=tmp_path / "odd.jsonl")
    with pytest.raises(UserMistake, match="Use --predictions"):
        write_answers(tmp_path / "answers.txt", result)
    assert [path.name for path in tmp_path.iterdir()] == ["odd.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "train"}, "--split: must be test or dev"),
        ({"split": "dev", "data": Path("x")}, "name two sets"),
        ({"data": Path("missing.jsonl")}, "missing.jsonl"),
    ],
)
def test_wrong_sets_are_refused(tiny_run: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserMistake, match=message):
        evaluate_run(open_trained(tiny_run), **arguments)  # type: ignore[arg-type]


def test_predictions_and_answers_never_replace_the_evaluated_file(tiny_run: Path, tmp_path: Path) -> None:
    labelled = tmp_path / "labelled.jsonl"
    labelled.write_bytes((tiny_run.parents[1] / "train.jsonl").read_bytes())
    result = evaluate_run(open_trained(tiny_run), data=labelled)
    for write in (write_predictions, write_answers):
        with pytest.raises(UserMistake, match="in the same command already"):
            write(labelled, result)
    with pytest.raises(UserMistake, match="does not exist"):
        write_predictions(tmp_path / "no" / "p.jsonl", result)
    assert labelled.read_bytes() == (tiny_run.parents[1] / "train.jsonl").read_bytes()


def test_runs_of_several_seeds_are_scored_under_one_signature(tmp_path: Path) -> None:
    from relclf.training.experiment import start
    from tests.tiny import tiny_config

    signatures = []
    for seed in (1, 2):
        config = tiny_config(tmp_path, seed=seed, training__max_epochs=1)
        experiment = start(config, "tiny", tmp_path / "runs", None)
        list(experiment.epochs())
        scores = evaluate_run(open_trained(experiment.run.path)).report.scores
        signatures.append({name: score.signature for name, score in scores.items()})
    assert signatures[0] == signatures[1]
