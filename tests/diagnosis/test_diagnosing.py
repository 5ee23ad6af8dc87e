"""A diagnosis puts all checks together, says what it skipped, stays in its budget, and writes nothing."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from relclf.diagnosis.bench import Skipped
from relclf.diagnosis.diagnosing import (
    Looking,
    Probes,
    Seen,
    diagnose_config,
    diagnose_run,
    updates_behind_predictions,
)
from relclf.diagnosis.findings import Finding, in_order
from relclf.diagnosis.rate_probes import StepSizes
from relclf.errors import UserMistake
from relclf.training.experiment import start
from tests.diagnosis.runs import config, records
from tests.tiny import tiny_config


def findings(seen: Iterable[Seen]) -> list[Finding]:
    return in_order(each for each in seen if isinstance(each, Finding))


def skipped(seen: Iterable[Seen]) -> dict[str, str]:
    return {each.what: each.why for each in seen if isinstance(each, Skipped)}


def looked_at(seen: Iterable[Seen]) -> list[str]:
    return [each.at for each in seen if isinstance(each, Looking)]


def severity(seen: Iterable[Seen], check: str) -> str:
    every = [each for top in findings(seen) for each in (top, *top.symptoms)]
    return next(each.severity for each in every if each.check == check)


def config_seen(
    folder: Path, probes: Probes = "default", budget: float | None = None, **changes: Any
) -> list[Seen]:
    return list(diagnose_config(tiny_config(folder, **changes), probes, budget, "tiny.yaml"))


def trained(folder: Path, epochs: int | None = None, **changes: Any) -> Path:
    """A run of the tiny config, or the first epochs of one."""
    experiment = start(tiny_config(folder, **changes), "tiny", folder / "runs", None)
    iterator = experiment.epochs()
    for done, _ in enumerate(iterator, 1):
        if done == epochs:
            iterator.close()  # type: ignore[attr-defined]
            break
    return experiment.run.path


def test_one_update_an_epoch_comes_first_of_all(tmp_path: Path):
    seen = config_seen(tmp_path, training__update_every="epoch")
    first = findings(seen)[0]
    assert (first.severity, first.check) == ("problem", "updates-per-epoch")
    assert "tiny.yaml" in first.next_step


def test_a_healthy_config_has_no_problem_and_says_what_was_looked_at(tmp_path: Path):
    seen = config_seen(tmp_path)
    assert [each.check for each in findings(seen) if each.severity == "problem"] == []
    assert looked_at(seen) == [
        "the config",
        "the data",
        "the first loss",
        "a few sentences by heart",
        "the learning rate",
        "unusual settings",
        "the filters",
    ]
    for check in (
        "too-simple",
        "learning-rate-too-small",
        "learning-rate-too-large",
        "dead-filters",
        "loss-at-init",
    ):
        assert severity(seen, check) == "ok"


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("learning-rate-too-small", {"training__optimizer__lr": 1e-6}),
        ("learning-rate-too-large", {"training__optimizer__lr": 10.0}),
        ("weight-decay-dominates", {"training__optimizer__weight_decay": 1.0}),
        (
            "clipping-always",
            {"training__optimizer": {"name": "sgd", "lr": 0.5}, "training__clip_norm": 1e-5},
        ),
        ("too-simple", {"model__filters": 1, "model__word_dim": 1, "model__position_dim": 0}),
    ],
)
def test_a_fault_of_the_config_is_a_problem(tmp_path: Path, check: str, changes: dict[str, Any]):
    assert severity(config_seen(tmp_path, **changes), check) == "problem"


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_probes_add_the_dear_ones_and_the_step_sizes_and_leave_nothing_on_disk(tmp_path: Path):
    tiny_config(tmp_path)
    before = files(tmp_path)
    seen = config_seen(tmp_path, "all")
    assert files(tmp_path) == before
    assert looked_at(seen)[7:] == [
        "shuffled relations",
        "input left out",
        "half and twice the filters",
        "the learning curve",
        "a range of learning rates",
    ]
    assert "a quarter of them is too few" in skipped(seen)["the learning curve"]
    sizes = next(each for each in seen if isinstance(each, StepSizes))
    assert sizes.seeds == (13, 14, 15)
    assert sizes.rate == 0.02


def test_the_range_test_alone_checks_nothing_else(tmp_path: Path):
    seen = config_seen(tmp_path, "lr-range")
    assert [type(each) for each in seen] == [Looking, Looking, StepSizes]


def test_what_the_budget_leaves_out_is_said(tmp_path: Path):
    seen = config_seen(tmp_path, budget=1e-9)
    assert "the budget of 1e-09 seconds is spent" in set(skipped(seen).values())
    assert {"the data", "a few sentences by heart", "the learning rate"} <= set(skipped(seen))
    assert severity(seen, "updates-per-epoch") == "ok"  # what costs nothing is looked at


def test_data_too_small_for_a_probe_is_said(tmp_path: Path):
    lines = (tiny_config(tmp_path).data.train).read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "train.jsonl").write_text("".join(lines[:20]), encoding="utf-8")
    said = skipped(config_seen(tmp_path, training__batch_size=4))
    assert said["a few sentences by heart"] == "only 16 distinct train sentences"
    assert said["the learning rate"] == "only 16 train sentences"


def test_without_a_dev_set_what_needs_one_is_skipped(tmp_path: Path):
    seen = config_seen(tmp_path, "all", data__all_data=True)
    assert "it needs a dev set" in skipped(seen)["input left out"]
    assert severity(seen, "too-simple") == "ok"


def test_the_diagnosis_of_a_run_leaves_nothing_on_disk(tmp_path: Path):
    run = trained(tmp_path)
    before = files(tmp_path)
    list(diagnose_run(run))
    assert files(tmp_path) == before


def test_a_finished_run_is_seen_from_its_records_predictions_and_weights(tmp_path: Path):
    run = trained(tmp_path, training__max_epochs=20)
    seen = list(diagnose_run(run))
    assert looked_at(seen)[:3] == ["the records", "the config", "the trained network"]
    assert severity(seen, "relation-ids-mismatch") == "ok"
    assert severity(seen, "positions-unused") in ("ok", "watch")
    assert severity(seen, "noise-larger-than-gain") in ("ok", "watch")
    assert severity(seen, "updates-per-epoch") == "ok"


def test_a_run_of_the_founding_fault_names_it_first(tmp_path: Path):
    run = trained(tmp_path, training__update_every="epoch")
    assert findings(diagnose_run(run))[0].check == "updates-per-epoch"


def test_a_half_finished_run_is_diagnosed_as_far_as_it_goes(tmp_path: Path):
    seen = list(diagnose_run(trained(tmp_path, epochs=2)))
    assert severity(seen, "updates-per-epoch") == "ok"
    assert severity(seen, "dead-filters") == "ok"


def test_a_run_without_an_epoch_says_so_and_its_config_is_still_probed(tmp_path: Path):
    experiment = start(tiny_config(tmp_path), "tiny", tmp_path / "runs", None)
    experiment.end(KeyboardInterrupt())
    seen = list(diagnose_run(experiment.run.path))
    assert skipped(seen)["the records"] == "no epoch is completed yet"
    assert skipped(seen)["the trained network"].startswith("there is no ")
    assert severity(seen, "too-simple") == "ok"


def test_a_run_whose_data_has_changed_is_seen_from_its_own_files(tmp_path: Path):
    run = trained(tmp_path, training__update_every="epoch")
    (tmp_path / "train.jsonl").write_text("", encoding="utf-8")
    seen = list(diagnose_run(run))
    assert "changed since the run was made" in skipped(seen)["the data, the network and probes of them"]
    assert findings(seen)[0].check == "updates-per-epoch"


@pytest.mark.parametrize("name", ["records.jsonl", "config.yaml", "summary.json", "predictions.dev.jsonl"])
def test_a_broken_file_of_a_run_is_named(tmp_path: Path, name: str):
    run = trained(tmp_path, training__max_epochs=2)
    (run / name).write_text("{broken\n", encoding="utf-8")
    with pytest.raises(UserMistake, match=name.replace(".", r"\.")):
        list(diagnose_run(run))


def test_predictions_that_no_later_epoch_bettered_are_those_of_all_updates():
    collapsed, learning = records([0.19] * 10), records([0.19, 0.19, 0.4, 0.3])
    assert updates_behind_predictions(config(), collapsed) == 560
    assert updates_behind_predictions(config(training__monitor="loss"), learning) == 56
    assert updates_behind_predictions(config(), learning) == 4 * 56


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path):
    with pytest.raises(UserMistake, match="not a run directory"):
        list(diagnose_run(tmp_path))


def test_sentences_of_relations_that_the_network_does_not_know_are_left_out(tmp_path: Path):
    run = trained(tmp_path, training__max_epochs=20)
    path = run / "predictions.dev.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    extra = {**lines[0], "gold": "never seen"}
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, extra]), encoding="utf-8")
    assert severity(diagnose_run(run), "relation-ids-mismatch") == "ok"


def test_a_run_from_elsewhere_is_diagnosed_on_the_device_that_is_here(tmp_path: Path):
    run = trained(tmp_path)
    config = run / "config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("device: cpu", "device: cuda"), encoding="utf-8")
    moved = tmp_path / "runs" / "moved"
    shutil.copytree(run, moved)
    assert severity(diagnose_run(moved), "too-simple") == "ok"
