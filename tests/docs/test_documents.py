"""The documentation says what is so: fields, help texts, examples that run."""

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relclf.cli.app import app
from relclf.cli.commands import _COMMANDS, _GROUPS
from relclf.diagnosis.catalogue import CHECKS
from relclf.runs.records import EpochRecord
from relclf.training.stopping import StopReason

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
SCRIPTS = (PROJECT / "docs" / "scripts.md").read_text(encoding="utf-8")


def test_every_field_of_a_record_is_documented_in_order() -> None:
    section = SCRIPTS.split("## `relclf train --json`")[1].split("## ")[0]
    documented = re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)
    assert documented == [field.name for field in dataclasses.fields(EpochRecord)]


def test_every_stop_reason_is_documented() -> None:
    section = SCRIPTS.split("`stop_reason` is one of")[1].split("## ")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)) == StopReason.__args__  # type: ignore[attr-defined]


def test_every_command_stands_in_the_readme() -> None:
    names = [*_COMMANDS, *(f"{group} {name}" for group, (_, inner) in _GROUPS.items() for name in inner)]
    missing = [name for name in names if f"relclf {name}" not in README]
    assert missing == []


def test_the_help_in_the_readme_is_the_real_one() -> None:
    shown = README.split("<!-- help -->\n```\n")[1].split("\n```")[0]
    command = [sys.executable, "-m", "relclf", "--help"]
    environment = {**os.environ, "COLUMNS": "80"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == shown.strip()


@pytest.mark.parametrize("name", sorted(_COMMANDS))
def test_every_option_has_a_help_text(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"})
    lines = [*result.stdout.splitlines(), ""]
    places = [index for index, line in enumerate(lines) if re.match(r"  -", line)]
    assert places
    for index in places:  # the text stands on the option's line or, below a long option, on the next
        on_the_line = re.search(r"\S\s{2,}\S", lines[index].strip())
        assert on_the_line or re.match(r"\s{10,}\S", lines[index + 1]), lines[index]


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        (document.name, target)
        for document in [
            *PROJECT.glob("*.md"),
            *(PROJECT / "docs").glob("*.md"),
            PROJECT / "data" / "README.md",
        ]
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
        if not (document.parent / target).exists()
    ]
    assert broken == []


def test_the_examples_of_the_python_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (PROJECT / "docs" / "python.md").read_text(encoding="utf-8")
    (tmp_path / "configs").symlink_to(PROJECT / "configs")
    (tmp_path / "data").symlink_to(PROJECT / "data")
    monkeypatch.chdir(tmp_path)
    printed: list[str] = []
    namespace = {"print": lambda *values: printed.append(" ".join(map(str, values)))}
    for example in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(example, namespace)
    assert [line.split()[0] for line in printed[:3]] == ["1", "2", "3"]
    assert [line.split()[0] for line in printed[3:5]] == ["1", "2"]
    assert "no such run directory" in printed[5]


def test_every_check_of_a_diagnosis_is_documented_with_its_question() -> None:
    page = (
        (PROJECT / "docs" / "diagnosis.md")
        .read_text(encoding="utf-8")
        .split("## All checks")[1]
        .split("\n## ")[0]
    )
    assert dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", page, flags=re.MULTILINE)) == CHECKS
