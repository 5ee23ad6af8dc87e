"""Measures whether `relclf compare` says "better" as rarely as it claims where nothing is better, and finds what is.

    python -m benchmarks.calibration --runs runs/calibration --tacrev TEST_PREDICTIONS.tsv.gz

Prints the tables of docs/comparison.md. The A/A part trains the runs of the quickstart config that are missing in
--runs (6 CPU-seconds each); --tacrev is the file of 33 published systems' answers to TACRED's 15,509 test sentences
(github.com/DFKI-NLP/tacrev; columns id, gold, then a system each). Each part is also printed alone: --parts.
"""

import argparse
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relclf.comparison.gathering import gather
from relclf.comparison.measuring import Question, as_ids, best_predictions, evaluate_missing, measure
from relclf.comparison.seed_tests import (
    ALPHA,
    FEWEST_SEEDS,
    detectable_difference,
    permutation_p,
    welch_interval,
)
from relclf.comparison.sentence_tests import FEW_OF_A_RELATION, paired_test
from relclf.config.loading import load_config
from relclf.relations import RelationSet
from relclf.scoring.metrics import Values, confusion_matrix, score
from relclf.training.experiment import start

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "quickstart.yaml"
SEEDS = (3, 4, 5, 6, 8, 10)
DIFFERENCES = (0.0, 0.5, 1.0, 2.0)
SENTENCES = 2717
SIZES = (85, 200, 400, 800)
RESAMPLES = 1000
"""In each draw of the sentence tests; `relclf compare` uses 10,000."""

Row = dict[str, Any]
Ids = NDArray[np.int64]


def main() -> None:
    """Parse the options, measure the parts, print a table each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=Path, default=Path("runs/calibration"), help="where the A/A runs lie")
    parser.add_argument("--count", type=int, default=60, help="independent runs of one config")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--tacrev", type=Path, help="test_predictions.tsv.gz")
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=list(_PARTS))
    parser.add_argument("--json", type=Path, help="write every number to this file")
    options = parser.parse_args()
    tables = {part: list(_PARTS[part](options)) for part in options.parts}
    for part, rows in tables.items():
        _print(part, rows)
    if options.json:
        options.json.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")


def seeds_alike(options: argparse.Namespace) -> Iterator[Row]:
    """A/A over seeds: groups drawn without replacement from independent runs of one config."""
    gathered = gather(_runs(options))
    question = Question("test")
    for _ in evaluate_missing(gathered.groups, question, sentences=False):
        pass
    measured = [measure(run, question).best for run in gathered.groups[0].runs]
    scores = np.array([score for score in measured if score is not None])
    for k in SEEDS:
        generator = np.random.default_rng(k)
        draws = [generator.choice(scores, 2 * k, replace=False) for _ in range(options.draws)]
        yield {"seeds": f"{k} against {k}", **_rates([(each[:k], each[k:]) for each in draws], 0.0)}


def seeds_simulated(options: argparse.Namespace) -> Iterator[Row]:
    """Scores drawn from a distribution of standard deviation 1 point (the second group's 2 where they are unequal)."""
    for name, (draw, wider) in _SHAPES.items():
        for k in SEEDS:
            row: Row = {"scores": name, "seeds": f"{k} against {k}"}
            for difference in DIFFERENCES:
                generator = np.random.default_rng([k, int(10 * difference)])
                pairs = [
                    (draw(generator, k) + difference, wider * draw(generator, k))
                    for _ in range(options.draws)
                ]
                rates = _rates(pairs, difference)
                row[f"better at {difference:g}"] = rates["better"]
                if not difference:
                    row["intervals that hold it"] = rates["intervals that hold it"]
            least = detectable_difference(1.0, wider, k, k)
            row["80 % at"] = "-" if least is None else f"{least:.2f}"
            yield row


def power_claimed(options: argparse.Namespace) -> Iterator[Row]:
    """How often a difference is found that is claimed to be found in 80 % of cases (normal scores)."""
    for k in SEEDS[1:]:
        least = detectable_difference(1.0, 1.0, k, k)
        if least is None:
            continue
        generator = np.random.default_rng(k)
        draws = [(generator.normal(least, 1, k), generator.normal(0, 1, k)) for _ in range(options.draws)]
        yield {
            "seeds": f"{k} against {k}",
            "difference": f"{least:.2f}",
            "better": _rates(draws, least)["better"],
        }


def sentences_alike(options: argparse.Namespace) -> Iterator[Row]:
    """A/A over sentences: two systems of the population whose answers change sides at random in each draw."""
    gold, systems, relations = _population(options.tacrev)
    for name in ("micro_f1_positive", "macro_f1"):
        generator = np.random.default_rng(1)
        found = []
        for _ in range(options.draws):
            chosen = generator.integers(len(gold), size=SENTENCES)
            a, b = systems[generator.choice(len(systems), 2, replace=False)][:, chosen]
            side = generator.random(SENTENCES) < 0.5
            test = _test(name, gold[chosen], np.where(side, a, b), np.where(side, b, a), relations)
            found.append((test.p_value <= ALPHA, test.low <= 0 <= test.high))
        yield {"score": name, "sentences": f"{SENTENCES:,}", **_shares(found)}


def sentences_different(options: argparse.Namespace) -> Iterator[Row]:
    """Pairs of systems whose difference in the population is nearest to 0.5, 1 and 2 points."""
    gold, systems, relations = _population(options.tacrev)
    for name in ("micro_f1_positive", "macro_f1"):
        own = [_score(name, gold, system, relations) for system in systems]
        pairs = list(combinations(range(len(systems)), 2))
        for target in DIFFERENCES[1:]:
            a, b = min(pairs, key=lambda pair: abs(abs(own[pair[0]] - own[pair[1]]) - target / 100))
            true = own[a] - own[b]
            generator = np.random.default_rng(int(10 * target))
            found = []
            for _ in range(options.draws):
                at = generator.integers(len(gold), size=SENTENCES)
                test = _test(name, gold[at], systems[a][at], systems[b][at], relations)
                found.append((test.p_value <= ALPHA, test.low <= true <= test.high))
            yield {"score": name, "difference": f"{100 * abs(true):.2f}", **_shares(found)}


def rare_relations(options: argparse.Namespace) -> Iterator[Row]:
    """Macro-F1 of the pair nearest to 1 point, on the population without relations of few sentences in a sample."""
    gold, systems, relations = _population(options.tacrev)
    sentences = np.bincount(gold, minlength=len(relations))
    for least in (0, FEW_OF_A_RELATION):
        often = np.flatnonzero(sentences * SENTENCES >= least * len(gold))
        kept = np.isin(gold, often)
        there, said = gold[kept], systems[:, kept]
        own = [_score("macro_f1", there, system, relations) for system in said]
        a, b = min(
            combinations(range(len(said)), 2), key=lambda pair: abs(abs(own[pair[0]] - own[pair[1]]) - 0.01)
        )
        generator = np.random.default_rng(1)
        found = []
        for _ in range(options.draws):
            at = generator.integers(len(there), size=SENTENCES)
            test = _test("macro_f1", there[at], said[a][at], said[b][at], relations)
            found.append((test.p_value <= ALPHA, test.low <= own[a] - own[b] <= test.high))
        row = {"sentences of each relation, expected": f"{least} or more", "relations": len(often)}
        yield {**row, "intervals that hold it": _shares(found)["intervals that hold it"]}


def few_sentences(options: argparse.Namespace) -> Iterator[Row]:
    """Two runs of the A/A part, at random, on so many of their test sentences; the truth is that of all of them."""
    gathered = gather(_runs(options))
    for _ in evaluate_missing(gathered.groups, Question("test"), sentences=True):
        pass
    runs = gathered.groups[0].runs
    said = [best_predictions(run, "test") for run in runs]
    for size in SIZES:
        generator = np.random.default_rng(size)
        found = []
        for _ in range(options.draws):
            a, b = generator.choice(len(said), 2, replace=False)
            relations, (gold, one, other) = as_ids(said[a], said[b], runs[0].config.data.negative_relation)
            true = _score("macro_f1", gold, one, relations) - _score("macro_f1", gold, other, relations)
            at = generator.integers(len(gold), size=size)
            test = _test("macro_f1", gold[at], one[at], other[at], relations)
            found.append((test.p_value <= ALPHA, test.low <= true <= test.high))
        yield {"sentences": size, "intervals that hold it": _shares(found)["intervals that hold it"]}


_PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "seeds-alike": seeds_alike,
    "seeds-simulated": seeds_simulated,
    "power-claimed": power_claimed,
    "sentences-alike": sentences_alike,
    "sentences-different": sentences_different,
    "rare-relations": rare_relations,
    "few-sentences": few_sentences,
}


