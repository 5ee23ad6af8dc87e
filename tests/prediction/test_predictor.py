"""Labelling sentences from Python."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import relclf
from relclf.errors import DataError
from relclf.prediction.evaluating import evaluate_run
from relclf.prediction.opening import open_trained
from relclf.prediction.predictor import BLOCK, ranked, rounded
from relclf.training.experiment import start
from tests.tiny import read_tiny_corpus, tiny_config, tiny_examples

SENTENCE = {"text": "the storm caused the flood", "head": [4, 9], "tail": [21, 26]}


def test_a_sentence_gets_the_most_probable_relation(tiny_run: Path) -> None:
    [prediction] = relclf.load(tiny_run).predict([SENTENCE])
    assert prediction.id == "1"
    assert prediction.relation == next(iter(prediction.probabilities))
    assert prediction.probability == pytest.approx(max(prediction.probabilities.values()), abs=1e-6)
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_examples_tokens_and_text_give_the_same_answer(tiny_run: Path) -> None:
    tokens = {"tokens": ["the", "storm", "caused", "the", "flood"], "head": [1, 2], "tail": [4, 5]}
    by_text, by_tokens = relclf.load(tiny_run).predict([SENTENCE, tokens])
    assert by_text.probabilities == by_tokens.probabilities


def test_predictions_are_those_of_evaluate(tiny_run: Path) -> None:
    folder = tiny_run.parents[1]
    result = evaluate_run(open_trained(tiny_run), data=folder / "train.jsonl")
    names = result.labelled.relations.names
    predicted = relclf.load(tiny_run).predict(read_tiny_corpus(folder))
    assert [p.relation for p in predicted] == [names[i] for i in result.evaluation.predicted]


def test_words_never_seen_and_the_shortest_sentences_are_labelled(tiny_run: Path) -> None:
    predictions = relclf.load(tiny_run).predict(tiny_examples())
    assert [p.id for p in predictions] == ["t1", "t2", "t3", "t4", "t5", "t6"]


def test_no_sentences_give_no_predictions(tiny_run: Path) -> None:
    assert relclf.load(tiny_run).predict([]) == []


def test_a_malformed_sentence_is_named_by_its_place(tiny_run: Path) -> None:
    with pytest.raises(DataError, match="sentence 2"):
        relclf.load(tiny_run).predict([SENTENCE, {"text": "no mentions"}])


def test_a_network_that_reads_types_sees_no_names_and_refuses_a_mention_without_a_type(
    tmp_path: Path,
) -> None:
    config = tiny_config(tmp_path, encoding__mask_mentions="types", training__max_epochs=1)
    path = tmp_path / "train.jsonl"
    records = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    typed = [{**record, "head_type": "Storm", "tail_type": "Flood 2"} for record in records]
    path.write_text("\n".join(map(json.dumps, typed)), encoding="utf-8")
    experiment = start(config, "typed", tmp_path / "runs", None)
    list(experiment.epochs())
    predictor = relclf.load(experiment.run.path)
    types = {"head_type": "Storm", "tail_type": "Flood 2"}
    other_names = {"text": "the quake caused the coins", "head": [4, 9], "tail": [21, 26]}
    one, two = predictor.predict([SENTENCE | types, other_names | types])
    assert one.probabilities == two.probabilities
    with pytest.raises(DataError, match="sentence 1: the head has no type"):
        predictor.predict([SENTENCE])


@given(st.lists(st.floats(0, 1), max_size=8), st.lists(st.integers(0, 10**6 - 1), max_size=8))
def test_shares_are_rounded_as_python_rounds_them(shares: list[float], halves: list[int]) -> None:
    around = [np.nextafter((half + 0.5) / 1e6, side) for half in halves for side in (0, 0.5, 1)]
    values = np.array([*shares, *around, *((half + 0.5) / 1e6 for half in halves)], dtype=np.float64)
    assert rounded(values).tolist() == [round(value, 6) for value in values.tolist()]


def test_relations_are_ranked_as_by_the_slow_reference() -> None:
    generator = np.random.Generator(np.random.PCG64(1))
    shares = generator.dirichlet(np.ones(7), 50).round(2)  # with ties
    names = tuple("abcdefg")
    for most in (1, 3, 7):
        slow = [
            {names[i]: round(float(row[i]), 6) for i in np.argsort(-row, kind="stable")[:most]}
            for row in shares
        ]
        found = list(ranked(names, shares, most))
        assert found == slow
        assert [list(row) for row in found] == [list(row) for row in slow]


def test_sentences_beyond_a_block_are_all_labelled(tiny_run: Path) -> None:
    predictor = relclf.load(tiny_run)
    sentences = ({**SENTENCE, "id": number} for number in range(BLOCK + 3))
    predictions = predictor.predict(sentences)
    assert [p.id for p in predictions] == [str(number) for number in range(BLOCK + 3)]
    [alone] = predictor.predict([SENTENCE])
    assert all(p.relation == alone.relation for p in predictions)
