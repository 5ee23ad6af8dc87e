"""Shards: each whole or not at all, none twice, on a cluster as here."""

import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relclf.cli.app import app

runner = CliRunner()


@pytest.fixture
def shards(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with three shards in `in`, the second of them cut short."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "in"
    folder.mkdir()
    lines = (tiny_run.parents[1] / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    for number in range(3):
        (folder / f"{number}.jsonl").write_text(
            "".join(lines[number * 20 : number * 20 + 20]), encoding="utf-8"
        )
    (folder / "1.jsonl").write_text('{"tokens": ["a"', encoding="utf-8")
    return folder


def outputs() -> list[str]:
    return sorted(path.name for path in Path("out").iterdir() if not path.name.startswith("."))


def test_a_shard_with_an_error_leaves_the_others_and_is_labelled_once_it_is_mended(
    shards: Path, tiny_run: Path
) -> None:
    first = runner.invoke(app, ["predict", str(tiny_run), "in", "-o", "out"])
    assert first.exit_code == 1
    assert first.stderr.count("error: in/1.jsonl:1: ") == 1
    assert outputs() == ["0.jsonl", "2.jsonl"]
    shutil.copy(shards / "0.jsonl", shards / "1.jsonl")
    second = runner.invoke(app, ["predict", str(tiny_run), "in/*.jsonl", "-o", "out"])
    assert (second.exit_code, second.stdout) == (0, "")
    assert second.stderr == "2 of 3 shards labelled before\n1/1 out/1.jsonl: 20 sentences\n"
    whole = runner.invoke(app, ["predict", str(tiny_run), str(shards / "0.jsonl")]).stdout
    assert [Path("out", name).read_text() for name in ("0.jsonl", "1.jsonl")] == [whole, whole]


def test_a_shard_that_has_changed_is_labelled_anew(shards: Path, tiny_run: Path) -> None:
    (shards / "1.jsonl").unlink()
    runner.invoke(app, ["predict", str(tiny_run), "in", "-o", "out"])
    shutil.copy(shards / "0.jsonl", shards / "2.jsonl")
    later = Path("out/2.jsonl").stat().st_mtime_ns + 1_000_000_000
    os.utime(shards / "2.jsonl", ns=(later, later))
    again = runner.invoke(app, ["predict", str(tiny_run), "in", "-o", "out"])
    assert again.stderr == "1 of 2 shards labelled before\n1/1 out/2.jsonl: 20 sentences\n"
    assert Path("out/2.jsonl").read_text() == Path("out/0.jsonl").read_text()


def test_labels_of_other_options_are_not_mixed(shards: Path, tiny_run: Path) -> None:
    runner.invoke(app, ["predict", str(tiny_run), "in", "-o", "out"])
    refused = runner.invoke(app, ["predict", str(tiny_run), "in", "-o", "out", "--top", "2"])
    assert refused.exit_code == 2
    assert "out: holds what another run or other options have labelled." in refused.stderr


MISTAKES = {
    "in": "shards need --output FOLDER",
    "in -o in": "in: holds the shards themselves.",
    "nothing/*.jsonl -o out": "nothing/*.jsonl: no files there.",
    "in/0.jsonl --engine ray": "--engine ray labels shards: name a folder",
    "*/?.jsonl -o out": "has the name of",
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_shards_that_make_no_sense_are_refused(shards: Path, tiny_run: Path, arguments: str) -> None:
    shutil.copytree(shards, "more")
    result = runner.invoke(app, ["predict", str(tiny_run), *arguments.split()])
    assert (result.exit_code, result.stdout) == (2, "")
    assert MISTAKES[arguments] in result.stderr
    assert not Path("out").exists()


@pytest.mark.slow
def test_a_cluster_labels_shards_as_this_machine_does(shards: Path, tiny_run: Path) -> None:
    from ray.cluster_utils import Cluster

    runner.invoke(app, ["predict", str(tiny_run), "in", "-o", "here", "--threads", "1"])
    head = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        options = ["--engine", "ray", "--address", cluster.address]
        result = runner.invoke(app, ["predict", str(tiny_run), "in", "-o", "out", *options])
    finally:
        cluster.shutdown()
    assert result.exit_code == 1
    assert "1.jsonl:1: " in result.stderr
    assert outputs() == ["0.jsonl", "2.jsonl"]
    for name in outputs():
        assert Path("out", name).read_bytes() == Path("here", name).read_bytes()
