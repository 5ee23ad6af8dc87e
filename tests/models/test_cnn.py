"""The fast network gives the scores and gradients of a slow one that can be read beside the paper."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relclf.encoding.batches import gather
from relclf.encoding.dataset import encode
from relclf.encoding.vocabulary import UNKNOWN_ID, Vocabulary
from relclf.example import Example, MentionSpan
from relclf.models.building import build_model
from relclf.models.layers import RowGradient, with_unknown_words
from relclf.models.losses import Objective
from relclf.relations import RelationSet
from tests.tiny import tiny_config, tiny_examples

RELATIONS = RelationSet(("cause", "contains", "none"), "none")
VOCABULARY = Vocabulary.build(tiny_examples(), min_count=1, lowercase=True, fold_digits=True)
DATASET = encode(tiny_examples(), VOCABULARY, RELATIONS, 6)
NETWORKS = [
    {"windows": [3]},
    {"windows": [1]},
    {"windows": [2]},
    {"windows": [2, 3, 5]},
    {"windows": [4, 15]},  # wider than a sentence
    {"windows": [3], "position_dim": 0},
    {"windows": [3, 4], "activation": "relu"},
    {"windows": [2, 3], "activation": "gelu"},
    {"windows": [2, 3], "positions": "sinusoid", "position_dim": 4},
    {"windows": [3], "mention_features": True},
    {"windows": [1], "mention_features": True, "position_dim": 0, "activation": "gelu"},
    {"windows": [3, 4], "hidden": 7, "mention_features": True},
]
ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "gelu": torch.nn.functional.gelu}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tiny")


def network(folder, seed=0, **model):
    """A network in float64 with weights of an ordinary size, padding rows zero."""
    sizes = {"word_dim": 4, "position_dim": 2, "filters": 5, "dropout": 0.5}
    cnn = build_model(tiny_config(folder, model={**sizes, **model}), VOCABULARY, 3, None).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in cnn.parameters():
            parameter.normal_(0, 0.5, generator=generator)
        for name, parameter in cnn.named_parameters():
            if "positions" in name or name == "words.weight":
                parameter[0] = 0
    return cnn


def reference_scores(cnn, example, model):
    """Zeng et al. 2014, sections 3.3-3.5, for one sentence."""
    activation = ACTIVATIONS[model.get("activation", "tanh")]
    pooled = [
        torch.stack([activation(output) for output in outputs]).max(dim=0).values
        for outputs in reference_outputs(cnn, example, model)
    ]
    if model.get("mention_features"):
        pooled += reference_mention_vectors(cnn.words.weight, example)
    features = torch.cat(pooled)
    if model.get("hidden"):
        features = torch.tanh(cnn.hidden.weight @ features + cnn.hidden.bias)
    return cnn.output.weight @ features + cnn.output.bias


def reference_outputs(cnn, example, model):
    """What the filters of each window give at each token: one token, one window, one filter bank at a time."""
    max_distance = 6
    words = cnn.words.weight
    tokens = []
    for index, word_id in enumerate(VOCABULARY.ids(example.tokens)):
        features = [words[word_id]]
        if cnn.head_positions is not None:
            for table, span in ((cnn.head_positions, example.head), (cnn.tail_positions, example.tail)):
                distance = 0
                if index < span.start:
                    distance = index - span.start
                elif index >= span.end:
                    distance = index - (span.end - 1)
                distance = max(-max_distance, min(max_distance, distance))
                features.append(table.weight[distance + max_distance + 1])
        tokens.append(torch.cat(features))
    zeros = torch.zeros_like(tokens[0])
    for window, bank in zip(model["windows"], cnn.filters, strict=True):
        outputs = []
        for middle in range(len(tokens)):
            first = middle - (window - 1) // 2
            inside = [tokens[i] if 0 <= i < len(tokens) else zeros for i in range(first, first + window)]
            outputs.append(bank.weight @ torch.cat(inside) + bank.bias)
        yield outputs


def reference_mention_vectors(words, example):
    """Zeng et al. 2014, table 1, features L1 to L4, a mention of several tokens being their mean."""
    rows = words[VOCABULARY.ids(example.tokens)]
    vectors = []
    for span in (example.head, example.tail):
        vectors.append(rows[span.start : span.end].mean(dim=0))
        for neighbour in (span.start - 1, span.end):
            inside = 0 <= neighbour < len(rows)
            vectors.append(rows[neighbour] if inside else torch.zeros_like(rows[0]))
    return vectors


@pytest.mark.parametrize("model", NETWORKS, ids=str)
def test_scores_and_gradients_are_those_of_the_reference(folder, model):
    cnn = network(folder, **model)
    batch = gather(DATASET, np.arange(6))
    scores = cnn(batch)
    expected = torch.stack([reference_scores(cnn, example, model) for example in tiny_examples()])
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-12)
    factors = torch.arange(18.0, dtype=torch.float64).reshape(6, 3).cos()
    parameters = list(cnn.parameters())
    fast = torch.autograd.grad((scores * factors).sum(), parameters)
    slow = torch.autograd.grad((expected * factors).sum(), parameters, allow_unused=True)
    for (name, _), gradient, gradient_expected in zip(cnn.named_parameters(), fast, slow, strict=True):
        assert gradient.abs().sum() > 0, name
        torch.testing.assert_close(gradient, gradient_expected, rtol=0, atol=1e-12)


def test_the_gradient_of_padding_rows_is_zero(folder):
    cnn = network(folder, windows=[3])
    cnn(gather(DATASET, np.arange(6))).square().sum().backward()
    for table in (cnn.words.weight, cnn.head_positions.weight, cnn.tail_positions.weight):
        assert not table.grad[0].any()
        assert table.grad[1:].any()


@settings(max_examples=60, deadline=None)
@given(order=st.permutations(range(6)), cut=st.integers(1, 6), seed=st.integers(0, 3))
def test_neither_padding_nor_order_nor_company_changes_a_sentences_scores(folder, order, cut, seed):
    cnn = network(folder, seed, windows=[2, 3]).float()
    alone = torch.cat([cnn(gather(DATASET, np.array([i]))) for i in range(6)])
    together = cnn(gather(DATASET, np.array(order[:cut])))
    torch.testing.assert_close(together, alone[order[:cut]], rtol=0, atol=1e-6)


def test_constant_rows_give_the_scores_of_one_big_table(folder):
    words = ("zebra", "yak", "apples")
    vocabulary = Vocabulary.build(
        tiny_examples(),
        min_count=1,
        lowercase=True,
        fold_digits=True,
        vector_words=words,
        freeze_vectors=True,
    )
    extra = Example("z", ("zebra", "ate", "apples"), MentionSpan(0, 1), MentionSpan(2, 3), "none", "z:1")
    dataset = encode([*tiny_examples(), extra], vocabulary, RELATIONS, 6)
    assert dataset.max_token_id >= vocabulary.trained
    config = tiny_config(folder)
    constant = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    split = build_model(config, vocabulary, 3, constant)
    whole = build_model(config, vocabulary, 3, None)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in split.parameters():
            parameter.normal_(0, 0.5, generator=generator)
        split.words.weight[0] = 0
    table = torch.cat([split.words.weight.detach(), torch.from_numpy(constant)])
    whole.words.weight = torch.nn.Parameter(table)
    rest = {name: value for name, value in split.state_dict().items() if name != "words.weight"}
    assert whole.load_state_dict(rest, strict=False).missing_keys == ["words.weight"]
    batch = gather(dataset, np.arange(7))
    torch.testing.assert_close(split(batch), whole(batch), rtol=0, atol=1e-6)
    split(batch).square().sum().backward()
    whole(batch).square().sum().backward()
    trained = whole.words.weight.grad[: vocabulary.trained]
    torch.testing.assert_close(split.words.weight.grad, trained, rtol=0, atol=1e-6)
    assert "words.constant" not in split.state_dict()


def test_dropout_is_applied_only_with_a_generator_and_decided_by_it(folder):
    cnn = network(folder, windows=[3])
    batch = gather(DATASET, np.arange(6))

    def with_seed(seed):
        return cnn(batch, torch.Generator().manual_seed(seed))

    assert torch.equal(cnn(batch), cnn(batch))
    assert torch.equal(with_seed(1), with_seed(1))
    assert not torch.equal(with_seed(1), with_seed(2))
    assert not torch.equal(with_seed(1), cnn(batch))
    torch.manual_seed(0)
    assert torch.equal(with_seed(1), with_seed(1))


def test_watched_weights_are_the_filters_and_the_output(folder):
    cnn = network(folder, windows=[2, 3])
    assert [tuple(weight.shape) for weight in cnn.watched_weights()] == [(5, 16), (5, 24), (3, 10)]


@pytest.mark.parametrize("model", NETWORKS, ids=str)
def test_projecting_distinct_words_and_multiplying_windows_give_the_same_features_and_gradients(
    folder, model
):
    cnn = network(folder, **model)
    batch = gather(DATASET, np.array([0, 3, 1, 1, 5]))
    fast, general = cnn.features(batch), cnn.features_of_windows(batch)
    torch.testing.assert_close(fast, general, rtol=0, atol=1e-12)
    factors = torch.arange(fast.numel(), dtype=torch.float64).reshape(fast.shape).sin()
    parameters = [p for name, p in cnn.named_parameters() if not name.startswith(("hidden", "output"))]
    gradients = [torch.autograd.grad((each * factors).sum(), parameters) for each in (fast, general)]
    for ours, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("model", [{}, {"mention_features": True}, {"activation": "gelu"}], ids=str)
def test_a_row_gradient_is_the_gradient_whatever_was_in_its_buffer_before(folder, model):
    cnn, plain = (network(folder, windows=[3], **model) for _ in range(2))
    cnn.words.row_gradient = RowGradient()
    for sentences in ([0, 1], [2, 3, 4], [5]):
        for each in (cnn, plain):
            each.zero_grad(set_to_none=True)
            for _ in range(2):  # gradients of several batches add up
                each(gather(DATASET, np.array(sentences))).square().sum().backward()
        torch.testing.assert_close(cnn.words.weight.grad, plain.words.weight.grad, rtol=0, atol=1e-12)


def test_embedding_dropout_scales_what_it_leaves_and_only_while_training(folder):
    cnn, plain = (network(folder, windows=[3], dropout=0.0, embedding_dropout=rate) for rate in (0.4, 0.0))
    batch = gather(DATASET, np.arange(6))
    assert torch.equal(cnn(batch), plain(batch))
    seen = []
    cnn.filters[0].register_forward_hook(lambda layer, inputs, outputs: seen.append(inputs[0]))
    cnn(batch, torch.Generator().manual_seed(1))
    plain.filters[0].register_forward_hook(lambda layer, inputs, outputs: seen.append(inputs[0]))
    plain.features_of_windows(batch)
    dropped, whole = seen
    left = dropped != 0
    torch.testing.assert_close(dropped[left], (whole / 0.6)[left])
    assert left[whole != 0].double().mean().item() == pytest.approx(0.6, abs=0.05)


def test_word_dropout_makes_words_unknown_and_leaves_padding(folder):
    batch = gather(DATASET, np.arange(6))
    half = with_unknown_words(batch, 0.5, torch.Generator().manual_seed(1))
    same = half.token_ids == batch.token_ids
    assert torch.equal(same | (half.token_ids == UNKNOWN_ID), torch.ones_like(same))
    assert same[~batch.mask].all()
    assert same[batch.mask].double().mean().item() == pytest.approx(0.5, abs=0.15)
    assert with_unknown_words(batch, 0.5, None) is batch


@pytest.mark.parametrize("options", [{}, {"mention_features": True}], ids=str)
def test_both_paths_drop_the_same_words(folder, options):
    cnn = network(folder, windows=[2, 3], word_dropout=0.5, **options)
    batch = gather(DATASET, np.arange(6))
    fast, general = (
        path(batch, torch.Generator().manual_seed(4)) for path in (cnn.features, cnn.features_of_windows)
    )
    torch.testing.assert_close(fast, general, rtol=0, atol=1e-12)
    assert not torch.allclose(fast, cnn.features(batch))


def test_a_mention_that_nothing_marks_has_zeros_for_its_vectors(folder):
    cnn = network(folder, windows=[3], mention_features=True)
    batch = gather(DATASET, np.arange(6))
    unmarked = replace(batch, head_positions=torch.zeros_like(batch.head_positions))
    vectors = cnn.features(unmarked)[:, 5:].view(6, 2, 12)
    assert not vectors[:, 0].any()
    assert vectors[:, 1].any()


def test_with_the_ranking_loss_the_negative_relation_is_predicted_where_no_score_is_above_0(folder):
    config = tiny_config(folder, training={"loss": {"name": "ranking"}})
    cnn = build_model(config, VOCABULARY, 3, None, RELATIONS.negative_id)
    with torch.no_grad():
        for (
            weight
        ) in cnn.parameters():  # a network that is built has no weights yet, whatever stood in memory
            weight.zero_()
        for bias, relation in (((-1, -2, 9), 2), ((-1, 0.1, 9), 1), ((3, 2, -9), 0)):
            cnn.output.bias.copy_(torch.tensor(bias))
            scores = cnn(gather(DATASET, np.arange(6)))
            assert scores[:, 2].tolist() == [0] * 6
            assert Objective(loss=config.training.loss, negative=2).decode(scores).tolist() == [relation] * 6
