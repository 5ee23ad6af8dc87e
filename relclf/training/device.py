"""Chooses the device and makes it deterministic where the config asks for it."""

import os
import platform

import torch

from relclf.config.schema import TrainingConfig
from relclf.errors import UserMistake


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
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if config.deterministic or torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(config.deterministic)  # which imports torch's whole compiler
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = False


def device_name(device: torch.device) -> str:
    """The device's model in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def _no_such_device(name: str) -> UserMistake:
    return UserMistake(f"device {name}: no such device. Use auto, cpu, cuda or mps.")
