"""The quickstart corpus as tensors, encoded as one would by hand, and small made-up sets for other tasks."""

import functools
import json
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

FOLDER = Path(__file__).resolve().parents[2] / "data" / "quickstart"
LENGTH = 30
"""tokens: the longest sentence of the corpus"""
MAX_DISTANCE = 15
"""tokens: positions further away share an id"""


class Split(NamedTuple):
    """The sentences of a split."""

    words: Tensor
    """(sentences, LENGTH); 0 pads, 1 is an unknown word"""
    heads: Tensor
    """(sentences, LENGTH): distance to the head, shifted so that it starts at 1; 0 pads"""
    tails: Tensor
    relations: Tensor
    """(sentences,)"""
    lengths: Tensor


class Corpus(NamedTuple):
    """Both splits with the sizes that a model needs."""

    train: Split
    dev: Split
    words: int
    positions: int
    relations: int


@functools.cache
def quickstart() -> Corpus:
    """The quickstart corpus, words seen once or never in train unknown, relations by how common they are."""
    train, dev = _read("train"), _read("dev")
    counts = Counter(word for tokens, _, _, _ in train for word in tokens)
    known = {word: number for number, word in enumerate(sorted(w for w in counts if counts[w] > 1), start=2)}
    names = [name for name, _ in Counter(relation for _, _, _, relation in train).most_common()]
    return Corpus(
        _encode(train, known, names),
        _encode(dev, known, names),
        words=len(known) + 2,
        positions=2 * MAX_DISTANCE + 2,
        relations=len(names),
    )


def blobs(seed: int, classes: int = 5, features: int = 20, number: int = 1500) -> tuple[Tensor, Tensor]:
    """Points around one centre a class, in the order of their classes: (number, features) and (number,)."""
    centres = torch.randn(classes, features, generator=torch.Generator().manual_seed(77)) * 0.7
    random = torch.Generator().manual_seed(seed)
    y = torch.randint(classes, (number,), generator=random)
    return centres[y] + torch.randn(number, features, generator=random), y


def _read(split: str) -> list[tuple[list[str], int, int, str]]:
    """Tokens, index of the head's and of the tail's first token, and relation, a sentence each."""
    return [_sentence(json.loads(line)) for line in (FOLDER / f"{split}.jsonl").read_text().splitlines()]


def _sentence(row: dict[str, object]) -> tuple[list[str], int, int, str]:
    tokens = list(re.finditer(r"\w+|[^\w\s]", str(row["text"])))
    starts = [token.start() for token in tokens]
    head, tail = row["head"], row["tail"]
    assert isinstance(head, dict) and isinstance(tail, dict)
    words = [token.group().lower() for token in tokens]
    return words, starts.index(head["start"]), starts.index(tail["start"]), str(row["relation"])


def _encode(rows: list[tuple[list[str], int, int, str]], known: dict[str, int], names: list[str]) -> Split:
    words = torch.zeros(len(rows), LENGTH, dtype=torch.long)
    heads, tails = torch.zeros_like(words), torch.zeros_like(words)
    for number, (tokens, head, tail, _) in enumerate(rows):
        for at, word in enumerate(tokens):
            words[number, at] = known.get(word, 1)
            heads[number, at] = max(-MAX_DISTANCE, min(MAX_DISTANCE, at - head)) + MAX_DISTANCE + 1
            tails[number, at] = max(-MAX_DISTANCE, min(MAX_DISTANCE, at - tail)) + MAX_DISTANCE + 1
    relations = torch.tensor([names.index(relation) for _, _, _, relation in rows])
    return Split(words, heads, tails, relations, torch.tensor([len(tokens) for tokens, _, _, _ in rows]))
