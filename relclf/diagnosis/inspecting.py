"""Inspects the data of a config, or of one file: counts, findings, linear baselines, relations that look wrong."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from relclf.config.schema import EncodingConfig, ExperimentConfig
from relclf.data.inspection import DataSummary, summarise
from relclf.data.options import Reading, reading_of
from relclf.data.reading import load_examples
from relclf.data.splitting import split_train
from relclf.diagnosis.data_checks import (
    clipped_share,
    data_findings,
    drift_finding,
    known_words,
    linear_findings,
    unknown_share,
)
from relclf.diagnosis.findings import Finding, in_order
from relclf.diagnosis.linear import LinearBaselines, linear_baselines, shifted_auc, too_small_for_folds
from relclf.encoding.vocabulary import FIRST_WORD_ID, Vocabulary
from relclf.encoding.word_vectors.lookup import NOT_FOUND
from relclf.encoding.word_vectors.sources import open_sources, read_sources
from relclf.example import Example


@dataclass(frozen=True)
class Split:
    """What one split holds."""

    name: str
    """train, dev or test."""
    file: str
    """The path, or "10 % of train"."""
    summary: DataSummary
    unknown: float
    """Share of its tokens that are no word of train or of the vectors file; 0 in train with min_count 1."""
    clipped: float
    """Share of its relative positions beyond ±max_distance."""
    lengths: dict[int, int]
    """Sentences by their length in tokens."""
    distances: dict[int, int]
    """Sentences by the tokens between their mentions."""


@dataclass(frozen=True)
class Inspection:
    """All that was found; `skipped` says what could not be looked at, and why."""

    splits: tuple[Split, ...]
    findings: list[Finding]
    baselines: LinearBaselines | None
    drift: tuple[float, float] | None
    """AUC of a linear model between train and dev, and its standard error."""
    skipped: tuple[str, ...]

    def to_json(self, suspects: int) -> dict[str, Any]:
        """The form that `relclf inspect --json` prints (docs/inspect.md)."""
        return {
            "splits": [dataclasses.asdict(split) for split in self.splits],
            "findings": [finding.to_json() for finding in self.findings],
            "baselines": [
                {"name": row.name, "macro_f1": row.score.macro_f1, "se": row.score.se}
                for row in (self.baselines.rows if self.baselines else ())
            ],
            "drift": None if self.drift is None else {"auc": self.drift[0], "se": self.drift[1]},
            "suspects": [
                {
                    "source": suspect.example.source,
                    "id": suspect.example.id,
                    "relation": suspect.example.relation,
                    "probability": suspect.given_probability,
                    "likely": suspect.likely,
                    "likely_probability": suspect.probability,
                }
                for suspect in (self.baselines.suspects[:suspects] if self.baselines else ())
            ],
            "skipped": list(self.skipped),
        }


def inspect_config(config: ExperimentConfig) -> Inspection:
    """Inspect the splits of a config as training would see them. Raises UserMistake where a file cannot be read."""
    data, reading = config.data, reading_of(config)
    skipped: list[str] = []
    files = {"train": _shown(data.train)}
    whole = _read(data.train, reading, "train", skipped)
    parts = split_train(whole, data)
    splits = {"train": parts.train}
    if isinstance(data.dev, Path):
        files["dev"], splits["dev"] = _shown(data.dev), _read(data.dev, reading, "dev", skipped)
    elif not data.all_data:
        files["dev"], splits["dev"] = f"{100 * data.dev:g} % of train", parts.dev
    if isinstance(data.test, Path) and data.test.exists():
        files["test"], splits["test"] = _shown(data.test), _read(data.test, reading, "test", skipped)
    elif isinstance(data.test, Path):
        skipped.append(f"test: there is no file {_shown(data.test)} yet")
    elif parts.test:
        share = (
            f"fold {data.fold} of {data.folds}" if data.test is None else f"{100 * data.test:g} % of train"
        )
        files["test"], splits["test"] = share, parts.test
    words: Sequence[str] = ()
    if config.encoding.vectors is not None:
        words = _with_vectors(splits, config.encoding)
    return _inspection(splits, files, config.encoding, words, skipped)


def inspect_file(path: Path | str, reading: Reading | str = "auto") -> Inspection:
    """Inspect one data file, alone, with the default encoding. Raises UserMistake where it cannot be read."""
    if isinstance(reading, str):
        reading = Reading(reading)
    skipped: list[str] = []
    examples = _read(path, reading, "train", skipped)
    encoding = EncodingConfig(tokenizer=cast("Any", reading.tokenizer))
    return _inspection({"train": examples}, {"train": str(path)}, encoding, (), skipped)


def _with_vectors(splits: dict[str, list[Example]], encoding: EncodingConfig) -> list[str]:
    """The words of all splits that the word vectors have, or all words, where n-grams stand for the others."""
    normalise = Vocabulary((), FIRST_WORD_ID, encoding.lowercase, encoding.fold_digits).normalise
    tokens = {token for examples in splits.values() for example in examples for token in example.tokens}
    words = sorted(set(map(normalise, tokens)))
    if encoding.missing_vectors == "ngrams":
        return words
    found = read_sources(open_sources(encoding), words).find(words).match != NOT_FOUND
    return [word for word, is_known in zip(words, found.tolist(), strict=True) if is_known]


def _read(path: Path | str, reading: Reading, name: str, notes: list[str]) -> list[Example]:
    """The examples of a file; what is to be said of them is added to `notes`."""
    loaded = load_examples(_shown(path), reading)
    notes += [f"{name}: {note}" for note in loaded.notes]
    return loaded.examples


def _shown(path: Path | str) -> str:
    """The path as a person would type it here: relative, where it lies below the current directory."""
    here = Path.cwd()
    return str(path.relative_to(here) if isinstance(path, Path) and path.is_relative_to(here) else path)


def _inspection(
    splits: dict[str, list[Example]],
    files: dict[str, str],
    encoding: EncodingConfig,
    vector_words: Sequence[str],
    skipped: list[str],
) -> Inspection:
    vocabulary = known_words(splits["train"], encoding, vector_words)
    shown = tuple(
        Split(
            name,
            files[name],
            summarise(examples),
            unknown_share(examples, vocabulary),
            clipped_share(examples, encoding.max_distance),
            dict(sorted(Counter(len(example.tokens) for example in examples).items())),
            dict(sorted(Counter(map(_distance, examples)).items())),
        )
        for name, examples in splits.items()
    )
    labelled = {name: [e for e in examples if e.relation is not None] for name, examples in splits.items()}
    skipped += [
        f"{split.name}: {split.summary.unlabelled:,} of {split.summary.count:,} sentences have no relation; "
        "training refuses them, and what follows leaves them out"
        for split in shown
        if split.summary.unlabelled
    ]
    labelled = {name: examples for name, examples in labelled.items() if examples}
    train, dev = labelled.get("train", []), labelled.get("dev")
    relations = {example.relation for example in train}
    if len(relations) < 2:
        only = f"only the relation {next(iter(relations))!r}" if relations else "no relation"
        skipped.append(f"train has {only}: there is nothing to tell apart, so nothing more was checked")
        return Inspection(shown, [], None, None, tuple(skipped))
    findings = data_findings(labelled, encoding, vector_words)
    baselines = linear_baselines(train, dev, encoding)
    if baselines is None:
        skipped.append(f"{too_small_for_folds(train)}, so no baselines and no likely wrong relations")
    else:
        findings += linear_findings(baselines)
    drift = shifted_auc(train, dev, encoding) if dev else None
    if drift is not None:
        findings.append(drift_finding(drift))
    elif dev:
        skipped.append("train against dev: too few sentences for a linear model of five folds")
    return Inspection(shown, in_order(findings), baselines, drift, tuple(skipped))


def _distance(example: Example) -> int:
    """Tokens between the mentions."""
    return max(example.head.start, example.tail.start) - min(example.head.end, example.tail.end)
