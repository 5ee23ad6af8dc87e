"""`relclf score`: exit codes, answers on stdout, messages on stderr."""

import gzip
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from relclf.cli.app import app
from relclf.scoring.semeval2010 import official_report

DIRECTED = {"1": "Cause-Effect(e1,e2)", "2": "Cause-Effect(e2,e1)", "3": "Message-Topic(e1,e2)", "4": "Other"}
PROPOSED = {"1": "Cause-Effect(e1,e2)", "2": "Cause-Effect(e1,e2)", "3": "Other", "4": "Other"}


def run(*arguments):
    return CliRunner().invoke(app, ["score", *map(str, arguments)])


@pytest.fixture
def answers(tmp_path):
    def write(name, lines):
        if isinstance(lines, dict):
            lines = [f"{identifier}\t{relation}" for identifier, relation in lines.items()]
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    return write


@pytest.fixture
def directed(answers):
    return answers("key.txt", DIRECTED), answers("proposed.txt", PROPOSED)


def test_semeval2010_prints_the_official_report_and_nothing_else(directed):
    result = run(*directed, "--scorer", "semeval2010")
    assert result.exit_code == 0
    assert result.stdout == official_report(DIRECTED, PROPOSED)
    assert result.stderr == ""


def test_bare_relations_score_like_the_same_answers_with_ids(answers):
    key, proposed = answers("key.txt", DIRECTED.values()), answers("proposed.txt", PROPOSED.values())
    result = run(key, proposed, "--scorer", "semeval2010")
    assert result.exit_code == 0
    assert result.stdout == official_report(DIRECTED, PROPOSED)


@pytest.mark.parametrize("scorer", ["semeval2010", "macro_f1", "tacred"])
def test_json_holds_every_defined_score_whatever_the_scorer(directed, scorer):
    result = run(*directed, "--scorer", scorer, "--negative", "Other", "--json")
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert list(data["scores"]) == [
        "macro_f1",
        "macro_f1_positive",
        "micro_f1_positive",
        "accuracy",
        "semeval2010",
    ]
    assert data["scores"]["semeval2010"]["value"] == pytest.approx((2 * 1 / 4 + 0) / 2)
    assert data["scores"]["accuracy"]["value"] == 0.5
    assert [row["support"] for row in data["relations"]] == [1, 1, 1, 1]
    assert data["examples"] == 4


def test_skipped_answers_count_as_other_in_the_json_of_the_official_scorer(answers):
    key = answers("key.txt", DIRECTED)
    result = run(
        key, answers("proposed.txt", {"1": "Cause-Effect(e1,e2)"}), "--scorer", "semeval2010", "--json"
    )
    data = json.loads(result.stdout)
    assert data["examples"] == 4
    assert data["scores"]["accuracy"]["value"] == 0.5


def test_macro_f1_prints_a_table_with_a_dash_for_what_is_undefined(answers):
    key = answers("key.txt", ["cause", "cause", "part", "part", "none"])
    proposed = answers("proposed.txt", ["cause", "none", "part", "treats", "none"])
    result = run(key, proposed, "--scorer", "macro_f1")
    assert result.exit_code == 0
    head, signature, empty, header, *rows = result.stdout.splitlines()
    assert head.startswith("macro_f1 66.67 %   95 % interval ")
    assert head.endswith("   5 examples")
    assert signature.startswith(
        "macro_f1|relations:3|negative:undeclared|direction:as named|zero_division:0|set:"
    )
    assert (empty, header) == ("", "relation  precision  recall     F1  support")
    assert rows == [
        "cause         100.0    50.0   66.7        2",
        "none           50.0   100.0   66.7        1",
        "part          100.0    50.0   66.7        2",
        "treats          0.0       -    0.0        0",
    ]
    assert result.stderr.startswith("warning: relations that ")
    assert result.stderr.endswith("never has count as wrong: treats (1)\n")


def test_tacred_is_micro_f1_without_the_negative_relation(answers):
    key = answers("key.txt", ["no_relation", "cause", "cause", "part"])
    proposed = answers("proposed.txt", ["cause", "cause", "no_relation", "part"])
    result = run(key, proposed, "--scorer", "tacred")
    assert result.exit_code == 0
    assert result.stdout.startswith("micro_f1_positive 66.67 %   95 % interval ")
    assert "|negative:no_relation excluded|" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("key", "proposed", "options", "message"),
    [
        (["a", "b"], ["a"], ["--scorer", "macro_f1"], "proposed.txt:1: ends with 1 lines"),
        (["a", "b"], ["a", "b"], ["--scorer", "tacred"], "no_relation is in neither"),
        (["a", "b"], ["a", "b"], ["--scorer", "macro_f1", "--negative", "c"], "c is in neither"),
        (["a", "b"], ["a", "b"], ["--scorer", "macro_f1", "--negative", ""], " is in neither"),
        (["a", "b"], ["a", "b"], ["--scorer", "semeval2010"], "key.txt:1: 'a' is not one of the relations"),
        (["Other"], ["Other"], ["--scorer", "semeval2010"], "nothing to average"),
        (["1\ta", "b"], ["a", "b"], ["--scorer", "macro_f1"], "key.txt:2: no TAB"),
        ([], ["a"], ["--scorer", "macro_f1"], "key.txt: empty"),
    ],
)
def test_a_mistake_is_explained_on_stderr_with_exit_code_2(answers, key, proposed, options, message):
    result = run(answers("key.txt", key), answers("proposed.txt", proposed), *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr.replace("\n", " ")


def test_a_missing_file_and_a_directory_are_exit_code_2(directed, tmp_path):
    key, _ = directed
    for path, message in ((tmp_path / "none.txt", "no such file"), (tmp_path, "is a directory")):
        result = run(key, path, "--scorer", "macro_f1")
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"{path}: {message}" in result.stderr


def test_the_scorer_must_be_named(directed):
    assert run(*directed).exit_code == 2
    assert run(*directed, "--scorer", "f1").exit_code == 2


def test_scoring_imports_neither_torch_nor_scikit_learn(directed):
    code = (
        "import sys; from typer.testing import CliRunner; from relclf.cli.app import app; "
        "result = CliRunner().invoke(app, sys.argv[1:]); "
        "print(result.exit_code, sorted({'torch', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    arguments = ["score", *map(str, directed), "--scorer", "semeval2010"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout == "0 []\n"


def test_tacred_scores_a_published_system_over_15509_examples(shared_data, answers):
    from sklearn.metrics import f1_score

    with gzip.open(shared_data / "tacrev" / "test_predictions.tsv.gz", "rt", encoding="utf-8") as lines:
        _, gold, predicted, *_ = zip(*(line.rstrip("\n").split("\t")[:3] for line in lines), strict=True)
    gold, predicted = gold[1:], predicted[1:]
    result = run(answers("key.txt", gold), answers("proposed.txt", predicted), "--scorer", "tacred", "--json")
    data = json.loads(result.stdout)
    labels = sorted({*gold, *predicted} - {"no_relation"})
    expected = f1_score(gold, predicted, labels=labels, average="micro")
    assert data["examples"] == 15_509
    assert data["scores"]["micro_f1_positive"]["value"] == pytest.approx(expected)
