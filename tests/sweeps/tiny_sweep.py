"""A base config of the tiny corpus, for sweeps."""

from pathlib import Path

from tests.tiny import write_tiny_corpus

BASE = """\
data: {train: train.jsonl, dev: 0.2, negative_relation: none}
model: {word_dim: 6, position_dim: 3, filters: 8}
training: {max_epochs: 2, batch_size: 10, threads: 1, device: cpu, optimizer: {lr: 0.02}}
scoring: {bootstrap_samples: 100}
"""


def write_base(folder: Path) -> Path:
    """Write the corpus and `tiny.yaml`; returns the config's path."""
    write_tiny_corpus(folder)
    path = folder / "tiny.yaml"
    path.write_text(BASE, encoding="utf-8")
    return path
