"""Saves the whole state of a training in one safetensors file, and restores it bit for bit.

Tensors hold the weights, the optimiser's state, the dropout generator and pending gradients; the header's
metadata holds one JSON value (records, progress inside an epoch) and a SHA-256 over everything. There is no
pickle, so a hostile file can run no code; sizes are checked against the file before anything is allocated.
"""

import dataclasses
import hashlib
import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from relclf.errors import UserMistake
from relclf.models.cnn import Cnn
from relclf.runs.directory import FORMAT, RunDirectory
from relclf.runs.files import link_or_copy, write_bytes, written_beside
from relclf.runs.records import EpochRecord
from relclf.training.optimizers import Optimizer, settled_weights
from relclf.training.outer_optimizers import Carrying
from relclf.training.row_adam import RowAdam


@dataclass(frozen=True)
class EpochSums:
    """The running epoch's sums, kept where the scores are and changed in place there."""

    loss: Tensor
    """() float64 (float32 on MPS): the objective summed over the examples so far."""
    counts: Tensor
    """(relations * relations,) int64: confusion counts, gold-major."""
    broken: Tensor
    """() bool: whether a number was not finite."""

    @classmethod
    def zeros(cls, relations: int, device: torch.device) -> "EpochSums":
        """The sums of an epoch that has just begun."""
        precise = torch.float32 if device.type == "mps" else torch.float64
        return cls(
            torch.zeros((), dtype=precise, device=device),
            torch.zeros(relations**2, dtype=torch.int64, device=device),
            torch.zeros((), dtype=torch.bool, device=device),
        )

    def add(self, loss: Tensor, gold: Tensor, predicted: Tensor) -> None:
        """Add a batch: its summed loss (), and its gold and predicted relations (batch,)."""
        self.loss.add_(loss)
        cells = torch.add(predicted, gold, alpha=math.isqrt(len(self.counts)))
        self.counts.index_add_(0, cells, torch.ones_like(cells))  # bincount would make the host wait

    def copy_(self, other: "EpochSums") -> None:
        """Take over another's values."""
        for mine, its in zip(vars(self).values(), vars(other).values(), strict=True):
            mine.copy_(its)


@dataclass
class EpochProgress:
    """How far the running epoch has come; all that its record needs."""

    epoch: int
    sums: EpochSums
    batches_done: int = 0
    updates: int = 0
    examples: int = 0
    gradient_norms: list[Tensor] = field(default_factory=list)
    """() each, on the device."""
    update_ratios: list[Tensor] = field(default_factory=list)
    learning_rate: float = 0.0
    seconds: float = 0.0


@dataclass
class TrainingState:
    """All that must survive a crash, in one value."""

    model: Cnn
    optimizer: Optimizer
    dropout: torch.Generator
    records: list[EpochRecord]
    progress: EpochProgress | None = None
    """None between epochs."""
    best_from: int = 1
    """The first epoch whose weights can still be the best: a person who resumes from an earlier checkpoint
    discards the later ones."""


def save_checkpoint(run: RunDirectory, state: TrainingState) -> None:
    """Make the state the checkpoint `last`; what was `last` becomes `previous`.

    The new file is whole on disk before either name changes. Raises Failure where the disk is full.
    """
    tensors = _tensors(state)
    content = json.dumps(_plain_state(state), allow_nan=False)
    metadata = {"format": str(FORMAT), "state": content, "sha256": _checksum(tensors, content)}
    last = run.checkpoint("last")
    data = save(tensors, metadata)
    with written_beside(last, len(data)) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        if last.exists():
            link_or_copy(last, run.checkpoint("previous"))


def save_weights(path: Path, model: Cnn, epoch: int) -> None:
    """Write the weights of an epoch alone, for `training.keep: all`; `load_epoch` reads them."""
    tensors = {f"model.{name}": each.detach().contiguous().cpu() for name, each in model.state_dict().items()}
    content = json.dumps({"epoch": epoch})
    metadata = {"format": str(FORMAT), "state": content, "sha256": _checksum(tensors, content)}
    path.parent.mkdir(exist_ok=True)
    write_bytes(path, save(tensors, metadata))


def load_epoch(path: Path, model: Cnn) -> None:
    """Put the weights that `save_weights` wrote into the model. Raises UserMistake."""
    load_weights(path, model, _read(path)[0])


