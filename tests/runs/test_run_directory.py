"""The run directory is what docs/run-directory.md says: each file, each key, format 1."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors import safe_open
from typer.testing import CliRunner

from relclf.cli.app import app
from relclf.errors import Interrupted
from relclf.runs.directory import FORMAT, RunDirectory
from relclf.training.experiment import resume
from tests.training.test_resume import StopAfter, begin

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "run-directory.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run that was interrupted, went back with --from, ended, and was evaluated."""
    folder = tmp_path_factory.mktemp("golden")
    vectors = folder / "vectors.txt"
    vectors.write_text("storm 1 2 3 4 5 6\nunseen 6 5 4 3 2 1\n")
    experiment = begin(
        folder,
        encoding__vectors=str(vectors),
        encoding__freeze_vectors=True,
        encoding__pack_vectors=True,
        training__keep="all",
    )
    with pytest.raises(Interrupted):
        list(experiment.epochs(StopAfter(11)))
    list(resume(experiment.run.path).epochs())
    list(resume(experiment.run.path, "previous").epochs())
    assert resume(experiment.run.path, "previous").state.records
    list(resume(experiment.run.path).epochs())
    result = CliRunner().invoke(app, ["evaluate", str(experiment.run.path), "--calibrate"])
    assert result.exit_code == 0, result.stderr
    return experiment.run


def test_the_files_are_those_of_the_document(run: RunDirectory) -> None:
    table = re.findall(r"^\| `([^`]+)` \|", DOCUMENT.split("## The order")[0], re.MULTILINE)
    found = {path.name + "/" * path.is_dir() for path in run.path.iterdir()}
    assert found == set(table)


def section(title: str) -> set[str]:
    """The words in code style of a section of the document."""
    text = DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return set(re.findall(r"`([^`]+)`", text))


def keys(value: Any) -> set[str]:
    """The keys of a JSON value, at every depth."""
    if isinstance(value, dict):
        return set(value).union(*(keys(inner) for inner in value.values()))
    return set().union(*(keys(inner) for inner in value)) if isinstance(value, list) else set()


def words_of(text: str) -> list[str]:
    return text.split()


ENVIRONMENT = words_of("format relclf commit python platform packages device device_name threads cores")
PACKAGES = words_of("torch numpy safetensors pydantic")
VOCABULARY = words_of("words first_word_id pad_id unknown_id trained lowercase fold_digits")
RECORD = words_of(
    "epoch updates total_updates batches train_loss dev_loss dev_nll train_macro_f1 "
    "dev_macro_f1 dev_macro_f1_se monitored learning_rate gradient_norm update_ratio seconds "
    "sentences_per_second"
)
SUMMARY = words_of("best last monitor stop_reason epochs updates epochs_to_95 updates_to_95 seconds")
SUMMARY_EPOCH = words_of("epoch updates train_loss dev_loss dev_nll dev_macro_f1 dev_macro_f1_se monitored")


def test_the_json_files_have_the_keys_of_the_document(run: RunDirectory) -> None:
    expected = {
        "environment.json": ENVIRONMENT + PACKAGES,
        "vocabulary.json": VOCABULARY,
        "relations.json": ["names", "negative", "train_counts"],
        "summary.json": SUMMARY + SUMMARY_EPOCH,
    }
    for name, names in expected.items():
        value = json.loads((run.path / name).read_bytes())
        assert keys(value) == set(names), name
        assert keys(value) <= section(f"`{name}`"), name
    calibration = json.loads(run.calibration.read_bytes())
    assert list(calibration) == ["format", "best"]
    assert list(calibration["best"]) == words_of("temperature epoch checkpoint_sha256 dev_sha256 dev")
    assert keys(calibration) <= section("`calibration.json`")
    summary = json.loads(run.summary.read_bytes())
    assert (list(summary), list(summary["best"]), list(summary["last"])) == (
        SUMMARY,
        SUMMARY_EPOCH,
        SUMMARY_EPOCH,
    )
    assert list(json.loads(run.environment.read_bytes())) == ENVIRONMENT
    assert json.loads(run.environment.read_bytes())["format"] == FORMAT == 1


def test_the_line_files_have_the_keys_of_the_document(run: RunDirectory) -> None:
    for path, names in (
        (run.records, RECORD),
        (run.discarded_records, RECORD),
        (run.dev_predictions, ["id", "gold", "relation", "scores"]),
    ):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert lines
        assert all(list(line) == names for line in lines), path.name
    assert set(RECORD) <= section("`records.jsonl`")
    assert {"id", "gold", "relation", "scores"} <= section("`predictions.dev.jsonl`")


