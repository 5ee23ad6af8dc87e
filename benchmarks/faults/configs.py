"""Diagnoses a case that is a config, or the run of one, in a folder that is removed again."""

import gzip
import random
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.faults.config_cases import ConfigCase
from benchmarks.faults.corpora import read_corpus, write_rows
from benchmarks.faults.outcomes import Outcome, found
from relclf.config.loading import load_config
from relclf.data.reading import read_examples
from relclf.diagnosis.diagnosing import diagnose_config, diagnose_run
from relclf.diagnosis.findings import Finding, in_order
from relclf.errors import UserMistake
from relclf.training.experiment import train
from relclf.training.loop import NotFinite

BASES: dict[str, dict[str, Any]] = {
    "quickstart": {"data": {"negative_relation": "no_relation"}},
    "semeval2010": {
        "data": {"negative_relation": "Other"},
        "training": {
            "optimizer": {"name": "adagrad", "lr": 0.05},
            "schedule": {"name": "cosine"},
            "max_epochs": 12,
            "patience": None,
            "monitor": "semeval2010",
        },
    },
    "euadr": {"training": {"batch_size": 20, "imbalance": {"class_weights": "inverse"}}},
    "scierc": {},
}
"""The healthy config of each corpus: relclf's defaults, with what configs/euadr.yaml and semeval2010-cnn.yaml add."""
VECTORS = "wiki2015-100d.txt.gz"


def diagnosed(case: ConfigCase, seed: int, corpora: Path | None) -> Outcome:
    """What `relclf diagnose` says of the case; a config that is refused is named by what the error says."""
    error, findings, seconds = None, list[Finding](), 0.0
    with tempfile.TemporaryDirectory() as folder:
        try:
            config = _written(case, seed, corpora, Path(folder))
            started = time.process_time()
            findings = _findings(config, case)
            seconds = time.process_time() - started
        except UserMistake as refusal:
            return Outcome(
                case.name,
                case.corpus,
                case.expected,
                seed,
                ["refused"],
                [],
                [],
                {"refused": str(refusal)},
                0.0,
            )
        except Exception:  # a case that ends by an exception is a row of the table, and counted as wrong
            error = traceback.format_exc()
    said = vars(found(findings))
    return Outcome(
        case.name,
        case.corpus,
        case.expected,
        seed,
        **said,
        seconds=seconds,
        error=error,
        by_watch=case.by_watch,
    )


def _findings(config: Path, case: ConfigCase) -> list[Finding]:
    loaded = load_config(config, case.settings)
    if not case.trained:
        return in_order(each for each in diagnose_config(loaded) if isinstance(each, Finding))
    run = config.parent / "run"
    try:
        for _ in train(loaded, run=run):
            pass
    except NotFinite:  # is what diagnose is to say
        pass
    return in_order(each for each in diagnose_run(run) if isinstance(each, Finding))


def _written(case: ConfigCase, seed: int, corpora: Path | None, folder: Path) -> Path:
    """The config's file, with the data that it names beside it."""
    parts = read_corpus(case.corpus, corpora, seed)
    if case.edit is not None:
        parts = case.edit(parts, random.Random(seed))
    for name, rows in parts._asdict().items():
        write_rows(folder / f"{name}.jsonl", rows)
    base = BASES[case.corpus]
    config: dict[str, Any] = {**base, "seed": seed}
    config["data"] = {**base.get("data", {}), "train": "train.jsonl", "dev": "dev.jsonl"}
    config["training"] = {**base.get("training", {}), "threads": 1}
    if case.vectors is not None:
        config["encoding"] = {"vectors": _vectors(case.vectors, seed, corpora, folder)}
        config["model"] = {"word_dim": 100}
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def _vectors(kind: str, seed: int, corpora: Path | None, folder: Path) -> str:
    """The path of a vectors file: real ones, or drawn ones for every word of train."""
    if kind == "wiki":
        assert corpora is not None
        return str((corpora / "vectors" / VECTORS).resolve())
    words = {token.lower() for example in read_examples(folder / "train.jsonl") for token in example.tokens}
    rows = np.random.default_rng(seed).normal(0, 0.1, (len(words), 100))
    with gzip.open(folder / "random.txt.gz", "wt", encoding="utf-8") as file:
        for word, row in zip(sorted(words), rows, strict=True):
            file.write(f"{word} {' '.join(f'{value:.5f}' for value in row)}\n")
    return "random.txt.gz"
