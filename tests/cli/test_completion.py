"""What TAB offers, asked of the functions, of Typer's scripts, and of a bash in which somebody types."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from relclf.cli import completion
from relclf.cli.commands import _COMMANDS, _GROUPS
from relclf.config.keys import config_keys
from relclf.config.loading import dump_config
from tests.tiny import tiny_config

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: two runs, folds, a sweep, two configs, and names that a shell would take apart."""
    for run in ("tiny-001", "tiny-002", "my run", "$(touch hacked)", "`x`", "a\nb"):
        (tmp_path / "runs" / run).mkdir(parents=True)
        (tmp_path / "runs" / run / "environment.json").touch()
    (tmp_path / "runs" / "notes").mkdir()
    (tmp_path / "runs" / "cv-folds-001" / "fold-1").mkdir(parents=True)
    (tmp_path / "sweeps" / "rates").mkdir(parents=True)
    (tmp_path / "sweeps" / "rates" / "sweep.json").touch()
    (tmp_path / "configs").mkdir()
    for name in ("configs/small.yaml", "configs/large.yml", "mine.yaml", "corpus.jsonl"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    """An environment whose PATH begins with a `relclf` that is this project's."""
    script = folder / "bin" / "relclf"
    script.parent.mkdir(exist_ok=True)
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m relclf "$@"\n')
    script.chmod(0o755)
    path = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(PROJECT), "TERM": "dumb", "HISTFILE": "/dev/null"}


def offered(folder: Path, line: str) -> list[str]:
    """What the script for bash is given for a line whose last word is being typed."""
    words = line.split(" ")
    asked = {
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "_RELCLF_COMPLETE": "complete_bash",
    }
    command = [sys.executable, "-m", "relclf"]
    done = subprocess.run(
        command, env={**environment(folder), **asked}, cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_runs_are_offered_wherever_the_word_leads(here: Path) -> None:
    everything = ["runs/cv-folds-001", "runs/tiny-001", "runs/tiny-002", "sweeps/rates"]
    assert completion.runs("") == everything
    assert completion.runs("ru") == everything[:3]
    assert completion.runs("runs/t") == everything[1:3]
    assert completion.runs(f"{here}/runs/tiny-002") == [f"{here}/runs/tiny-002"]
    assert completion.runs("nowhere/x") == completion.runs("corpus") == []
    os.chdir("runs")
    assert completion.runs("tiny") == ["tiny-001", "tiny-002"]


def test_configs_are_offered_too(here: Path) -> None:
    assert completion.configs("") == ["mine.yaml", "configs/large.yml", "configs/small.yaml"]
    assert completion.configs("configs/s") == ["configs/small.yaml"]
    assert completion.configs_and_runs("m") == ["mine.yaml"]


def test_a_name_that_a_shell_would_take_apart_is_never_offered(here: Path) -> None:
    assert [word for word in completion.runs("runs/") if not re.fullmatch(r"[\w/.-]+", word)] == []


def test_every_key_of_a_config_is_offered(tmp_path: Path) -> None:
    """As dump_config writes the keys, which is with every default filled in."""
    names: list[str] = []
    path: list[str] = []
    for line in dump_config(tiny_config(tmp_path), tmp_path).splitlines():
        match = re.match(r"( *)(\w+):(.*)", line)
        if match:
            path[len(match[1]) // 2 :] = [match[2]]
            if match[3]:
                names.append(".".join(path) + "=")
    assert len(names) > 50
    assert set(names) <= set(completion.settings(""))


def test_the_last_key_left_comes_with_its_values(here: Path) -> None:
    assert completion.settings("training.batch") == ["training.batch_size=", "training.batch_size=50"]
    assert completion.settings("training.determ") == [
        "training.deterministic=",
        "training.deterministic=true",
        "training.deterministic=false",
    ]
    variants = config_keys().keys["training"].section.keys["optimizer"].variants  # type: ignore[union-attr]
    names = [f"training.optimizer.name={name}" for name in variants]
    assert completion.settings("training.optimizer.name=") == ["training.optimizer.name=", *names]
    assert completion.settings("data.format=j") == ["data.format=jsonl", "data.format=json"]
    assert completion.settings("training.optimizer=") == []
    assert completion.settings("training.optimizer.name=sg") == ["training.optimizer.name=sgd"]
    assert completion.settings("no.such") == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("relclf ev", ["evaluate"]),
        ("relclf config s", ["show", "schema"]),
        ("relclf train --config configs/l", ["configs/large.yml"]),
        ("relclf train --resume runs/tiny-001 --resume runs/tiny-002", ["runs/tiny-002"]),
        ("relclf evaluate runs/tiny-001 --with runs/tiny-002", ["runs/tiny-002"]),
        ("relclf export runs/tiny-001 --to m", ["model-card"]),
        ("relclf diagnose min", ["mine.yaml"]),
        ("relclf sweep configs/s", ["configs/small.yaml"]),
        ("relclf compare runs/tiny-001 runs/tiny-00", ["runs/tiny-001", "runs/tiny-002"]),
        ("relclf config show mine.yaml --set seed", ["seed=", "seed=1"]),
        ("relclf predict runs/tiny-001 cor", []),
    ],
)
def test_a_line_is_completed(here: Path, line: str, expected: list[str]) -> None:
    assert offered(here, line) == expected


