"""The quickstart corpus is what its generator writes, and what data/README.md says of it."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).resolve().parents[1] / "data"
SPLITS = {"train": 2800, "dev": 600, "test": 1000}
SHARES = {"no_relation": 0.62, "acquirer_of": 0.30, "acquired_by": 0.05, "supplier_of": 0.03}


def lines_of(split: str) -> list[dict[str, Any]]:
    text = (DATA / "quickstart" / f"{split}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def mentions_of(line: dict[str, Any]) -> tuple[str, str]:
    head, tail = line["head"], line["tail"]
    return line["text"][head["start"] : head["end"]], line["text"][tail["start"] : tail["end"]]


def generate(folder: Path, *options: str) -> None:
    command = [sys.executable, str(DATA / "make_quickstart.py"), "--out", str(folder), *options]
    subprocess.run(command, check=True)


def test_the_generator_rewrites_the_committed_bytes(tmp_path: Path) -> None:
    generate(tmp_path)
    for split in SPLITS:
        name = f"{split}.jsonl"
        assert (tmp_path / name).read_bytes() == (DATA / "quickstart" / name).read_bytes()


def test_another_seed_makes_another_corpus(tmp_path: Path) -> None:
    generate(tmp_path, "--seed", "2")
    assert (tmp_path / "dev.jsonl").read_bytes() != (DATA / "quickstart" / "dev.jsonl").read_bytes()


@pytest.mark.parametrize(("split", "size"), SPLITS.items())
def test_every_split_has_the_stated_size_and_shares(split: str, size: int) -> None:
    counts = Counter(line["relation"] for line in lines_of(split))
    assert counts == {relation: round(share * size) for relation, share in SHARES.items()}


@pytest.mark.parametrize(("split", "size"), SPLITS.items())
def test_three_percent_are_flipped_and_say_their_true_relation(split: str, size: int) -> None:
    lines = lines_of(split)
    assert sum(line["flipped"] for line in lines) == round(0.03 * size)
    for line in lines:
        assert line["flipped"] == ("true_relation" in line)
        assert line.get("true_relation") != line["relation"]


def test_no_sentence_occurs_twice_in_the_corpus() -> None:
    texts = [line["text"] for split in SPLITS for line in lines_of(split)]
    assert len(set(texts)) == sum(SPLITS.values())


@pytest.mark.parametrize("split", SPLITS)
def test_mentions_are_apart_and_end_at_word_boundaries(split: str) -> None:
    for line in lines_of(split):
        first, second = sorted((line["head"], line["tail"]), key=lambda span: int(span["start"]))
        assert 0 <= first["start"] < first["end"] < second["start"] < second["end"] <= len(line["text"])
        for mention in mentions_of(line):
            assert re.search(rf"\b{re.escape(mention)}\b", line["text"])
            assert mention == mention.strip()


@pytest.mark.parametrize("split", SPLITS)
def test_sentences_have_8_to_30_tokens(split: str) -> None:
    lengths = [len(re.findall(r"\w+|[^\w\s]", line["text"])) for line in lines_of(split)]
    assert min(lengths) >= 8
    assert max(lengths) <= 30


def test_each_relation_occurs_with_the_head_first_and_with_the_tail_first() -> None:
    orders = {
        (line.get("true_relation", line["relation"]), line["head"]["start"] < line["tail"]["start"])
        for line in lines_of("test")
    }
    assert orders == {(relation, head_first) for relation in SHARES for head_first in (True, False)}


@pytest.mark.parametrize("split", ["dev", "test"])
def test_many_marked_firms_of_dev_and_test_are_new(split: str) -> None:
    seen = {word for line in lines_of("train") for word in re.findall(r"\w+", line["text"])}
    mentions = [mention for line in lines_of(split) for mention in mentions_of(line)]
    new = sum(re.findall(r"\w+", mention)[0] not in seen for mention in mentions)
    assert 0.35 < new / len(mentions) < 0.6


def test_the_majority_baseline_is_the_arithmetic_of_the_shares() -> None:
    command = [sys.executable, str(DATA / "baselines.py"), "majority"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    majority = max(SHARES.values())
    assert float(printed) == pytest.approx(100 * (2 * majority / (1 + majority)) / len(SHARES), abs=0.05)


def test_the_readme_states_the_number_that_the_bag_of_words_prints() -> None:
    command = [sys.executable, str(DATA / "baselines.py"), "bow"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    row = next(
        line
        for line in (DATA / "README.md").read_text(encoding="utf-8").splitlines()
        if "baselines.py bow" in line
    )
    assert f"| {printed} |" in row
