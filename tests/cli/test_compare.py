"""`relclf compare`: the table a person sees, JSON, exit codes, and what is refused."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relclf.cli.app import app
from relclf.training.experiment import start
from tests.cli.test_start import imported_by
from tests.cli.test_train import CONFIG
from tests.comparison.runs import GOLD, write_group, write_run, write_sweep
from tests.tiny import tiny_config, write_tiny_corpus

GOOD, FAIR = [0.81, 0.82, 0.83, 0.84, 0.85], [0.71, 0.72, 0.73, 0.74, 0.75]

TABLE = """\
relclf compare · test macro-F1 in %

A  a (5 seeds)
B  b (5 seeds)

                  best epoch                     last epoch
   seeds      mean ± sd   95 % interval       mean ± sd   95 % interval
A      5    83.00 ±1.58  81.04 to 84.96     80.00 ±0.00  80.00 to 80.00
B      5    73.00 ±1.58  71.04 to 74.96     73.00 ±1.58  71.04 to 74.96

      dev loss at   95 % of its best at         in all
      best   last       epoch   updates epochs   updates  seconds       dev at 3
A    0.310  0.310   12.0 ±0.0       672   20.0    1,120      40.0    42.61 ±0.00
B    0.310  0.310   12.0 ±0.0       672   20.0    1,120      40.0    42.61 ±0.00

        difference  95 % interval         p   Holm  least  80 % at  verdict
A - B       +10.00  +7.69 to +12.31   0.008  0.008  0.008     3.23  A is better

p: two-sided permutation test over seeds. Holm: adjusted for 1 pair; at 0.05 or
  below it decides. least: the smallest that so many seeds can give. 80 % at:
  the true difference that they show in 80 % of cases.
