"""The piecewise network gives the scores and gradients of a slow one, for either order of the mentions."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from relclf.encoding.batches import gather
from relclf.encoding.dataset import encode
from relclf.example import Example, MentionSpan
from tests.models.test_cnn import (
    ACTIVATIONS,
    RELATIONS,
    VOCABULARY,
    network,
    reference_mention_vectors,
    reference_outputs,
)
from tests.tiny import tiny_examples

NESTED = Example("n", ("the", "old", "box"), MentionSpan(0, 3), MentionSpan(1, 2), "none", "n:1")
SAME_END = Example("s", ("old", "storm", "fell"), MentionSpan(0, 2), MentionSpan(1, 2), "none", "s:1")
EXAMPLES = [*tiny_examples(), NESTED, SAME_END]
NETWORKS = [
    {"windows": [3]},
    {"windows": [2, 5], "mention_features": True},
    {"windows": [3], "activation": "relu", "position_dim": 0},
    {"windows": [3], "activation": "gelu"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tiny")


def pcnn(folder, **model):
    return network(folder, name="pcnn", **model)


def batch_of(examples):
    return gather(encode(examples, VOCABULARY, RELATIONS, 6), np.arange(len(examples)))


def reference_scores(model, example, options):
    """Zeng et al. 2015, section 3.3, one token and one piece at a time."""
    ends = sorted([example.head.end, example.tail.end])
    pieces = [range(ends[0]), range(ends[0], ends[1]), range(ends[1], len(example.tokens))]
    activation = ACTIVATIONS[options.get("activation", "tanh")]
    features = []
    for outputs in reference_outputs(model, example, options):
        activated = [activation(output) for output in outputs]
        for piece in pieces:
            inside = [activated[token] for token in piece]
            zeros = torch.zeros_like(activated[0])
            features.append(torch.stack(inside).max(dim=0).values if inside else zeros)
    if options.get("mention_features"):
        features += reference_mention_vectors(model.words.weight, example)
    return model.output.weight @ torch.cat(features) + model.output.bias


@pytest.mark.parametrize("path", ["features", "features_of_windows"])
@pytest.mark.parametrize("options", NETWORKS, ids=str)
def test_scores_and_gradients_are_those_of_the_reference(folder, options, path):
    model = pcnn(folder, **options)
    scores = model.scores(getattr(model, path)(batch_of(EXAMPLES)), None)
    expected = torch.stack([reference_scores(model, example, options) for example in EXAMPLES])
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-12)
    factors = torch.arange(scores.numel(), dtype=torch.float64).view_as(scores).cos()
    parameters = list(model.parameters())
    fast = torch.autograd.grad((scores * factors).sum(), parameters)
    slow = torch.autograd.grad((expected * factors).sum(), parameters, allow_unused=True)
    for (name, _), gradient, gradient_expected in zip(model.named_parameters(), fast, slow, strict=True):
        assert gradient.abs().sum() > 0, name
        torch.testing.assert_close(gradient, gradient_expected, rtol=0, atol=1e-12)


def test_padding_and_company_change_no_score(folder):
    model = pcnn(folder, windows=[2, 3])
    together = model(batch_of(EXAMPLES))
    for example, scores in zip(EXAMPLES, together, strict=True):
        torch.testing.assert_close(model(batch_of([example]))[0], scores, rtol=0, atol=1e-12)


def test_the_pieces_share_out_the_tokens_whichever_mention_comes_first(folder):
    model = pcnn(folder, windows=[3])
    swapped = [replace(each, head=each.tail, tail=each.head) for each in EXAMPLES]
    batch = batch_of(EXAMPLES)
    pieces = torch.stack(model.pieces(batch))
    assert torch.equal(pieces.sum(dim=0), batch.mask.long())
    assert torch.equal(pieces, torch.stack(model.pieces(batch_of(swapped))))


def test_a_piece_without_tokens_is_zeros_and_has_no_gradient(folder):
    model = pcnn(folder, windows=[3])
    batch = batch_of([EXAMPLES[0]])
    unmarked = replace(
        batch, **{n: torch.zeros_like(batch.mask.int()) for n in ("head_positions", "tail_positions")}
    )
    first, second, third = model.features(unmarked).view(3, 5)
    assert first.all() and not second.any() and not third.any()
    model.features(unmarked).view(3, 5)[1:].sum().backward()
    assert not any(p.grad.any() for p in model.parameters() if p.grad is not None)
