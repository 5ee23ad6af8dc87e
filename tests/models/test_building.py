"""A new network's weights come from its own generator, and its first loss is what guessing costs."""

import math

import numpy as np
import pytest
import torch

from relclf.encoding.batches import gather
from relclf.encoding.dataset import encode
from relclf.encoding.vocabulary import Vocabulary
from relclf.encoding.word_vectors.lookup import WordVectors
from relclf.models.building import build_model, constant_rows, initialise
from relclf.models.losses import Objective
from relclf.relations import RelationSet
from relclf.training.seeding import torch_generator
from tests.tiny import read_tiny_corpus, tiny_config

VECTORS = WordVectors(
    ("zebra", "storm", "yak", "flood"), np.random.default_rng(3).normal(size=(4, 6)).astype(np.float32)
)


@pytest.fixture
def corpus(tmp_path):
    tiny_config(tmp_path)
    return read_tiny_corpus(tmp_path)


def vocabulary_of(corpus, freeze=False):
    return Vocabulary.build(
        corpus,
        min_count=1,
        lowercase=True,
        fold_digits=True,
        vector_words=VECTORS.words,
        freeze_vectors=freeze,
    )


def drawn(config, vocabulary, seed=1, vectors=None):
    rows = constant_rows(vocabulary, vectors) if vectors else None
    model = build_model(config, vocabulary, 3, rows)
    initialise(model, config, vocabulary, vectors, torch_generator(seed, "initialisation"))
    return model


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("filters", [8, 200])
def test_the_first_loss_is_within_a_tenth_of_ln_relations(tmp_path, corpus, seed, filters):
    config = tiny_config(tmp_path, model={"filters": filters})
    vocabulary = Vocabulary.build(corpus, min_count=1, lowercase=True, fold_digits=True)
    relations = RelationSet.from_names(example.relation for example in corpus)
    dataset = encode(corpus, vocabulary, relations, config.encoding.max_distance)
    scores = drawn(config, vocabulary, seed)(gather(dataset, np.arange(len(corpus))))
    loss = Objective().losses(scores, dataset.gold).mean().item()
    assert loss == pytest.approx(math.log(3), rel=0.1)


def test_weights_have_the_stated_spread(tmp_path, corpus):
    config = tiny_config(
        tmp_path, model={"word_dim": 200, "word_std": 0.3, "position_dim": 100, "filters": 100}
    )
    vocabulary = Vocabulary.build(corpus, min_count=1, lowercase=True, fold_digits=True)
    model = drawn(config, vocabulary)
    assert model.words.weight[1:].std().item() == pytest.approx(0.3, rel=0.05)
    assert model.head_positions.weight[1:].std().item() == pytest.approx(0.1, rel=0.1)
    for layer in (*model.filters, model.output):
        bound = 1 / math.sqrt(layer.in_features)
        assert layer.weight.abs().max().item() == pytest.approx(bound, rel=0.05)
        assert layer.weight.abs().max().item() <= bound
        assert layer.bias.abs().max().item() <= bound
    for table in (model.words.weight, model.head_positions.weight, model.tail_positions.weight):
        assert not table[0].any()


def test_the_seed_decides_all_weights_and_torchs_own_state_none(tmp_path, corpus):
    config, vocabulary = tiny_config(tmp_path), vocabulary_of(corpus)
    torch.manual_seed(1)
    first = drawn(config, vocabulary).state_dict()
    torch.manual_seed(2)
    again = drawn(config, vocabulary).state_dict()
    other = drawn(config, vocabulary, seed=2).state_dict()
    for name, value in first.items():
        assert torch.equal(value, again[name])
        assert not torch.equal(value, other[name])


def test_every_word_of_the_file_has_its_vector(tmp_path, corpus):
    vocabulary = vocabulary_of(corpus)
    model = drawn(tiny_config(tmp_path), vocabulary, vectors=VECTORS)
    table = torch.cat([model.words.weight, model.words.constant]).detach().numpy()
    for word, vector in zip(VECTORS.words, VECTORS.vectors, strict=True):
        np.testing.assert_array_equal(table[vocabulary.ids([word])[0]], vector)
    assert vocabulary.ids(["storm"])[0] < vocabulary.trained <= vocabulary.ids(["yak"])[0]
    without = drawn(tiny_config(tmp_path), vocabulary)
    the = vocabulary.ids(["the"])[0]
    assert torch.equal(model.words.weight[the], without.words.weight[the])


def test_frozen_vectors_are_no_parameters(tmp_path, corpus):
    vocabulary = vocabulary_of(corpus, freeze=True)
    model = drawn(tiny_config(tmp_path), vocabulary, vectors=VECTORS)
    np.testing.assert_array_equal(model.words.constant.numpy(), VECTORS.vectors)
    assert len(model.words.weight) == vocabulary.trained == len(vocabulary) - 4
    assert not model.words.constant.requires_grad


def test_a_file_whose_words_train_has_all_leaves_no_constant_row(tmp_path, corpus):
    vectors = WordVectors(("storm", "flood"), VECTORS.vectors[:2])
    vocabulary = Vocabulary.build(
        corpus, min_count=1, lowercase=True, fold_digits=True, vector_words=vectors.words
    )
    assert constant_rows(vocabulary, vectors).shape == (0, 6)
    dataset = encode(corpus, vocabulary, RelationSet.from_names(e.relation for e in corpus), 6)
    scores = drawn(tiny_config(tmp_path), vocabulary, vectors=vectors)(gather(dataset, np.arange(5)))
    assert scores.shape == (5, 3)