To show 1.00 points in 80 % of cases, A - B needs 41 seeds a group.
Best against last: +1.50 points over 10 runs (95 % interval +0.14 to +2.86).
  Report the best epoch's: dev picked that epoch, so test had no part in it; and
  of every group the same.
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["compare", *map(str, arguments)], env={"COLUMNS": "80"})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with the groups a and b."""
    monkeypatch.chdir(tmp_path)
    write_group(Path("a"), GOOD, last=0.8)
    write_group(Path("b"), FAIR)
    return tmp_path


def answers(path: Path, relations: Iterable[str]) -> Path:
    path.write_text("".join(f"{relation}\n" for relation in relations), encoding="utf-8")
    return path


def test_two_groups_get_a_table_tests_and_a_verdict(here: Path) -> None:
    result = run("a", "b", "--at-epoch", 3, "--detect", 1)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == TABLE


def test_json_holds_every_number_of_the_table(here: Path) -> None:
    value = json.loads(run("a", "b", "--json", "--detect", 1).stdout)
    assert value["question"] == {"split": "test", "score": "macro_f1", "at_epoch": None}
    assert [group["name"] for group in value["groups"]] == ["a", "b"]
    (pair,) = value["pairs"]
    assert (pair["verdict"], pair["seeds_needed"], pair["smallest_p"]) == ("a", 41, pytest.approx(2 / 252))


def test_stored_evaluations_are_compared_without_torch(here: Path) -> None:
    modules = imported_by(here, "compare", "a", "b")
    assert not {"torch", "sklearn", "scipy.stats"} & modules


def test_missing_evaluations_are_made_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiny_corpus(tmp_path)
    config = CONFIG.replace("{train: train.jsonl", "{train: train.jsonl, test: train.jsonl")
    Path("tiny.yaml").write_text(config, encoding="utf-8")
    for filters in (8, 9):
        train = ["train", "-c", "tiny.yaml", "--run", f"run-{filters}", "--set", f"model.filters={filters}"]
        assert CliRunner().invoke(app, train).exit_code == 0
    result = run("run-8", "run-9")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "A - B" in result.stdout
    kept = {path.name for path in Path("run-8/evaluations").iterdir()}
    assert {"test.best.json", "test.best.jsonl"} <= kept
    times = [path.stat().st_mtime_ns for path in Path("run-8/evaluations").iterdir()]
    assert run("run-8", "run-9").stdout == result.stdout
    assert [path.stat().st_mtime_ns for path in Path("run-8/evaluations").iterdir()] == times


def test_one_group_has_its_row_and_nothing_to_compare_with(here: Path) -> None:
    result = run("a")
    assert result.exit_code == 0
    assert "A      5    83.00 ±1.58" in result.stdout
    assert "One group" in result.stdout


def test_three_seeds_get_no_verdict(here: Path) -> None:
    result = run(write_group(Path("c"), GOOD[:3]), write_group(Path("d"), FAIR[:3]))
    assert "0.100  0.100  0.100        -  none: 3 seeds" in result.stdout
    assert "No verdict below 4 seeds a group: relclf train --config CONFIG --seeds 5" in result.stdout


def test_four_seeds_are_too_few_for_three_pairs(here: Path) -> None:
    result = run(*(write_group(Path(name), GOOD[:4]) for name in "cde"))
    assert "none: least > 0.05" in result.stdout
    assert "name fewer groups, or train 5 seeds of each" in " ".join(result.stdout.split())


def test_single_runs_are_compared_on_their_sentences_with_a_warning_where_these_are_few(here: Path) -> None:
    wrong = ["none" if i % 3 == 0 else relation for i, relation in enumerate(GOLD)]
    one, other = write_run(Path("one")), write_run(Path("two"), answers=wrong, settings={"model.filters": 9})
    words = " ".join(run(one, other).stdout.split())
    assert "10 of 100 sentences are labelled differently" in words
    assert "few sentences: such a 95 % interval was measured to hold" in words
    assert "It says nothing of other seeds" in words


def test_other_budgets_are_refused_and_with_force_marked(here: Path) -> None:
    write_group(Path("c"), GOOD, settings={"training.max_epochs": 99}, updates=5)
    result = run("a", "c")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "not the same budget:\n  50 epochs (a)\n  99 epochs (c)\n" in result.stderr
    assert "--force" in result.stderr
    forced = run("a", "c", "--force")
    assert forced.exit_code == 0
    assert "B !    5" in forced.stdout
    assert "! forced: not the same budget: A 50 epochs; B 99 epochs" in forced.stdout
    assert "1,120*" in forced.stdout


def test_a_random_sweep_shows_the_best_score_to_expect_and_a_grid_what_each_key_changes(here: Path) -> None:
    variants = {
        f"lr={i}": ({"training.optimizer.lr": i / 10}, [[0.1, i / 10], [0.1, i / 10]]) for i in (5, 6, 7, 8)
    }
    random = run(write_sweep(Path("random"), "random", variants)).stdout
    assert random.startswith("relclf compare · dev macro-F1 in %")
    assert "         1    65.00 ±11.18\n         2     73.33 ±7.45\n         4     80.00 ±0.00\n" in random
    grid = run(write_sweep(Path("grid"), "grid", variants)).stdout
    assert "  training.optimizer.lr=0.5   50.00\n  training.optimizer.lr=0.6   60.00   +10.00  " in grid


def test_many_pairs_are_shortened_to_those_of_the_best(here: Path) -> None:
    variants = {
        f"v{i}": ({"training.optimizer.lr": i / 10}, [[0.1, i / 10], [0.1, i / 10 + 0.01]])
        for i in range(1, 8)
    }
    stdout = run(write_sweep(Path("many"), "grid", variants)).stdout
    assert stdout.count(" - G") == 6
    assert "6 of 21 pairs are shown, those of G; --json has all." in stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "missing: no such run, folder of runs, or sweep"),
        (["a/seed-1/config.yaml"], "config.yaml: a file. Name runs, folders of runs, or sweeps"),
        (["a", "a"], "is in two of the groups"),
        (["a", "b", "--score", "f1"], "--score: must be one of macro_f1"),
        (["a", "b", "--split", "train"], "--split: must be test or dev"),
        (["a", "b", "--detect", "0"], "--detect: must be above 0 points"),
        (["a", "b", "--scorer", "tacred"], "--scorer and --negative go with --predictions"),
        (["--predictions", "a", "b"], "--predictions takes three files and a scorer"),
        (["--predictions", "a", "b", "c"], "--predictions takes three files and a scorer"),
    ],
)
def test_a_mistake_is_explained_with_exit_code_2(here: Path, arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_test_set_that_is_a_share_of_train_is_evaluated_once(tmp_path: Path) -> None:
    for seed in (1, 2):
        config = tiny_config(tmp_path, data__test=0.3, seed=seed, training__max_epochs=1)
        list(start(config, "", tmp_path, tmp_path / "runs" / str(seed)).epochs())
    assert run(tmp_path / "runs").exit_code == 0
    kept = tmp_path / "runs" / "1" / "evaluations" / "test.best.json"
    before = kept.stat().st_mtime_ns
    assert run(tmp_path / "runs").exit_code == 0
    assert kept.stat().st_mtime_ns == before


def test_bare_files_are_compared_and_json_has_the_p_value(tmp_path: Path) -> None:
    key = answers(tmp_path / "key.txt", GOLD)
    good = answers(tmp_path / "good.txt", GOLD)
    bad = answers(tmp_path / "bad.txt", ["none"] * 100)
    value = json.loads(run("--predictions", key, good, bad, "--scorer", "macro_f1", "--json").stdout)
    assert value["p_value"] < 0.001
    assert (value["a"], value["score"], value["sentences"], value["differing"]) == (1.0, "macro_f1", 100, 30)
    stdout = run("--predictions", key, good, bad, "--scorer", "macro_f1").stdout
    assert f"A  100.00  {good}" in stdout
    assert "p <.001" in stdout


def test_the_official_scorer_counts_skipped_answers_as_other(tmp_path: Path) -> None:
    relations = ["Cause-Effect(e1,e2)", "Other", "Message-Topic(e1,e2)", "Other"]
    key, whole, part = (tmp_path / f"{name}.txt" for name in ("key", "whole", "part"))
    for path, kept in ((key, 4), (whole, 4), (part, 2)):
        lines = (f"{number}\t{relation}\n" for number, relation in enumerate(relations[:kept], 1))
        path.write_text("".join(lines), encoding="utf-8")
    value = json.loads(run("--predictions", key, whole, part, "--scorer", "semeval2010", "--json").stdout)
    assert (value["score"], value["a"], value["b"]) == ("semeval2010", 1.0, 0.5)


def test_bare_files_of_other_examples_are_refused_by_line(tmp_path: Path) -> None:
    key, short = answers(tmp_path / "key.txt", GOLD), answers(tmp_path / "short.txt", GOLD[1:])
    result = run("--predictions", key, key, short, "--scorer", "macro_f1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "short.txt:99: ends with 99 lines" in result.stderr
    result = run("--predictions", key, key, key, "--scorer", "tacred")
    assert "no_relation is in none of" in result.stderr


def test_files_that_agree_cannot_be_told_apart(tmp_path: Path) -> None:
    key = answers(tmp_path / "key.txt", GOLD)
    words = " ".join(run("--predictions", key, key, key, "--scorer", "macro_f1").stdout.split())
    assert "Both label every sentence alike" in words