def _normal(generator: np.random.Generator, k: int) -> Values:
    return generator.normal(0, 1, k)


def _skewed(generator: np.random.Generator, k: int) -> Values:
    """A long tail of bad seeds: minus an exponential, mean 0, standard deviation 1, skewness -2."""
    return 1 - generator.exponential(1, k)


_SHAPES = {"normal": (_normal, 1.0), "skewed": (_skewed, 1.0), "unequal spread": (_normal, 2.0)}


def _runs(options: argparse.Namespace) -> list[Path]:
    """The A/A runs; those that are missing are trained."""
    for seed in range(1, options.count + 1):
        path = options.runs / f"seed-{seed}"
        if not path.exists():
            config = load_config(
                options.config, [f"seed={seed}", "training.threads=1", "training.device=cpu"]
            )
            for _ in start(config, path.name, options.runs, path).epochs():
                pass
    return [options.runs]


def _rates(pairs: Sequence[tuple[Values, Values]], true: float) -> Row:
    """How often the verdict is "better", and how often the interval of the difference holds the true one."""
    found = []
    for a, b in pairs:
        interval = welch_interval(list(a), list(b))
        assert interval is not None
        better = len(a) >= FEWEST_SEEDS and permutation_p(list(a), list(b)) <= ALPHA
        found.append((better, interval[0] <= true <= interval[1]))
    return _shares(found)


def _shares(found: Sequence[tuple[bool, bool]]) -> Row:
    better, held = (f"{100 * float(np.mean(column)):.1f} %" for column in zip(*found, strict=True))
    return {"better": better, "intervals that hold it": held}


def _test(name: str, gold: Ids, a: Ids, b: Ids, relations: RelationSet) -> Any:
    return paired_test(name, gold, a, b, relations, samples=RESAMPLES)


def _score(name: str, gold: Ids, answers: Ids, relations: RelationSet) -> float:
    value = score(name, confusion_matrix(gold, answers, len(relations)), relations)
    assert value is not None
    return float(value)


def _population(path: Path) -> tuple[Ids, Ids, RelationSet]:
    """Gold, (sentences,), and the systems' answers, (systems, sentences)."""
    if path is None:
        raise SystemExit("this part needs --tacrev TEST_PREDICTIONS.tsv.gz, or choose others with --parts")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t")[1:] for line in lines][1:]
    relations = RelationSet.from_names({name for row in rows for name in row}, "no_relation")
    table = np.array([[relations.ids[name] for name in row] for row in rows]).T
    return table[0], table[1:], relations


def _print(part: str, rows: Sequence[Row]) -> None:
    print(f"\n{part}\n\n| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
    for row in rows:
        print(f"| {' | '.join(map(str, row.values()))} |")


if __name__ == "__main__":
    main()
