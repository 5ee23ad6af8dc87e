"""Prints the test macro-F1 of the majority baseline or of a linear bag-of-words on the quickstart corpus.

The macro-F1 is relclf's: the mean F1 over the relations of the test file, the negative one included.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

CORPUS = Path(__file__).parent / "quickstart"


@dataclass(frozen=True)
class Split:
    """The sentences of a file and their relations, in the file's order."""

    texts: list[str]
    relations: list[str]


def main() -> None:
    """Reads the command line and prints one number, in %."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("baseline", choices=["majority", "bow"])
    for name in ("train", "dev", "test"):
        parser.add_argument(f"--{name}", type=Path, default=CORPUS / f"{name}.jsonl", metavar="FILE")
    arguments = parser.parse_args()
    train, dev, test = (read(getattr(arguments, name)) for name in ("train", "dev", "test"))
    with threadpool_limits(
        1
    ):  # matrices this small gain nothing from threads, and lose much on a busy machine
        model = majority() if arguments.baseline == "majority" else best_bag_of_words(train, dev)
        score = macro_f1(model.fit(train.texts, train.relations), test)
    print(f"{100 * score:.1f}")


def read(path: Path) -> Split:
    """The lines of a file in the corpus's format; the marks are not used, for a bag of words has no place for them."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return Split([record["text"] for record in records], [record["relation"] for record in records])


def majority() -> Any:
    """Always the most frequent relation of train."""
    return DummyClassifier(strategy="most_frequent")


def best_bag_of_words(train: Split, dev: Split) -> Any:
    """Of several regularisations, with and without class weights, the bag-of-words that is best on dev."""
    settings = [(c, weight) for c in (1.0, 10.0, 100.0) for weight in (None, "balanced")]
    models = [bag_of_words(c, weight) for c, weight in settings]
    scores = [macro_f1(model.fit(train.texts, train.relations), dev) for model in models]
    return models[int(np.argmax(scores))]


def bag_of_words(c: float, class_weight: str | None) -> Any:
    """Logistic regression over TF-IDF of the sentence's words and word pairs; `c` is the inverse regularisation."""
    features = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", sublinear_tf=True)
    return make_pipeline(features, LogisticRegression(C=c, class_weight=class_weight, max_iter=2000))


def macro_f1(model: Any, split: Split) -> float:
    """Mean F1 over the relations that occur in the split; an undefined F1 counts as 0."""
    relations = sorted(set(split.relations))
    return float(
        f1_score(
            split.relations, model.predict(split.texts), labels=relations, average="macro", zero_division=0
        )
    )


if __name__ == "__main__":
    main()
