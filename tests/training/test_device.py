"""The device that a name chooses, and the names that choose none."""

import contextlib
import subprocess
import sys

import pytest
import torch

from relclf.config.schema import TrainingConfig
from relclf.errors import UserMistake
from relclf.training.device import choose_device, prepare_torch


def test_cpu_is_always_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "meta", "xpu", "cuda:x", "cuda:-1", ""])
def test_a_device_that_relclf_does_not_train_on_is_refused(name: str) -> None:
    with pytest.raises(UserMistake, match=f"device {name}: no such device"):
        choose_device(name)


def test_a_cuda_device_beyond_those_there_is_refused_with_their_number() -> None:
    count = torch.cuda.device_count()
    with pytest.raises(UserMistake, match=f"PyTorch finds {count} CUDA devices"):
        choose_device(f"cuda:{count}")


def test_deterministic_algorithms_are_switched_on_and_off_again_as_the_config_says() -> None:
    cpu, threads = torch.device("cpu"), torch.get_num_threads()
    prepare_torch(TrainingConfig(deterministic=True), cpu, threads)
    assert torch.are_deterministic_algorithms_enabled()
    prepare_torch(TrainingConfig(), cpu, threads)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(("workspace", "fits"), [(":4096:8", True), (":16:8", True), (":0:0", False)])
def test_a_workspace_that_is_not_deterministic_on_cuda_is_refused(
    monkeypatch: pytest.MonkeyPatch, workspace: str, fits: bool
) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", workspace)
    expected = (
        contextlib.nullcontext()
        if fits
        else pytest.raises(UserMistake, match="CUBLAS_WORKSPACE_CONFIG is ':0")
    )
    with expected:
        prepare_torch(TrainingConfig(deterministic=True), torch.device("cuda", 0), torch.get_num_threads())
    prepare_torch(TrainingConfig(), torch.device("cpu"), torch.get_num_threads())


def test_preparing_torch_leaves_its_compiler_unimported() -> None:
    """The compiler's import costs as much as that of all the rest of torch."""
    code = (
        "import sys, torch\n"
        "from relclf.config.schema import TrainingConfig\n"
        "from relclf.training.device import prepare_torch\n"
        "prepare_torch(TrainingConfig(), torch.device('cpu'), 1)\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
