"""Measures what an update of each network costs on a CPU, along the path that it takes and along the plain one.

    python benchmarks/networks.py --data TRAIN_FILE.TXT [--dim 50] [--rounds 15]

The plain path lays the windows of a batch side by side and multiplies them with the filters (`features_of_windows`).
An update is forward, backward and the optimiser's step, on one thread. All networks take turns on the same batches
within a round, the first round is left out, and the table gives medians over rounds of CPU-milliseconds an update.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from relclf.config.loading import config_from_mapping
from relclf.encoding.batches import gather
from relclf.training.experiment import Material, draw, prepare
from relclf.training.network import objective_of
from relclf.training.optimizers import take_step
from relclf.training.seeding import numpy_generator

BATCHES = 10
"""Of a round, 50 sentences of like length each."""
NETWORKS: dict[str, dict[str, Any]] = {
    "cnn": {},
    "cnn, mention_features": {"mention_features": True},
    "cnn, hidden 100": {"hidden": 100},
    "cnn, positions sinusoid": {"positions": "sinusoid"},
    "cnn, word_dropout 0.1": {"word_dropout": 0.1},
    "cnn, embedding_dropout 0.3": {"embedding_dropout": 0.3},
    "cnn, gelu": {"activation": "gelu"},
    "cnn, windows 2 to 5": {"windows": [2, 3, 4, 5]},
    "cnn, ranking loss": {"loss": "ranking"},
    "pcnn": {"name": "pcnn"},
    "attention_cnn": {"name": "attention_cnn"},
}


class Updates:
    """Updates of one network along one of its paths."""

    def __init__(self, material: Material, plain: bool) -> None:
        _, network, self._state = draw(material, seed=1)
        if plain:
            self._state.model.features = self._state.model.features_of_windows  # type: ignore[method-assign]
        self._objective = objective_of(network, material.device)
        self._rate = material.config.training.optimizer.lr
        order = numpy_generator(1, "networks").permutation(len(material.train))[: 50 * BATCHES]
        order = order[material.train.lengths[order].argsort(kind="stable")]
        self._batches = [gather(material.train, rows) for rows in order.reshape(BATCHES, 50)]

    def cost(self) -> float:
        """CPU-milliseconds an update, the mean over the batches."""
        started = time.process_time()
        for batch in self._batches:
            scores = self._state.model(batch, self._state.dropout)
            torch.autograd.backward(self._objective.losses(scores, batch.gold).mean())
            take_step(self._state.optimizer, self._rate, None)
            self._state.model.zero_grad(set_to_none=True)
        return (time.process_time() - started) * 1000 / BATCHES


def main() -> None:
    arguments = _arguments()
    systems: dict[tuple[str, bool], Updates] = {}
    for name, keys in NETWORKS.items():
        material = prepare(_config(arguments, dict(keys)))
        for plain in (False, True):
            systems[name, plain] = Updates(material, plain)
    costs: dict[tuple[str, bool], list[float]] = {key: [] for key in systems}
    for number in range(1 + arguments.rounds):
        for key, system in systems.items():
            cost = system.cost()
            if number:
                costs[key].append(cost)
    print(f"| network, {arguments.dim}d + 2x5, 200 filters | its path, ms | plain path, ms | ratio |")
    print("|---|---|---|---|")
    for name in NETWORKS:
        own, other = (statistics.median(costs[name, plain]) for plain in (False, True))
        print(f"| {name} | {own:.1f} | {other:.1f} | {other / own:.1f} |")


def _config(arguments: argparse.Namespace, model: dict[str, Any]) -> Any:
    loss = {"name": model.pop("loss")} if "loss" in model else {}
    values = {
        "data": {"train": str(arguments.data), "negative_relation": "Other"},
        "model": {"word_dim": arguments.dim, **model},
        "training": {"device": "cpu", "threads": 1, **({"loss": loss} if loss else {})},
    }
    return config_from_mapping(values, Path(tempfile.gettempdir()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="SemEval-2010 Task 8's TRAIN_FILE.TXT")
    parser.add_argument("--dim", type=int, default=50, help="width of the word embedding")
    parser.add_argument("--rounds", type=int, default=15)
    return parser.parse_args()


if __name__ == "__main__":
    main()
