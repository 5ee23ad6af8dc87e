"""Keeps a copy of a source of word vectors in a folder, from which it can be opened again."""

from pathlib import Path

import numpy as np
from safetensors.torch import save

from relclf.encoding.word_vectors.lookup import VectorSource
from relclf.encoding.word_vectors.spellings import RowsOfWords
from relclf.encoding.word_vectors.transformer import TransformerVectors
from relclf.runs.files import write_bytes, write_text, written_beside


def pack(source: VectorSource, folder: Path, name: str) -> Path:
    """Write the source into `folder` under `name`: an array with its words, or a transformer's input layer.

    Returns what to open it by. A full disk raises Failure.
    """
    lookup = source.lookup(None)
    if isinstance(lookup, TransformerVectors):
        copy = folder / name
        copy.mkdir()
        write_bytes(copy / "tokenizer.json", lookup.files[0].read_bytes())
        tensor, table = lookup.table
        write_bytes(copy / "model.safetensors", save({tensor: table}))
        return copy
    if not isinstance(lookup, RowsOfWords):
        raise TypeError(f"{type(lookup).__name__} cannot be packed")
    words, rows = lookup.everything()
    write_text(folder / f"{name}.txt", "".join(f"{word}\n" for word in words))
    path = folder / f"{name}.npy"
    with written_beside(path, rows.nbytes) as file:
        np.save(file, rows, allow_pickle=False)
    return path
