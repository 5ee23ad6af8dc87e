"""An ensemble is the mean of its runs' probabilities, says that it is one, and refuses runs that do not fit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import relclf
from relclf.errors import UserMistake
from relclf.prediction.evaluating import evaluate_run
from relclf.prediction.opening import OpenedRun, open_trained
from relclf.scoring.calibration import probabilities
from relclf.training.experiment import start
from tests.tiny import tiny_config


def trained(folder: Path, **overrides: Any) -> OpenedRun:
    """A run of the tiny corpus in `folder`, two epochs long."""
    config = tiny_config(folder, training__max_epochs=2, **overrides)
    experiment = start(config, "tiny", folder / "runs", None)
    list(experiment.epochs())
    return open_trained(experiment.run.path)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[OpenedRun]:
    """Runs of other seeds, networks and encodings on one corpus."""
    folder = tmp_path_factory.mktemp("tiny")
    return [
        trained(folder, seed=1),
        trained(folder, seed=2, model__name="pcnn", training__loss={"name": "ranking"}),
        trained(folder, seed=3, encoding__max_distance=3),
    ]


def test_the_prediction_is_the_most_probable_relation_of_the_mean_probability(three: list[OpenedRun]) -> None:
    alone = [evaluate_run(each, split="dev") for each in three]
    together = evaluate_run(three[0], split="dev", others=three[1:])
    mean = np.mean([probabilities(each.evaluation.scores) for each in alone], axis=0)
    np.testing.assert_allclose(probabilities(together.evaluation.scores), mean, atol=1e-6)
    assert together.evaluation.predicted.tolist() == mean.argmax(axis=1).tolist()
    expected = -np.log(mean[np.arange(len(mean)), together.labelled.gold]).mean()
    assert together.evaluation.nll == pytest.approx(expected, abs=1e-6)
    assert together.evaluation.loss is None


def test_it_says_in_its_signature_and_its_json_that_it_is_one_and_is_kept_for_no_run(
    three: list[OpenedRun],
) -> None:
    kept = three[0].run.evaluations / "dev.best.json"
    evaluate_run(three[0], split="dev")
    before = kept.read_bytes()
    result = evaluate_run(three[0], split="dev", others=three[1:])
    assert all("|ensemble:3|" in score.signature for score in result.report.scores.values())
    value = json.loads(json.dumps(result.to_json()))
    assert [member["run"] for member in value["ensemble"]] == [str(each.run.path) for each in three]
    assert value["epoch"] is None
    assert kept.read_bytes() == before
    assert {path.name for path in three[0].run.evaluations.iterdir()} == {"dev.best.json", "dev.best.jsonl"}
    assert "ensemble" not in evaluate_run(three[0], split="dev").to_json()


def test_new_sentences_get_the_mean_probability(tmp_path: Path) -> None:
    runs = [trained(tmp_path, seed=seed) for seed in (1, 2)]
    sentence = {"text": "the storm caused the flood", "head": [4, 9], "tail": [21, 26]}
    paths = [each.run.path for each in runs]
    each = [relclf.load(path).predict([sentence])[0].probabilities for path in paths]
    both = relclf.load(paths[0], others=paths[1:]).predict([sentence])[0]
    for relation, share in both.probabilities.items():
        assert share == pytest.approx((each[0][relation] + each[1][relation]) / 2, abs=2e-6)
    assert both.relation == max(both.probabilities, key=both.probabilities.__getitem__)


def test_runs_that_read_otherwise_label_no_new_sentences_together(three: list[OpenedRun]) -> None:
    message = r"reads sentences otherwise .*\(encoding.max_distance\)"
    with pytest.raises(UserMistake, match=message):
        relclf.load(three[0].run.path, others=[three[2].run.path])


def test_a_run_with_another_dev_set_or_other_relations_or_given_twice_is_refused(
    three: list[OpenedRun], tmp_path: Path
) -> None:
    first = three[0]
    other_split = trained(first.run.path.parents[1], data__split_seed=7)
    with pytest.raises(
        UserMistake, match=r"has another dev set than .* \(data.split_seed\). Give a labelled"
    ):
        evaluate_run(first, split="dev", others=[other_split])
    labelled = first.network.config.data.train
    assert evaluate_run(first, data=labelled, others=[other_split]).split == "train.jsonl"
    undeclared = trained(tmp_path, data__negative_relation=None)
    with pytest.raises(UserMistake, match="its relations, or the negative one, are not those of"):
        evaluate_run(first, split="dev", others=[undeclared])
    with pytest.raises(UserMistake, match="is in the ensemble already"):
        evaluate_run(first, split="dev", others=[first])
