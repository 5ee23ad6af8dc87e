"""A network's vocabulary comes from train and the vectors file, and a run gives the same network back."""

import json

import numpy as np
import pytest
import torch

from relclf.encoding.batches import gather
from relclf.encoding.dataset import encode
from relclf.encoding.ngrams import hashed_ngrams
from relclf.encoding.vocabulary import UNKNOWN_ID
from relclf.errors import UserMistake
from relclf.training.corpus import read_corpus
from relclf.training.experiment import start
from relclf.training.network import load_run_weights, new_network, open_network
from tests.tiny import tiny_config

VECTORS = "zebra 1 2 3 4 5 6\nstorm 0.5 0 0 0 0 -1\nflood 0 1 0 1 0 1\nyak 6 5 4 3 2 1\n"


def with_vectors(folder, **overrides):
    path = folder / "vectors.txt"
    path.write_text(VECTORS)
    return tiny_config(folder, encoding__vectors=str(path), **overrides)


def networks(folder, config):
    """A network after one epoch, and the same read back from its run."""
    experiment = start(config, "tiny", folder / "runs", None)
    next(epochs := experiment.epochs())
    epochs.close()
    opened = open_network(experiment.run, config)
    return experiment, load_run_weights(experiment.run, opened, "last", torch.device("cpu"))


def scores(network, examples):
    dataset = encode(examples, network.vocabulary, network.relations, network.config.encoding.max_distance)
    return network.model(gather(dataset, np.arange(len(examples)))).detach()


def test_words_come_from_train_and_never_from_dev(tmp_path):
    config = tiny_config(tmp_path, data__dev=0.5)
    corpus = read_corpus(config)
    vocabulary = new_network(config, corpus).vocabulary
    assert set(vocabulary.words) == {vocabulary.normalise(t) for e in corpus.train for t in e.tokens}


def test_the_counts_are_those_of_train_in_the_order_of_the_relations(tmp_path):
    network = new_network(config := tiny_config(tmp_path), read_corpus(config))
    assert network.relation_counts == (14, 10, 24)
    assert network.vector_use is None


def test_the_use_of_vectors_is_counted_by_token_and_by_word(tmp_path):
    config = with_vectors(tmp_path)
    corpus = read_corpus(config)
    tokens = [token for example in corpus.train for token in example.tokens]
    share = sum(token in ("storm", "flood") for token in tokens) / len(tokens)
    use = new_network(config, corpus).vector_use
    assert use.coverage == pytest.approx(share)
    assert 0 < share < 1
    words = {token.lower() for token in tokens}
    assert (use.words, use.found, use.matches) == (len(words), 2, {"exact": 2})


@pytest.mark.parametrize("missing", ["random", "ngrams"])
@pytest.mark.parametrize("vectors", [None, False, True], ids=["no vectors", "trained", "frozen"])
def test_a_run_gives_the_same_network_back(tmp_path, vectors, missing):
    config = tiny_config(tmp_path)
    if vectors is not None:
        config = with_vectors(tmp_path, encoding__freeze_vectors=vectors, encoding__missing_vectors=missing)
    experiment, opened = networks(tmp_path, config)
    examples = read_corpus(config).train
    torch.testing.assert_close(scores(opened, examples), scores(experiment.network, examples), rtol=0, atol=0)
    assert opened.vocabulary == experiment.network.vocabulary
    assert opened.relations == experiment.network.relations
    assert opened.relation_counts == experiment.network.relation_counts


def test_training_changes_trained_vectors_and_leaves_frozen_ones(tmp_path):
    expected = torch.tensor([0.5, 0, 0, 0, 0, -1])
    _, trained = networks(tmp_path, with_vectors(tmp_path))
    row = trained.model.words.weight[trained.vocabulary.ids(["storm"])[0]]
    assert not torch.equal(row, expected)
    torch.testing.assert_close(row.detach(), expected, atol=0.2, rtol=0)
    _, frozen = networks(tmp_path, with_vectors(tmp_path, encoding__freeze_vectors=True))
    place = frozen.vocabulary.ids(["storm"])[0] - frozen.vocabulary.trained
    assert torch.equal(frozen.model.words.constant[place], expected)


