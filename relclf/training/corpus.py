"""Reads the train and dev examples that a config names, and checks that they can be learned from."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from relclf.config.schema import DataHashes, ExperimentConfig
from relclf.data.hashing import file_sha256
from relclf.data.options import reading_of
from relclf.data.reading import load_examples
from relclf.data.splitting import split_train
from relclf.encoding.fitting import fit_length
from relclf.encoding.rewriting import Rewriting, missing_type
from relclf.encoding.word_vectors.lookup import VectorSource
from relclf.encoding.word_vectors.sources import open_sources, source_sha256
from relclf.errors import DataError, UserMistake
from relclf.example import Example
from relclf.relations import RelationSet


@dataclass(frozen=True)
class Corpus:
    """The examples of a training, ready to be encoded, and what a person should know of them."""

    train: list[Example]
    dev: list[Example] | None
    """None with `data.all_data`."""
    relations: RelationSet
    """Those of train."""
    notes: tuple[str, ...]
    """Warnings: sentences cut or passed over, relations that only dev has, a test file that is missing."""


def read_corpus(config: ExperimentConfig) -> Corpus:
    """Train and dev as the config says. Raises UserMistake where they cannot be learned from."""
    data = config.data
    if data.folds is not None and data.fold is None:
        raise UserMistake(
            f"data.folds: {data.folds} folds are as many runs: relclf train --config FILE trains them all; data.fold "
            "names one of them."
        )
    whole, notes = read_labelled(data.train, config, "train")
    splits = split_train(whole, data)
    train, dev = splits.train, splits.dev
    if isinstance(data.dev, Path):
        dev, more = read_labelled(data.dev, config, "dev")
        notes += more
        if data.all_data:
            train, dev = train + dev, []
    relations = _relations(train, data.negative_relation, data.train)
    if isinstance(data.dev, Path) and data.dev.samefile(data.train):
        notes.append(
            "dev: the same file as train; its scores say how well the sentences were learned by heart"
        )
    if not data.all_data:
        if not any(example.relation in relations.ids for example in dev):
            raise UserMistake(
                "data.dev: no dev sentence has a relation that train has. Check the spelling of both."
            )
        notes += _dev_notes(dev, relations)
    if isinstance(data.test, Path) and not data.test.exists():
        notes.append(
            f"test: there is no file {data.test} yet; what will stand there is not checked for changes"
        )
    return Corpus(train, None if data.all_data else dev, relations, tuple(notes))


def read_labelled(
    path: Path, config: ExperimentConfig, name: str, *, offsets: bool = False
) -> tuple[list[Example], list[str]]:
    """The examples of a file, each with a relation and no longer than max_length, and notes on those of `name`.

    With `offsets` they keep their text, where the file has one.
    """
    loaded = load_examples(path, reading_of(config), offsets=offsets)
    examples: list[Example] = []
    cut = 0
    rewriting = Rewriting.of(config.encoding)
    if rewriting.mask_mentions == "types":
        _refuse_missing_types(loaded.examples)
    for example in loaded.examples:
        if example.relation is None:
            raise DataError(
                f"{example.source}: no relation. Training and evaluation need one for every sentence."
            )
        example = rewriting(example)
        fitted = fit_length(example, config.encoding.max_length, config.encoding.too_long)
        cut += fitted is not example
        examples.append(fitted)
    notes = [f"{name}: {note}" for note in loaded.notes]
    if cut:
        length = config.encoding.max_length
        notes.append(
            f"{name}: {cut} sentences cut to {length} tokens around their mentions (too_long: window)"
        )
    return examples, notes


def _refuse_missing_types(examples: Sequence[Example]) -> None:
    """Raise a DataError that names the first mention without a type, and counts the sentences that have one."""
    errors = [error for each in examples if (error := missing_type(each)) is not None]
    if errors:
        raise DataError(f"{errors[0]} So it is in {len(errors):,} of {len(examples):,} sentences.")


def with_hashes(config: ExperimentConfig) -> ExperimentConfig:
    """The config with the SHA-256 of each file; raises UserMistake where one differs from the config's own."""
    data, encoding = config.data, config.encoding
    paths = {
        "train": data.train,
        "dev": data.dev if isinstance(data.dev, Path) else None,
        "test": data.test if isinstance(data.test, Path) and data.test.exists() else None,
    }
    found = {name: check_hash(config, name, path) for name, path in paths.items() if path is not None}
    if encoding.vectors is not None:
        found["vectors"] = check_vectors_hash(config, open_sources(encoding))
    kept = {name: value for name, value in data.sha256.model_dump().items() if name not in found}
    hashes = DataHashes(**kept, **found)
    return config.model_copy(update={"data": data.model_copy(update={"sha256": hashes})})


def check_hash(config: ExperimentConfig, name: str, path: Path) -> str:
    """The SHA-256 of a file; raises UserMistake where the config expects another."""
    return _unchanged(file_sha256(path), getattr(config.data.sha256, name), str(path))


def check_vectors_hash(config: ExperimentConfig, sources: Sequence[VectorSource]) -> str:
    """The SHA-256 of the word vectors; raises UserMistake where the config expects another."""
    names = ", ".join(str(path) for path in config.encoding.vectors or ())
    return _unchanged(source_sha256(sources), config.data.sha256.vectors, names)


def _unchanged(digest: str, expected: str | None, name: str) -> str:
    if expected is not None and expected != digest:
        raise UserMistake(
            f"{name}: changed since the run was made (SHA-256 {digest[:12]}…, expected {expected[:12]}…). "
            "Restore the file, or train a new run on the new data."
        )
    return digest


def unknown_note(split: str, relation: str, count: int) -> str:
    """What to say of a relation that only dev or test has."""
    sentences = "1 sentence has" if count == 1 else f"{count} sentences have"
    return f"{split}: {sentences} the relation {relation!r}, which train lacks; it counts as wrong"


def _relations(train: Sequence[Example], negative: str | None, path: Path) -> RelationSet:
    names = {example.relation for example in train if example.relation is not None}
    if len(names) < 2:
        raise UserMistake(
            f"{path}: only the relation {next(iter(names))!r}. A network needs at least two relations to tell apart."
        )
    if negative is not None and negative not in names:
        raise UserMistake(
            f"data.negative_relation: {negative!r} is not a relation of {path}. It has {', '.join(sorted(names))}."
        )
    return RelationSet.from_names(names, negative)


def _dev_notes(dev: Sequence[Example], relations: RelationSet) -> list[str]:
    counts = Counter(example.relation for example in dev)
    notes = [
        unknown_note("dev", name, counts[name])
        for name in sorted(str(name) for name in counts if name not in relations.ids)
    ]
    if len(counts) == 1:
        notes.append(f"dev: only the relation {next(iter(counts))!r}; its scores say nothing of the others")
    return notes
