"""Chooses the device, sets it up as the config asks, and says what to do where its memory is too small."""

import contextlib
import os
import platform
from collections.abc import Iterator

import torch

from relclf.config.schema import TrainingConfig
from relclf.encoding.dataset import EncodedDataset
from relclf.errors import Failure, UserMistake

RESIDENT_SHARE = 0.5
"""A data set larger than this share of the device's free memory stays on the host."""
_WORKSPACES = (":4096:8", ":16:8")
"""The values of CUBLAS_WORKSPACE_CONFIG with which cuBLAS is deterministic."""
_FLOAT32: tuple[str, object] = ("fp32_precision", "ieee")
_TF32: tuple[str, object] = ("fp32_precision", "tf32")
"""The switch of torch.backends.cuda.matmul, and its value."""
if torch.__version__ < "2.9":
    _FLOAT32, _TF32 = ("allow_tf32", False), ("allow_tf32", True)


class OutOfMemory(Failure):
    """The accelerator's memory is too small; the message says what needs less."""


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" takes CUDA, then MPS, then the CPU. Raises UserMistake where it is missing."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if name.partition(":")[0] not in ("cpu", "cuda", "mps"):
        raise _no_such_device(name)
    try:
        device = torch.device(name)
    except RuntimeError:
        raise _no_such_device(name) from None
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count <= (device.index or 0):
            raise UserMistake(
                f"device {name}: PyTorch finds {count} CUDA devices here. "
                "Use auto or cpu, or install a CUDA build of PyTorch."
            )
        return torch.device("cuda", device.index or 0)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserMistake("device mps: this machine has no Metal device. Use auto or cpu.")
    return device


def prepare_torch(config: TrainingConfig, device: torch.device, threads: int) -> None:
    """Set the number of CPU threads, and deterministic algorithms before CUDA starts."""
    torch.set_num_threads(threads)
    if device.type == "cuda":  # PyTorch reads it once, at a process's first product, deterministic or not
        workspace = os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", _WORKSPACES[0])
        if config.deterministic and workspace not in _WORKSPACES:
            raise UserMistake(
                f"training.deterministic: the environment's CUBLAS_WORKSPACE_CONFIG is {workspace!r}; "
                f"unset it, or set it to {' or '.join(_WORKSPACES)}."
            )
    if config.deterministic or torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(config.deterministic)  # which imports torch's whole compiler
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = False
        # Else `deterministic` fills every fresh array, a kernel each; none is read before it is written.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def check_precision(config: TrainingConfig, device: torch.device) -> None:
    """Raise UserMistake where the device does not train in `training.precision`."""
    if config.precision != "float32" and device.type != "cuda":
        raise UserMistake(
            f"training.precision: {config.precision} is for CUDA only, and the device is {device}. "
            "Use float32, which is the fastest there too."
        )
    if config.precision != "float32" and torch.cuda.get_device_capability(device) < (8, 0):
        raise UserMistake(
            f"training.precision: {config.precision} needs a card of compute capability 8.0 or above, and "
            f"{device_name(device)} has {'.'.join(map(str, torch.cuda.get_device_capability(device)))}. Use float32."
        )


@contextlib.contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Where `precision` is tf32, float32 products on CUDA round their inputs to it in here."""
    name, value = _TF32 if precision == "tf32" else _FLOAT32
    before = getattr(torch.backends.cuda.matmul, name)
    setattr(torch.backends.cuda.matmul, name, value)
    try:
        yield
    finally:
        setattr(torch.backends.cuda.matmul, name, before)


def filters_in(precision: str) -> "contextlib.AbstractContextManager[object]":
    """Where `precision` is bf16, products on CUDA are taken and given in it in here."""
    if precision == "bf16":
        return torch.autocast("cuda", torch.bfloat16)
    return contextlib.nullcontext()


def resident(
    dataset: EncodedDataset, name: str, device: torch.device, free: int | None = None
) -> tuple[EncodedDataset, tuple[str, ...]]:
    """The data set on the device, or still on the host with a note where it takes too much of `free` bytes."""
    if device.type == "cuda" and free is None:
        free, _ = torch.cuda.mem_get_info(device)
    if free is None or dataset.bytes <= RESIDENT_SHARE * free:
        return dataset.to(device), ()
    sizes = f"{dataset.bytes / 2**20:,.0f} MiB of arrays, and {device} has {free / 2**20:,.0f} MiB free"
    return dataset, (f"{name}: {sizes}; they stay in host memory, and each batch is copied (slower)",)


TO_TRAIN = "A smaller training.batch_size, model.filters or encoding.max_length needs less"
TO_SCORE = "The device cpu needs none of it"


@contextlib.contextmanager
def memory_explained(doing: str, remedy: str = TO_TRAIN) -> Iterator[None]:
    """Raise OutOfMemory, which names the remedy, where the device's memory runs out in here."""
    try:
        yield
    except RuntimeError as caught:
        error = _memory_error(caught)
        if error is None:
            raise
        reason = ". ".join(str(error).split(". ")[:3]).rstrip(". ")
        raise OutOfMemory(
            f"the device's memory is too small {doing}: {reason}. {remedy}; "
            "other programs may hold some of it (nvidia-smi shows them)."
        ) from None


def _memory_error(error: BaseException | None) -> BaseException | None:
    """What says that memory ran out: the error itself, or the one that broke the capture that it reports."""
    while error is not None:
        if isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _OUT_OF_MEMORY):
            return error
        error = error.__context__
    return None


_OUT_OF_MEMORY = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""How CUDA itself says it, outside of PyTorch's own allocations."""


def device_name(device: torch.device) -> str:
    """The device's model in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def _no_such_device(name: str) -> UserMistake:
    return UserMistake(f"device {name}: no such device. Use auto, cpu, cuda or mps.")
