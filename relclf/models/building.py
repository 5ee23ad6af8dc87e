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
from relclf.models.layers import POSITION_STD, NgramEmbedding, WordEmbedding
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
    encoding, width = config.encoding, config.model.word_dim
    ngrams = None
    if encoding.missing_vectors == "ngrams":
        ngrams = NgramEmbedding(torch.empty(encoding.ngram_buckets, width), vocabulary.spelled_words)
    words = WordEmbedding(
        torch.empty(vocabulary.trained, width),
        torch.from_numpy(constant_rows) if constant_rows is not None else None,
        ngrams,
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
            case "zero" | "ngrams":
                model.words.weight.zero_()
            case "mean" if len(vectors.words):
                model.words.weight[:] = torch.from_numpy(vectors.vectors.mean(axis=0))
        _copy_vectors(model.words.weight, vocabulary, vectors)
    model.words.weight[PAD_ID] = 0
    if model.words.ngrams is not None:
        model.words.ngrams.weight.normal_(0, config.model.word_std, generator=generator)
    for positions in (model.head_positions, model.tail_positions):
        if isinstance(positions, nn.Embedding):
            positions.weight.normal_(0, POSITION_STD, generator=generator)
            positions.weight[0] = 0
    for layer in [each for each in model.modules() if isinstance(each, nn.Linear)]:
        bound = 1 / math.sqrt(layer.weight[0].numel())
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=generator)


def constant_rows(vocabulary: Vocabulary, vectors: WordVectors) -> NDArray[np.float32]:
    """The vectors of the words that training never changes, in id order, shape (words, width).

    Zeros for those that n-grams alone stand for.
    """
    row = {word: index for index, word in enumerate(vectors.words)}
    rows = np.zeros((len(vocabulary.constant_words), vectors.vectors.shape[1]), dtype=np.float32)
    for place, name in enumerate(vocabulary.constant_words):
        if name in row:
            rows[place] = vectors.vectors[row[name]]
    return rows


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
