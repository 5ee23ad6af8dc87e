"""All that is said about one set of predictions: every defined score with its interval, and each relation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from relclf.relations import RelationSet
from relclf.scoring.metrics import SCORE_NAMES, Counts, RelationScore, per_relation, score, with_support
from relclf.scoring.resampling import percentiles, resampled_scores
from relclf.scoring.signature import signature


@dataclass(frozen=True, slots=True)
class Score:
    """A score in [0, 1], its 95 % bootstrap interval, and the signature that says which score it is."""

    value: float
    low: float
    high: float
    signature: str


@dataclass(frozen=True)
class ScoreReport:
    """The defined scores by name, each relation's row, and the confusion counts (gold by predicted)."""

    scores: dict[str, Score]
    relations: list[RelationScore]
    relation_names: tuple[str, ...]
    counts: Counts

    def to_json(self) -> dict[str, Any]:
        """The form that `evaluate --json` and `score --json` print (docs/scores.md); undefined is null."""
        return {
            "scores": {
                name: {"value": s.value, "low": s.low, "high": s.high, "signature": s.signature}
                for name, s in self.scores.items()
            },
            "relations": [
                {
                    "relation": row.relation,
                    "precision": row.precision,
                    "recall": row.recall,
                    "f1": row.f1,
                    "support": row.support,
                }
                for row in self.relations
            ],
            "confusion": {"relations": list(self.relation_names), "counts": self.counts.tolist()},
            "examples": int(self.counts.sum()),
        }


def score_report(
    counts: Counts,
    relations: RelationSet,
    samples: int = 1000,
    seed: int = 1,
    details: Mapping[str, str] | None = None,
) -> ScoreReport:
    """Every score that is defined for these counts; counts: (relations, relations), at least one example.

    All intervals come from the same bootstrap samples. `details` are further parts of the signatures.
    """
    counted = with_support(counts)
    resampled = resampled_scores(SCORE_NAMES, counts, relations, samples, np.random.default_rng(seed))
    parts = {**(details or {}), "interval": f"95% bootstrap {samples} seed {seed}"}
    scores = {}
    for name, values in resampled.items():
        value = score(name, counts, relations, counted)
        if value is not None:
            low, high = percentiles(values)
            scores[name] = Score(float(value), low, high, signature(name, relations, counted, parts))
    return ScoreReport(scores, per_relation(counts, relations), relations.names, counts)
