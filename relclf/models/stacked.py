"""Networks of one shape as one: their weights side by side, and each of their products one batched product."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from relclf.config.schema import CnnConfig
from relclf.encoding.batches import Batch
from relclf.encoding.vocabulary import PAD_ID
from relclf.models.cnn import ACTIVATIONS, RISING, Cnn, windows_of


def not_stacked(config: CnnConfig) -> list[str]:
    """The keys of a network that ask for what a stack does not have."""
    plain = CnnConfig()
    asked = [name for name in CnnConfig.model_fields if getattr(config, name) != getattr(plain, name)]
    known = {*_KNOWN, "activation"} if config.activation in RISING else _KNOWN
    return [f"model.{name}" for name in asked if name not in known]


_KNOWN = {"word_dim", "word_std", "position_dim", "windows", "filters", "dropout"}


class StackedCnn:
    """The weights of `runs` networks of one shape and one vocabulary, and what comes of a batch for each.

    The forward pass is `Cnn.features_of_windows` with one more axis in front: every linear layer is a batched
    product over the networks, every embedding one look-up in their tables laid end to end.
    """

    def __init__(self, models: Sequence[Cnn], config: CnnConfig) -> None:
        self._config = config
        self._constant = models[0].words.constant
        watched = {id(weight) for weight in models[0].watched_weights()}
        self._watched = [name for name, each in models[0].named_parameters() if id(each) in watched]
        named = [dict(model.named_parameters()) for model in models]
        self.weights = {
            name: nn.Parameter(torch.stack([each[name].detach() for each in named])) for name in named[0]
        }
        """(runs, ...) each, under the names and in the order of a network's own parameters."""

    def features(self, batch: Batch) -> Tensor:
        """The pooled activations, (runs, batch, filters of all windows), of runs * batch sentences run by run."""
        runs, length = len(self.weights["output.weight"]), batch.token_ids.shape[1]
        tokens = self._embed(batch, runs)  # (runs * batch, length, width)
        padding = torch.where(batch.mask, 0.0, -torch.inf).view(runs, -1, length, 1)
        pooled = []
        for index, window in enumerate(self._config.windows):
            windows = windows_of(tokens, window).view(runs, -1, window * tokens.shape[2])
            outputs = self._linear(f"filters.{index}", windows).view(runs, -1, length, self._config.filters)
            pooled.append(ACTIVATIONS[self._config.activation](outputs.add_(padding).amax(dim=2)))
        return torch.cat(pooled, dim=2)

    def scores(self, features: Tensor, keep: Tensor | None) -> Tensor:
        """Scores of shape (runs, batch, relations); keep: as features, 1 for what dropout leaves and 0 else."""
        if keep is not None:
            features = features * (keep / (1 - self._config.dropout))
        return self._linear("output", features)

    def watched_weights(self) -> list[nn.Parameter]:
        """The stacked counterparts of `Cnn.watched_weights`."""
        return [self.weights[name] for name in self._watched]

    def _linear(self, name: str, inputs: Tensor) -> Tensor:
        """(runs, rows, width) -> (runs, rows, outputs)."""
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return torch.baddbmm(bias[:, None, :], inputs, weight.transpose(1, 2))

    def _embed(self, batch: Batch, runs: int) -> Tensor:
        parts = [self._words(batch, runs)]
        if self._config.position_dim:
            parts.append(self._rows("head_positions.weight", batch.head_positions, runs))
            parts.append(self._rows("tail_positions.weight", batch.tail_positions, runs))
        return torch.cat(parts, dim=2)

    def _words(self, batch: Batch, runs: int) -> Tensor:
        trained = self.weights["words.weight"].shape[1]
        if self._constant is None or batch.max_token_id < trained:
            return self._rows("words.weight", batch.token_ids, runs)
        is_trained = batch.token_ids < trained
        rows = self._rows("words.weight", torch.where(is_trained, batch.token_ids, PAD_ID), runs)
        constant = functional.embedding((batch.token_ids - trained).clamp(min=0), self._constant)
        return torch.where(is_trained[:, :, None], rows, constant)

    def _rows(self, name: str, ids: Tensor, runs: int) -> Tensor:
        """(runs * batch, length) ids -> (runs * batch, length, width); padding is row 0 of the first table."""
        tables = self.weights[name]
        first = torch.arange(runs, device=ids.device)[:, None, None] * tables.shape[1]
        places = torch.where(ids == PAD_ID, 0, (ids.view(runs, -1, ids.shape[1]) + first).view_as(ids))
        return functional.embedding(places, tables.flatten(0, 1), padding_idx=0)