def test_the_dev_predictions_are_those_of_the_best_epoch_in_the_order_of_relations(run: RunDirectory) -> None:
    names = json.loads(run.relations.read_bytes())["names"]
    for line in run.dev_predictions.read_text().splitlines():
        value = json.loads(line)
        assert value["relation"] == names[value["scores"].index(max(value["scores"]))]


def checkpoint(path: Path) -> tuple[set[str], dict[str, Any], dict[str, str]]:
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
        return set(file.keys()), json.loads(metadata["state"]), metadata


def test_the_checkpoints_hold_what_the_document_says(run: RunDirectory, tmp_path: Path) -> None:
    words = section("The checkpoints")
    experiment = begin(tmp_path, training__update_every=3)
    with pytest.raises(Interrupted):
        list(experiment.epochs(StopAfter(5 + 2)))
    inside = experiment.run.checkpoint("last")
    for path in (*(run.checkpoint(name) for name in ("last", "previous", "best")), inside):
        tensors, state, metadata = checkpoint(path)
        assert set(metadata) == {"format", "state", "sha256"} <= words
        assert set(state) == {"records", "progress", "best_from", "optimizer"} <= words
        assert set(state["optimizer"]) == {"name", "numbers"} <= words
        assert all(list(record) == RECORD for record in state["records"])
        families = {re.sub(r"^(model|gradient)\..*", r"\1.NAME", name) for name in tensors}
        families = {re.sub(r"^optimizer\.\d+\..*", "optimizer.I.KEY", name) for name in families}
        pending = {"gradient.NAME", "progress.counts"} if path == inside else set()
        assert families == {"model.NAME", "optimizer.I.KEY", "dropout"} | pending
        assert families <= words
        assert (state["progress"] is None) == (path != inside)
        assert metadata["format"] == str(FORMAT)
    assert set(state["progress"]) <= words
    assert len(state["progress"]) == 9


def test_the_constant_vectors_are_one_tensor(run: RunDirectory) -> None:
    with safe_open(run.vectors, framework="np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    vocabulary = json.loads(run.vocabulary.read_bytes())
    constant = vocabulary["words"][vocabulary["trained"] - vocabulary["first_word_id"] :]
    assert constant == ["storm"]
    assert {name: tensor.tolist() for name, tensor in tensors.items()} == {"vectors": [[1, 2, 3, 4, 5, 6]]}


def test_the_report_of_the_vectors_and_their_copy_are_what_the_document_says(run: RunDirectory) -> None:
    report = json.loads(run.vectors_report.read_bytes())
    assert set(report) | set(report["matches"]) <= section("`vectors.json`")
    assert report["packed"] == ["0.npy"]
    assert (report["factors"], report["matches"], report["duplicates"]) == ([1.0], {"exact": 1}, 0)
    assert sorted(path.name for path in run.packed_vectors.iterdir()) == ["0.npy", "0.txt"]
    assert (run.packed_vectors / "0.txt").read_text() == "storm\nunseen\n"


def test_the_config_has_hashes_choices_and_relative_paths(run: RunDirectory) -> None:
    config = yaml.safe_load(run.config.read_text(encoding="utf-8"))
    assert config["data"]["train"] == "../../train.jsonl"
    assert config["encoding"]["vectors"] == "../../vectors.txt"
    assert (run.path / config["data"]["train"]).is_file()
    assert re.fullmatch("[0-9a-f]{64}", config["data"]["sha256"]["train"])
    assert (config["training"]["device"], config["training"]["threads"]) == ("cpu", 1)


def test_no_file_names_the_machine_or_a_place_on_it(run: RunDirectory) -> None:
    import getpass
    import platform

    for path in run.path.iterdir():
        if path.is_file():
            data = path.read_bytes()
            assert str(run.path.parent).encode() not in data, path.name
            assert f'"{platform.node()}"'.encode() not in data, path.name
            assert f'"{getpass.getuser()}"'.encode() not in data, path.name


def test_an_evaluation_is_the_only_change_after_training(run: RunDirectory) -> None:
    assert sorted(path.name for path in run.evaluations.iterdir()) == ["dev.best.json", "dev.best.jsonl"]
