"""`relclf stop` as a person and as a script see it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relclf.cli.app import app
from relclf.training.experiment import start
from tests.tiny import tiny_config

runner = CliRunner()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two long runs of the tiny corpus."""
    folder = tmp_path_factory.mktemp("stop")
    paths = []
    for seed in (1, 2):
        config = tiny_config(folder, seed=seed, data__dev=0.4, training__keep="all", training__max_epochs=8)
        experiment = start(config, "long", folder, folder / f"long-{seed}")
        list(experiment.epochs())
        paths.append(experiment.run.path)
    return paths


def stop(*arguments: object) -> tuple[int, list[str], str]:
    result = runner.invoke(app, ["stop", *map(str, arguments)], env={"COLUMNS": "80"})
    return result.exit_code, result.stdout.splitlines(), result.stderr


def test_one_run_has_a_row_a_rule_within_80_columns(
    runs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs[0].parent)
    code, lines, said = stop("long-1")
    assert (code, said) == (0, "")
    assert lines[0] == "relclf stop · long-1 · 8 epochs"
    assert lines[4].split() == ["rule", "stopped", "epoch", "kept", "score", "saved", "lost"]
    assert lines[5].startswith("to the end")
    assert any(line.startswith("patience 10, smooth 3") for line in lines)
    assert any(line.startswith("train loss below dev loss") for line in lines)
    assert max(map(len, lines)) <= 80


def test_several_runs_are_averaged_with_an_error_and_the_worst(runs: list[Path]) -> None:
    code, lines, _ = stop(*runs, "--halvings", 2)
    assert code == 0
    assert lines[0] == "relclf stop · 2 runs · 8 epochs"
    assert lines[4].split()[-3:] == ["lost", "±", "worst"]
    assert max(map(len, lines)) <= 80


def test_json_has_each_run_and_the_means(runs: list[Path]) -> None:
    code, lines, _ = stop(*runs, "--halvings", 2, "--json", "--set", "training.patience=2")
    assert code == 0
    value = json.loads("\n".join(lines))
    assert (value["on"], value["halvings"], len(value["runs"])) == ("dev", 2, 2)
    assert value["runs"][0]["metric"] == "macro_f1"
    names = [rule["rule"] for rule in value["rules"]]
    assert names == ["to the end", *(outcome["rule"] for outcome in value["runs"][0]["outcomes"])]
    assert names[-1] == "with --set"
    assert {"stopped", "epoch", "kept", "score", "last", "lost", "saved", "lost_se", "worst"} < set(
        value["rules"][0]
    )


def test_a_run_that_ended_early_is_noted(runs: list[Path], tmp_path: Path) -> None:
    config = tiny_config(tmp_path, training__keep="all", training__patience=1, training__max_epochs=30)
    experiment = start(config, "early", tmp_path, tmp_path / "early")
    list(experiment.epochs())
    code, _, said = stop(tmp_path / "early")
    assert code == 0
    assert "ended early (patience)" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--on", "train"), "--on: must be dev or test (got 'train')"),
        (("--on", "test"), "names no data.test"),
        (("--set", "training.patiense=1"), "did you mean `patience`?"),
    ],
)
def test_what_cannot_be_replayed_is_said(runs: list[Path], arguments: tuple[str, ...], words: str) -> None:
    code, lines, said = stop(runs[0], *arguments)
    assert (code, lines) == (2, [])
    assert words in said


def test_runs_judged_by_different_scores_are_not_averaged(runs: list[Path], tmp_path: Path) -> None:
    config = tiny_config(tmp_path, training__keep="all", training__monitor="accuracy")
    experiment = start(config, "other", tmp_path, tmp_path / "other")
    list(experiment.epochs())
    code, _, said = stop(runs[0], tmp_path / "other")
    assert code == 2
    assert "judged by accuracy and macro_f1" in said


def test_the_line_search_says_what_it_cost(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "data: {train: train.jsonl, dev: 0.2, negative_relation: none}\n"
        "model: {word_dim: 6, position_dim: 3, filters: 8}\n"
        "training: {max_epochs: 2, batch_size: 10, threads: 1, device: cpu, optimizer: {name: backtracking}}\n",
        encoding="utf-8",
    )
    tiny_config(tmp_path)
    result = runner.invoke(app, ["train", "-c", str(tmp_path / "c.yaml"), "--run", str(tmp_path / "run")])
    assert result.exit_code == 0
    (line,) = [line for line in result.stdout.splitlines() if "line searches" in line]
    assert line.startswith("10 line searches: ")
    assert line.endswith("; each found a step")
