"""Looks up words that a run's vocabulary lacks in the word vectors that it was trained with."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

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


class LateWords:
    """The word vectors of a run, read when the first word is looked up."""

    def __init__(self, run: RunDirectory, config: ExperimentConfig, size: int) -> None:
        """`size`: the vocabulary's, padding and the unknown word counted."""
        self._run = run
        self._config = config
        self._size = size

    def resolved(self, sentences: Sentences) -> tuple[Sentences, Tensor]:
        """The sentences with an id for each late word, and the vectors (found words, width) of the ids after the last.

        A word that the vectors lack becomes the unknown word. Raises UserMistake where the vectors are gone or have
        changed.
        """
        if not sentences.late_words:
            return sentences, torch.empty(0, self._config.model.word_dim)
        found = self._lookup.find(sentences.late_words)
        known = found.match != NOT_FOUND
        ids = np.where(known, self._size + np.cumsum(known) - 1, UNKNOWN_ID)
        word_ids = with_rows(sentences, ids.astype(np.int64))
        return replace(sentences, word_ids=word_ids, late_words=()), torch.from_numpy(found.rows[known])

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
