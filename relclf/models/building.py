"""Builds the network that a config names, its weights drawn from a generator of their own."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from relclf.config.schema import ExperimentConfig
from relclf.encoding.vocabulary import FIRST_WORD_ID, PAD_ID, Vocabulary
from relclf.encoding.word_vectors.lookup import WordVectors
from relclf.models.attention_cnn import AttentionCnn
from relclf.models.cnn import Cnn
from relclf.models.layers import POSITION_STD, WordEmbedding
from relclf.models.pcnn import Pcnn


def build_model(
    config: ExperimentConfig,
    vocabulary: Vocabulary,
    relations: int,
    constant_rows: NDArray[np.float32] | None,
    negative: int | None = None,
) -> Cnn:
    """The network with weights not yet drawn. constant_rows: (words after the trained ones, width) or None.

    The ranking loss leaves the relation `negative` without a score of its own.
    """
    words = WordEmbedding(
        torch.empty(vocabulary.trained, config.model.word_dim),
        torch.from_numpy(constant_rows) if constant_rows is not None else None,
    )
    unscored = negative if config.training.loss.name == "ranking" else None
    positions = 2 * config.encoding.max_distance + 2
    with torch.random.fork_rng(devices=[]):  # torch's layers draw weights of their own, which are replaced
        match config.model.name:
            case "cnn":
                return Cnn(config.model, words, positions, relations, unscored)
            case "pcnn":
                return Pcnn(config.model, words, positions, relations, unscored)
            case "attention_cnn":
                return AttentionCnn(config.model, words, positions, relations, unscored)


@torch.no_grad()
def initialise(
    model: Cnn,
    config: ExperimentConfig,
    vocabulary: Vocabulary,
    vectors: WordVectors | None,
    generator: torch.Generator,
) -> None:
    """Draw all weights: embeddings N(0, word_std) and N(0, 0.1), the rest uniform by fan-in as torch does.

    Rows of words that have vectors are set to them, the others as `encoding.missing_vectors` says.
    """
    model.words.weight.normal_(0, config.model.word_std, generator=generator)
    if vectors is not None:
        match config.encoding.missing_vectors:
            case "zero":
                model.words.weight.zero_()
            case "mean" if len(vectors.words):
                model.words.weight[:] = torch.from_numpy(vectors.vectors.mean(axis=0))
        _copy_vectors(model.words.weight, vocabulary, vectors)
    model.words.weight[PAD_ID] = 0
    for positions in (model.head_positions, model.tail_positions):
        if isinstance(positions, nn.Embedding):
            positions.weight.normal_(0, POSITION_STD, generator=generator)
            positions.weight[0] = 0
    for layer in [each for each in model.modules() if isinstance(each, nn.Linear)]:
        bound = 1 / math.sqrt(layer.weight[0].numel())
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=generator)


def constant_rows(vocabulary: Vocabulary, vectors: WordVectors) -> NDArray[np.float32]:
    """The vectors of the words that training never changes, in id order, shape (words, width)."""
    row = {word: index for index, word in enumerate(vectors.words)}
    names = vocabulary.constant_words
    return vectors.vectors[[row[name] for name in names]] if names else vectors.vectors[:0]


def _copy_vectors(weight: Tensor, vocabulary: Vocabulary, vectors: WordVectors) -> None:
    row = {word: index for index, word in enumerate(vectors.words)}
    pairs = [
        (index, row[name])
        for index, name in enumerate(vocabulary.trained_words, FIRST_WORD_ID)
        if name in row
    ]
    if pairs:
        targets, sources = zip(*pairs, strict=True)
        weight[list(targets)] = torch.from_numpy(vectors.vectors[list(sources)])
