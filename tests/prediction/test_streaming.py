"""Labelling files: formats, order, malformed records, and nothing left behind by a failure."""

import csv
import gzip
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import relclf
from relclf.errors import DataError, UserMistake
from relclf.prediction import streaming
from relclf.prediction.streaming import predict_file


def corpus_of(run: Path) -> Path:
    return run.parents[1] / "train.jsonl"


def test_a_file_is_labelled_in_its_order_as_from_python(tiny_run: Path, tmp_path: Path) -> None:
    predictor = relclf.load(tiny_run)
    counts = predict_file(predictor, corpus_of(tiny_run), tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    sentences = [json.loads(line) for line in corpus_of(tiny_run).read_text(encoding="utf-8").splitlines()]
    expected = predictor.predict(sentences)
    assert counts == streaming.PredictionCounts(60, 0)
    assert [(row["id"], row["relation"]) for row in rows] == [(p.id, p.relation) for p in expected]
    assert set(rows[0]) == {"id", "relation", "probability"}


def test_blocks_do_not_change_the_predictions(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = relclf.load(tiny_run)
    predict_file(predictor, corpus_of(tiny_run), tmp_path / "one.jsonl")
    monkeypatch.setattr(streaming, "BLOCK", 7)
    seen: list[int] = []
    predict_file(predictor, corpus_of(tiny_run), tmp_path / "many.jsonl", on_progress=seen.append)
    one, many = (
        [json.loads(line) for line in (tmp_path / name).read_text(encoding="utf-8").splitlines()]
        for name in ("one.jsonl", "many.jsonl")
    )
    assert [(r["id"], r["relation"]) for r in one] == [(r["id"], r["relation"]) for r in many]
    assert [r["probability"] for r in one] == pytest.approx([r["probability"] for r in many], abs=2e-6)
    assert seen == [7, 14, 21, 28, 35, 42, 49, 56, 60]


def test_csv_has_the_top_relations_in_columns(tiny_run: Path, tmp_path: Path) -> None:
    predict_file(relclf.load(tiny_run), corpus_of(tiny_run), tmp_path / "out.csv", output_format="csv", top=9)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "id",
        "relation",
        "probability",
        "relation_2",
        "probability_2",
        "relation_3",
        "probability_3",
    ]
    shares = [float(rows[0][name]) for name in ("probability", "probability_2", "probability_3")]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=1e-5)


def test_gzip_in_and_out(tiny_run: Path, tmp_path: Path) -> None:
    packed = tmp_path / "in.jsonl.gz"
    packed.write_bytes(gzip.compress(corpus_of(tiny_run).read_bytes()))
    predict_file(relclf.load(tiny_run), packed, tmp_path / "out.jsonl.gz")
    assert len(gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()).splitlines()) == 60


def test_a_malformed_record_stops_and_leaves_no_output(tiny_run: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text(corpus_of(tiny_run).read_text(encoding="utf-8") + '{"text": "x"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"bad\.jsonl:61: .* --skip-bad FILE passes over"):
        predict_file(relclf.load(tiny_run), bad, tmp_path / "out.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jsonl"]


def test_skip_bad_counts_and_lists_malformed_records(tiny_run: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    lines = corpus_of(tiny_run).read_text(encoding="utf-8").splitlines()
    too_long = json.dumps({"tokens": ["word"] * 300, "head": [0, 1], "tail": [2, 3]})
    bad.write_text("\n".join([lines[0], "{", lines[1], too_long]) + "\n", encoding="utf-8")
    counts = predict_file(
        relclf.load(tiny_run), bad, tmp_path / "out.jsonl", skip_bad=tmp_path / "skipped.txt"
    )
    listed = (tmp_path / "skipped.txt").read_text(encoding="utf-8").splitlines()
    assert counts == streaming.PredictionCounts(2, 2)
    assert [line.split(": ")[0].rsplit(":", 1)[1] for line in listed] == ["2", "4"]
    assert "300 tokens" in listed[1]


def test_an_output_that_cannot_be_is_refused_before_work(tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match="is a directory"):
        predict_file(relclf.load(tiny_run), corpus_of(tiny_run), tmp_path)
    with pytest.raises(UserMistake, match="does not exist"):
        predict_file(relclf.load(tiny_run), corpus_of(tiny_run), tmp_path / "no" / "out.jsonl")


def test_neither_output_replaces_the_input_or_the_other(tiny_run: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(corpus_of(tiny_run).read_bytes())
    (tmp_path / "link.jsonl").symlink_to(source)
    other = tmp_path / "out.jsonl"
    clashes = (
        (source, None),
        (tmp_path / "link.jsonl", None),
        (other, source),
        (None, source),
        (other, other),
    )
    for output, bad in clashes:
        with pytest.raises(UserMistake, match="in the same command already"):
            predict_file(relclf.load(tiny_run), source, output, skip_bad=bad)
    assert source.read_bytes() == corpus_of(tiny_run).read_bytes()
    assert not other.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_written_to_and_not_replaced(tiny_run: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        read = pool.submit(pipe.read_text, encoding="utf-8")
        predict_file(relclf.load(tiny_run), corpus_of(tiny_run), pipe)
        assert len(read.result(timeout=30).splitlines()) == 60
    assert pipe.is_fifo()
