"""Trains configs with several seeds, beside a majority and a linear baseline: the lines of docs/results.md.

    python -m benchmarks.accuracy CONFIG ... [--seeds 1 2 3 4 5] [--set KEY=VALUE ...] [--folds K] [--dev]
                                  [--runs FOLDER] [--json FILE]

The score is the one that the config monitors. The epoch is picked on dev, and test is read once, when all is trained;
with --dev it is never read and the scores are dev's, for choosing settings. The ensemble is of the seeds. With
--folds K every seed draws K folds of train anew, and a score is that of the pooled predictions. CPU-seconds are this
process's, from reading the data to the end of the best epoch, importing torch aside. With --runs the runs are kept,
and one that is there already is not trained again.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch  # imported first, so that its own import is not counted
from numpy.typing import NDArray

from relclf.config.loading import load_config
from relclf.config.schema import ExperimentConfig
from relclf.example import Example
from relclf.prediction.evaluating import evaluate_run, split_examples
from relclf.prediction.folds import evaluate_folds
from relclf.prediction.opening import open_trained
from relclf.relations import RelationSet
from relclf.runs.directory import RunDirectory
from relclf.runs.folds import fold_path
from relclf.runs.records import best_record, read_records
from relclf.scoring.metrics import confusion_matrix, score
from relclf.training.corpus import read_corpus
from relclf.training.experiment import train

REGULARISATIONS = (1.0, 10.0, 100.0)
"""Inverse strengths of the linear baseline; the best on dev is taken."""
TIMES = "cpu-seconds.json"
"""Beside the records of a run that is kept."""


@dataclass(frozen=True)
class Result:
    """One seed: a run, or the runs of all folds; scores in [0, 1]."""

    seed: int
    dev: float
    """At the epoch picked; with folds the mean over them."""
    best_epoch: int
    """With folds the median over them."""
    cpu_seconds: float
    """To the end of the best epoch; with folds of all of them together."""
    test: float | None


@dataclass(frozen=True)
class Row:
    """One config."""

    config: str
    score: str
    seeds: list[Result]
    majority: float
    linear: float
    ensemble: float | None
    signature: str


def main() -> None:
    """Train, evaluate, print a table a config and one of all, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", type=Path, nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--set", nargs="*", default=[])
    parser.add_argument("--folds", type=int)
    parser.add_argument("--dev", action="store_true")
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--json", type=Path, help="write every number to this file")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, one thread {' '.join(arguments.set)}")
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for config in arguments.configs:
            rows.append(measured(config, arguments, (arguments.runs or Path(temporary)) / config.stem))
            if arguments.json:
                arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    print("\n| config | majority | TF-IDF + LR | network | seeds | ensemble | CPU-seconds to best |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print(markdown(row))
    for signature in {row.signature: None for row in rows}:
        print(f"\n{signature}")


def measured(config: Path, arguments: argparse.Namespace, folder: Path) -> Row:
    """Train all seeds of a config, then score them."""
    kept = [f"training.threads={1}", *arguments.set]
    print(f"\n{config}\n{'seed':>4}{'dev':>8}{'best epoch':>12}{'CPU-s to best':>15}{'test':>8}", flush=True)
    folds = arguments.folds
    runs = [
        trained(config, [*kept, f"seed={seed}"], folder / f"seed-{seed}", folds, seed)
        for seed in arguments.seeds
    ]
    name = load_config(config, kept).training.monitor
    results, evaluations = [], []
    for seed, members in zip(arguments.seeds, runs, strict=True):
        test, evaluated = (None, None) if arguments.dev else tested(members, name, folds)
        evaluations.append(evaluated)
        results.append(result(seed, members, test))
        shown = f"{100 * test:8.2f}" if test is not None else ""
        row = results[-1]
        print(f"{seed:>4}{100 * row.dev:8.2f}{row.best_epoch:>12}{row.cpu_seconds:>15.1f}{shown}", flush=True)
    together, signature = None, ""
    if not arguments.dev:
        signature = signature_of(evaluations, name)
        if folds is None and len(runs) > 1:
            opened = [open_trained(members[0]) for members in runs]
            joined = evaluate_run(opened[0], split="test", others=opened[1:])
            together = joined.report.scores[name].value
    baseline = [baselines(path, name, "dev" if arguments.dev else "test") for path in runs[0]]
    majority, linear = (pooled([each[i] for each in baseline], name) for i in range(2))
    return Row(str(config), name, results, majority, linear, together, signature)


def trained(config: Path, settings: list[str], folder: Path, folds: int | None, seed: int) -> list[Path]:
    """The run of a seed, or the runs of its folds, trained where they are not there."""
    members = [(folder, settings)]
    if folds is not None:
        drawn = [*settings, f"data.split_seed={seed}", f"data.folds={folds}"]
        members = [(fold_path(folder, k), [*drawn, f"data.fold={k}"]) for k in range(1, folds + 1)]
    for path, overrides in members:
        if not (path / TIMES).exists():
            started, spent = time.process_time(), []
            for _ in train(config, run=path, overrides=overrides):
                spent.append(time.process_time() - started)
            (path / TIMES).write_text(json.dumps(spent))
    return [path for path, _ in members]


def result(seed: int, members: Sequence[Path], test: float | None) -> Result:
    """What the records of a seed's runs say."""
    dev, epochs, seconds = [], [], 0.0
    for path in members:
        records = read_records(RunDirectory(path).records)
        monitor = open_trained(path).network.config.training.monitor
        best = best_record(records, monitor)
        assert best is not None and best.monitored is not None
        dev.append(best.monitored)
        epochs.append(best.epoch)
        seconds += json.loads((path / TIMES).read_text())[best.epoch - 1]
    return Result(seed, statistics.fmean(dev), round(statistics.median(epochs)), seconds, test)


def tested(members: Sequence[Path], name: str, folds: int | None) -> tuple[float, Any]:
    """The score on test, or of the pooled folds, and the evaluation that it is of."""
    found: Any = evaluate_run(open_trained(members[0]), split="test") if folds is None else None
    report = found.report if found is not None else evaluate_folds(members[0].parent).pooled
    value = report.scores[name].value
    assert value is not None
    return value, report


def signature_of(reports: Sequence[Any], name: str) -> str:
    """The one signature of all seeds."""
    (signature,) = {report.scores[name].signature for report in reports}
    return str(signature)


@dataclass(frozen=True)
class Labels:
    """Gold and predicted relation ids of the sentences of a split."""

    relations: RelationSet
    gold: NDArray[np.int64]
    predicted: NDArray[np.int64]


def baselines(run: Path, name: str, split: str) -> tuple[Labels, Labels]:
    """The majority relation of the run's train always, and the linear model that is best on its dev."""
    opened = open_trained(run)
    config = opened.network.config
    corpus = read_corpus(config)
    test = corpus.dev if split == "dev" else split_examples(opened, split)[2]
    assert corpus.dev is not None and test is not None
    relations = RelationSet.from_names(
        [str(example.relation) for example in (*corpus.train, *corpus.dev, *test)],
        config.data.negative_relation,
    )
    gold = ids(test, relations)
    majority = np.bincount(ids(corpus.train, relations)).argmax()
    linear = linear_predictions(corpus.train, corpus.dev, test, relations, config, name)
    return Labels(relations, gold, np.full(len(gold), majority)), Labels(relations, gold, linear)


def linear_predictions(
    train_set: Sequence[Example],
    dev: Sequence[Example],
    test: Sequence[Example],
    relations: RelationSet,
    config: ExperimentConfig,
    name: str,
) -> NDArray[np.int64]:
    """Logistic regression over TF-IDF of words and word pairs of the sentence, the mentions and between them."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(analyzer=lambda each: terms(each, config), sublinear_tf=True, min_df=2)
    rows, dev_rows, test_rows = (
        vectorizer.fit_transform(train_set),
        vectorizer.transform(dev),
        vectorizer.transform(test),
    )
    gold, dev_gold = ids(train_set, relations), ids(dev, relations)
    weights = None if config.training.imbalance.class_weights == "none" else "balanced"
    models = [
        LogisticRegression(C=c, class_weight=weights, max_iter=2000).fit(rows, gold) for c in REGULARISATIONS
    ]
    reached = [pooled([Labels(relations, dev_gold, model.predict(dev_rows))], name) for model in models]
    found: NDArray[np.int64] = models[int(np.argmax(reached))].predict(test_rows)
    return found


def terms(example: Example, config: ExperimentConfig) -> list[str]:
    """Words and word pairs, marked by where they stand; head and tail are kept apart."""
    words = [word.lower() if config.encoding.lowercase else word for word in example.tokens]
    first, second = sorted((example.head, example.tail), key=lambda span: span.start)
    order = "head first" if first == example.head else "tail first"
    parts = {
        "sentence": words,
        f"between, {order}": words[first.end : second.start],
        "head": words[example.head.start : example.head.end],
        "tail": words[example.tail.start : example.tail.end],
    }
    return [order] + [
        f"{part}: {term}"
        for part, its in parts.items()
        for term in (*its, *(" ".join(pair) for pair in pairwise(its)))
    ]


def ids(examples: Sequence[Example], relations: RelationSet) -> NDArray[np.int64]:
    """(examples,) gold relation ids."""
    return np.array([relations.ids[str(example.relation)] for example in examples], dtype=np.int64)


def pooled(parts: Sequence[Labels], name: str) -> float:
    """The score of all parts' sentences together; the parts have the same relations."""
    relations = parts[0].relations
    assert all(part.relations == relations for part in parts)
    counts = sum(confusion_matrix(part.gold, part.predicted, len(relations)) for part in parts)
    value = score(name, np.asarray(counts), relations)
    assert value is not None
    return float(value)


def markdown(row: Row) -> str:
    """A line of the table, scores in %, mean ± standard deviation over seeds."""
    values = [100 * (each.test if each.test is not None else each.dev) for each in row.seeds]
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    seconds = statistics.fmean(each.cpu_seconds for each in row.seeds)
    ensemble = f"{100 * row.ensemble:.2f}" if row.ensemble is not None else ""
    mean = f"{statistics.fmean(values):.2f}{spread}"
    baselines = f"{100 * row.majority:.1f} | {100 * row.linear:.1f}"
    return f"| {row.config} | {baselines} | {mean} | {len(values)} | {ensemble} | {seconds:.0f} |"


if __name__ == "__main__":
    main()
