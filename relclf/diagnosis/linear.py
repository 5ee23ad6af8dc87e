"""Linear baselines: what majority, shares, and a bag of words reach, on dev and out of fold on train."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relclf.config.schema import EncodingConfig
from relclf.diagnosis.findings import Finding
from relclf.diagnosis.prediction_checks import best_exchange, relation_ids_mismatch
from relclf.example import Example
from relclf.relations import RelationSet
from relclf.scoring.metrics import confusion_matrix, score
from relclf.scoring.resampling import standard_error
from relclf.seeding import named_seed

Ids = NDArray[np.int64]
Probabilities = NDArray[np.float64]
View = Callable[[Example, Sequence[str]], list[str]]

FOLDS = 5
FEWEST = 10
"""Examples that each of two relations needs, so that every fold has about two of both."""
FEWEST_FOR_DRIFT = 25
"""Sentences that train and dev need each, five a fold."""
MOST_SENTENCES = 20_000
MOST_CELLS = 400_000
"""Sentences times relations that the baselines are fitted on: some seconds; of more a sample is drawn, and said."""
RELATED = 4.0
"""Standard deviations above what exchanged relations give: under chance alone 1 in 30,000 (normal tail)."""
EXPECTED = 6.0
"""Dev is judged only where train promises at least this many standard deviations: two more than are asked for."""
ENOUGH = 200
"""Sentences below which 'no better than chance' may be for want of sentences."""
_LEAST_PROBABILITY = 1e-3


@dataclass(frozen=True)
class Score:
    """A macro-F1 in [0, 1] with its bootstrap standard error."""

    macro_f1: float
    se: float


@dataclass(frozen=True)
class Baseline:
    """What one baseline, fitted on train, reaches on dev; without dev, fitted on four fifths, on the last fifth."""

    name: str
    score: Score


@dataclass(frozen=True)
class Suspect:
    """A sentence of train whose relation the baseline, not having seen it, finds unlikely."""

    example: Example
    likely: str
    """The relation that the baseline would give."""
    probability: float
    """Of the likely relation, out of fold."""
    given_probability: float
    """Of the relation that the file gives."""


@dataclass(frozen=True)
class DevFit:
    """How those relations of dev that train has follow from those of train, in standard deviations."""

    related: float
    """Above exchanged dev relations; where dev is like train, about `promised`."""
    promised: float
    """What train shows out of fold, scaled to the number of dev sentences."""
    swapped: float
    """By how much dev is predicted better with head and tail exchanged; below 0 where it is predicted worse."""
    related_swapped: float
    """As `related`, with head and tail exchanged: a guess at the majority is better than wrong, yet knows nothing."""
    accuracy: float
    accuracy_swapped: float
    accuracy_renamed: float
    """With the names of the relations exchanged to fit best."""
    names: Finding | None
    """Whether such an exchange is more than chance; None for a few sentences."""


@dataclass(frozen=True)
class LinearBaselines:
    """The baselines, the evidence of the one that sees most, and the relations that it doubts."""

    majority: Baseline
    """Always the most frequent relation."""
    shares: Baseline
    """Relations drawn by their shares in train."""
    views: tuple[Baseline, ...]
    """Words between the mentions, whole sentence, mentions alone, and all of these together."""
    shuffled: Baseline
    """All together, with the relations of train shuffled: what it reaches where there is nothing to learn."""
    related: float
    """Standard deviations by which, out of fold on train, its log-probabilities of gold exceed exchanged ones'."""
    sentences: int
    """Of train that all this was fitted on."""
    sampled: bool
    """Whether these are fewer than train has."""
    held_out: bool
    """Whether, for want of a dev set, a fifth of train stood in for it."""
    dev: DevFit | None
    suspects: tuple[Suspect, ...]
    """The most doubtful first."""

    @property
    def best(self) -> Baseline:
        """The best of the views."""
        return max(self.views, key=lambda view: view.score.macro_f1)

    @property
    def rows(self) -> tuple[Baseline, ...]:
        """All, as a table lists them."""
        return (self.majority, self.shares, *self.views, self.shuffled)


