"""Probes of a config's network: short trainings in memory with something changed, and inputs left out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from relclf.config.schema import ExperimentConfig
from relclf.diagnosis.findings import Finding, Severity, well
from relclf.diagnosis.probed import ProbeBatch, Probed, no_limit
from relclf.encoding.batches import gather, shuffled_batches
from relclf.encoding.dataset import EncodedDataset, encode
from relclf.models.cnn import Cnn
from relclf.models.losses import Objective
from relclf.runs.directory import RunDirectory
from relclf.scoring.metrics import confusion_matrix, score
from relclf.training.evaluation import LabelledSet, evaluate
from relclf.training.experiment import Material, draw, loop_inputs, optimizer_of
from relclf.training.interruption import StopRequest
from relclf.training.loop import begin_epoch, complete_epoch, train_epoch
from relclf.training.network import objective_of
from relclf.training.optimizers import Optimizer
from relclf.training.seeding import numpy_generator, torch_generator

Ids = NDArray[np.int64]
LONGEST_WARMUP = 100
"""Updates; a longer warm-up would be all that a short training sees."""


def probed_network(material: Material, seed: int, *, dropout: bool = False) -> Probed:
    """A new network of the config, drawn with this seed, and the batches of its first epoch.

    `dropout` says whether the network is trained with the config's dropout.
    """
    config, network, _ = draw(material, seed)
    training = config.training
    objective = objective_of(network, material.device)

    def optimizer(model: nn.Module, factor: float) -> Optimizer:
        assert isinstance(model, Cnn)
        scaled = training.optimizer.model_copy(update={"lr": training.optimizer.lr * factor})
        return optimizer_of(_changed(config, optimizer=scaled), material.corpus, model)

    generator = numpy_generator(seed, "probe batches")
    rows = shuffled_batches(
        generator.permutation(len(material.train)),
        material.train.lengths,
        training.batch_size,
        training.bucket_batches,
        generator,
    )
    batches = probe_batches(
        material, rows, torch_generator(seed, "probe dropout", 0, material.device) if dropout else None
    )
    return Probed(
        network.model,
        batches,
        lambda scores, gold: objective.losses(scores, gold).mean(),
        optimizer,
        training.clip_norm,
        min(training.schedule.warmup_updates, LONGEST_WARMUP),
        seed,
    )


def probe_batches(
    material: Material, rows: Sequence[Ids], dropout: torch.Generator | None = None
) -> list[ProbeBatch]:
    """A batch each of these train sentences, on the network's device; `dropout` applies while it trains."""

    def probe_batch(sentences: Ids) -> ProbeBatch:
        batch = gather(material.train, sentences).to(material.device)
        return ProbeBatch(lambda model: model(batch, dropout if model.training else None), batch.gold)

    return [probe_batch(sentences) for sentences in rows]


def distinct_sentences(material: Material, count: int, seed: int) -> Ids:
    """So many train sentences of which no two look alike to the network, as evenly from all relations as can be.

    Fewer where there are no more. Two that look alike but differ in their relation could not be fitted.
    """
    seen: set[bytes] = set()
    by_relation: dict[int, list[int]] = {}
    gold, tokens = material.train.gold.tolist(), material.train.tokens.cpu().numpy()
    spans = material.train.spans.tolist()
    for index in numpy_generator(seed, "distinct sentences").permutation(len(gold)).tolist():
        look = tokens[:, spans[index][0] : spans[index][1]].tobytes()
        if look not in seen:
            seen.add(look)
            by_relation.setdefault(gold[index], []).append(index)
    longest = max(len(indices) for indices in by_relation.values())
    turns = [i[turn] for turn in range(longest) for i in by_relation.values() if turn < len(i)]
    return np.array(turns[:count], dtype=np.int64)


def pooled_features(model: Cnn, dataset: EncodedDataset, seed: int, most: int = 2000) -> torch.Tensor:
    """The pooled activations of up to `most` sentences, (sentences, filters of all windows)."""
    chosen = numpy_generator(seed, "pooled features").permutation(len(dataset))[:most]
    device = model.output.weight.device
    with torch.no_grad():
        parts = [model.pooled(gather(dataset, rows).to(device)) for rows in _cut(chosen, 100)]
    return torch.cat(parts)


ABLATIONS = {
    "words": "the words",
    "positions": "the positions",
    "head": "the head mention",
    "tail": "the tail mention",
}
"""What is left out of the input at evaluation, all zeros in its place."""


GOOD_SHARE = 0.25
"""Of what was learned: positions count as unused where they bring less, by their fall and two standard errors."""


@dataclass(frozen=True)
class Ablated:
    """Dev macro-F1 with something left out of the input, beside the whole input."""

    what: str
    macro_f1: float
    fall: "Difference"
    same_scores: bool
    """Whether no score of any sentence changed."""


