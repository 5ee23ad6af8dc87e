"""A stack of networks gives each of them the scores and gradients that it has by itself."""

from pathlib import Path
from typing import Any

import pytest
import torch

from relclf.encoding.batches import gather
from relclf.models.layers import dropout, keep_mask
from relclf.models.stacked import StackedCnn
from relclf.training.experiment import Experiment, begin, prepare
from tests.tiny import tiny_config

SENTENCES = ([3, 1, 7], [0, 2, 9])
"""Of each network's batch; their lengths differ."""
SHAPES: list[dict[str, Any]] = [
    {},
    {"model__windows": [1, 2, 5], "model__activation": "relu"},
    {"model__position_dim": 0},
    {"model__filters": 1},
]


def two_runs(folder: Path, **overrides: Any) -> list[Experiment]:
    material = prepare(tiny_config(folder, **overrides))
    runs = [begin(material, seed, "run", folder, None) for seed in (1, 2)]
    for run in runs:
        run.lock.release()
        run.state.model.double()
    return runs


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_scores_and_gradients_are_those_of_each_network(tmp_path: Path, shape: dict[str, Any]) -> None:
    runs = two_runs(tmp_path, **shape)
    config, train = runs[0].inputs.config.model, runs[0].inputs.train
    features = config.filters * len(config.windows)
    keep = torch.ones(2, 3, features, dtype=torch.float64)
    for number in range(2):
        keep_mask(keep[number], config.dropout, torch.Generator().manual_seed(number))
    stack = StackedCnn([run.state.model for run in runs], config)
    batch = gather(train, torch.tensor(SENTENCES).flatten().numpy())
    scores = stack.scores(stack.features(batch), keep)
    scores.square().sum().backward()
    for number, run in enumerate(runs):
        model = run.state.model
        pooled = model.features_of_windows(gather(train, torch.tensor(SENTENCES[number]).numpy()))
        kept = dropout(pooled, config.dropout, torch.Generator().manual_seed(number))
        expected = model.output(kept)
        torch.testing.assert_close(scores[number], expected, rtol=0, atol=1e-12)
        expected.square().sum().backward()
        for name, parameter in model.named_parameters():
            stacked = stack.weights[name].grad
            assert stacked is not None
            torch.testing.assert_close(stacked[number], parameter.grad, rtol=0, atol=1e-12, msg=name)


def test_one_network_never_gets_another_ones_gradient(tmp_path: Path) -> None:
    runs = two_runs(tmp_path)
    stack = StackedCnn([run.state.model for run in runs], runs[0].inputs.config.model)
    batch = gather(runs[0].inputs.train, torch.tensor(SENTENCES).flatten().numpy())
    stack.scores(stack.features(batch), None)[1].sum().backward()
    for name, weight in stack.weights.items():
        assert weight.grad is not None, name
        assert not weight.grad[0].any(), name
        assert weight.grad[1].any(), name
