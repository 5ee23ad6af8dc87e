"""Labelling files: formats, order, malformed records, and nothing left behind by a failure."""

import csv
import gzip
import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import relclf
from relclf.encoding.sentences import Sentences, joined
from relclf.errors import DataError, UserMistake
from relclf.prediction import reading, streaming
from relclf.prediction.predictor import ranked
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


def written_slowly(ids: list[str], names: list[str], best: list[float], every: list[dict[str, float]]) -> str:
    """The reference: each line by the json module."""
    lines = []
    for sentence_id, name, probability, probabilities in zip(ids, names, best, every, strict=True):
        value: dict[str, object] = {"id": sentence_id, "relation": name, "probability": probability}
        if probabilities:
            value["probabilities"] = probabilities
        lines.append(json.dumps(value, ensure_ascii=False) + "\n")
    return "".join(lines)


SHARES = st.lists(st.floats(0, 1, exclude_min=True), min_size=3, max_size=3)


@given(st.lists(st.tuples(st.text(), SHARES), max_size=5), st.sampled_from([1, 2, 3]))
def test_lines_are_byte_for_byte_those_of_the_json_module(
    sentences: list[tuple[str, list[float]]], top: int
) -> None:
    names = ("a", 'b"\n', "é\u2028")
    shares = np.array([row for _, row in sentences]).reshape(-1, 3)
    predicted = shares.argmax(axis=1)
    ids = [sentence_id for sentence_id, _ in sentences]
    out = io.StringIO(newline="")
    streaming._JsonLines(out, names, top)(ids, shares, predicted)
    best = np.round(shares.max(axis=1, initial=0), 6).tolist()
    every = [dict(list(row.items()) if top > 1 else []) for row in ranked(names, shares, top)]
    assert out.getvalue() == written_slowly(ids, [names[i] for i in predicted], best, every)


def test_a_probability_that_is_not_a_number_is_written_as_the_json_module_does() -> None:
    out = io.StringIO()
    streaming._JsonLines(out, ("a", "b"), 1)(["1"], np.full((1, 2), np.nan), np.array([1]))
    assert out.getvalue() == '{"id": "1", "relation": "b", "probability": NaN}\n'


@pytest.mark.parametrize("readers", [1, 2])
def test_readers_change_no_byte(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readers: int
) -> None:
    source = tmp_path / "in.jsonl"
    lines = corpus_of(tiny_run).read_text(encoding="utf-8").splitlines()
    for place in (3, 17, 50):
        lines.insert(place, "{")
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    predictor = relclf.load(tiny_run)
    alone = predict_file(predictor, source, tmp_path / "alone", skip_bad=tmp_path / "alone.txt")
    monkeypatch.setattr(reading, "BLOCK_BYTES", 500)
    monkeypatch.setattr(reading, "BLOCKS_ALONE", 2)
    beside = predict_file(
        predictor, source, tmp_path / "beside", skip_bad=tmp_path / "beside.txt", readers=readers
    )
    assert alone == beside == streaming.PredictionCounts(60, 3)
    assert (tmp_path / "alone").read_bytes() == (tmp_path / "beside").read_bytes()
    assert (tmp_path / "alone.txt").read_text() == (tmp_path / "beside.txt").read_text()
    with pytest.raises(DataError, match=r"in\.jsonl:4: broken JSON .* --skip-bad FILE"):
        predict_file(predictor, source, tmp_path / "none", readers=readers)
    assert not (tmp_path / "none").exists()


@given(st.lists(st.integers(1, 9), max_size=30), st.integers(1, 30))
def test_blocks_hold_what_they_may_however_the_sentences_are_parted(lengths: list[int], part: int) -> None:
    everything = Sentences(
        [str(place) for place in range(len(lengths))],
        np.arange(sum(lengths), dtype=np.int32),
        np.array(lengths, dtype=np.int64),
        np.zeros((len(lengths), 4), dtype=np.int64),
    )
    parts = []
    rest = everything
    while len(rest):
        first, rest = rest.split(part)
        parts.append(first)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "BLOCK", 4)
        patch.setattr(streaming, "BLOCK_TOKENS", 12)
        blocks = list(streaming._blocks(parts))
    assert [sentence_id for block in blocks for sentence_id in block.ids] == everything.ids
    assert [len(block) for block in blocks] == slow_blocks(lengths)
    if blocks:
        assert joined(blocks).word_ids.tolist() == everything.word_ids.tolist()


def slow_blocks(lengths: list[int]) -> list[int]:
    """The reference: sentence by sentence, a new block where 4 sentences or 12 tokens would be passed."""
    blocks: list[list[int]] = []
    for length in lengths:
        if not blocks or len(blocks[-1]) == 4 or sum(blocks[-1]) + length > 12:
            blocks.append([])
        blocks[-1].append(length)
    return [len(block) for block in blocks]


@pytest.mark.parametrize("place", [0, 1])
def test_a_sentence_of_100_000_tokens_is_cut_around_its_mentions_or_refused(
    tiny_run: Path, tmp_path: Path, place: int
) -> None:
    lines = corpus_of(tiny_run).read_text(encoding="utf-8").splitlines()
    around = ["the", "storm", "caused", "the", "flood"]
    words = {"tokens": ["the"] * 50_000 + around + ["the"] * 50_000, "head": [50_001, 50_002], "id": "long"}
    lines.insert(place, json.dumps({**words, "tail": [50_004, 50_005]}))
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"in\.jsonl:{place + 1}: a sentence of 100005 tokens"):
        predict_file(relclf.load(tiny_run), tmp_path / "in.jsonl", tmp_path / "out")
    predictor = relclf.load(tiny_run)
    predictor.encoder = replace(predictor.encoder, too_long="window")
    assert predict_file(predictor, tmp_path / "in.jsonl", tmp_path / "out").sentences == 61
    rows = [json.loads(row) for row in (tmp_path / "out").read_text(encoding="utf-8").splitlines()]
    assert rows[place]["id"] == "long"
