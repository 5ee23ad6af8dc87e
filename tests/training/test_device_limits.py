"""What a device is too small for, or cannot do, is said with the next move; the run can go on."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from relclf.config.schema import TrainingConfig
from relclf.encoding.batches import gather
from relclf.encoding.dataset import encode
from relclf.encoding.vocabulary import Vocabulary
from relclf.errors import UserMistake
from relclf.example import Example, MentionSpan
from relclf.prediction.evaluating import evaluate_run
from relclf.prediction.opening import open_trained
from relclf.relations import RelationSet
from relclf.runs.records import read_records
from relclf.training.device import OutOfMemory, check_precision, memory_explained, products_in, resident
from relclf.training.experiment import resume, start
from tests.tiny import tiny_config, tiny_examples

TORCH_SAYS = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 8.00 GiB of which 1.25 GiB "
    "is free. Including non-PyTorch memory, this process has 6.50 GiB memory in use. If reserved but ..."
)
CPU = torch.device("cpu")


def started(folder, **overrides):
    return start(tiny_config(folder, **overrides), "tiny", folder / "runs", None)


def out_of_memory(*_):
    raise torch.OutOfMemoryError(TORCH_SAYS)


@pytest.mark.parametrize("during", ["training", "evaluation"])
def test_out_of_memory_says_what_needs_less_and_leaves_a_run_to_go_on_from(tmp_path, during):
    expected = list(started(tmp_path / "whole").epochs()) if (tmp_path / "whole").mkdir() is None else []
    experiment = started(tmp_path)
    model, features = experiment.state.model, experiment.state.model.features
    epochs = experiment.epochs()
    next(epochs)
    model.features = lambda b, *dropout: (
        out_of_memory() if torch.is_grad_enabled() == (during == "training") else features(b, *dropout)
    )
    with pytest.raises(OutOfMemory) as caught:
        next(epochs)
    message = str(caught.value)
    assert caught.value.exit_code == 1
    assert message.startswith(
        "the device's memory is too small in epoch 2: CUDA out of memory. Tried to allocate"
    )
    assert "non-PyTorch" not in message
    assert f"relclf train --resume {experiment.run.path}" in message
    for lower in ("training.batch_size", "model.filters", "encoding.max_length"):
        assert lower in message
    assert next(model.parameters()).device == CPU
    assert json.loads(experiment.run.summary.read_text())["stop_reason"] == "error"
    assert len(read_records(experiment.run.records)) == 1
    resumed = list(resume(experiment.run.path).epochs())
    assert [record.train_loss for record in resumed] == [record.train_loss for record in expected[1:]]


def test_out_of_memory_in_an_evaluation_names_the_device_that_needs_none(tmp_path):
    experiment = started(tmp_path, training__max_epochs=1)
    list(experiment.epochs())
    opened = open_trained(experiment.run.path, device="cpu")
    opened.network.model.features = out_of_memory
    with pytest.raises(
        OutOfMemory, match=r"too small to evaluate: CUDA out of memory.* The device cpu needs none"
    ):
        evaluate_run(opened)


def test_a_batch_larger_than_the_data_is_the_whole_data(tmp_path):
    experiment = started(tmp_path, training__batch_size=1000, training__max_epochs=2)
    records = list(experiment.epochs())
    assert [(record.batches, record.updates) for record in records] == [(1, 1), (1, 1)]
    other = started(tmp_path, training__batch_size=48, training__max_epochs=2)
    assert [r.train_loss for r in other.epochs()] == pytest.approx([r.train_loss for r in records], abs=1e-6)


def test_sentences_of_one_token_have_scores_and_gradients_alone_and_beside_longer_ones(tmp_path):
    """No file can hold one, since two mentions are two spans; a network reads it all the same."""
    model = started(tmp_path).state.model
    one = Example("one", ("floods",), MentionSpan(0, 1), MentionSpan(0, 1), "none", "tiny:1")
    examples = [one, *tiny_examples()]
    vocabulary = Vocabulary.build(examples, min_count=1, lowercase=True, fold_digits=True)
    dataset = encode(examples, vocabulary, RelationSet(("cause", "contains", "none")), 6)
    alone, together = gather(dataset, np.array([0])), gather(dataset, np.arange(7))
    assert alone.token_ids.shape == (1, 1)
    torch.testing.assert_close(model(alone)[0], model(together)[0])
    torch.testing.assert_close(model.features(alone), model.features_of_windows(alone))
    model(alone).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_a_precision_that_only_cuda_has_is_refused_elsewhere(tmp_path, precision):
    with pytest.raises(
        UserMistake, match=f"training.precision: {precision} is for CUDA only, and the device is cpu"
    ):
        started(tmp_path, training__precision=precision)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_products_are_taken_in_tf32_inside_an_epoch_only(precision):
    matmul = torch.backends.cuda.matmul
    before = torch.get_float32_matmul_precision(), matmul.fp32_precision
    with products_in(precision):
        assert matmul.fp32_precision == ("tf32" if precision == "tf32" else "ieee")
    assert (torch.get_float32_matmul_precision(), matmul.fp32_precision) == before


@pytest.mark.parametrize("theirs", ["tf32", "ieee"])
def test_products_go_with_whatever_switch_the_process_has_set(theirs):
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = theirs
    try:
        with products_in("float32"):
            assert matmul.fp32_precision == "ieee"
        assert matmul.fp32_precision == theirs
    finally:
        matmul.fp32_precision = before


@pytest.mark.parametrize(
    "message",
    ["CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"],
)
def test_memory_that_runs_out_in_cuda_itself_is_explained_too(message):
    with pytest.raises(OutOfMemory, match="too small in epoch 2: CUDA error"), memory_explained("in epoch 2"):
        raise RuntimeError(message)


def test_memory_that_runs_out_in_a_capture_is_explained_though_the_capture_reports_its_own_error():
    with pytest.raises(OutOfMemory, match=r"CUDA out of memory\. Tried"), memory_explained("in epoch 2"):
        try:
            out_of_memory()
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")


def test_another_error_of_the_device_is_left_as_it_is():
    with pytest.raises(RuntimeError, match="device-side assert"), memory_explained("in epoch 2"):
        raise RuntimeError("CUDA error: device-side assert triggered")


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_a_precision_that_the_card_is_too_old_for_is_refused(monkeypatch, precision):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    with pytest.raises(UserMistake, match=r"needs a card of compute capability .*, and Tesla T4 has"):
        check_precision(TrainingConfig(precision=precision), torch.device("cuda", 0))


def test_the_precision_is_kept_in_the_runs_config(tmp_path):
    experiment = started(tmp_path, training__max_epochs=1)
    text = experiment.run.config.read_text()
    assert "precision: float32" in text and "graphs: true" in text
    experiment.lock.release()


def test_a_data_set_larger_than_the_device_stays_on_the_host_and_that_is_said():
    dataset = encoded()
    there, notes = resident(dataset, "train", torch.device("meta"), free=4 * dataset.bytes)
    assert (there.device.type, notes) == ("meta", ())
    there, notes = resident(dataset, "train", torch.device("meta"), free=dataset.bytes)
    assert there.device == CPU
    (note,) = notes
    assert note.startswith("train: ") and "stay in host memory" in note


def test_a_batch_of_a_data_set_on_the_host_reaches_the_network():
    batch = gather(encoded(), np.array([0, 2]))
    moved = batch.to(torch.device("meta"))
    assert {moved.token_ids.device.type, moved.mask.device.type, moved.gold.device.type} == {"meta"}
    assert dataclasses.asdict(moved).keys() == dataclasses.asdict(batch).keys()


def encoded():
    examples = tiny_examples()
    vocabulary = Vocabulary.build(examples, min_count=1, lowercase=True, fold_digits=True)
    return encode(examples, vocabulary, RelationSet(("cause", "contains", "none")), 6)
