"""`relclf convert`."""

import gzip
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relclf.cli.app import app
from relclf.data.reading import read_examples

LINE = '{"id": "%s", "text": "Ada wrote code", "head": [0, 3], "tail": [10, 14], "relation": "r"}\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with two files of one sentence each."""
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text(LINE % "x")
    Path("b.jsonl").write_text(LINE % "y")
    return tmp_path


def convert(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["convert", *arguments])


def test_several_files_become_one_in_another_format() -> None:
    result = convert("a.jsonl", "b.jsonl", "c.txt", "--to", "semeval2010", "--renumber")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "2 sentences written: c.txt\n")
    assert Path("c.txt").read_text().startswith('1\t"<e1>Ada</e1> wrote <e2>code</e2>"\nr\nComment:\n\n2\t')


def test_the_name_says_jsonl_and_gz_and_standard_input_is_a_dash() -> None:
    assert convert("a.jsonl", "c.jsonl.gz").exit_code == 0
    assert [example.id for example in read_examples(Path("c.jsonl.gz"))] == ["x"]
    assert gzip.decompress(Path("c.jsonl.gz").read_bytes()).startswith(b'{"id": "x"')
    result = CliRunner().invoke(app, ["convert", "-", "d.jsonl"], input=LINE % "z")
    assert result.exit_code == 0
    assert [example.id for example in read_examples(Path("d.jsonl"))] == ["z"]


def test_a_format_with_options_and_a_charset_is_read() -> None:
    Path("t.csv").write_bytes("word,word2,text\nBär,Wald,Bär im Wald\n".encode("latin-1"))
    options = ["--from", "{name: delimited, head: word, tail: word2}", "--charset", "latin-1"]
    assert convert("t.csv", "t.jsonl", *options).exit_code == 0
    (example,) = read_examples(Path("t.jsonl"))
    assert example.tokens == ("Bär", "im", "Wald")


def test_what_cannot_be_held_is_listed_and_the_rest_written() -> None:
    Path("a.jsonl").write_text(LINE % "x" + LINE % "7" + "{}\n")
    result = convert("a.jsonl", "c.txt", "--to", "semeval2010", "--skip-bad", "bad.txt")
    assert result.stderr == "1 sentences written: c.txt\n2 records passed over, listed in bad.txt\n"
    listed = Path("bad.txt").read_text().splitlines()
    assert [line.split(": ")[0] for line in listed] == ["a.jsonl:1", "a.jsonl:3"]


def test_a_folder_of_brat_is_written_and_read() -> None:
    result = convert("a.jsonl", "b.jsonl", "brat", "--to", "brat")
    assert result.stderr == "2 sentences written: brat\nnote   brat holds no ids: they are left out\n"
    assert Path("brat/sentences.txt").read_text() == "Ada wrote code\n"
    assert convert("brat", "c.jsonl").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.jsonl"], "convert needs one file or more, and last the file to write."),
        (["a.jsonl", "c.txt"], "--to: name the format to write, since c.txt does not end in .jsonl."),
        (
            ["a.jsonl", "c.txt", "--to", "semeval"],
            "--to: 'semeval' is not written, did you mean 'semeval2010'?",
        ),
        (["a.jsonl", "c.jsonl", "--from", "{name: delimted}"], "--from.name: must be `auto`"),
        (["a.jsonl", "c.jsonl", "--charset", "utf-16"], "--charset: 'utf-16' is no encoding"),
        (
            ["a.jsonl", "c.jsonl", "--tokenizer", "words"],
            "--tokenizer: must be words-2, words-1, characters-1",
        ),
        (["a.jsonl", "a.jsonl"], "a.jsonl: is read or written in the same command already."),
        (["no.jsonl", "c.jsonl"], "no.jsonl: no such file."),
    ],
)
def test_mistakes_exit_with_2_and_leave_no_file(arguments: list[str], message: str) -> None:
    result = convert(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert sorted(path.name for path in Path().iterdir()) == ["a.jsonl", "b.jsonl"]
