"""Looks up words that a run's vocabulary lacks in the word vectors that it was trained with."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from relclf.config.schema import ExperimentConfig
from relclf.encoding.sentences import Sentences, with_rows
from relclf.encoding.vocabulary import UNKNOWN_ID
from relclf.encoding.word_vectors.lookup import NOT_FOUND
from relclf.encoding.word_vectors.sources import SideBySide, open_sources, read_sources
from relclf.errors import UserMistake
from relclf.runs.directory import RunDirectory
from relclf.runs.files import read_json
from relclf.training.corpus import check_vectors_hash
from relclf.training.words import check_width


class LateRows(NamedTuple):
    """What stands for words after the last of a vocabulary."""

    rows: Tensor
    """(words, width) their vectors, zeros where n-grams stand for a word."""
    spelled: tuple[str, ...]
    """As many: a word that n-grams stand for, or ""; empty where these stand for none."""


class LateWords:
    """The word vectors of a run, read when the first word is looked up."""

    def __init__(self, run: RunDirectory, config: ExperimentConfig, size: int) -> None:
        """`size`: the vocabulary's, padding and the unknown word counted."""
        self._run = run
        self._config = config
        self._size = size

    def resolved(self, sentences: Sentences) -> tuple[Sentences, LateRows]:
        """The sentences with an id for each late word, and what the ids after the vocabulary's last are.

        A word that the vectors lack becomes the unknown word, but where n-grams stand for it. Raises UserMistake
        where the vectors are gone or have changed.
        """
        if not sentences.late_words:
            return sentences, LateRows(torch.empty(0, self._config.model.word_dim), ())
        found = self._lookup.find(sentences.late_words)
        known = found.match != NOT_FOUND
        by_ngrams = self._config.encoding.missing_vectors == "ngrams"
        kept = known | by_ngrams
        ids = np.where(kept, self._size + np.cumsum(kept) - 1, UNKNOWN_ID)
        word_ids = with_rows(sentences, ids.astype(np.int64))
        pairs = zip(sentences.late_words, known.tolist(), strict=True)
        spelled = tuple("" if has else word for word, has in pairs) if by_ngrams else ()
        rows = LateRows(torch.from_numpy(found.rows[kept]), spelled)
        return replace(sentences, word_ids=word_ids, late_words=()), rows

    @cached_property
    def _lookup(self) -> SideBySide:
        hint = "The run is incomplete: a file was removed or changed."
        report: dict[str, Any] = read_json(self._run.vectors_report, hint)
        try:
            packed = [self._run.packed_vectors / name for name in report["packed"]]
            factors = [float(factor) for factor in report["factors"]]
        except (KeyError, TypeError, ValueError):
            raise UserMistake(
                f"{self._run.vectors_report}: not what a run keeps of its word vectors. {hint}"
            ) from None
        lookup = read_sources(self._sources(packed), None, factors)
        check_width(lookup, self._config)
        return lookup

    def _sources(self, packed: Sequence[Path]) -> Any:
        encoding = self._config.encoding
        if packed:
            return open_sources(encoding, packed)
        sources = open_sources(encoding)
        check_vectors_hash(self._config, sources)
        return sources


def late_words(run: RunDirectory, config: ExperimentConfig, size: int) -> LateWords | None:
    """The word vectors of a run; None where it has none, or all their words in its vocabulary (relclf 0.1)."""
    return LateWords(run, config, size) if run.vectors_report.exists() else None