def linear_baselines(
    train: Sequence[Example], dev: Sequence[Example] | None, encoding: EncodingConfig, seed: int = 1
) -> LinearBaselines | None:
    """All baselines on examples with relations; None where `too_small_for_folds` says why.

    TF-IDF of words and word pairs as the network sees words, and logistic regression. Takes some seconds.
    """
    if too_small_for_folds(train):
        return None
    relations = RelationSet.from_names(str(example.relation) for example in (*train, *(dev or ())))
    chosen = _sample(train, relations, seed)
    gold, fold = _gold(chosen, relations), _folds(chosen, seed)
    all_rows, _ = _features(_everything, chosen, [], encoding)
    out = _out_of_fold(all_rows, gold, fold, len(relations))
    task = _Task(chosen, dev, gold, _gold(dev, relations), relations, encoding) if dev else None
    held = task or _held_out(chosen, gold, fold, relations, encoding)
    related = _related(out, gold)
    probabilities = {name: _fit(view, held) for name, view in _VIEWS.items()}
    return LinearBaselines(
        *_without_sentences(held, seed),
        views=tuple(Baseline(name, _score(held, new)) for name, new in probabilities.items()),
        shuffled=_shuffled(held, seed),
        related=related,
        sentences=len(chosen),
        sampled=len(chosen) < len(train),
        held_out=task is None,
        dev=_dev_fit(task, probabilities[_ALL], related) if task else None,
        suspects=_suspects(chosen, gold, out, relations),
    )


def too_small_for_folds(train: Sequence[Example]) -> str | None:
    """Why the baselines cannot be fitted on these examples, or None."""
    _, counts = np.unique([str(example.relation) for example in train], return_counts=True)
    if (counts >= FEWEST).sum() >= 2:
        return None
    return f"linear baselines: at least two relations need {FEWEST} sentences each for {FOLDS} folds"


def shifted_auc(
    train: Sequence[Example], dev: Sequence[Example], encoding: EncodingConfig, seed: int = 1
) -> tuple[float, float] | None:
    """How well a linear model tells dev from train sentences it has not seen: (AUC, its standard error).

    0.5 where both are alike. Words that only one of both has in the model's own part say nothing here: new names are
    another question, which unknown words answer. Looks at no more than 1,000 dev sentences and four times as many of
    train; None where either has fewer than `FEWEST_FOR_DRIFT`.
    """
    if min(len(train), len(dev)) < FEWEST_FOR_DRIFT:
        return None
    generator = np.random.default_rng(named_seed(seed, "drift"))
    dev = _drawn(dev, _MOST_DEV, generator)
    train = _drawn(train, 4 * len(dev), generator)
    both = [*train, *dev]
    gold = np.array([0] * len(train) + [1] * len(dev))
    rows, _ = _features(lambda _, words: _grams(words), both, [], encoding)
    fold = _folds(both, seed)
    out = np.zeros(len(both))
    for held in range(FOLDS):
        rest = fold != held
        shared = _occurring(rows[rest & (gold == 0)]) & _occurring(rows[rest & (gold == 1)])
        known = rows[:, np.flatnonzero(shared)]
        out[~rest] = _predicted(known[rest], gold[rest], known[~rest], 2)[:, 1]
    return _auc(out[gold == 1], out[gold == 0])


_MOST_DEV = 1000


def _occurring(rows: Any) -> NDArray[np.bool_]:
    """Which columns have an entry."""
    return np.asarray(rows.getnnz(axis=0) > 0)


@dataclass(frozen=True)
class _Task:
    """What a baseline is fitted and judged on."""

    train: Sequence[Example]
    dev: Sequence[Example]
    gold: Ids
    dev_gold: Ids
    relations: RelationSet
    encoding: EncodingConfig


def _held_out(
    examples: Sequence[Example], gold: Ids, fold: Ids, relations: RelationSet, encoding: EncodingConfig
) -> _Task:
    """The first fold as dev, the others as train."""
    dev = np.flatnonzero(fold == 0).tolist()
    rest = np.flatnonzero(fold != 0).tolist()
    return _Task(
        [examples[place] for place in rest],
        [examples[place] for place in dev],
        gold[rest],
        gold[dev],
        relations,
        encoding,
    )


def _between(example: Example, words: Sequence[str]) -> list[str]:
    """Words and word pairs between the mentions, each marked with the order of head and tail."""
    head_first = example.head.start < example.tail.start
    first, second = (example.head, example.tail) if head_first else (example.tail, example.head)
    order = ">" if head_first else "<"
    inner = ["[", *words[first.end : second.start], "]"]
    return [order + gram for gram in ("", *_grams(inner))]


def _sentence(_: Example, words: Sequence[str]) -> list[str]:
    return _grams(words)


def _mentions(example: Example, words: Sequence[str]) -> list[str]:
    """The words of both mentions, each marked with its role."""
    roles = (("head", example.head), ("tail", example.tail))
    return [f"{role} {word}" for role, span in roles for word in words[span.start : span.end]]


def _grams(words: Sequence[str]) -> list[str]:
    return [*words, *(f"{a} {b}" for a, b in pairwise(words))]


def _everything(example: Example, words: Sequence[str]) -> list[str]:
    """All words and what both roles tell; without the pairs of the whole sentence, which drown the rest."""
    return [*words, *_between(example, words), *_mentions(example, words)]