def ablate(
    model: Cnn, dev: LabelledSet, objective: Objective, max_distance: int, seed: int
) -> tuple[float, list[Ablated]]:
    """Dev macro-F1 with the whole input, and with each part of it left out in turn."""
    whole = evaluate(model, dev.dataset, objective)
    without = []
    for name in ABLATIONS:
        if name == "positions" and not model.reads_positions:
            continue
        evaluation = evaluate(model, left_out(dev.dataset, name, max_distance), objective)
        fall = difference(dev, [evaluation.predicted], [whole.predicted], seed)
        same = bool(np.array_equal(evaluation.scores, whole.scores))
        without.append(Ablated(name, macro_f1(dev, evaluation.predicted), fall, same))
    return macro_f1(dev, whole.predicted), without


def left_out(dataset: EncodedDataset, what: str, max_distance: int) -> EncodedDataset:
    """The data with zeros, padding's ids, for all words, for all positions, or for the words of a mention."""
    tokens = dataset.tokens.clone()
    inside = max_distance + 1
    match what:
        case "words":
            tokens[0] = 0
        case "positions":
            tokens[1:] = 0
        case "head":
            tokens[0][dataset.tokens[1] == inside] = 0
        case "tail":
            tokens[0][dataset.tokens[2] == inside] = 0
        case _:
            raise ValueError(f"nothing in the input is called {what!r}")
    return replace(dataset, tokens=tokens)


def ablation_findings(
    whole: float, ablated: Sequence[Ablated], learned: "Difference", path: str
) -> list[Finding]:
    """The findings of positions-unused and uninformative-input; none for a network that has learned nothing.

    `learned` is how much better than the commonest relation it does with the whole input. Of positions nothing is
    said where dev is too small to tell whether they bring a good share of that.
    """
    if not learned.is_rise:
        return []
    said = {each.what: _fell(whole, each) for each in ablated}
    by_name = {each.what: each for each in ablated}
    expected = "a fall of more than 2 standard errors"
    findings = []
    if (positions := by_name.get("positions")) is not None:
        measured = f"{said['positions']}; {said['head']}; {said['tail']}"
        if positions.fall.is_rise:
            findings.append(well("positions-unused", measured, expected))
        elif positions.fall.mean + 2 * positions.fall.error < GOOD_SHARE * learned.mean:
            severity: Severity = "problem" if positions.same_scores else "watch"
            why = "without positions it cannot tell which two words the relation is between"
            next_step = f"relclf inspect {path}, and see whether head and tail are where the data says"
            findings.append(Finding(severity, "positions-unused", measured, expected, why, next_step))
    if by_name["words"].fall.is_rise:
        return [*findings, well("uninformative-input", said["words"], expected)]
    why, next_step = "it predicts without reading the words", f"relclf inspect {path}"
    return [*findings, Finding("problem", "uninformative-input", said["words"], expected, why, next_step)]


def _fell(whole: float, ablated: Ablated) -> str:
    what = ABLATIONS[ablated.what]
    return (
        f"without {what} dev macro-F1 is {_points(ablated.macro_f1)} instead of {_points(whole)} "
        f"(±{_points(ablated.fall.error)})"
    )


@dataclass(frozen=True)
class ShortTraining:
    """What short trainings of one variant gave, one a seed: dev predictions of each one's best epoch."""

    updates: int
    predicted: tuple[Ids, ...]
    model: Cnn
    """Of the first seed, after its last epoch."""


MOST_EPOCHS = 100
"""Of a short training on few sentences."""
SHORT_UPDATES = 1000
"""Of a short training. After that many, dev macro-F1 is 82 on quickstart and 70 on SemEval-2010 Task 8."""


