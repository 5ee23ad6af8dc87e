"""Opens the sources of word vectors that a config names, and looks words up in all of them side by side."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relclf.config.schema import EncodingConfig
from relclf.data.hashing import file_sha256
from relclf.encoding.vocabulary import FIRST_WORD_ID, Vocabulary
from relclf.encoding.word_vectors.array import ArrayVectors
from relclf.encoding.word_vectors.binary import BinaryVectors
from relclf.encoding.word_vectors.lookup import MATCHES, NOT_FOUND, Found, Lookup, VectorSource
from relclf.encoding.word_vectors.text import TextVectors
from relclf.errors import UserMistake


def open_sources(encoding: EncodingConfig, paths: Sequence[Path] | None = None) -> list[VectorSource]:
    """The sources that a config names, or those at other `paths`, none of them read yet.

    A folder is a transformer's, NAME.npy an array, NAME.bin word2vec's binary form, the rest is text. Raises
    UserMistake where nothing is there.
    """
    normalise = Vocabulary((), FIRST_WORD_ID, encoding.lowercase, encoding.fold_digits).normalise
    return [_open(path, normalise) for path in (encoding.vectors or () if paths is None else paths)]


def _open(path: Path, normalise: Callable[[str], str]) -> VectorSource:
    if path.is_dir():
        from relclf.encoding.word_vectors.transformer import TransformerVectors

        return TransformerVectors(path)
    if not path.exists():
        raise UserMistake(f"{path}: no such file. Check encoding.vectors.")
    name = path.name.removesuffix(".gz")
    if name.endswith(".npy"):
        return ArrayVectors(path, normalise)
    if name.endswith(".bin"):
        return BinaryVectors(path, normalise)
    return TextVectors(path, normalise)


def source_sha256(sources: Iterable[VectorSource]) -> str:
    """The SHA-256 of the sources' only file, or of the SHA-256s of all of them, a line each."""
    digests = [file_sha256(path) for source in sources for path in source.files]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()


@dataclass(frozen=True)
class SideBySide:
    """A Lookup whose vectors are those of several, one after the other, each scaled by its factor.

    A word that only some of them have gets zeros from the others.
    """

    lookups: tuple[Lookup, ...]
    factors: tuple[float, ...]

    @property
    def width(self) -> int:
        """The sum of the widths."""
        return sum(lookup.width for lookup in self.lookups)

    @property
    def duplicates(self) -> int:
        """Of all sources."""
        return sum(lookup.duplicates for lookup in self.lookups)

    def find(self, words: Sequence[str]) -> Found:
        """The vectors of the words; the match of a word is the first source's that has it."""
        found = [lookup.find(words) for lookup in self.lookups]
        rows = [each.rows * np.float32(factor) for each, factor in zip(found, self.factors, strict=True)]
        match = found[0].match
        for each in found[1:]:
            match = np.where(match == NOT_FOUND, each.match, match)
        return Found(np.concatenate(rows, axis=1), match)


def read_sources(
    sources: Sequence[VectorSource],
    wanted: Collection[str] | None,
    factors: Sequence[float] | None = None,
) -> SideBySide:
    """The sources, read as far as the `wanted` words (None: any) need."""
    return SideBySide(
        tuple(source.lookup(wanted) for source in sources), tuple(factors or [1.0] * len(sources))
    )


def scaled(lookup: SideBySide, words: Sequence[str], std: float) -> SideBySide:
    """The same with each source's vectors of those words, as far as it has them, at this standard deviation."""
    factors = []
    for each in lookup.lookups:
        found = each.find(words)
        rows = found.rows[found.match != NOT_FOUND]
        spread = float(rows.std()) if rows.size else 0.0
        factors.append(std / spread if spread > 0 else 1.0)
    return SideBySide(lookup.lookups, tuple(factors))


def match_counts(match: NDArray[np.int8]) -> dict[str, int]:
    """How many words, (words,) numbers in MATCHES, were found in which way; ways that none was are left out."""
    counts = {name: int((match == index).sum()) for index, name in enumerate(MATCHES)}
    return {name: count for name, count in counts.items() if count}
