"""Optimisers of other packages, Prodigy and schedule-free AdamW, made fit for the loop and its checkpoints."""

import contextlib
import inspect
import io
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from relclf.config.schema import Prodigy, ScheduleFree
from relclf.errors import UserMistake


class Carrying:
    """An optimiser that keeps numbers of the whole training in `param_groups[0]`, beside its state of each weight."""

    carried: ClassVar[tuple[str, ...]]
    """The names of those that a resumed training needs."""
    param_groups: list[dict[str, Any]]


class Averaging(Carrying, ABC):
    """An optimiser that trains other weights than those to be scored, and can go from one to the other."""

    @abstractmethod
    def train(self) -> None:
        """Make the weights those to be trained."""

    @abstractmethod
    def eval(self) -> None:
        """Make the weights those to be scored."""

    @abstractmethod
    def averages(self) -> list[tuple[nn.Parameter, Tensor]]:
        """The weights to be scored, where the parameters are those to be trained; nothing changes."""


def build_prodigy(config: Prodigy, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Prodigy with the config's parameters. Raises UserMistake where its package is missing."""
    try:
        import prodigyopt
    except ImportError:
        raise _missing("prodigy", "prodigyopt") from None

    class Prodigy(Carrying, without_compiler(prodigyopt.Prodigy)):  # type: ignore[misc]
        carried: ClassVar[tuple[str, ...]] = ("d", "d_max", "d_numerator", "k")

    with contextlib.redirect_stdout(io.StringIO()):  # it prints that it decays weights
        optimizer: torch.optim.Optimizer = Prodigy(list(parameters), **config.model_dump(exclude={"name"}))
    return optimizer


def build_schedule_free(config: ScheduleFree, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Schedule-free AdamW with the config's parameters. Raises UserMistake where its package is missing.

    Inside an epoch a checkpoint's weights are the averages, for whoever scores them; the weights that are trained
    are kept beside as `y`, since averages and back again would round them.
    """
    try:
        import schedulefree
    except ImportError:
        raise _missing("schedule_free", "schedulefree") from None

    class ScheduleFree(Averaging, without_compiler(schedulefree.AdamWScheduleFree)):  # type: ignore[misc]
        carried: ClassVar[tuple[str, ...]] = ("k", "weight_sum", "lr_max", "train_mode")
        train = schedulefree.AdamWScheduleFree.train
        eval = schedulefree.AdamWScheduleFree.eval

        def averages(self) -> list[tuple[nn.Parameter, Tensor]]:
            (group,) = self.param_groups
            if not group["train_mode"]:
                return []
            weight = 1 - 1 / group["betas"][0]
            return [(p, p.detach().lerp(state["z"], weight)) for p, state in self.state.items()]

        def state_dict(self) -> dict[str, Any]:
            packed: dict[str, Any] = super().state_dict()
            (group,) = self.param_groups
            if group["train_mode"]:
                states = packed["state"].items()
                packed["state"] = {i: {**each, "y": group["params"][i].detach()} for i, each in states}
            return packed

        @torch.no_grad()
        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            super().load_state_dict(state_dict)
            for parameter, state in self.state.items():
                if "y" in state:
                    parameter.copy_(state.pop("y"))

    optimizer: torch.optim.Optimizer = ScheduleFree(list(parameters), **config.model_dump(exclude={"name"}))
    return optimizer


def without_compiler(optimizer: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """The same class with its methods undecorated: the decorators import torch's compiler, seconds of CPU time."""
    plain: dict[str, Any] = {
        name: inspect.unwrap(getattr(optimizer, name))
        for name in ("add_param_group", "state_dict", "load_state_dict")
    }
    plain["step"] = torch.no_grad()(inspect.unwrap(optimizer.step))
    return type(optimizer.__name__, (optimizer,), plain)


def _missing(name: str, package: str) -> UserMistake:
    return UserMistake(
        f"training.optimizer.name: {name} needs the package {package}, which is not installed. "
        "pip install 'relclf[optimizers]' brings it."
    )
