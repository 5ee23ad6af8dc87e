"""Corpora as rows of relclf's jsonl format, each with a train and a dev part."""

import csv
import json
import random
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

Row = dict[str, Any]
"""text, head, tail ([start, end) in characters), relation."""

SHARE = 0.15
"""Of the sentences that go into dev where a corpus has no dev of its own."""
QUICKSTART = Path(__file__).resolve().parents[2] / "data" / "quickstart"


class Parts(NamedTuple):
    """A corpus in two parts."""

    train: list[Row]
    dev: list[Row]


def read_corpus(name: str, folder: Path | None, seed: int) -> Parts:
    """A corpus by its name; all but quickstart lie in `folder`. The seed deals out dev where there is none."""
    if name == "quickstart":
        return Parts(_jsonl(QUICKSTART / "train.jsonl"), _jsonl(QUICKSTART / "dev.jsonl"))
    if folder is None:
        raise SystemExit(f"{name} is not shipped: --corpora FOLDER says where it lies (docs/diagnosis.md).")
    match name:
        case "semeval2010":
            return _dealt_out(_semeval(folder / "semeval2010" / "TRAIN_FILE.TXT"), seed)
        case "euadr":
            return _dealt_out(_euadr(folder / "euadr"), seed)
        case "scierc":
            place = folder / "scierc_scibert"
            return Parts(list(_scierc(place / "train.txt")), list(_scierc(place / "dev.txt")))
    raise ValueError(f"no corpus is called {name!r}")


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write a jsonl file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _dealt_out(rows: Iterable[Row], seed: int) -> Parts:
    """Dev by sentence, so that no sentence is in both parts."""
    by_text: dict[str, list[Row]] = {}
    for row in rows:
        by_text.setdefault(row["text"], []).append(row)
    texts = sorted(by_text)
    random.Random(seed).shuffle(texts)
    cut = round(SHARE * len(texts))
    return Parts(*([row for text in part for row in by_text[text]] for part in (texts[cut:], texts[:cut])))


def _jsonl(path: Path) -> list[Row]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        {
            "text": row["text"],
            "head": [row["head"]["start"], row["head"]["end"]],
            "tail": [row["tail"]["start"], row["tail"]["end"]],
            "relation": row["relation"],
        }
        for row in rows
    ]


def _semeval(path: Path) -> Iterator[Row]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    for sentence, relation in pairwise(lines):
        if re.match(r"\d+\t", sentence):
            marked = sentence.split("\t", 1)[1].strip().strip('"')
            yield _row(marked, ("<e1>", "</e1>"), ("<e2>", "</e2>"), relation.strip())


def _scierc(path: Path) -> Iterator[Row]:
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield _row(row["text"], ("[[ ", " ]]"), ("<< ", " >>"), row["label"])


def _row(marked: str, head: tuple[str, str], tail: tuple[str, str], relation: str) -> Row:
    """A row from a text with marks around both mentions, which are taken out."""
    marks = {mark: place for place, mark in enumerate((*head, *tail))}
    text, places = "", [0] * 4
    for piece in re.split("(" + "|".join(map(re.escape, marks)) + ")", marked):
        if piece in marks:
            places[marks[piece]] = len(text)
        else:
            text += piece
    return {"text": text, "head": places[:2], "tail": places[2:], "relation": relation}


def _euadr(folder: Path) -> Iterator[Row]:
    """All three files; rows whose mentions overlap, which relclf refuses, are left out."""
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="latin-1", newline="") as file:
            for line in csv.DictReader(file, delimiter="\t"):
                spans = [[int(line[f"ENTITY{n}_INI"]), int(line[f"ENTITY{n}_END"])] for n in (1, 2)]
                if spans[0][1] <= spans[1][0] or spans[1][1] <= spans[0][0]:
                    relation = line["ASSOCIATION_TYPE"]
                    yield {"text": line["SENTENCE"], "head": spans[0], "tail": spans[1], "relation": relation}
