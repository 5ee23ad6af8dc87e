"""A word's vector is the mean of its pieces' rows in a transformer's input layer."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from relclf.encoding.word_vectors.lookup import MATCHES, NOT_FOUND
from relclf.encoding.word_vectors.transformer import TransformerVectors
from relclf.errors import UserMistake

PIECES = ["[UNK]", "rain", "##s", "storm", "flood"]
TABLE = torch.tensor([[9.0, 9], [1, 2], [3, 6], [-1, 0], [5, 5]])


def folder_with(path, *, name="embeddings.word_embeddings.weight", table=TABLE, pieces=PIECES, **more):
    path.mkdir(exist_ok=True)
    tokenizer = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "truncation": {"max_length": 1, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": None,
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {piece: index for index, piece in enumerate(pieces)},
        },
        **more,
    }
    (path / "tokenizer.json").write_text(json.dumps(tokenizer))
    save_file({"other.bias": torch.zeros(2), name: table}, path / "model.safetensors")
    return path


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", ["bert.embeddings.word_embeddings.weight", "model.embed_tokens.weight"])
def test_a_word_is_the_mean_of_its_pieces_without_the_unknown_one(tmp_path, dtype, name):
    source = TransformerVectors(folder_with(tmp_path / "model", name=name, table=TABLE.to(dtype)))
    found = source.lookup(None).find(["rain", "Rains", "flood-q", "q"])
    assert found.rows.tolist() == [[1, 2], [2, 4], [5, 5], [0, 0]]
    pieces = MATCHES.index("mean of pieces")
    assert found.match.tolist() == [pieces, pieces, pieces, NOT_FOUND]
    assert source.width == 2
    assert len(source.find([]).rows) == 0


def test_byte_level_pieces_are_those_of_a_word_within_a_sentence(tmp_path):
    tokenizer = {
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
        "model": {"type": "BPE", "vocab": {"a": 0, "Ġ": 1, "Ġa": 2}, "merges": ["Ġ a"]},
    }
    source = TransformerVectors(folder_with(tmp_path / "model", name="wte.weight", **tokenizer))
    assert source.find(["a", "aa"]).rows.tolist() == [[3, 6], [6, 7.5]]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: (path / "tokenizer.json").unlink(), "no tokenizer.json"),
        (lambda path: (path / "tokenizer.json").write_text("{}"), "tokenizer.json: cannot be read"),
        (lambda path: (path / "model.safetensors").unlink(), "no .safetensors file"),
        (
            lambda path: (path / "model.safetensors").write_bytes(b"12345678"),
            "model.safetensors: cannot be read",
        ),
        (lambda path: folder_with(path, name="lm_head.weight"), "no tensor called"),
        (lambda path: folder_with(path, table=TABLE[:2]), "tokenizer.json has piece 3"),
        (lambda path: folder_with(path, table=TABLE[0]), "must be floats of shape"),
    ],
)
def test_a_folder_that_is_no_model_is_refused(tmp_path, damage, message):
    path = folder_with(tmp_path / "model")
    damage(path)
    with pytest.raises(UserMistake, match=message):
        TransformerVectors(path).find(["storm"])


def test_the_vectors_of_a_published_model_are_those_of_its_pieces(shared_data):
    folder = shared_data / "vectors" / "minilm-l6-v2-input"
    found = TransformerVectors(folder).find(["the", "snowstorms"])
    table = load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"].float().numpy()
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    np.testing.assert_array_equal(found.rows[0], table[vocabulary["the"]])
    pieces = [vocabulary["snow"], vocabulary["##storm"], vocabulary["##s"]]
    np.testing.assert_allclose(found.rows[1], table[pieces].mean(axis=0), rtol=1e-5, atol=1e-7)
