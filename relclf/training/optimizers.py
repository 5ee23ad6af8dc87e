"""Builds the optimiser that a config names, and says the learning rate of each update."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from relclf.config.schema import (
    Adam,
    OptimizerConfig,
    PlateauSchedule,
    Prodigy,
    ScheduleConfig,
    ScheduleFree,
    TrainingConfig,
)
from relclf.config.schema import Backtracking as BacktrackingConfig
from relclf.errors import UserMistake
from relclf.models.layers import RowGradient, WordEmbedding
from relclf.runs.records import EpochRecord, lower_is_better
from relclf.training.backtracking import Backtracking
from relclf.training.outer_optimizers import (
    Averaging,
    build_prodigy,
    build_schedule_free,
    without_compiler,
)
from relclf.training.row_adam import SHARE, RowAdam, groups_of

Optimizer = torch.optim.Optimizer | RowAdam
"""What the loop steps and a checkpoint keeps."""

_OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "adamax": torch.optim.Adamax,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "sgd": torch.optim.SGD,
}
_FUSED = {"cpu": {"adam", "adamw", "sgd", "adagrad"}, "cuda": {"adam", "adamw", "sgd"}}
"""Optimisers whose update is one pass over memory, a device type; the same arithmetic."""
if torch.__version__ >= "2.12":  # earlier classes refuse CUDA, though the kernel is there from 2.9 on
    _FUSED["cuda"].add("adagrad")


def build_optimizer(
    config: OptimizerConfig,
    parameters: Iterable[nn.Parameter],
    device: torch.device,
    words: WordEmbedding | None = None,
    deferred: bool = False,
    word_share: float | None = None,
) -> Optimizer:
    """The optimiser of that name with the config's own parameters: torch's or an equal one, ours, another package's.

    `words` is the embedding among the parameters of which a batch touches few rows; with `word_share` its rate
    is a share of the others'. With `deferred`, Adam on a CPU updates a row when it is read (row_adam.py). Raises
    UserMistake for what a device cannot do.
    """
    parameters = list(parameters)
    options = config.model_dump(exclude={"name"})
    touched_only = options.pop("rows", "all") == "touched"
    if touched_only and device.type != "cpu":
        raise UserMistake(
            f"training.optimizer.rows: touched is for the CPU only, and the device is {device}."
        )
    if isinstance(config, ScheduleFree):
        # It changes gradients, so there is no buffer of rows for them.
        return build_schedule_free(config, parameters)
    if device.type == "cpu" and words is not None:
        words.row_gradient = RowGradient()
        if isinstance(config, Adam) and config.weight_decay == 0 and not config.amsgrad:
            return RowAdam(
                words,
                parameters,
                lr=config.lr,
                word_share=word_share,
                betas=config.betas,
                eps=config.eps,
                deferred=deferred,
                touched_only=touched_only,
            )
    if isinstance(config, Prodigy):
        return build_prodigy(config, parameters)
    if isinstance(config, BacktrackingConfig):
        return Backtracking(parameters, config)
    if config.name in _FUSED.get(device.type, ()):
        options["fused"] = True
    captured = device.type == "cuda" and config.name in ("adam", "adamw")
    if captured:
        options["capturable"] = True
    grouped = parameters if words is None else groups_of(parameters, words, config.lr, word_share)
    optimizer = without_compiler(_OPTIMIZERS[config.name])(grouped, **options)
    if captured:  # else torch warns at the first update that is not captured
        vars(optimizer)["_warned_capturable_if_run_uncaptured"] = True
    return optimizer


def settle(optimizer: Optimizer) -> None:
    """Make all weights what the updates so far have made of them, for whoever reads them outside training."""
    if isinstance(optimizer, RowAdam):
        optimizer.settle()
    elif isinstance(optimizer, Averaging):
        optimizer.eval()


def unsettle(optimizer: Optimizer) -> None:
    """Make all weights those that the next update starts from, where `settle` has made them others."""
    if isinstance(optimizer, Averaging):
        optimizer.train()


def settled_weights(optimizer: Optimizer) -> list[tuple[nn.Parameter, Tensor]]:
    """The parameters that `settle` would change, with what it would make of them; nothing changes."""
    if isinstance(optimizer, RowAdam):
        table = optimizer.settled_table()
        return [] if table is None else [(optimizer.table, table)]
    return optimizer.averages() if isinstance(optimizer, Averaging) else []


def leaves_out_broken_updates(optimizer: Optimizer) -> bool:
    """Whether `take_step` can leave an update out on the device, without the host knowing of it."""
    return bool(optimizer.defaults.get("fused"))


def own_word_share(training: TrainingConfig, epoch: int) -> float | None:
    """What the word embedding's rate is in an epoch, as a share of the others'; None: the same in every epoch."""
    if training.word_rate == 1 and training.words_from_epoch == 1:
        return None
    return training.word_rate if epoch >= training.words_from_epoch else 0.0


def share_with_words(optimizer: Optimizer, share: float | None) -> None:
    """From the next update on the word embedding's rate is this share of the others', where it has its own."""
    for group in optimizer.param_groups:
        if SHARE in group:
            group[SHARE] = share


def take_step(optimizer: Optimizer, learning_rate: float | Tensor, broken: Tensor | None) -> None:
    """One update at this rate, a number or () on the device; the word embedding at its share where it has one.

    With `broken`, a () bool on the device, nothing changes where it is true: no weight, no average, no count of
    updates. Only optimisers that `leaves_out_broken_updates` names can do that.
    """
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group[SHARE] if SHARE in group else learning_rate
    if broken is not None:
        optimizer.found_inf = broken.float()  # type: ignore[union-attr]  # torch's own way of leaving out
    optimizer.step()


def learning_rate(
    training: TrainingConfig, update: int, updates_per_epoch: int, records: Sequence[EpochRecord]
) -> float:
    """The rate of update number `update` (from 0 over the whole training), a pure function of its arguments.

    During warm-up the rate rises linearly to what the schedule says at that update.
    """
    schedule = training.schedule
    rise = min(1.0, (update + 1) / schedule.warmup_updates) if schedule.warmup_updates else 1.0
    match schedule.name:
        case "constant":
            share = 1.0
        case "linear" | "cosine":
            total = max(1, updates_per_epoch * training.max_epochs - schedule.warmup_updates)
            done = min(1.0, max(0, update - schedule.warmup_updates) / total)
            left = 1 - done if schedule.name == "linear" else (1 + math.cos(math.pi * done)) / 2
            share = schedule.final_share + (1 - schedule.final_share) * left
        case "exponential":
            share = schedule.gamma ** (update // updates_per_epoch)
        case "plateau":
            share = _plateau_share(schedule, records, lower_is_better(training.monitor))
    return training.optimizer.lr * rise * share


def depends_on_length(schedule: ScheduleConfig) -> bool:
    """Whether another `max_epochs` would have changed the rates of the epochs already run."""
    return schedule.name in ("linear", "cosine")


def _plateau_share(schedule: PlateauSchedule, records: Sequence[EpochRecord], lower: bool) -> float:
    """One factor for each time that `patience` epochs on end brought no better monitored score."""
    share, best, waited = 1.0, -math.inf, 0
    for record in records:
        if record.monitored is None:
            continue
        value = -record.monitored if lower else record.monitored
        if value > best:
            best, waited = value, 0
        else:
            waited += 1
        if waited >= schedule.patience:
            share, waited = max(share * schedule.factor, schedule.min_share), 0
    return share
