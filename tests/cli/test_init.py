"""`relclf init`."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from relclf.cli.app import app
from relclf.config.loading import load_config
from relclf.config.schema import ExperimentConfig

DATA = """1\t"The <e1>cup</e1> holds <e2>tea</e2>."
Content-Container(e2,e1)
Comment:

2\t"The <e1>man</e1> saw a <e2>dog</e2> run."
Other
Comment:
"""

GOLDEN = """\
# A config to start from, written by `relclf init`. Every key and its default: docs/config.md.
#
# train.txt, format semeval2010: 2 sentences, 2 relations
#   Content-Container(e2,e1)          1   50.0 %
#   Other                             1   50.0 %
#
# at most this many tokens:    50 %   90 %   95 %   99 %    all
#   sentences                     5      7      7      7      7
#   between the mentions          1      2      2      2      2
# head before tail in 100.0 % of the sentences
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("train.txt").write_text(DATA)
    return tmp_path


def test_without_o_the_config_goes_to_standard_output(folder: Path) -> None:
    result = CliRunner().invoke(app, ["init", "train.txt"])
    assert result.exit_code == 0
    assert result.stdout.startswith(GOLDEN)
    assert result.stderr == "next: save it here as config.yaml, then relclf train --config config.yaml\n"
    config = ExperimentConfig.model_validate(yaml.safe_load(result.stdout))
    assert (str(config.data.train), config.data.format.name) == ("train.txt", "semeval2010")


def test_with_o_the_config_is_written_and_the_next_command_said(folder: Path) -> None:
    Path("configs").mkdir()
    result = CliRunner().invoke(app, ["init", "train.txt", "-o", "configs/c.yaml", "--format", "semeval2010"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "next: relclf train --config configs/c.yaml\n"
    assert [path.name for path in Path("configs").iterdir()] == ["c.yaml"]
    assert yaml.safe_load(Path("configs/c.yaml").read_text())["data"]["train"] == "../train.txt"


def test_an_existing_file_is_never_overwritten(folder: Path) -> None:
    Path("c.yaml").write_text("mine")
    result = CliRunner().invoke(app, ["init", "train.txt", "-o", "c.yaml"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert (
        result.stderr
        == "error: c.yaml: exists already and is not overwritten. Remove it, or choose another name.\n"
    )
    assert Path("c.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.txt"], "no.txt: no such file. Check the path."),
        (["."], ".: is a folder, not a file. Name a file in it."),
        (["train.txt", "-o", "gone/c.yaml"], "gone: no such folder. Make it first."),
        (
            ["train.txt", "--format", "jsnl"],
            "unknown format 'jsnl', did you mean 'jsonl'? The formats are auto, semeval2010, tacred, "
            "opennre, fewrel, jsonl, json, delimited, marked, blocks, brat.",
        ),
        (
            ["train.txt", "--format", "jsonl"],
            "train.txt:1: broken JSON at column 3: Extra data. Each line must hold one JSON object.",
        ),
    ],
)
def test_mistakes_exit_with_2_and_their_text(folder: Path, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["init", *arguments])
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {message}\n")


def test_init_never_imports_torch(folder: Path) -> None:
    code = (
        "import sys; from relclf.data.starting_config import starting_config; from pathlib import Path; "
        "starting_config(Path('train.txt'), Path()); print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"


def test_a_table_of_chinese_gets_its_options_and_single_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.tsv").write_text("幽兰\t山谷\tr\t幽兰在山谷。\n母亲\t姥姥\ts\t母亲和姥姥\n", encoding="utf-8")
    format = "{name: delimited, columns: [head, tail, relation, text], head: head, tail: tail}"
    result = CliRunner().invoke(app, ["init", "t.tsv", "-o", "c.yaml", "--format", format])
    assert result.exit_code == 0, result.stderr
    config = load_config(Path("c.yaml"))
    assert config.encoding.tokenizer == "characters-1"
    assert config.data.format.columns == ("head", "tail", "relation", "text")
