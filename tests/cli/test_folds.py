"""Cross-validation: `relclf train --folds` and `relclf evaluate` on its folder."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relclf.cli.app import app
from relclf.config.loading import load_config
from tests.cli.test_train import CONFIG
from tests.tiny import write_tiny_corpus


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config and, in runs/tiny-folds-001, the runs of its three folds."""
    folder = tmp_path_factory.mktemp("folds")
    write_tiny_corpus(folder)
    (folder / "tiny.yaml").write_text(CONFIG, encoding="utf-8")
    result = run("train", "-c", folder / "tiny.yaml", "--folds", "3", "--runs-dir", folder / "runs", "-q")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == [str(folder / f"runs/tiny-folds-001/fold-{k}") for k in (1, 2, 3)]
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "80"})


def test_each_fold_is_an_ordinary_run_tested_on_what_it_has_not_seen(folder: Path) -> None:
    tested = []
    for fold in (1, 2, 3):
        path = folder / "runs" / "tiny-folds-001" / f"fold-{fold}"
        config = load_config(path / "config.yaml")
        assert (config.data.folds, config.data.fold) == (3, fold)
        result = run("evaluate", path, "--predictions", folder / "p.jsonl")
        assert result.exit_code == 0
        assert result.stdout.startswith("test · ")
        tested += [json.loads(line)["id"] for line in (folder / "p.jsonl").read_text().splitlines()]
    assert len(tested) == len(set(tested)) == 60


def test_pooled_and_averaged_scores_are_both_there_and_named(folder: Path) -> None:
    runs = folder / "runs" / "tiny-folds-001"
    answer = json.loads(run("evaluate", runs, "--json").stdout)
    assert list(answer) == ["pooled", "averaged", "folds"]
    assert answer["pooled"]["examples"] == 60
    values = [fold["scores"]["macro_f1"]["value"] for fold in answer["folds"]]
    assert answer["averaged"]["macro_f1"]["folds"] == values
    assert answer["averaged"]["macro_f1"]["mean"] == pytest.approx(sum(values) / 3)
    counts = [fold["confusion"]["counts"] for fold in answer["folds"]]
    summed = [[sum(cells) for cells in zip(*rows, strict=True)] for rows in zip(*counts, strict=True)]
    assert answer["pooled"]["confusion"]["counts"] == summed
    assert "|folds:3 pooled|" in answer["pooled"]["scores"]["macro_f1"]["signature"]
    assert json.loads((runs / "evaluation.best.json").read_text()) == answer
    table = run("evaluate", runs).stdout
    assert table.startswith(
        "3 folds · 60 sentences · best weights\n\nfold  sentences  epoch   macro-F1 macro pos."
    )
    assert max(map(len, table.split("pooled")[0].splitlines())) <= 80
    assert "averaged: mean ±sd" in table
    assert "pooled: the predictions of all folds as one" in table


def test_the_tables_say_what_to_type_next(folder: Path) -> None:
    result = run("train", "-c", folder / "tiny.yaml", "--set", "data.folds=2", "--run", folder / "cv")
    assert result.exit_code == 0
    assert result.stderr.endswith(f"next: relclf evaluate {folder / 'cv'}\n")
    assert "best dev macro-F1, 2 runs:" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--folds", "3", "--seeds", "2"], "--seeds and folds: train the folds seed by seed, --set seed=N"),
        (["--folds", "3", "--set", "data.fold=1"], "data.fold names one of them. Leave one of the two out."),
        (["--folds", "3", "--set", "data.test=0.5"], "with folds each fold is the test set; leave out test"),
        (["--set", "data.fold=1"], "fold 1 needs folds of at least as many (got null)"),
        (["--set", "data.folds=2", "--set", "data.fold=3"], "fold 3 needs folds of at least as many (got 2)"),
        (["--folds", "2", "--run", "."], ".: exists already, and a run is never overwritten."),
    ],
)
def test_contradictions_are_refused(folder: Path, arguments: list[str], message: str) -> None:
    result = run("train", "-c", folder / "tiny.yaml", "--runs-dir", folder / "none", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in " ".join(result.stderr.split())
    assert not (folder / "none").exists()


def test_one_fold_alone_is_an_ordinary_run(folder: Path) -> None:
    options = ["--set", "data.folds=3", "--set", "data.fold=2", "--run", folder / "two", "-q"]
    assert run("train", "-c", folder / "tiny.yaml", *options).exit_code == 0
    ours, theirs = (
        json.loads((path / "summary.json").read_text())["best"]["dev_loss"]
        for path in (folder / "two", folder / "runs" / "tiny-folds-001" / "fold-2")
    )
    assert ours == theirs


def test_a_folder_that_lacks_a_fold_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "fold-2").symlink_to(folder / "runs" / "tiny-folds-001" / "fold-2")
    result = run("evaluate", tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "has the folds 2 of 3" in result.stderr
    result = run("evaluate", tmp_path, "--split", "dev")
    assert "are for one run" in result.stderr


def test_a_share_for_test_is_evaluated_like_a_file(folder: Path) -> None:
    options = ["--set", "data.test=0.25", "--set", "data.group_by=sentence", "--run", folder / "share", "-q"]
    assert run("train", "-c", folder / "tiny.yaml", *options).exit_code == 0
    answer = json.loads(run("evaluate", folder / "share", "--json").stdout)
    assert (answer["split"], answer["examples"]) == ("test", 15)
