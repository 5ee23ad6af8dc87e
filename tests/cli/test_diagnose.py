"""`relclf diagnose` as a person and as a script see it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relclf.cli.app import app
from relclf.diagnosis.catalogue import CHECKS, page
from relclf.diagnosis.diagnosing import Looking, Seen
from relclf.diagnosis.findings import Finding
from tests.cli.test_train import CONFIG
from tests.tiny import write_tiny_corpus

runner = CliRunner()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny config in the current folder, at a terminal width of 80."""
    write_tiny_corpus(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return Path("tiny.yaml")


@pytest.fixture
def slow(config: Path) -> Path:
    """The same with one update an epoch."""
    config.write_text(CONFIG.replace("max_epochs: 3", "max_epochs: 3, update_every: epoch"), encoding="utf-8")
    return config


def test_the_founding_fault_is_said_first_within_80_columns(slow: Path) -> None:
    result = runner.invoke(app, ["diagnose", str(slow)])
    assert result.exit_code == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == "relclf diagnose · tiny.yaml"
    assert lines[2] == "problem  updates-per-epoch"
    assert lines[3].startswith("  measured  1 update for 5 batches")
    assert [line.split()[0] for line in lines[3:] if line[2:3].strip()][:4] == [
        "measured",
        "expected",
        "why",
        "next",
    ]
    assert "--set training.update_every=batch" in " ".join(result.stdout.split())
    assert "looked at the config, the data, the first loss" in result.stdout
    assert max(map(len, lines)) <= 80


def test_a_healthy_config_ends_with_a_line_that_counts(config: Path) -> None:
    result = runner.invoke(
        app, ["diagnose", str(config), "--set", "training.max_epochs=60", "--fail-on", "problem"]
    )
    assert result.exit_code == 0
    assert any(
        line.startswith("0 problem, ") and line.endswith(" checks in order")
        for line in result.stdout.splitlines()
    )


def test_json_has_findings_in_order_what_was_skipped_and_looked_at(slow: Path) -> None:
    result = runner.invoke(app, ["diagnose", str(slow), "--json"])
    value = json.loads(result.stdout)
    assert set(value) == {
        "target",
        "findings",
        "skipped",
        "looked_at",
        "step_sizes",
        "interrupted",
        "seconds",
    }
    first = value["findings"][0]
    assert (first["severity"], first["check"]) == ("problem", "updates-per-epoch")
    assert set(first) == {"severity", "check", "measured", "expected", "why", "next_step", "symptoms"}
    assert value["looked_at"][0] == "the config"
    assert value["interrupted"] is False
    assert value["step_sizes"] is None


@pytest.mark.parametrize(("fail_on", "code"), [("watch", 3), ("problem", 3)])
def test_fail_on_exits_with_3_and_still_prints(slow: Path, fail_on: str, code: int) -> None:
    result = runner.invoke(app, ["diagnose", str(slow), "--fail-on", fail_on, "--budget", "0.000001"])
    assert result.exit_code == code
    assert "problem  updates-per-epoch" in result.stdout
    assert "skipped the learning rate: the budget of 1e-06 seconds is spent" in result.stdout


def test_a_run_directory_is_diagnosed_as_a_run(config: Path) -> None:
    runner.invoke(app, ["train", "-c", str(config), "--run", "run"])
    result = runner.invoke(app, ["diagnose", "run"])
    assert result.exit_code == 0
    assert "looked at the records, the config, the trained network" in result.stdout


def test_the_range_test_draws_a_curve_and_sets_nothing(config: Path) -> None:
    before = config.read_text(encoding="utf-8")
    result = runner.invoke(app, ["diagnose", str(config), "--lr-range"])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[2] == "    rate  loss, mean of 3 seeds (± their spread)"
    assert any(line.startswith(("*   1e-2  █", "* 3.2e-2  █")) for line in lines)
    assert any(line.startswith("begins to learn at ") for line in lines)
    assert any(line.startswith("gradient noise scale: ") for line in lines)
    assert "checks in order" not in result.stdout
    assert max(map(len, lines)) <= 80
    assert config.read_text(encoding="utf-8") == before
    data = json.loads(runner.invoke(app, ["diagnose", str(config), "--lr-range", "--json"]).stdout)[
        "step_sizes"
    ]
    assert data["seeds"] == [1, 2, 3]
    assert len(data["losses"]) == 3
    assert len(data["rates"]) == 400
    assert data["range"] is None or data["range"][0] < data["range"][1]


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_has_a_page_of_the_agreed_form(check: str) -> None:
    text = page(check)
    assert text.startswith(f"# {check}\n")
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "## What it measures",
        "## How",
        "## Thresholds",
        "## Sources",
        "## What it misses",
        "## What to do",
    ]


def test_explain_prints_the_page_of_a_check() -> None:
    result = runner.invoke(app, ["diagnose", "--explain", "too-simple"])
    assert result.exit_code == 0
    assert result.stdout == page("too-simple")


def test_a_misspelt_check_is_guessed() -> None:
    result = runner.invoke(app, ["diagnose", "--explain", "to-simple"])
    assert result.exit_code == 2
    assert "no check is called 'to-simple'. Did you mean too-simple?" in result.stderr
    assert "There are " in runner.invoke(app, ["diagnose", "--explain", "xyz"]).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "diagnose needs a config file or a run directory"),
        (["missing.yaml"], "missing.yaml: no such config file or run directory"),
        (["."], "not a run directory"),
        (["tiny.yaml", "--probes", "some"], "--probes: must be default or all (got 'some')"),
        (["tiny.yaml", "--fail-on", "ok"], "--fail-on: must be watch or problem (got 'ok')"),
        (["tiny.yaml", "--budget", "0"], "--budget: must be above 0 seconds (got 0)"),
        (["tiny.yaml", "--budget", "nan"], "--budget: must be above 0 seconds (got nan)"),
        ([".", "--set", "seed=2"], "--set is for a config file"),
        (["tiny.yaml", "--set", "training.max_epoch=2"], "max_epochs"),
        (["tiny.yaml", "--set", "data.train=nowhere.jsonl"], "nowhere.jsonl"),
    ],
)
def test_bad_input_exits_with_2_and_says_what(config: Path, arguments: list[str], said: str) -> None:
    result = runner.invoke(app, ["diagnose", *arguments])
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_an_interrupted_diagnosis_prints_the_findings_so_far(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> Iterator[Seen]:
        yield Looking("the data")
        yield Finding(
            "problem", "dev-in-train", "600 of 600", "none", "it is learned by heart", "another dev"
        )
        yield Looking("the learning rate")
        raise KeyboardInterrupt

    monkeypatch.setattr("relclf.diagnosis.diagnosing.diagnose_config", interrupted)
    result = runner.invoke(app, ["diagnose", str(config)])
    assert result.exit_code == 130
    assert "problem  dev-in-train" in result.stdout
    assert "interrupted while looking at the learning rate" in result.stdout
    value = json.loads(runner.invoke(app, ["diagnose", str(config), "--json"]).stdout)
    assert value["interrupted"] is True
    assert [each["check"] for each in value["findings"]] == ["dev-in-train"]


def test_a_name_that_would_steer_the_terminal_is_printed_escaped(config: Path) -> None:
    odd = config.with_name("a[red]b.yaml")
    odd.write_text(CONFIG, encoding="utf-8")
    result = runner.invoke(app, ["diagnose", str(odd), "--budget", "0.000001"])
    assert result.stdout.splitlines()[0] == "relclf diagnose · a[red]b.yaml"
