"""A checkpoint that is broken, foreign or hostile is named and refused; the earlier ones go on."""

import hashlib
import io
import json
import pickle
import resource
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from benchmarks.kills import differences, ending
from relclf.errors import UserMistake
from relclf.runs.directory import RunDirectory
from relclf.training.checkpoint import checkpoint_epoch, read_checkpoint
from relclf.training.experiment import resume
from tests.training.test_resume import BATCHES, StopAfter, begin, train, train_stopped


def test_a_checkpoint_reads_back_as_it_was_written(tmp_path: Path) -> None:
    experiment = begin(tmp_path)
    records = list(experiment.epochs())
    tensors, state = read_checkpoint(experiment.run.checkpoint("last"))
    assert [record.to_json() for record in records] == state["records"]
    weights = experiment.state.model.state_dict()
    assert all(torch.equal(tensors[f"model.{name}"], weight) for name, weight in weights.items())
    assert checkpoint_epoch(experiment.run.checkpoint("last")) == 4


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def flip_in_the_weights(data: bytes) -> bytes:
    return data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]


def flip_in_the_header(data: bytes) -> bytes:
    place = data.index(b'\\"train_loss\\": ') + len('\\"train_loss\\": ') + 5
    return data[:place] + (b"1" if data[place : place + 1] != b"1" else b"2") + data[place + 1 :]


def claim_a_long_header(data: bytes) -> bytes:
    return struct.pack("<Q", 10**12) + data[8:]


def claim_a_large_tensor(data: bytes) -> bytes:
    header = {"huge": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}}
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + b"\0" * 64


def pickled_bomb(data: bytes) -> bytes:
    buffer = io.BytesIO()
    pickle.dump(Bomb(), buffer)
    return buffer.getvalue()


def torch_pickle(data: bytes) -> bytes:
    buffer = io.BytesIO()
    torch.save({"model": Bomb()}, buffer)
    return buffer.getvalue()


class Bomb:
    """Makes a folder where it is unpickled."""

    where = ""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (Path(self.where),)


BROKEN: list[Callable[[bytes], bytes]] = [
    cut,
    flip_in_the_weights,
    flip_in_the_header,
    claim_a_long_header,
    claim_a_large_tensor,
    pickled_bomb,
    torch_pickle,
    lambda data: b"",
    lambda data: b"not a checkpoint at all, but long enough to hold a header" * 9,
    lambda data: data + b"appended",
    lambda data: data[:8],
]