_ALL = "all of these together"
_VIEWS: dict[str, View] = {
    "words between the mentions": _between,
    "whole sentence": _sentence,
    "mentions alone": _mentions,
    _ALL: _everything,
}


def _words(example: Example, encoding: EncodingConfig) -> list[str]:
    """The tokens as the network sees them; an empty mention of a view still has a word."""
    words = [token.lower() for token in example.tokens] if encoding.lowercase else list(example.tokens)
    return [_DIGIT.sub("0", word) for word in words] if encoding.fold_digits else words


_DIGIT = re.compile(r"\d")


def _fit(view: View, task: _Task) -> Probabilities:
    """Probabilities of dev, (sentences, relations), of a model of train."""
    rows, new = _features(view, task.train, task.dev, task.encoding)
    return _predicted(rows, task.gold, new, len(task.relations))


def _features(
    view: View, train: Sequence[Example], dev: Sequence[Example], encoding: EncodingConfig
) -> tuple[Any, Any]:
    """TF-IDF of train and of dev, sparse, of what at least two sentences of train have."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        analyzer=lambda example: view(example, _words(example, encoding)), sublinear_tf=True, min_df=2
    )
    rows = vectorizer.fit_transform(train)
    return rows, vectorizer.transform(dev) if len(dev) else rows[:0]


def _out_of_fold(rows: Any, gold: Ids, fold: Ids, relations: int) -> Probabilities:
    out = np.zeros((len(gold), relations))
    for held in np.unique(fold):
        rest = fold != held
        out[~rest] = _predicted(rows[rest], gold[rest], rows[~rest], relations)
    return out


def _predicted(rows: Any, gold: Ids, new: Any, relations: int) -> Probabilities:
    """(sentences, relations) probabilities of logistic regressions, each relation against the rest.

    Fitted by averaged stochastic gradient descent (Bottou 2012), in a tenth of the time of the usual solvers here.
    """
    from sklearn.linear_model import SGDClassifier

    scores = np.zeros((new.shape[0], relations))
    seen = np.unique(gold)
    if len(seen) == 1:
        scores[:, seen] = 1
    elif len(scores):
        model = SGDClassifier(
            loss="log_loss", alpha=0.1 / len(gold), max_iter=10, tol=None, average=True, random_state=1
        )
        scores[:, seen] = model.fit(rows, gold).predict_proba(new)
    return scores


def _folds(examples: Sequence[Example], seed: int) -> Ids:
    """(examples,) the fold of each: relations spread evenly, the same sentence never in two folds."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, example in enumerate(examples):
        groups.setdefault(example.tokens, []).append(place)
    members = list(groups.values())
    generator = np.random.default_rng(named_seed(seed, "folds"))
    shuffled = [members[index] for index in generator.permutation(len(members))]
    fold = np.zeros(len(examples), dtype=np.int64)
    for index, group in enumerate(sorted(shuffled, key=lambda group: str(examples[group[0]].relation))):
        fold[group] = index % FOLDS
    return fold


