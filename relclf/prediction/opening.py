"""Opens a run for use: its network with trained weights, on the device of this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from relclf.config.loading import load_config
from relclf.encoding.dataset import EncodedDataset, to_dataset
from relclf.encoding.sentences import Sentences
from relclf.errors import UserMistake
from relclf.models.losses import Objective
from relclf.prediction.late_words import LateWords, late_words
from relclf.runs.directory import RunDirectory, open_run
from relclf.training.device import choose_device, prepare_torch
from relclf.training.network import Network, load_run_weights, objective_of, open_network

WEIGHTS = ("best", "last")


@dataclass(frozen=True)
class OpenedRun:
    """A trained network in eval mode and the run that it is from."""

    run: RunDirectory
    network: Network
    objective: Objective
    device: torch.device
    weights: str
    late: LateWords | None
    """Where words that training did not see are looked up; None without word vectors."""

    @contextmanager
    def encoded(self, sentences: Sentences, gold: Tensor) -> Iterator[EncodedDataset]:
        """The sentences as arrays on the device, for as long as the block runs; gold: (sentences,).

        The network knows their late words that long.
        """
        rows: Tensor | None = None
        spelled: tuple[str, ...] = ()
        if self.late is not None:
            sentences, (rows, spelled) = self.late.resolved(sentences)
        dataset = to_dataset(sentences, gold, self.network.config.encoding.max_distance)
        with self.network.model.words.extended(rows, spelled):
            yield dataset.to(self.device)


def open_trained(
    path: Path, weights: str = "best", device: str = "auto", threads: int | None = None
) -> OpenedRun:
    """The network of a run with its `best` or `last` weights.

    `device` is this machine's, not the one of the training; `threads` (default: PyTorch's own choice)
    limits the CPU threads. Raises UserMistake.
    """
    if weights not in WEIGHTS:
        raise UserMistake(f"--weights: must be best or last (got {weights!r}).")
    run = open_run(path)
    config = load_config(run.config)
    chosen = choose_device(device)
    prepare_torch(config.training, chosen, threads or torch.get_num_threads())
    network = load_run_weights(run, open_network(run, config), weights, chosen)
    objective = objective_of(network, chosen)
    late = late_words(run, config, len(network.vocabulary))
    return OpenedRun(run, network, objective, chosen, weights, late)