@pytest.mark.parametrize("breaking", BROKEN)
def test_a_broken_checkpoint_is_named_and_runs_and_allocates_nothing(
    tmp_path: Path, breaking: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(tmp_path, training__max_epochs=2)
    monkeypatch.setattr(Bomb, "where", str(tmp_path / "exploded"))
    last = run.checkpoint("last")
    last.write_bytes(breaking(last.read_bytes()))
    before, memory = set(tmp_path.rglob("*")), peak_memory()
    with pytest.raises(UserMistake, match=r"last\.safetensors: (cut short or )?corrupted.*--from previous"):
        resume(run.path)
    assert set(tmp_path.rglob("*")) == before
    assert peak_memory() - memory < 200e6
    assert checkpoint_epoch(last) is None or breaking in (flip_in_the_weights, flip_in_the_header)


def peak_memory() -> int:
    """Bytes; the most this process has ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("chosen", ["previous", "best"])
@pytest.mark.parametrize("breaking", [cut, flip_in_the_weights])
def test_an_earlier_checkpoint_goes_on_to_the_same_ending(
    tmp_path: Path, chosen: str, breaking: Callable[[bytes], bytes]
) -> None:
    whole = train(tmp_path, training__max_epochs=6)
    experiment = begin(tmp_path, training__max_epochs=6)
    with pytest.raises(Exception, match="interrupted in epoch 6"):
        list(experiment.epochs(StopAfter(5 * BATCHES + 2)))
    run = experiment.run
    kept = {"previous": 5, "best": checkpoint_epoch(run.checkpoint("best"))}[chosen]
    lines = run.records.read_bytes().splitlines(keepends=True)
    break_in_place(run.checkpoint("last"), breaking)
    resumed = resume(run.path, chosen)
    assert run.records.read_bytes() == b"".join(lines[:kept])
    assert run.discarded_records.exists() == (kept != 5)
    if kept != 5:
        assert run.discarded_records.read_bytes() == b"".join(lines[kept:])
    list(resumed.epochs())
    assert differences(ending(whole), ending(run)) == []


def break_in_place(path: Path, breaking: Callable[[bytes], bytes]) -> None:
    """As a bad disk does: every name of the file (`best` may be one) shows it."""
    data = breaking(path.read_bytes())
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()


@pytest.mark.parametrize("breaking", [cut, flip_in_the_weights, flip_in_the_header])
def test_going_back_works_where_the_best_was_broken_with_the_last(
    tmp_path: Path, breaking: Callable[[bytes], bytes]
) -> None:
    """`best` is another name of `last` while the last epoch is the best: one bad sector breaks both."""
    changes = {"training__max_epochs": 3, "training__monitor": "loss"}
    whole = train(tmp_path, **changes)
    experiment = begin(tmp_path, **changes)
    running = experiment.epochs()
    assert [next(running).epoch, next(running).epoch] == [1, 2]
    running.close()
    last = experiment.run.checkpoint("last")
    assert last.samefile(experiment.run.checkpoint("best"))
    break_in_place(last, breaking)
    with pytest.raises(UserMistake, match=r"last\.safetensors"):
        resume(experiment.run.path)
    resumed = resume(experiment.run.path, "previous")
    assert [record.epoch for record in resumed.epochs()] == [2, 3]
    assert differences(ending(whole), ending(resumed.run)) == []


def test_a_broken_best_is_named_and_can_be_given_up(tmp_path: Path) -> None:
    experiment = begin(tmp_path, training__optimizer__lr=1e-6, training__monitor="accuracy")
    running = experiment.epochs()
    assert [next(running).epoch, next(running).epoch] == [1, 2]
    running.close()
    best = experiment.run.checkpoint("best")
    assert not best.samefile(experiment.run.checkpoint("last"))
    best.write_bytes(cut(best.read_bytes()))
    with pytest.raises(UserMistake, match=r"best\.safetensors: cut short or corrupted.*Remove it to go on"):
        resume(experiment.run.path)
    best.unlink()
    resumed = resume(experiment.run.path)
    assert any("best counts from epoch 2 on" in note for note in resumed.notes)
    list(resumed.epochs())
    summary = json.loads(resumed.run.summary.read_bytes())
    assert summary["best"]["epoch"] == checkpoint_epoch(best) == 2


def test_the_best_of_a_discarded_epoch_is_not_kept(tmp_path: Path) -> None:
    """Were it kept, the records would name one epoch and the weights another."""
    run = train(tmp_path, training__monitor="loss")
    assert checkpoint_epoch(run.checkpoint("best")) == 4
    resumed = resume(run.path, "previous")
    assert checkpoint_epoch(run.checkpoint("best")) == len(resumed.state.records) == 3
    assert any("best counts from epoch 3 on" in note for note in resumed.notes)
    resumed.lock.release()


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    run = train(tmp_path, training__max_epochs=1)
    run.checkpoint("last").unlink()
    with pytest.raises(UserMistake, match=r"last\.safetensors: no such checkpoint"):
        resume(run.path)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    run = train(tmp_path, training__max_epochs=1)
    other = train(tmp_path, training__max_epochs=1, model__filters=9)
    other.checkpoint("last").rename(run.checkpoint("last"))
    with pytest.raises(UserMistake, match=r"last\.safetensors: filters.* has shape .*another model"):
        resume(run.path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model__windows": [3, 2]}, "output.weight has shape"),
        ({"model__word_dim": 7}, "words.weight has shape"),
        ({"model__position_dim": 0}, "has no weights"),
    ],
)
def test_a_checkpoint_with_other_layers_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    run = train(tmp_path, training__max_epochs=1)
    other = train(tmp_path, training__max_epochs=1, **change)
    other.checkpoint("last").rename(run.checkpoint("last"))
    with pytest.raises(UserMistake, match=rf"last\.safetensors: {message}"):
        resume(run.path)


def test_a_checkpoint_of_another_optimiser_is_refused(tmp_path: Path) -> None:
    run = train(tmp_path, training__max_epochs=1)
    other = train(tmp_path, training__max_epochs=1, training__optimizer={"name": "adadelta"})
    other.checkpoint("last").rename(run.checkpoint("last"))
    with pytest.raises(UserMistake, match="has the state of Adadelta, but the config's optimiser is Adam"):
        resume(run.path)


def rewrite(path: Path, **changes: str) -> None:
    """Change the metadata of a checkpoint; its checksum is left as it is."""
    with safe_open(path, framework="pt") as file:
        metadata = {**file.metadata(), **changes}
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata)


def test_a_checkpoint_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    run = train(tmp_path, training__max_epochs=1)
    rewrite(run.checkpoint("last"), format="2")
    with pytest.raises(UserMistake, match=r"last\.safetensors: a checkpoint of format 2; install a newer"):
        resume(run.path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"records": 3}', "nonsense"])
def test_a_state_that_is_not_ours_is_refused_though_its_checksum_holds(tmp_path: Path, text: str) -> None:
    run = train(tmp_path, training__max_epochs=1)
    forge(run, text)
    with pytest.raises(UserMistake, match=r"last\.safetensors: not a checkpoint of relclf"):
        resume(run.path)


@pytest.mark.parametrize(
    "change",
    [
        {"records": [{"epoch": 1}]},
        {"records": 7},
        {"best_from": "x"},
        {"optimizer": {}},
        {"optimizer": {"name": "Adam", "numbers": {"one": {}}}},
        {"progress": {"epoch": 1, "unknown": 2}},
        {"progress": {"epoch": 1}},
    ],
    ids=str,
)
def test_a_state_with_other_values_is_refused_though_its_checksum_holds(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    run = train(tmp_path, training__max_epochs=1)
    _, state = read_checkpoint(run.checkpoint("last"))
    forge(run, json.dumps({**state, **change}))
    with pytest.raises(UserMistake, match=r"last\.safetensors: not a checkpoint of this run"):
        resume(run.path)


def forge(run: RunDirectory, state: str) -> None:
    """Put another state into the checkpoint `last`, with a checksum that holds."""
    path = run.checkpoint("last")
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    digest = hashlib.sha256(state.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        digest.update(tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy().data)
    save_file(tensors, path, {**metadata, "state": state, "sha256": digest.hexdigest()})


def test_a_stopped_run_leaves_the_epochs_before_it_as_previous(tmp_path: Path) -> None:
    run = train_stopped(tmp_path, [BATCHES + 2], training__max_epochs=2)
    _, state = read_checkpoint(run.checkpoint("previous"))
    assert (len(state["records"]), state["progress"]["batches_done"]) == (1, 2)
