"""`relclf inspect`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relclf.cli.app import app
from tests.cli.test_start import imported_by
from tests.tiny import write_tiny_corpus

CONFIG = "data: {train: train.jsonl, dev: 0.2, test: test.jsonl}\n"

GOLDEN = """\
train  train.jsonl
dev    20 % of train

                   tokens a sentence  between mentions    unknown clipped  head
split  sentences    mean  95 %   max  50 %  95 %   max    words %  pos. % 1st %
train         48     6.4     9     9     2     4     4        0.0     0.0  70.8
dev           12     6.8     9     9     2     4     4        0.0     0.0  50.0

relation    train      %      dev      %
none           24   50.0        6   50.0  few
cause          14   29.2        4   33.3  too few
contains       10   20.8        2   16.7  too few

tokens a sentence, % of train           tokens between the mentions, % of train
      0-1   0.0                                 0   0.0
      2-3   0.0                                 1  16.7 ██████
      4-5  41.7 ██████████████████              2  54.2 ██████████████████
      6-7  29.2 █████████████                   3  20.8 ███████
      8-9  29.2 █████████████                   4   8.3 ███
    10-11   0.0                                 5   0.0
    12-13   0.0                                 6   0.0
      14+   0.0                                7+   0.0
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a tiny corpus and a config."""
    monkeypatch.chdir(tmp_path)
    write_tiny_corpus(tmp_path)
    Path("tiny.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def inspect(*arguments: str) -> tuple[str, str]:
    """Standard output and standard error of an inspection that ends well."""
    result = CliRunner().invoke(app, ["inspect", *arguments], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.stderr
    return result.stdout, result.stderr


def test_a_config_is_shown_in_tables_of_80_columns(folder: Path) -> None:
    stdout, stderr = inspect("tiny.yaml", "--suspects", "2")
    assert stdout.startswith(GOLDEN)
    assert "macro-F1 on dev" in stdout
    assert "watch  few-examples" in stdout
    assert "0 problem, 1 watch, 9 checks in order" in stdout
    assert max(map(len, stdout.splitlines())) <= 80
    assert "\x1b" not in stdout
    assert "note   test: there is no file test.jsonl yet" in stderr
    assert "too few sentences for a linear model" in stderr


def test_a_wrong_relation_is_listed_with_its_place_and_its_mentions(folder: Path) -> None:
    records = [json.loads(line) for line in Path("train.jsonl").read_text(encoding="utf-8").splitlines()]
    wrong = next(number for number, record in enumerate(records) if record["relation"] == "contains")
    records[wrong] = {**records[wrong], "relation": "cause"}
    Path("wrong.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    stdout, _ = inspect("wrong.jsonl", "--suspects", "1")
    listed = stdout.split("relations that look most wrong")[1].splitlines()
    assert listed[1] == f"wrong.jsonl:{wrong + 1}"
    assert listed[2].startswith("    cause ")
    assert ", rather contains " in listed[2]
    assert listed[3] == "    the [storm] contains a {flood}"
    assert "relations that look most wrong" not in inspect("wrong.jsonl", "--suspects", "0")[0]


def test_types_of_mentions_are_shown_where_a_file_has_them(folder: Path) -> None:
    records = [json.loads(line) for line in Path("train.jsonl").read_text(encoding="utf-8").splitlines()]
    typed = [{**record, "head_type": "Storm", "tail_type": "Flood & fire"} for record in records[1:]]
    Path("typed.jsonl").write_text("\n".join(map(json.dumps, [records[0], *typed])), encoding="utf-8")
    stdout, _ = inspect("typed.jsonl")
    assert (
        "type of mention  train head    tail\n"
        "Storm                    59       0\n"
        "Flood & fire              0      59\n"
        "train: 1 sentence with a mention of no type\n"
    ) in stdout
    assert "type of mention" not in inspect("train.jsonl")[0]


def test_a_file_alone_is_judged_on_a_held_out_fifth(folder: Path) -> None:
    stdout, stderr = inspect("train.jsonl")
    assert "macro-F1 on a held-out fifth" in stdout
    assert "\ndev" not in stdout
    assert stderr == ""


def test_json_has_what_the_tables_show(folder: Path) -> None:
    stdout, _ = inspect("tiny.yaml", "--json", "--suspects", "3")
    answer = json.loads(stdout)
    assert list(answer) == ["splits", "findings", "baselines", "drift", "suspects", "skipped"]
    assert [split["name"] for split in answer["splits"]] == ["train", "dev"]
    assert answer["splits"][0]["summary"]["relations"] == {"none": 24, "cause": 14, "contains": 10}
    assert answer["findings"][0]["check"] == "few-examples"
    assert answer["findings"][0]["severity"] == "watch"
    assert len(answer["baselines"]) == 7
    assert answer["drift"] is None
    assert len(answer["skipped"]) == 2
    sources = [suspect["source"].rpartition(":")[0] for suspect in answer["suspects"]]
    assert set(sources) <= {"train.jsonl"}


def test_a_key_of_the_config_is_overridden(folder: Path) -> None:
    stdout, _ = inspect("tiny.yaml", "--set", "encoding.max_length=5")
    assert "sentences longer than 5 tokens (first train.jsonl:" in stdout


def test_standard_input_and_gzip_are_read(folder: Path) -> None:
    import gzip

    content = Path("train.jsonl").read_bytes()
    Path("train.jsonl.gz").write_bytes(gzip.compress(content))
    assert "train.jsonl.gz" in inspect("train.jsonl.gz")[0]
    result = CliRunner().invoke(app, ["inspect", "-"], input=content)
    assert result.exit_code == 0
    assert result.stdout.startswith("train  -\n")


def test_word_vectors_make_words_known(folder: Path) -> None:
    Path("vectors.txt").write_text("storm 1 2\nflood 3 4\n", encoding="utf-8")
    options = ["--set", "encoding.vectors=vectors.txt", "--set", "model.word_dim=2", "--json"]
    known = json.loads(inspect("tiny.yaml", *options, "--set", "encoding.min_count=100")[0])
    unknown = json.loads(inspect("tiny.yaml", "--json", "--set", "encoding.min_count=100")[0])
    assert known["splits"][1]["unknown"] < unknown["splits"][1]["unknown"] == 1
    spelled = json.loads(inspect("tiny.yaml", *options, "--set", "encoding.missing_vectors=ngrams")[0])
    assert spelled["splits"][1]["unknown"] == 0


def lines_with(**changes: object) -> list[str]:
    """The corpus's lines with keys changed; None takes a key out."""
    records = [json.loads(line) for line in Path("train.jsonl").read_text(encoding="utf-8").splitlines()]
    return [
        json.dumps({key: value for key, value in {**record, **changes}.items() if value is not None})
        for record in records
    ]


