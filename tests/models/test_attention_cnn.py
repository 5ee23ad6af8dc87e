"""The network with attention gives the scores and gradients of a slow one, one word at a time."""

import numpy as np
import pytest
import torch

from relclf.encoding.batches import gather
from tests.models.test_cnn import (
    DATASET,
    VOCABULARY,
    network,
    reference_mention_vectors,
    reference_outputs,
)
from tests.tiny import tiny_examples

NETWORKS = [{"windows": [3]}, {"windows": [2, 3], "mention_features": True, "position_dim": 0}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tiny")


def reference_scores(model, example, options):
    """Shen and Huang 2016: u_i = v tanh(W [w_i, e]), a = softmax(u), s = sum of a_i w_i."""
    outputs = reference_outputs(model, example, options)
    features = [torch.tanh(torch.stack(each)).max(dim=0).values for each in outputs]
    if options.get("mention_features"):
        features += reference_mention_vectors(model.words.weight, example)
    rows = model.words.weight[VOCABULARY.ids(example.tokens)]
    for span in (example.head, example.tail):
        mention = rows[span.start : span.end].mean(dim=0)
        scores = [
            model.attention_scores.weight[0]
            @ torch.tanh(model.attention.weight @ torch.cat([row, mention]) + model.attention.bias)
            for row in rows
        ]
        shares = torch.stack(scores).exp() / torch.stack(scores).exp().sum()
        features.append(sum(share * row for share, row in zip(shares, rows, strict=True)))
    return model.output.weight @ torch.cat(features) + model.output.bias


@pytest.mark.parametrize("path", ["features", "features_of_windows"])
@pytest.mark.parametrize("options", NETWORKS, ids=str)
def test_scores_and_gradients_are_those_of_the_reference(folder, options, path):
    model = network(folder, name="attention_cnn", **options)
    batch = gather(DATASET, np.arange(6))
    scores = model.scores(getattr(model, path)(batch), None)
    expected = torch.stack([reference_scores(model, example, options) for example in tiny_examples()])
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-12)
    factors = torch.arange(scores.numel(), dtype=torch.float64).view_as(scores).cos()
    parameters = list(model.parameters())
    fast = torch.autograd.grad((scores * factors).sum(), parameters)
    slow = torch.autograd.grad((expected * factors).sum(), parameters, allow_unused=True)
    for (name, _), gradient, gradient_expected in zip(model.named_parameters(), fast, slow, strict=True):
        assert gradient.abs().sum() > 0, name
        torch.testing.assert_close(gradient, gradient_expected, rtol=0, atol=1e-12)


def test_padding_and_company_change_no_score(folder):
    model = network(folder, name="attention_cnn", windows=[3])
    together = model(gather(DATASET, np.arange(6)))
    for index, scores in enumerate(together):
        torch.testing.assert_close(model(gather(DATASET, np.array([index])))[0], scores, rtol=0, atol=1e-12)
