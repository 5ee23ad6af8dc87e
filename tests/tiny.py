"""A corpus of 60 hand-made sentences and a network small enough to train on it in a second."""

import json
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from relclf.config.loading import config_from_mapping
from relclf.config.schema import ExperimentConfig
from relclf.data.reading import read_examples
from relclf.example import Example, MentionSpan

NEGATIVE = "none"
COUNTS = {"cause": 18, "contains": 12, NEGATIVE: 30}
"""Sentences a relation of the corpus that `write_tiny_corpus` makes."""


def tiny_examples() -> list[Example]:
    """Six sentences as values: mentions of one and more tokens, at either end, head first and tail first."""
    return [
        _example(1, "the storm caused heavy floods yesterday", (1, 2), (3, 5), "cause"),
        _example(2, "floods were caused by 2 storms", (4, 6), (0, 1), "cause"),
        _example(3, "the old box contains 12 red apples", (1, 3), (4, 7), "contains"),
        _example(4, "apples fill the box", (3, 4), (0, 1), "contains"),
        _example(5, "Storms passed near boxes of apples last week while nobody was looking", (0, 1), (3, 6)),
        _example(6, "rain fell", (0, 1), (1, 2)),
    ]


def write_tiny_corpus(folder: Path) -> Path:
    """Write `folder`/train.jsonl: 60 sentences, three relations at 30/50/20 %, learnable; returns its path."""
    path = folder / "train.jsonl"
    lines = [json.dumps(record) for record in _records()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def tiny_config(folder: Path, **overrides: Any) -> ExperimentConfig:
    """A config of the tiny corpus in `folder` (written where it is missing): 4 epochs of 5 batches, one thread.

    Keys of `overrides` are dotted keys with "__" for the dot: `training__optimizer__lr=0.1`.
    """
    train = folder / "train.jsonl"
    if not train.exists():
        write_tiny_corpus(folder)
    values: dict[str, Any] = {
        "seed": 13,
        "data": {"train": str(train), "dev": 0.2, "negative_relation": NEGATIVE},
        "encoding": {"max_distance": 6},
        "model": {"word_dim": 6, "position_dim": 3, "filters": 8, "windows": [3]},
        "training": {
            "batch_size": 10,
            "bucket_batches": 2,
            "max_epochs": 4,
            "patience": None,
            "optimizer": {"name": "adam", "lr": 0.02},
            "device": "cpu",
            "threads": 1,
        },
        "scoring": {"bootstrap_samples": 100},
    }
    for key, value in overrides.items():
        section = values
        *path, name = key.split("__")
        for part in path:
            section = section.setdefault(part, {})
        section[name] = value
    return config_from_mapping(values, folder)


def read_tiny_corpus(folder: Path) -> list[Example]:
    """The examples of the corpus that `write_tiny_corpus` wrote to `folder`."""
    return list(read_examples(folder / "train.jsonl"))


def _example(
    number: int, text: str, head: tuple[int, int], tail: tuple[int, int], relation: str = NEGATIVE
) -> Example:
    return Example(
        f"t{number}",
        tuple(text.split()),
        MentionSpan(*head),
        MentionSpan(*tail),
        relation,
        f"tiny.jsonl:{number}",
    )


_TEMPLATES = {
    "cause": (
        "the {a} caused the {b}",
        "{a} brings about {b} every year",
        "in spring {a} often led to more {b}",
    ),
    "contains": ("the {a} contains a {b}", "one {a} holds 3 {b}", "that very old {a} is full of {b} today"),
    NEGATIVE: ("{a} and {b} met", "nobody saw the {a} beside the {b}", "a {a} , then a {b} , went by"),
}
_FIRST = ("storm", "quake", "box", "fire", "river", "jar", "wind")
_SECOND = ("flood", "apple", "panic", "coin", "noise")


def _records() -> list[dict[str, Any]]:
    """The sentences, relations taking turns; the first mention of each third sentence is the tail."""
    records: list[dict[str, Any]] = []
    for relation, count in COUNTS.items():
        templates = islice(cycle(_TEMPLATES[relation]), count)
        for number, template in enumerate(templates):
            words = {"a": _FIRST[number % len(_FIRST)], "b": _SECOND[(number // 2) % len(_SECOND)]}
            tokens = template.split()
            spans = {key: tokens.index(f"{{{key}}}") for key in words}
            first, second = ([i, i + 1] for i in (spans["a"], spans["b"]))
            head, tail = (second, first) if number % 3 == 2 else (first, second)
            filled = [words[token[1]] if token in ("{a}", "{b}") else token for token in tokens]
            records.append(
                {
                    "id": f"{relation}-{number}",
                    "tokens": filled,
                    "head": head,
                    "tail": tail,
                    "relation": relation,
                }
            )
    return sorted(records, key=lambda record: int(record["id"].rsplit("-", 1)[1]))
