"""The words of a training: its vocabulary, and the vectors that a config names for them."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relclf.config.schema import EncodingConfig, ExperimentConfig
from relclf.encoding.vocabulary import FIRST_WORD_ID, Vocabulary
from relclf.encoding.word_vectors.lookup import NOT_FOUND, VectorSource, WordVectors
from relclf.encoding.word_vectors.packing import pack
from relclf.encoding.word_vectors.sources import SideBySide, match_counts, open_sources, read_sources, scaled
from relclf.errors import UserMistake
from relclf.example import Example
from relclf.models.building import constant_rows
from relclf.runs.directory import RunDirectory
from relclf.runs.files import write_json
from relclf.training.corpus import Corpus


@dataclass(frozen=True)
class VectorUse:
    """Where the vectors of a training are from, and how many words they have."""

    sources: tuple[VectorSource, ...]
    factors: tuple[float, ...]
    """By which each source's vectors were multiplied."""
    coverage: float
    """Share of train's tokens whose word has a vector."""
    words: int
    """Distinct words of train."""
    matches: dict[str, int]
    """How many of these were found, by the way in which."""
    duplicates: int
    """Words that a source has once more, as far as they were looked for."""

    @property
    def found(self) -> int:
        """Distinct words of train that have a vector."""
        return sum(self.matches.values())


@dataclass(frozen=True)
class Words:
    """The vocabulary of a corpus, and the vectors of its words where a config names sources of them."""

    vocabulary: Vocabulary
    vectors: WordVectors | None
    constant: NDArray[np.float32] | None
    """The rows that training never changes, shape (words, width); None without sources."""
    use: VectorUse | None


def read_words(config: ExperimentConfig, corpus: Corpus) -> Words:
    """The vocabulary of train; with word vectors also dev's words that only they know, never to be trained, and,
    where n-grams stand for what these lack, all others of dev too.

    Raises UserMistake where the vectors cannot be read or are of another width than the model's words.
    """
    encoding = config.encoding
    vectors, use = None, None
    lacking: tuple[str, ...] = ()
    if encoding.vectors is not None:
        vectors, lacking, use = _read_vectors(config, encoding, corpus)
    vocabulary = Vocabulary.build(
        corpus.train,
        min_count=encoding.min_count,
        lowercase=encoding.lowercase,
        fold_digits=encoding.fold_digits,
        vector_words=vectors.words if vectors else (),
        freeze_vectors=encoding.freeze_vectors,
        spelled_words=lacking if encoding.missing_vectors == "ngrams" else (),
    )
    return Words(vocabulary, vectors, constant_rows(vocabulary, vectors) if vectors else None, use)


def save_vectors(run: RunDirectory, words: Words, packed: bool) -> None:
    """Write how words were found and, where `packed`, a copy of all vectors."""
    use = words.use
    if use is None:
        return
    copies = []
    if packed:
        run.packed_vectors.mkdir()
        copies = [pack(source, run.packed_vectors, str(i)).name for i, source in enumerate(use.sources)]
    value = {
        "factors": use.factors,
        "packed": copies,
        "train_words": use.words,
        "matches": use.matches,
        "token_coverage": use.coverage,
        "duplicates": use.duplicates,
    }
    write_json(run.vectors_report, value)


def _read_vectors(
    config: ExperimentConfig, encoding: EncodingConfig, corpus: Corpus
) -> tuple[WordVectors, tuple[str, ...], VectorUse]:
    """The vectors of the words of train and dev, the words that have none, and what to say of it."""
    normalise = Vocabulary((), FIRST_WORD_ID, encoding.lowercase, encoding.fold_digits).normalise
    counts = _words(corpus.train, normalise)
    names = [*counts, *(word for word in sorted(_words(corpus.dev or (), normalise)) if word not in counts)]
    sources = open_sources(encoding)
    lookup = read_sources(sources, names)
    check_width(lookup, config)
    train = list(counts)
    if encoding.vectors_std is not None:
        lookup = scaled(lookup, train, encoding.vectors_std)
    found = lookup.find(names)
    has = found.match != NOT_FOUND
    of_train = found.match[: len(train)]
    tokens = np.fromiter(counts.values(), dtype=np.int64, count=len(train))
    coverage = float(tokens[of_train != NOT_FOUND].sum() / tokens.sum())
    use = VectorUse(
        tuple(sources),
        lookup.factors,
        coverage,
        len(train),
        match_counts(of_train),
        lookup.duplicates,
    )
    known = tuple(name for name, is_known in zip(names, has.tolist(), strict=True) if is_known)
    lacking = tuple(name for name, is_known in zip(names, has.tolist(), strict=True) if not is_known)
    return WordVectors(known, found.rows[has]), lacking, use


def check_width(lookup: SideBySide, config: ExperimentConfig) -> None:
    """Raise UserMistake where the vectors are not as wide as the model's words."""
    if lookup.width != config.model.word_dim:
        widths = " + ".join(str(each.width) for each in lookup.lookups)
        raise UserMistake(
            f"encoding.vectors: the vectors are {widths} wide, but model.word_dim is {config.model.word_dim}. "
            f"--set model.word_dim={lookup.width}"
        )


def _words(examples: Iterable[Example], normalise: Callable[[str], str]) -> Counter[str]:
    """The words of the examples as the vocabulary spells them, and how often each stands there."""
    tokens = Counter(token for example in examples for token in example.tokens)
    words: Counter[str] = Counter()
    for token, count in tokens.items():
        words[normalise(token)] += count
    return words
