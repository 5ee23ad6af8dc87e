"""Words that training did not see get the vectors of the source, or of the run's own copy of it."""

import json

import numpy as np
import pytest
import torch

from relclf.encoding.ngrams import hashed_ngrams
from relclf.errors import UserMistake
from relclf.prediction.evaluating import evaluate_run
from relclf.prediction.opening import open_trained
from relclf.prediction.predictor import load
from relclf.prediction.streaming import predict_file
from relclf.training.experiment import start
from tests.tiny import tiny_config

VECTORS = "storm 0.5 0 0 0 0 -1\nflood 0 1 0 1 0 1\nzebra 1 2 3 4 5 6\nYak 6 5 4 3 2 1\n"
SEEN = {"tokens": ["the", "storm", "caused", "the", "flood"], "head": [1, 2], "tail": [4, 5]}
UNSEEN = {"tokens": ["the", "zebra", "caused", "the", "yak"], "head": [1, 2], "tail": [4, 5]}
LOST = {"tokens": ["the", "gnu", "caused", "the", "emu"], "head": [1, 2], "tail": [4, 5]}


@pytest.fixture
def trained(tmp_path):
    """Trains on the tiny corpus with the vectors; gives the run's folder."""

    def train(**overrides):
        path = tmp_path / "vectors.txt"
        path.write_text(VECTORS)
        experiment = start(
            tiny_config(tmp_path, encoding__vectors=str(path), **overrides), "tiny", tmp_path / "runs", None
        )
        list(experiment.epochs())
        return experiment.run.path

    return train


def expected_scores(run, rows):
    """Scores of UNSEEN with the rows of zebra and yak put where storm and flood stand."""
    opened = open_trained(run)
    network = opened.network
    storm, flood = network.vocabulary.ids(["storm", "flood"])
    with torch.no_grad():
        network.model.words.weight[[storm, flood]] = torch.tensor(rows)
    return load_probabilities(opened, SEEN)


def load_probabilities(opened, *sentences):
    from relclf.prediction.predictor import Predictor

    return [prediction.probabilities for prediction in Predictor(opened).predict(sentences)]


@pytest.mark.parametrize("packed", [False, True], ids=["by reference", "packed"])
def test_an_unseen_word_counts_with_its_vector(trained, tmp_path, packed):
    run = trained(encoding__pack_vectors=packed)
    if packed:
        (tmp_path / "vectors.txt").unlink()
    predicted = load(run).predict([UNSEEN])[0].probabilities
    assert predicted == expected_scores(run, [[1.0, 2, 3, 4, 5, 6], [6.0, 5, 4, 3, 2, 1]])[0]
    assert predicted != load(run).predict([LOST])[0].probabilities


def test_scaled_vectors_are_scaled_for_unseen_words_too(trained):
    run = trained(encoding__vectors_std=0.1)
    factor = 0.1 / np.array([[0.5, 0, 0, 0, 0, -1], [0, 1, 0, 1, 0, 1]], dtype=np.float32).std()
    rows = (np.array([[1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]]) * np.float32(factor)).astype(np.float32)
    predicted = load(run).predict([UNSEEN])[0].probabilities
    assert predicted == pytest.approx(expected_scores(run, rows)[0], abs=2e-6)


def test_a_file_predicts_what_single_sentences_do_in_whatever_blocks(trained, tmp_path, monkeypatch):
    run = trained()
    sentences = [SEEN, UNSEEN, LOST, UNSEEN, SEEN, LOST]
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({**each, "id": str(i)}) + "\n" for i, each in enumerate(sentences)))
    alone = [load(run).predict([each])[0] for each in sentences]
    monkeypatch.setattr("relclf.prediction.streaming.BLOCK", 2)
    monkeypatch.setattr("relclf.prediction.reading.BLOCK_BYTES", 1)
    predict_file(load(run), source, tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["relation"] for line in lines] == [prediction.relation for prediction in alone]
    assert [line["probability"] for line in lines] == pytest.approx([p.probability for p in alone], abs=2e-6)


def test_evaluation_looks_words_up_too(trained, tmp_path):
    run = trained()
    data = tmp_path / "test.jsonl"
    data.write_text(json.dumps({**UNSEEN, "relation": "cause"}) + "\n")
    opened = open_trained(run)
    result = evaluate_run(opened, data)
    shares = load(run).predict([UNSEEN])[0].probabilities
    scores = result.evaluation.scores[0]
    names = opened.network.relations.names
    assert names[int(scores.argmax())] == max(shares, key=shares.__getitem__)
    constant = opened.network.model.words.constant
    assert constant is not None and len(constant) == 0, "the network keeps no late word"


def test_a_word_that_the_vectors_lack_too_counts_with_its_ngrams_whether_dev_has_it_or_not(trained, tmp_path):
    dev = tmp_path / "dev.jsonl"
    dev.write_text(json.dumps({**LOST, "relation": "cause"}) + "\n")
    late = trained(encoding__missing_vectors="ngrams", data__dev=str(tmp_path / "train.jsonl"))
    of_dev = trained(encoding__missing_vectors="ngrams", data__dev=str(dev))
    assert "gnu" not in open_trained(late).network.vocabulary.words
    assert "gnu" in open_trained(of_dev).network.vocabulary.words
    for run in (late, of_dev):
        ngrams = open_trained(run).network.model.words.ngrams
        rows = [
            ngrams.weight[hashed_ngrams([word], len(ngrams.weight))[0]].mean(dim=0).tolist()
            for word in ("gnu", "emu")
        ]
        found = load(run).predict([LOST, UNSEEN])
        assert found[0].probabilities == pytest.approx(expected_scores(run, rows)[0], abs=2e-6)
        unseen = expected_scores(run, [[1.0, 2, 3, 4, 5, 6], [6.0, 5, 4, 3, 2, 1]])[0]
        assert found[1].probabilities == pytest.approx(unseen, abs=2e-6)
    predicted = json.loads((of_dev / "predictions.dev.jsonl").read_text())
    assert predicted["relation"] == load(of_dev).predict([LOST])[0].relation


def test_a_source_that_is_gone_or_changed_is_refused_when_it_is_needed(trained, tmp_path):
    run = trained()
    path = tmp_path / "vectors.txt"
    path.write_text(VECTORS + "gnu 1 1 1 1 1 1\n")
    assert len(load(run).predict([SEEN])) == 1
    with pytest.raises(UserMistake, match=r"vectors\.txt: changed since the run was made"):
        load(run).predict([UNSEEN])
    path.unlink()
    with pytest.raises(UserMistake, match=r"vectors\.txt: no such file"):
        load(run).predict([UNSEEN])


def test_a_broken_report_of_the_vectors_is_refused(trained):
    run = trained()
    for broken in ("{}", '{"packed": 3, "factors": [1]}', "[]"):
        (run / "vectors.json").write_text(broken)
        with pytest.raises(UserMistake, match=r"vectors\.json"):
            load(run).predict([UNSEEN])
