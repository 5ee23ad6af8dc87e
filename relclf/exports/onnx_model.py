"""Exports a network as an ONNX model, with all that turns a sentence into its inputs beside it as JSON."""

import copy
import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from relclf.data.tokenization import token_pattern
from relclf.encoding.batches import Batch
from relclf.encoding.rewriting import MARKERS, MASKS, TYPED_MASKS
from relclf.encoding.vocabulary import PAD_ID
from relclf.errors import Failure, UserMistake
from relclf.exports.writing import Export
from relclf.models.cnn import Cnn
from relclf.models.layers import WordEmbedding
from relclf.prediction.opening import OpenedRun
from relclf.runs.calibration import Calibration
from relclf.training.checkpoint import checkpoint_epoch
from relclf.version import __version__

INPUTS = ("token_ids", "head_positions", "tail_positions")
OPSET = 18
CLOSE = 1e-4
"""How far the scores of the exported model may be from ours; they are some 1e-7 away."""

Arrays = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def check_onnx() -> None:
    """Raise UserMistake where the libraries of the extra are not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")):
        raise UserMistake(
            '--to onnx: needs ONNX and its runtime, which are not installed: pip install "relclf[onnx]"'
        )


def onnx_export(opened: OpenedRun, calibration: Calibration | None) -> Export:
    """model.onnx and encoding.json (docs/exports.md) of a network on the CPU.

    The model is run before it is given out. Raises Failure where its scores are not ours.
    """
    check_onnx()
    described = _described(opened, calibration)
    content = _model_bytes(opened.network.model, described)
    difference = _largest_difference(opened, content)
    notes = [f"checked in onnxruntime: scores differ by at most {difference:.1e}"]
    if opened.late is not None:
        notes.append(
            "words that encoding.json lacks count as unknown; relclf predict looks them up in the word vectors"
        )
    text = json.dumps(described, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    return Export({"model.onnx": content, "encoding.json": text.encode()}, tuple(notes))


class _Scores(nn.Module):
    """The network as a function of three arrays, (batch, length) each, with one table for all words."""

    def __init__(self, model: Cnn) -> None:
        super().__init__()
        self.model = copy.deepcopy(model)
        with torch.no_grad():
            self.model.words = WordEmbedding(model.words.rows(torch.arange(_words(model))), None)

    def forward(self, token_ids: Tensor, head_positions: Tensor, tail_positions: Tensor) -> Tensor:
        mask, no_gold = token_ids != PAD_ID, token_ids[:, 0]
        batch = Batch(token_ids, head_positions, tail_positions, mask, no_gold, max_token_id=0)
        return self.model.scores(self.model.features_of_windows(batch), None)


def _words(model: Cnn) -> int:
    """The number of word ids."""
    constant = model.words.constant
    return len(model.words.weight) + (len(constant) if constant is not None else 0)


def _described(opened: OpenedRun, calibration: Calibration | None) -> dict[str, Any]:
    """The content of encoding.json."""
    network = opened.network
    encoding, loss = network.config.encoding, network.config.training.loss.name
    return {
        "format": 1,
        "relclf": __version__,
        "weights": opened.weights,
        "epoch": checkpoint_epoch(opened.run.checkpoint(opened.weights)),
        "relations": list(network.relations.names),
        "negative": network.relations.negative,
        "loss": loss,
        "temperature": calibration.temperature if calibration else None,
        "inputs": list(INPUTS),
        "tokenizer": {"name": encoding.tokenizer, "pattern": token_pattern(encoding.tokenizer)},
        "span": encoding.span,
        "masks": _masks(encoding.mask_mentions),
        "as_spelt": list(TYPED_MASKS.values()),
        "markers": MARKERS if encoding.markers else None,
        "max_length": encoding.max_length,
        "too_long": encoding.too_long,
        "max_distance": encoding.max_distance,
        **network.vocabulary.to_json(),
    }


def _masks(mask_mentions: bool | str) -> dict[str, str] | None:
    """What stands for each token of a mention, with "{type}" where its type does."""
    if mask_mentions == "types":
        return {role: f"{mask}{{type}}]" for role, mask in TYPED_MASKS.items()}
    return MASKS if mask_mentions else None


def _model_bytes(model: Cnn, described: dict[str, Any]) -> bytes:
    example = tuple(torch.from_numpy(array) for array in _drawn(model, 3, 7, np.random.default_rng(1)))
    axes = {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("length", min=1)}
    with _quiet():
        program = torch.onnx.export(
            _Scores(model).eval(),
            example,
            dynamo=True,
            dynamic_shapes=(axes, axes, axes),
            input_names=list(INPUTS),
            output_names=["scores"],
            opset_version=OPSET,
            verbose=False,
        )
    if program is None:
        raise Failure("--to onnx: this PyTorch exports nothing. Install a newer one.")
    proto = program.model_proto
    graph = proto.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]  # where in our code it comes from, with this machine's paths
    for key in ("relclf", "relations", "negative", "loss", "temperature"):
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, json.dumps(described[key], ensure_ascii=False)
    return bytes(proto.SerializeToString(deterministic=True))


def _largest_difference(opened: OpenedRun, content: bytes) -> float:
    """Between the scores of both models, of sentences of one word and more, padding among them."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    model, generator, largest = opened.network.model, np.random.default_rng(2), 0.0
    for sentences, length in ((1, 1), (2, 3), (40, 60)):
        arrays = _drawn(model, sentences, length, generator)
        given = {each.name: array for each, array in zip(session.get_inputs(), arrays, strict=True)}
        token_ids, head, tail = map(torch.from_numpy, arrays)
        batch = Batch(token_ids, head, tail, token_ids != PAD_ID, token_ids[:, 0], int(token_ids.max()))
        with torch.no_grad():
            ours = model(batch).numpy()
        largest = max(largest, float(np.abs(session.run(None, given)[0] - ours).max()))
    if not largest < CLOSE:
        raise Failure(
            f"--to onnx: the exported model's scores differ from ours by {largest:.1e}. Nothing was written; "
            "please report it with the versions of torch, onnxscript and onnxruntime."
        )
    return largest


def _drawn(model: Cnn, sentences: int, length: int, generator: np.random.Generator) -> Arrays:
    """Inputs of any words at any distance: (sentences, length) each, of which all but the first have padding."""
    real = np.arange(length) < generator.integers(1, length, (sentences, 1), endpoint=True)
    real[0] = True
    token_ids, head, tail = (
        generator.integers(1, most, (sentences, length)) * real
        for most in (_words(model), model.positions, model.positions)
    )
    return token_ids, head, tail


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on its own insides."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