def train_shortly(
    material: Material,
    seeds: Sequence[int],
    check: Callable[[], None] = no_limit,
    updates: int = SHORT_UPDATES,
) -> ShortTraining:
    """Train a network for each seed in memory, so many updates or nearly, an update a batch."""
    batches = -(-len(material.train) // material.config.training.batch_size)
    epochs = min(MOST_EPOCHS, max(1, round(updates / batches)))
    config = _changed(material.config, update_every="batch", max_epochs=epochs, patience=None, min_epochs=1)
    variant = replace(material, config=config)
    trained = [_train_once(variant, seed, epochs, check) for seed in seeds]
    return ShortTraining(epochs * batches, tuple(predicted for _, predicted in trained), trained[0][0])


def _train_once(material: Material, seed: int, epochs: int, check: Callable[[], None]) -> tuple[Cnn, Ids]:
    """A training that leaves nothing on disk: the last weights, and the dev predictions of the best epoch."""
    config, network, state = draw(material, seed)
    nowhere = RunDirectory(Path("a training in memory"))
    inputs = loop_inputs(config, network, state, material.train, material.dev, nowhere, material.device)
    best: tuple[float, Ids] | None = None
    for _ in range(epochs):
        check()
        state.progress = begin_epoch(inputs, state)
        train_epoch(inputs, state, state.progress, StopRequest())
        _, dev = complete_epoch(inputs, state, state.progress)
        if dev is None:
            raise ValueError("a probe that scores dev needs a dev set")
        if best is None or dev.macro_f1 > best[0]:
            best = dev.macro_f1, dev.evaluation.predicted
    assert best is not None
    return network.model, best[1]


@dataclass(frozen=True)
class Difference:
    """A difference of dev macro-F1, the mean over seeds, with its standard error."""

    mean: float
    error: float

    @property
    def is_rise(self) -> bool:
        """Whether it is more than its noise above zero."""
        return self.mean > 2 * self.error

    @property
    def is_fall(self) -> bool:
        """Whether it is more than its noise below zero."""
        return self.mean < -2 * self.error

    def __str__(self) -> str:
        return f"{100 * self.mean:+.1f} ±{_points(self.error)}"


SAMPLES = 300
"""Bootstrap samples behind a standard error."""


def difference(dev: LabelledSet, before: Sequence[Ids], after: Sequence[Ids], seed: int) -> Difference:
    """How much more dev macro-F1 `after` has than `before`, predictions a seed each.

    The error has two parts: a paired bootstrap over the dev sentences, and the spread over the seeds.
    """
    generator = numpy_generator(seed, "paired bootstrap")
    sentences = len(dev.gold)
    weights = generator.multinomial(sentences, np.full(sentences, 1 / sentences), size=SAMPLES)
    gains = [
        _weighted(dev, b, weights) - _weighted(dev, a, weights) for a, b in zip(before, after, strict=True)
    ]
    each = [macro_f1(dev, b) - macro_f1(dev, a) for a, b in zip(before, after, strict=True)]
    variance = float(np.mean(gains, axis=0).var(ddof=1))
    if len(each) > 1:
        variance += float(np.var(each, ddof=1)) / len(each)
    return Difference(float(np.mean(each)), variance**0.5)


def macro_f1(dev: LabelledSet, predicted: Ids) -> float:
    """Over the relations with gold support."""
    value = score("macro_f1", confusion_matrix(dev.gold, predicted, len(dev.relations)), dev.relations)
    return float(value) if value is not None else 0.0


def _weighted(dev: LabelledSet, predicted: Ids, weights: Ids) -> NDArray[np.float64]:
    """(samples,) macro-F1 with each sentence counted so many times; weights: (samples, sentences)."""
    relations = len(dev.relations)
    cells = dev.gold * relations + predicted
    used, column = np.unique(cells, return_inverse=True)
    membership = np.zeros((len(cells), len(used)), dtype=np.int64)
    membership[np.arange(len(cells)), column] = 1
    counts = np.zeros((len(weights), relations * relations), dtype=np.int64)
    counts[:, used] = weights @ membership
    counted = np.bincount(dev.gold, minlength=relations) > 0
    value = score("macro_f1", counts.reshape(-1, relations, relations), dev.relations, counted)
    return np.zeros(len(weights)) if value is None else np.asarray(value)


def with_filters(material: Material, factor: float) -> Material:
    """The same with so many times the filters, one at least."""
    model = material.config.model
    filters = max(1, round(factor * model.filters))
    changed = model.model_copy(update={"filters": filters})
    return replace(material, config=material.config.model_copy(update={"model": changed}))


def with_share(material: Material, share: float, seed: int) -> Material:
    """The same with a share of the train sentences, of each relation alike and one of each at least.

    A smaller share is a part of a larger one. The vocabulary stays that of all sentences.
    """
    order = numpy_generator(seed, "share of train").permutation(len(material.corpus.train)).tolist()
    by_relation: dict[str | None, list[int]] = {}
    for index in order:
        by_relation.setdefault(material.corpus.train[index].relation, []).append(index)
    kept = sorted(
        index for group in by_relation.values() for index in group[: max(1, round(share * len(group)))]
    )
    return _with_train(material, [material.corpus.train[index] for index in kept])


def with_shuffled_relations(material: Material, seed: int) -> Material:
    """The same with the relations of train dealt out anew, so that sentences do not tell them."""
    examples = material.corpus.train
    order = numpy_generator(seed, "shuffled relations").permutation(len(examples)).tolist()
    return _with_train(
        material,
        [replace(example, relation=examples[i].relation) for example, i in zip(examples, order, strict=True)],
    )


def _with_train(material: Material, examples: list[Any]) -> Material:
    corpus = replace(material.corpus, train=examples)
    distance = material.config.encoding.max_distance
    dataset = encode(examples, material.words.vocabulary, corpus.relations, distance)
    return replace(material, corpus=corpus, train=dataset.to(material.train.device))


def filters_finding(
    filters: int, half: Difference, twice: Difference, updates: int, next_step: str
) -> Finding:
    """The finding of too-simple from trainings with half and twice the filters."""
    measured = (
        f"after {updates:,} updates dev macro-F1 changes by {twice} points with {2 * filters} filters instead of "
        f"{filters}, by {half} with {max(1, round(filters / 2))}"
    )
    expected = "twice the filters bring less than 2 standard errors"
    if not twice.is_rise:
        return well("too-simple", measured, expected)
    return Finding("watch", "too-simple", measured, expected, "more filters see more", next_step)


def no_positions_finding(gain: Difference, updates: int, width: int, next_step: str) -> Finding:
    """The finding of positions-unused for a network that is not given any, from trainings with and without them."""
    measured = f"after {updates:,} updates dev macro-F1 changes by {gain} points with positions of {width} dimensions"
    expected = "positions bring less than 2 standard errors where a network does without them"
    if not gain.is_rise:
        return well("positions-unused", measured, expected)
    why = "two pairs of mentions in one sentence look the same to the network"
    return Finding("problem", "positions-unused", measured, expected, why, next_step)


def few_features_finding(
    gain: Difference, updates: int, features: int, filters: int, next_step: str
) -> Finding:
    """The finding of too-simple for fewer features than relations, from trainings with them and with usual filters."""
    measured = f"after {updates:,} updates dev macro-F1 changes by {gain} points with {filters} filters"
    expected = (
        f"{filters} filters bring less than {_points(CLEAR_GAIN)} points, or less than 2 standard errors"
    )
    if not gain.is_rise or gain.mean < CLEAR_GAIN:
        return well("too-simple", measured, expected)
    why = f"scores that are made of {features} features cannot be set one by one for each relation"
    return Finding("problem", "too-simple", measured, expected, why, next_step)


CLEAR_GAIN = 0.05
"""Of dev macro-F1: less than these 5 points is a matter of taste in how much to regularise."""


def high_dropout_finding(gain: Difference, updates: int, usual: float, next_step: str) -> Finding:
    """The finding of dropout-too-high from trainings with the config's dropout and with the usual one."""
    measured = f"after {updates:,} updates dev macro-F1 changes by {gain} points with dropout {usual:g}"
    expected = (
        f"a usual dropout brings less than {_points(CLEAR_GAIN)} points in a training that ends so soon"
    )
    if not gain.is_rise or gain.mean < CLEAR_GAIN:
        return well("dropout-too-high", measured, expected)
    why = "so few features are left in each sentence that the training ends before it has learned"
    return Finding("problem", "dropout-too-high", measured, expected, why, next_step)


def more_data_finding(scores: Sequence[tuple[int, float]], gain: Difference, updates: int) -> Finding:
    """The finding of more-data-helps; scores: (train sentences, dev macro-F1) of the learning curve."""
    curve = ", ".join(f"{_points(value)} with {count:,}" for count, value in scores)
    doubling = f"the last doubling brings {gain} points"
    measured = f"dev macro-F1 {curve} train sentences ({updates:,} updates each); {doubling}"
    expected = "the last doubling brings less than 2 standard errors where more sentences would not help"
    if not gain.is_rise:
        return well("more-data-helps", measured, expected)
    why = "the curve still rises with the number of sentences"
    next_step = f"label more sentences: {2 * scores[-1][0]:,} in all would be another doubling"
    return Finding("watch", "more-data-helps", measured, expected, why, next_step)


def shuffled_finding(real: float, shuffled: float, gain: Difference, updates: int, path: str) -> Finding:
    """The finding of uninformative-input from the control with shuffled relations."""
    measured = (
        f"dev macro-F1 {_points(real)} after {updates:,} updates, {_points(shuffled)} after as many on shuffled "
        f"relations: {gain} points"
    )
    expected = "more than 2 standard errors above shuffled relations (the control of Zhang et al. 2017)"
    if gain.is_rise:
        return well("uninformative-input", measured, expected)
    why = "what it learns from the sentences is worth no more than chance"
    next_step = f"relclf inspect {path}, and read some sentences with their relations"
    return Finding("problem", "uninformative-input", measured, expected, why, next_step)


def _changed(config: ExperimentConfig, **training: Any) -> ExperimentConfig:
    return config.model_copy(update={"training": config.training.model_copy(update=training)})


def _cut(rows: Ids, size: int) -> list[Ids]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _points(share: float) -> str:
    return f"{100 * share:.1f}"
