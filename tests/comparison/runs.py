"""Run directories and sweeps that were never trained, with scores that a test chooses."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from relclf.config.loading import config_from_mapping, dump_config
from relclf.runs.files import write_json
from relclf.runs.records import best_record, write_records
from relclf.runs.summary import summarise
from tests.diagnosis.runs import records, rising

SIGNATURE = (
    "macro_f1|relations:3|negative:none included|set:07ca8343|interval:95% bootstrap 100 seed 1|relclf:0.1.0"
)
GOLD = ["cause"] * 20 + ["contains"] * 10 + ["none"] * 70


def write_run(
    path: Path,
    seed: int = 1,
    test: float | None = 0.8,
    last: float | None = None,
    dev: Sequence[float] | None = None,
    stop_reason: str | None = "patience",
    updates: int = 56,
    signature: str = SIGNATURE,
    answers: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    **data: Any,
) -> Path:
    """A run of the default config. test, last: the test macro-F1 of its best and its last epoch; None: not evaluated.

    dev: macro-F1 an epoch; stop_reason None: no summary; answers: the best epoch's, to GOLD; settings: changed keys.
    """
    named = (
        {"test": "test.jsonl", "sha256": {"train": "a" * 64, "test": "c" * 64}} if test is not None else {}
    )
    hashes = {**named.pop("sha256", {"train": "a" * 64}), **data.pop("sha256", {})}
    values: dict[str, Any] = {
        "seed": seed,
        "data": {"train": "train.jsonl", **named, "sha256": hashes, **data},
    }
    overrides = [f"{key}={json.dumps(value)}" for key, value in (settings or {}).items()]
    config = config_from_mapping(values, path.parent, overrides)
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(dump_config(config, path), encoding="utf-8")
    write_json(
        path / "environment.json", {"format": 1, "device": "cpu", "threads": config.training.threads or 1}
    )
    each = records([*rising(19), 0.7] if dev is None else dev, updates=updates)
    each = [replace(record, seconds=2.0) for record in each]
    write_records(path / "records.jsonl", each)
    if stop_reason is not None:
        write_json(path / "summary.json", summarise(each, config.training.monitor, 1, stop_reason))
    best = best_record(each, config.training.monitor)
    if test is not None and best is not None:
        (path / "evaluations").mkdir()
        for name, value, epoch in (
            ("best", test, best.epoch),
            ("last", test if last is None else last, len(each)),
        ):
            write_json(path / "evaluations" / f"test.{name}.json", evaluation(value, epoch, signature))
        (path / "evaluations" / "test.best.jsonl").write_text(_lines(answers or GOLD), encoding="utf-8")
    (path / "predictions.dev.jsonl").write_text(_lines(answers or GOLD), encoding="utf-8")
    return path


def _lines(answers: Sequence[str]) -> str:
    rows = [
        {"id": str(i), "gold": gold, "relation": a}
        for i, (gold, a) in enumerate(zip(GOLD, answers, strict=True))
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def evaluation(value: float, epoch: int, signature: str = SIGNATURE) -> dict[str, Any]:
    """What `relclf evaluate` keeps, as far as a comparison reads it."""
    score = {"value": value, "low": value, "high": value, "signature": signature}
    return {"split": "test", "sha256": "c" * 64, "epoch": epoch, "scores": {"macro_f1": score}}


def write_group(folder: Path, scores: Sequence[float], **options: Any) -> Path:
    """A folder of runs with seeds 1, 2, ... and these test scores."""
    for seed, score in enumerate(scores, 1):
        write_run(folder / f"seed-{seed}", seed, score, **options)
    return folder


def write_sweep(
    path: Path,
    kind: str,
    variants: Mapping[str, tuple[Mapping[str, Any], Sequence[Sequence[float]]]],
    **changed: Any,
) -> Path:
    """A sweep; each variant has settings and, for each seed, dev macro-F1 an epoch."""
    keys = list(dict.fromkeys(key for settings, _ in variants.values() for key in settings))
    value = {
        "format": 1,
        "name": path.name,
        "kind": kind,
        "keys": keys,
        "split": "fixed",
        "seeds": list(range(1, 1 + max(len(seeds) for _, seeds in variants.values()))),
        "variants": [{"name": name, "settings": dict(settings)} for name, (settings, _) in variants.items()],
    }
    path.mkdir(parents=True)
    write_json(path / "sweep.json", value | changed)
    for name, (settings, seeds) in variants.items():
        for seed, dev in enumerate(seeds, 1):
            write_run(path / name / f"seed-{seed}", seed, 0.8, dev=dev, settings=settings)
    return path