def test_words_of_dev_that_only_the_vectors_know_are_constant(tmp_path):
    dev = tmp_path / "dev.jsonl"
    record = {"tokens": ["zebra", "flood"], "head": [0, 1], "tail": [1, 2], "relation": "cause"}
    names = {example.relation for example in read_corpus(tiny_config(tmp_path)).train}
    dev.write_text(json.dumps({**record, "relation": min(names)}) + "\n")
    _, opened = networks(tmp_path, with_vectors(tmp_path, data__dev=str(dev)))
    assert opened.vocabulary.constant_words == ("zebra",)
    assert opened.model.words.constant.tolist() == [[1, 2, 3, 4, 5, 6]]


@pytest.mark.parametrize("missing", ["random", "zero", "mean"])
def test_words_without_a_vector_begin_as_the_config_says(tmp_path, missing):
    config = with_vectors(tmp_path, encoding__missing_vectors=missing)
    network = new_network(config, read_corpus(config))
    ids = [*network.vocabulary.ids(["the", "storm"]), UNKNOWN_ID]
    the, storm, unknown = network.model.words.weight[ids]
    assert storm.tolist() == [0.5, 0, 0, 0, 0, -1]
    mean = torch.tensor([0.25, 0.5, 0, 0.5, 0, 0])
    for row in (the, unknown):
        assert torch.equal(row, torch.zeros(6)) == (missing == "zero")
        assert torch.equal(row, mean) == (missing == "mean")
    assert network.model.words.weight[0].tolist() == [0] * 6


def test_ngrams_stand_for_the_words_of_train_and_dev_that_the_vectors_lack(tmp_path):
    dev = tmp_path / "dev.jsonl"
    record = {"tokens": ["gnu", "yak", "flood"], "head": [0, 1], "tail": [1, 2], "relation": "cause"}
    dev.write_text(json.dumps(record) + "\n")
    config = with_vectors(
        tmp_path,
        data__dev=str(dev),
        encoding__missing_vectors="ngrams",
        encoding__ngram_buckets=64,
        encoding__min_count=2,
        model__word_std=0.3,
    )
    network = new_network(config, read_corpus(config))
    words = network.model.words
    assert words.ngrams.weight.shape == (64, 6)
    assert words.ngrams.weight.std().item() == pytest.approx(0.3, rel=0.1)
    assert UNKNOWN_ID not in network.vocabulary.ids(["gnu", "the", "yak"])
    for name, own in {"the": 0, "gnu": 0, "storm": [0.5, 0, 0, 0, 0, -1], "yak": [6, 5, 4, 3, 2, 1]}.items():
        buckets, _ = hashed_ngrams([name], 64)
        expected = (
            words.ngrams.weight[buckets].mean(dim=0) if own == 0 else torch.tensor(own, dtype=torch.float32)
        )
        torch.testing.assert_close(words.rows(torch.tensor(network.vocabulary.ids([name])))[0], expected)
    assert not words.weight[UNKNOWN_ID].any()


def test_vectors_of_another_width_are_refused_with_what_to_set(tmp_path):
    config = with_vectors(tmp_path, model__word_dim=5)
    with pytest.raises(UserMistake, match=r"6 wide, but model\.word_dim is 5\. --set model.word_dim=6"):
        new_network(config, read_corpus(config))


@pytest.mark.parametrize(
    "change", [{"names": ["a", "a"]}, {"names": 3}, {"negative": "x"}, {"train_counts": ["x"]}]
)
def test_a_changed_relations_file_is_refused(tmp_path, change):
    config = tiny_config(tmp_path)
    experiment, _ = networks(tmp_path, config)
    path = experiment.run.relations
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserMistake, match=r"relations\.json: not a set of relations"):
        open_network(experiment.run, config)


def test_missing_cut_or_other_vectors_of_a_run_are_refused(tmp_path):
    config = with_vectors(tmp_path, encoding__freeze_vectors=True)
    experiment, _ = networks(tmp_path, config)
    path = experiment.run.vectors
    content = path.read_bytes()
    for broken in (content[:20], content[:-4], b""):
        path.write_bytes(broken)
        with pytest.raises(UserMistake, match=r"vectors\.safetensors: cannot be read"):
            open_network(experiment.run, config)
    path.unlink()
    with pytest.raises(UserMistake, match=r"vectors\.safetensors: cannot be read"):
        open_network(experiment.run, config)
    path.write_bytes(content)
    vocabulary = json.loads(experiment.run.vocabulary.read_text())
    experiment.run.vocabulary.write_text(json.dumps({**vocabulary, "words": vocabulary["words"][:-1]}))
    with pytest.raises(UserMistake, match=r"vectors\.safetensors: has shape \(2, 6\), expected \(1, 6\)"):
        open_network(experiment.run, config)