def restore_checkpoint(path: Path, state: TrainingState) -> None:
    """Put a saved state into `state`, whose model and optimiser are of the same shapes.

    Raises UserMistake that names the file where it is missing, cut short, corrupted, of a newer format, or
    of another model's shape.
    """
    tensors, plain = read_checkpoint(path)
    load_weights(path, state.model, tensors)
    try:
        _restore_optimizer(path, state, tensors, plain["optimizer"])
        state.dropout.set_state(tensors["dropout"])
        state.records = [EpochRecord.from_json(record) for record in plain["records"]]
        state.best_from = int(plain["best_from"])
        state.progress = _restored_progress(state, tensors, plain["progress"])
    except _MALFORMED as error:
        raise UserMistake(f"{path}: not a checkpoint of this run ({error}). {_NEXT}") from None


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the plain state of a checkpoint whose checksum holds. Raises UserMistake."""
    tensors, content = _read(path)
    try:
        plain = json.loads(content)
    except _MALFORMED:
        plain = None
    if not isinstance(plain, dict) or plain.keys() != _PLAIN_KEYS:
        raise UserMistake(f"{path}: not a checkpoint of relclf. {_NEXT}")
    return tensors, plain


def _read(path: Path) -> tuple[dict[str, Tensor], str]:
    """The tensors of a file and the text of its state; the checksum over both holds. Raises UserMistake."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise UserMistake(f"{path}: no such checkpoint. {_NEXT}") from None
    except (SafetensorError, OSError) as error:
        raise UserMistake(f"{path}: cut short or corrupted ({error}). {_NEXT}") from None
    if metadata.get("format", "").isdigit() and int(metadata["format"]) > FORMAT:
        raise UserMistake(f"{path}: a checkpoint of format {metadata['format']}; install a newer relclf.")
    if metadata.get("sha256") != _checksum(tensors, metadata.get("state", "")):
        raise UserMistake(f"{path}: corrupted, its checksum does not hold. {_NEXT}")
    return tensors, metadata.get("state", "")


def checkpoint_epoch(path: Path) -> int | None:
    """The completed epochs of a checkpoint, from its header alone; None where it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            return len(json.loads((file.metadata() or {})["state"])["records"])
    except (SafetensorError, OSError, *_MALFORMED):
        return None


def load_weights(path: Path, model: Cnn, tensors: dict[str, Tensor]) -> None:
    """Copy the weights into the model. Raises UserMistake where a name or a shape is another."""
    expected = model.state_dict()
    found = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
    for name, tensor in expected.items():
        if name not in found:
            raise UserMistake(f"{path}: has no weights {name}; it is the checkpoint of another model.")
        if found[name].shape != tensor.shape:
            raise UserMistake(
                f"{path}: {name} has shape {tuple(found[name].shape)}, but the config's model needs "
                f"{tuple(tensor.shape)}; it is the checkpoint of another model."
            )
    if extra := sorted(set(found) - set(expected)):
        raise UserMistake(f"{path}: has weights that the config's model lacks ({', '.join(extra)}).")
    model.load_state_dict(found)


_PLAIN_KEYS = {"records", "progress", "best_from", "optimizer"}
_MEASURED = ("gradient_norms", "update_ratios")
_PLAIN_PROGRESS = tuple(f.name for f in dataclasses.fields(EpochProgress) if f.name != "sums")
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, RuntimeError)
"""What values of other types and shapes than ours raise as they are taken apart (RecursionError among them)."""
_NEXT = "relclf train --resume RUN --from previous (or best) goes on from an earlier checkpoint."


def _tensors(state: TrainingState) -> dict[str, Tensor]:
    tensors = {f"model.{name}": tensor for name, tensor in state.model.state_dict().items()}
    for index, values in state.optimizer.state_dict()["state"].items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{key}"] = value
    names = {parameter: name for name, parameter in state.model.named_parameters()}
    for parameter, settled in settled_weights(state.optimizer):
        tensors[f"model.{names[parameter]}"] = (
            settled  # for who scores it; the optimiser keeps its own for itself
        )
    tensors["dropout"] = state.dropout.get_state()
    if state.progress is not None:
        tensors["progress.counts"] = state.progress.sums.counts
        for name, parameter in state.model.named_parameters():
            if parameter.grad is not None:
                tensors[f"gradient.{name}"] = parameter.grad
    return {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}


def _plain_state(state: TrainingState) -> dict[str, Any]:
    numbers = {
        str(index): {key: value for key, value in values.items() if not isinstance(value, Tensor)}
        for index, values in state.optimizer.state_dict()["state"].items()
    }
    progress = None
    if state.progress is not None:
        progress = {name: getattr(state.progress, name) for name in _PLAIN_PROGRESS}
        progress["loss_sum"] = state.progress.sums.loss.item()
        for name in _MEASURED:
            progress[name] = [value.item() for value in progress[name]]
    return {
        "records": [record.to_json() for record in state.records],
        "progress": progress,
        "best_from": state.best_from,
        "optimizer": {"name": _name(state.optimizer), "numbers": numbers, **_carried(state.optimizer)},
    }


def _carried(optimizer: Optimizer) -> dict[str, Any]:
    """The optimiser's numbers of the whole training; empty where it has none."""
    if not isinstance(optimizer, Carrying):
        return {}
    group = optimizer.param_groups[0]
    return {"carried": {name: group[name] for name in optimizer.carried}}


