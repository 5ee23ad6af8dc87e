"""A network with what it needs to read sentences, and the files of a run that hold it."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from relclf.config.schema import ExperimentConfig
from relclf.encoding.vocabulary import Vocabulary
from relclf.errors import UserMistake
from relclf.models.building import build_model, initialise
from relclf.models.cnn import Cnn
from relclf.models.losses import Objective, build_objective
from relclf.relations import RelationSet
from relclf.runs.directory import RunDirectory
from relclf.runs.files import read_json, write_bytes, write_json
from relclf.training.checkpoint import load_weights, read_checkpoint, weights_for_use
from relclf.training.corpus import Corpus
from relclf.training.seeding import torch_generator
from relclf.training.words import VectorUse, Words, read_words, save_vectors


@dataclass(frozen=True)
class Network:
    """A model and the meaning of its inputs and outputs."""

    config: ExperimentConfig
    vocabulary: Vocabulary
    relations: RelationSet
    relation_counts: tuple[int, ...]
    """Training sentences a relation; the objective needs them."""
    model: Cnn
    vector_use: VectorUse | None
    """How train's words were found in the word vectors; None without them or from a run."""


def new_network(config: ExperimentConfig, corpus: Corpus, words: Words | None = None) -> Network:
    """A network for a corpus, its weights drawn by the config's seed; `words` where they have been read."""
    words = words or read_words(config, corpus)
    relations = corpus.relations
    model = build_model(config, words.vocabulary, len(relations), words.constant, relations.negative_id)
    generator = torch_generator(config.seed, "initialisation")
    initialise(model, config, words.vocabulary, words.vectors, generator)
    found = Counter(example.relation for example in corpus.train)
    relation_counts = tuple(found[name] for name in corpus.relations.names)
    return Network(config, words.vocabulary, corpus.relations, relation_counts, model, words.use)


def save_network_files(run: RunDirectory, network: Network, words: Words) -> None:
    """Write what the checkpoints do not hold: vocabulary, relations, constant vectors and where they are from."""
    write_json(run.vocabulary, network.vocabulary.to_json())
    relations = network.relations
    value = {
        "names": relations.names,
        "negative": relations.negative,
        "train_counts": network.relation_counts,
    }
    write_json(run.relations, value)
    constant = network.model.words.constant
    if constant is not None:
        write_bytes(run.vectors, save({"vectors": constant.numpy()}))
        save_vectors(run, words, network.config.encoding.pack_vectors)


def open_network(run: RunDirectory, config: ExperimentConfig) -> Network:
    """The network of a run on the CPU, its weights not yet loaded. Raises UserMistake for a broken file."""
    hint = "The run is incomplete: a file was removed or changed."
    vocabulary = Vocabulary.from_json(read_json(run.vocabulary, hint), str(run.vocabulary))
    value = read_json(run.relations, hint)
    try:
        relations = RelationSet(tuple(value["names"]), value["negative"])
        relation_counts = tuple(int(count) for count in value["train_counts"])
    except (KeyError, TypeError, ValueError):
        raise UserMistake(f"{run.relations}: not a set of relations. {hint}") from None
    rows = _read_constant_rows(run, vocabulary, config) if config.encoding.vectors is not None else None
    model = build_model(config, vocabulary, len(relations), rows, relations.negative_id)
    return Network(config, vocabulary, relations, relation_counts, model, None)


def objective_of(network: Network, device: torch.device) -> Objective:
    """What the network is trained for."""
    training, negative = network.config.training, network.relations.negative_id
    return build_objective(training.imbalance, network.relation_counts, device, training.loss, negative)


def load_run_weights(run: RunDirectory, network: Network, weights: str, device: torch.device) -> Network:
    """The network with the weights of the checkpoint `best` or `last`, on `device`, in eval mode."""
    path = run.checkpoint(weights)
    if not path.exists():
        raise UserMistake(
            f"{path}: no such checkpoint; the run has not completed an epoch. "
            f"relclf train --resume {run.path}"
        )
    tensors, _ = read_checkpoint(path)
    load_weights(path, network.model, weights_for_use(tensors))
    network.model.to(device).eval()
    return network


def _read_constant_rows(
    run: RunDirectory, vocabulary: Vocabulary, config: ExperimentConfig
) -> NDArray[np.float32]:
    shape = (len(vocabulary) - vocabulary.trained, config.model.word_dim)
    try:
        rows: NDArray[np.float32] = load_file(run.vectors)["vectors"]
    except (OSError, SafetensorError, KeyError) as error:
        raise UserMistake(f"{run.vectors}: cannot be read ({error}). The run is incomplete.") from None
    if rows.shape != shape or rows.dtype != np.float32:
        raise UserMistake(f"{run.vectors}: has shape {rows.shape}, expected {shape}. The file was changed.")
    return rows