@pytest.mark.parametrize(
    ("changes", "notes"),
    [
        (
            {"relation": None},
            ["60 of 60 sentences have no relation", "train has no relation: there is nothing"],
        ),
        ({"relation": "only"}, ["train has only the relation 'only': there is nothing to tell apart"]),
    ],
)
def test_a_file_with_nothing_to_tell_apart_is_counted_and_said(
    folder: Path, changes: dict[str, object], notes: list[str]
) -> None:
    Path("odd.jsonl").write_text("\n".join(lines_with(**changes)), encoding="utf-8")
    stdout, stderr = inspect("odd.jsonl")
    assert "split  sentences" in stdout
    assert "linear baseline" not in stdout
    for note in notes:
        assert note in stderr


def test_sentences_without_a_relation_are_left_out_and_counted(folder: Path) -> None:
    lines = [*Path("train.jsonl").read_text(encoding="utf-8").splitlines(), *lines_with(relation=None)[:5]]
    Path("mixed.jsonl").write_text("\n".join(lines), encoding="utf-8")
    stdout, stderr = inspect("mixed.jsonl")
    assert "train: 5 of 65 sentences have no relation; training refuses them" in stderr
    assert "linear baseline" in stdout


def test_too_few_sentences_for_folds_are_said(folder: Path) -> None:
    lines = Path("train.jsonl").read_text(encoding="utf-8").splitlines()
    Path("small.jsonl").write_text("\n".join(lines[:12]), encoding="utf-8")
    stdout, stderr = inspect("small.jsonl")
    assert "linear baseline" not in stdout
    assert "at least two relations need 10 sentences each for 5 folds" in stderr


def test_a_dev_file_without_a_relation_of_train_is_a_finding(folder: Path) -> None:
    Path("dev.jsonl").write_text("\n".join(lines_with(relation="other")), encoding="utf-8")
    stdout, _ = inspect("tiny.yaml", "--set", "data.dev=dev.jsonl")
    assert "problem  relation-in-one-split" in stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jsonl"], "missing.jsonl: no such file. Check the path."),
        (["missing.yaml"], "missing.yaml: no such file."),
        (["."], ".: is a folder, not a file."),
        (["empty.jsonl"], "empty.jsonl: no sentences in it, the file is empty."),
        (["tiny.yaml", "--set", "data.dev=empty.jsonl"], "no sentences in it, the file is empty."),
        (["tiny.yaml", "--set", "data.dev=0.001"], "data.dev: a share of 0.001 of 60 sentences takes none"),
        (["tiny.yaml", "--set", "data.trian=x"], "did you mean"),
        (["broken.jsonl"], "broken.jsonl:1: broken JSON"),
        (["train.jsonl", "--set", "a=b"], "--set is for a CONFIG, whose name ends in .yaml or .yml."),
        (["tiny.yaml", "--format", "jsonl"], "--skip-bad are for a FILE"),
        (["train.jsonl", "--format", "jsnl"], "did you mean 'jsonl'?"),
    ],
)
def test_mistakes_exit_with_2_and_their_text(folder: Path, arguments: list[str], message: str) -> None:
    Path("empty.jsonl").write_text("", encoding="utf-8")
    Path("broken.jsonl").write_text("{]", encoding="utf-8")
    result = CliRunner().invoke(app, ["inspect", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_it_runs_without_torch(folder: Path) -> None:
    assert "torch" not in imported_by(folder, "inspect", "tiny.yaml", "--json")


def test_a_reader_that_leaves_early_is_fine(folder: Path) -> None:
    command = [sys.executable, "-m", "relclf", "inspect", "train.jsonl"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == (b"", 0)
    process.stderr.close()


def test_the_tables_on_the_documentations_page_are_the_real_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    project = Path(__file__).resolve().parents[2]
    monkeypatch.chdir(project)
    shown = (project / "docs" / "inspect.md").read_text(encoding="utf-8").split("```text\n")[1]
    counts = shown.split("linear baseline")[
        0
    ]  # what follows depends on scikit-learn's version in the last digit
    assert inspect("configs/quickstart.yaml")[0].startswith(counts)
