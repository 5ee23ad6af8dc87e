"""The device that a name chooses, and the names that choose none."""

import pytest
import torch

from relclf.errors import UserMistake
from relclf.training.device import choose_device


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