def test_every_command_is_offered(here: Path) -> None:
    assert offered(here, "relclf ") == [*_COMMANDS, *_GROUPS]


def test_neither_torch_nor_the_schema_is_loaded_for_commands_runs_and_configs(here: Path) -> None:
    code = (
        "import sys\nfrom relclf.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print('loaded', *sys.modules)"
    )
    for words in ("relclf\nev", "relclf\nevaluate\nru", "relclf\nsweep\nc"):
        asked = {
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count("\n")),
            "_RELCLF_COMPLETE": "complete_bash",
        }
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, env={**environment(here), **asked}, cwd=here, capture_output=True, text=True, check=True
        )
        loaded = set(done.stdout.splitlines()[-1].split())
        assert "relclf.cli.completion" in loaded
        assert not {"torch", "numpy", "rich", "relclf.config.schema"} & loaded


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(here: Path, shell: str) -> None:
    command = [sys.executable, "-m", "relclf"]
    asked = {**environment(here), "_RELCLF_COMPLETE": f"source_{shell}"}
    done = subprocess.run(command, env=asked, capture_output=True, text=True, check=True)
    assert f"_RELCLF_COMPLETE=complete_{shell}" in done.stdout


class Typist:
    """Somebody at a bash that has sourced the script, as docs/completion.md says."""

    def __init__(self, folder: Path) -> None:
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.chdir(folder)
            env = {**environment(folder), "PS1": "ready> ", "PS2": "", "INPUTRC": "/dev/null"}
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], env)
        self.screen = ""
        self.typed('bind "set bell-style none"; eval "$(_RELCLF_COMPLETE=source_bash relclf)"\n')
        self.typed("echo sour''ced\n", until="sourced\r\n")

    def typed(self, keys: str, until: str = "") -> str:
        """Type, and read on until `until` stands on the screen; what came."""
        os.write(self.terminal, keys.encode())
        seen, deadline = "", time.monotonic() + 60
        while until not in seen:
            ready, _, _ = select.select([self.terminal], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{until!r} never came; there was {seen!r}"
            seen += os.read(self.terminal, 4096).decode()
        return seen

    def close(self) -> None:
        os.close(self.terminal)
        os.waitpid(self.process, 0)


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="needs bash")
def test_in_a_real_bash_tab_completes_what_is_typed(here: Path) -> None:
    typist = Typist(here)
    typist.typed("relclf eval\truns/tin\t", until="evaluate runs/tiny-00")
    typist.typed("2 --with run\tt\t1 --bogus\n", until="No such option: --bogus")
    typist.typed("relclf train --set training.batch_s\t", until="training.batch_size=")
    typist.typed("8 --bogus\n", until="No such option: --bogus")
    shown = typist.typed("relclf train --config con\ts\t --bogus\n", until="No such option: --bogus")
    assert "configs/small.yaml" in shown
    shown = typist.typed("relclf predict runs/tiny-001 corp\t --bogus\n", until="No such option: --bogus")
    assert "corpus.jsonl" in shown  # bash's own completion goes on where relclf offers nothing
    shown = typist.typed("echo relclf evaluate runs/\t\t\x15echo do''ne\n", until="done\r\n")
    assert not (here / "hacked").exists()
    typist.close()