def _sample(train: Sequence[Example], relations: RelationSet, seed: int) -> Sequence[Example]:
    most = min(MOST_SENTENCES, MOST_CELLS // len(relations))
    return _drawn(train, most, np.random.default_rng(named_seed(seed, "baselines")))


def _drawn(examples: Sequence[Example], most: int, generator: np.random.Generator) -> Sequence[Example]:
    """At most so many of the examples, drawn at random, in their order."""
    if len(examples) <= most:
        return examples
    return [examples[place] for place in np.sort(generator.permutation(len(examples))[:most])]


def _gold(examples: Sequence[Example], relations: RelationSet) -> Ids:
    return np.array([relations.ids[str(example.relation)] for example in examples], dtype=np.int64)


def _score(task: _Task, probabilities: Probabilities) -> Score:
    return _scored(task, probabilities.argmax(1))


def _scored(task: _Task, predicted: Ids) -> Score:
    counts = confusion_matrix(task.dev_gold, predicted, len(task.relations))
    value = score("macro_f1", counts, task.relations)
    error = standard_error("macro_f1", counts, task.relations, 500, np.random.default_rng(1))
    if value is None or error is None:
        raise ValueError("no sentence to score")
    return Score(float(value), error)


def _without_sentences(task: _Task, seed: int) -> tuple[Baseline, Baseline]:
    """The majority relation always, and relations drawn by their shares in train."""
    counts = np.bincount(task.gold, minlength=len(task.relations))
    generator = np.random.default_rng(named_seed(seed, "shares"))
    size = len(task.dev_gold)
    drawn = generator.choice(len(counts), size=size, p=counts / counts.sum())
    return (
        Baseline("majority relation", _scored(task, np.full(size, counts.argmax()))),
        Baseline("guessing by shares", _scored(task, drawn)),
    )


def _shuffled(task: _Task, seed: int) -> Baseline:
    generator = np.random.default_rng(named_seed(seed, "shuffled"))
    shuffled = replace(task, gold=generator.permutation(task.gold))
    return Baseline("all of these, relations shuffled", _score(shuffled, _fit(_everything, shuffled)))


def _logs(probabilities: Probabilities) -> Probabilities:
    return np.log(np.maximum(probabilities, _LEAST_PROBABILITY))


def _related(probabilities: Probabilities, gold: Ids) -> float:
    """Standard deviations by which the gold relations' log-probabilities exceed those of exchanged relations.

    A permutation test of gold against predictions (Ojala and Garriga 2010) whose mean and variance over all
    permutations are exact (Hoeffding 1951), so that none is drawn.
    """
    logs = _logs(probabilities)
    weights = np.bincount(gold, minlength=logs.shape[1]) / len(gold)
    by_row, by_relation = logs @ weights, logs.mean(axis=0)
    grand = float(by_row.mean())
    centred = logs - by_row[:, None] - by_relation + grand
    variance = float((centred**2 @ weights).sum()) * len(gold) / max(1, len(gold) - 1)
    gain = float(logs[np.arange(len(gold)), gold].sum()) - len(gold) * grand
    return gain / variance**0.5 if variance > 1e-12 else 0.0


def _dev_fit(task: _Task, probabilities: Probabilities, related: float) -> DevFit | None:
    """Of the dev sentences whose relation train has; None where it has none of them."""
    known = np.isin(task.dev_gold, task.gold)
    if not known.any():
        return None
    gold, probabilities = task.dev_gold[known], probabilities[known]
    predicted, places = probabilities.argmax(1), np.arange(len(gold))
    dev = [task.dev[place] for place in np.flatnonzero(known).tolist()]
    exchanged = [replace(example, head=example.tail, tail=example.head) for example in dev]
    swapped = _fit(_everything, replace(task, dev=exchanged))
    exchange = best_exchange(confusion_matrix(gold, predicted, len(task.relations)))
    return DevFit(
        related=_related(probabilities, gold),
        promised=related * (len(gold) / len(task.gold)) ** 0.5,
        related_swapped=_related(swapped, gold),
        swapped=_surplus(_logs(swapped)[places, gold] - _logs(probabilities)[places, gold]),
        accuracy=float((predicted == gold).mean()),
        accuracy_swapped=float((swapped.argmax(1) == gold).mean()),
        accuracy_renamed=float((exchange[predicted] == gold).mean()),
        names=relation_ids_mismatch(gold, predicted, len(task.relations), task.relations.names),
    )


def _surplus(differences: NDArray[np.float64]) -> float:
    """The mean difference in standard errors; 0 where nothing differs."""
    spread = float(differences.std())
    return float(differences.mean()) / spread * len(differences) ** 0.5 if spread > 1e-12 else 0.0


def _suspects(
    train: Sequence[Example], gold: Ids, probabilities: Probabilities, relations: RelationSet
) -> tuple[Suspect, ...]:
    """Confident learning (Northcutt et al. 2021, sections 3.1 and 3.2): doubtful sentences, the worst first.

    A relation is likely where its probability reaches the mean that its own sentences get; ranked by the
    gap between the given and the likely relation's probability.
    """
    thresholds = np.array(
        [probabilities[gold == k, k].mean() if (gold == k).any() else 2 for k in range(len(relations))]
    )
    likely = np.where(probabilities >= thresholds, probabilities, -1.0).argmax(1)
    reached = (probabilities >= thresholds).any(axis=1)
    places = np.flatnonzero(reached & (likely != gold))
    given, other = probabilities[places, gold[places]], probabilities[places, likely[places]]
    return tuple(
        Suspect(train[place], relations.names[likely[place]], float(q), float(p))
        for _, place, p, q in sorted(zip(given - other, places.tolist(), given, other, strict=True))
    )


def _auc(positive: Probabilities, negative: Probabilities) -> tuple[float, float]:
    """Area under the ROC curve and its standard error (DeLong et al. 1988)."""
    from scipy.stats import rankdata

    m, n = len(positive), len(negative)
    both = rankdata(np.concatenate([positive, negative]))
    above = (both[:m] - rankdata(positive)) / n
    below = 1 - (both[m:] - rankdata(negative)) / m
    return float(above.mean()), float((above.var(ddof=1) / m + below.var(ddof=1) / n) ** 0.5)
