"""Takes word vectors from a transformer's input layer: a word's vector is the mean of its pieces' vectors."""

from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn import functional

from relclf.encoding.word_vectors.lookup import MATCHES, NOT_FOUND, Found
from relclf.errors import DataError, UserMistake

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_TABLES = ("word_embeddings.weight", "embed_tokens.weight", "wte.weight")
"""How the input layer's tensor is called at its end: BERT and its like, Llama and its like, GPT-2."""
_PIECES = MATCHES.index("mean of pieces")


class TransformerVectors:
    """A Hugging Face model folder: `tokenizer.json`, and the input layer in a safetensors file.

    No forward pass is made and no other package of that family is needed. Every word that the tokenizer can take
    apart has a vector, so it is its own Lookup. Pieces that are the tokenizer's unknown one are left out.
    """

    duplicates = 0

    def __init__(self, folder: Path) -> None:
        """Raises UserMistake where the folder does not hold both."""
        self._folder = folder
        self._tokenizer_file = folder / "tokenizer.json"
        if not self._tokenizer_file.is_file():
            raise UserMistake(
                f"{folder}: no tokenizer.json in the folder. Is this a Hugging Face model folder?"
            )
        self._table_file, self._table_name = _input_layer(folder)
        self.files = (self._tokenizer_file, self._table_file)

    def lookup(self, wanted: Collection[str] | None) -> "TransformerVectors":
        """Itself: any word may be asked for."""
        return self

    @property
    def width(self) -> int:
        """Of the input layer."""
        return int(self._table.shape[1])

    @property
    def table(self) -> tuple[str, Tensor]:
        """The name of the input layer's tensor, and it: (pieces, width)."""
        return self._table_name, self._table

    def find(self, words: Sequence[str]) -> Found:
        """The mean of each word's pieces; zeros for words of which the tokenizer knows no piece."""
        encoded = self._tokenizer.encode_batch(
            [[self._blank + word] for word in words], is_pretokenized=True, add_special_tokens=False
        )
        pieces = [[piece for piece in each.ids if piece != self._unknown] for each in encoded]
        flat = torch.tensor([piece for each in pieces for piece in each], dtype=torch.int64)
        if len(flat) and int(flat.max()) >= len(self._table):
            raise DataError(
                f"{self._folder}: tokenizer.json has piece {int(flat.max()):,}, but the input layer only "
                f"{len(self._table):,} rows. Both must be of one model."
            )
        counts = torch.tensor([len(each) for each in pieces], dtype=torch.int64)
        distinct, places = torch.unique(flat, return_inverse=True)
        starts = torch.cumsum(counts, 0) - counts
        rows = functional.embedding_bag(places, self._table[distinct].float(), starts, mode="mean")
        match = torch.where(counts > 0, _PIECES, NOT_FOUND).to(torch.int8)
        return Found(rows.numpy().astype(np.float32, copy=False), match.numpy())

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise UserMistake(
                f"{self._folder}: reading a transformer's vectors needs the package tokenizers. "
                "pip install 'relclf[transformer]'"
            ) from None
        try:
            tokenizer = Tokenizer.from_file(str(self._tokenizer_file))
        except Exception as error:  # the package raises no narrower type
            raise DataError(f"{self._tokenizer_file}: cannot be read ({error}).") from None
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _unknown(self) -> int | None:
        name = getattr(self._tokenizer.model, "unk_token", None)
        return self._tokenizer.token_to_id(name) if isinstance(name, str) else None

    @cached_property
    def _blank(self) -> str:
        """Byte-level tokenizers spell a word within a sentence with the blank before it."""
        return " " if "ByteLevel" in repr(self._tokenizer.pre_tokenizer) else ""

    @cached_property
    def _table(self) -> Tensor:
        try:
            with safe_open(self._table_file, framework="pt") as file:
                table: Tensor = file.get_tensor(self._table_name)
        except (OSError, SafetensorError) as error:
            raise DataError(f"{self._table_file}: cannot be read ({error}).") from None
        if table.dim() != 2 or not table.is_floating_point():
            raise DataError(
                f"{self._table_file}: {self._table_name} must be floats of shape (pieces, width), "
                f"was: {tuple(table.shape)}."
            )
        return table


def _input_layer(folder: Path) -> tuple[Path, str]:
    """The file and the name of the tensor that holds the input layer."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UserMistake(
            f"{folder}: no .safetensors file in the folder. Is this a Hugging Face model folder?"
        )
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                names = sorted(file.keys())
        except (OSError, SafetensorError) as error:
            raise DataError(f"{path}: cannot be read ({error}). Copy or download it again.") from None
        for end in _TABLES:
            if found := [name for name in names if name == end or name.endswith(f".{end}")]:
                return path, found[0]
    raise UserMistake(
        f"{folder}: no tensor called {' or '.join(f'*{end}' for end in _TABLES)} in its .safetensors files."
    )