def _restored_progress(
    state: TrainingState, tensors: dict[str, Tensor], plain: dict[str, Any] | None
) -> EpochProgress | None:
    """The progress inside an epoch; the pending gradients go to the model's parameters."""
    if plain is None:
        return None
    if plain.keys() != {*_PLAIN_PROGRESS, "loss_sum"}:
        raise ValueError(f"progress has the keys {sorted(plain)}")
    output = state.model.output
    device = output.weight.device
    counts = tensors["progress.counts"]
    if counts.shape != (output.out_features**2,) or counts.dtype != torch.int64:
        raise ValueError(f"progress.counts has shape {tuple(counts.shape)}")
    sums = EpochSums.zeros(output.out_features, device)
    sums.loss.fill_(plain["loss_sum"])
    sums.counts.copy_(counts)
    measured: dict[str, Any] = {
        name: [torch.tensor(value, device=device) for value in plain[name]] for name in _MEASURED
    }
    others: dict[str, Any] = {name: plain[name] for name in _PLAIN_PROGRESS if name not in _MEASURED}
    for name, parameter in state.model.named_parameters():
        gradient = tensors.get(f"gradient.{name}")
        parameter.grad = gradient.to(parameter.device) if gradient is not None else None
    return EpochProgress(sums=sums, **others, **measured)


def _restore_optimizer(
    path: Path, state: TrainingState, tensors: dict[str, Tensor], plain: dict[str, Any]
) -> None:
    name = _name(state.optimizer)
    if plain["name"] != name:
        raise UserMistake(f"{path}: has the state of {plain['name']}, but the config's optimiser is {name}.")
    restored: dict[int, dict[str, Any]] = {int(index): dict(each) for index, each in plain["numbers"].items()}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            restored.setdefault(int(index), {})[key] = tensor
    for number, parameter in enumerate(state.model.parameters()):
        for key, value in restored.get(number, {}).items():
            if (
                isinstance(value, Tensor)
                and value.dim() == parameter.dim()
                and value.shape != parameter.shape
            ):
                raise UserMistake(f"{path}: the optimiser's {key} has shape {tuple(value.shape)}; corrupted.")
    state.optimizer.load_state_dict({**state.optimizer.state_dict(), "state": restored})
    if isinstance(state.optimizer, Carrying):
        carried = plain["carried"]
        state.optimizer.param_groups[0].update({key: carried[key] for key in state.optimizer.carried})
    _keep_single_numbers(state, restored)


def _keep_single_numbers(state: TrainingState, restored: dict[int, dict[str, Any]]) -> None:
    """Put single numbers back as they were saved, on the host (NAdam's product of momenta).

    torch moves all of the state but `step` to the weights' device and type, where a fresh optimiser that is
    neither fused nor capturable has such numbers on the host in float32: every update would wait for them.
    """
    optimizer = state.optimizer
    if (
        isinstance(optimizer, RowAdam)
        or optimizer.defaults.get("fused")
        or optimizer.defaults.get("capturable")
    ):
        return
    for number, parameter in enumerate(state.model.parameters()):
        for key, value in restored.get(number, {}).items():
            if isinstance(value, Tensor) and value.dim() == 0:
                optimizer.state[parameter][key] = value.clone()


def _name(optimizer: Optimizer) -> str:
    """The algorithm's name: RowAdam's state is Adam's."""
    return "Adam" if isinstance(optimizer, RowAdam) else type(optimizer).__name__


def _checksum(tensors: dict[str, Tensor], content: str) -> str:
    digest = hashlib.sha256(content.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
