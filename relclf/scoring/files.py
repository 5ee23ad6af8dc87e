"""Scores a file of proposed answers against a file of gold answers, without a run."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from relclf.errors import UserMistake
from relclf.relations import RelationSet
from relclf.scoring.answers import Answers, check_same_examples, read_answers
from relclf.scoring.metrics import confusion_matrix
from relclf.scoring.report import ScoreReport, score_report
from relclf.scoring.semeval2010 import DIRECTED_RELATIONS, official_counts, official_report


@dataclass(frozen=True)
class FileScores:
    """The report, the official SemEval-2010 report's text where that scorer was asked, and what to warn of.

    `not_in_key`: relation -> number of proposed answers, for relations that the key never has.
    """

    report: ScoreReport
    official: str | None
    not_in_key: dict[str, int]


def score_files(key: Path, proposed: Path, scorer: str, negative: str | None = None) -> FileScores:
    """Score `proposed` against `key` with the scorer "semeval2010", "macro_f1" or "tacred".

    `negative` is by default Other for semeval2010 and no_relation for tacred; macro_f1 needs none. The
    semeval2010 scorer counts skipped ids as negative, the others refuse them. Raises DataError, UserMistake.
    """
    if scorer == "semeval2010":
        return _semeval2010(key, proposed, "Other" if negative is None else negative)
    gold, answers = read_answers(key), read_answers(proposed)
    check_same_examples(gold, answers)
    names = {*gold.relations.values(), *answers.relations.values()}
    declared = "no_relation" if negative is None and scorer == "tacred" else negative
    if declared is not None and declared not in names:
        raise UserMistake(
            f"{declared} is in neither {key} nor {proposed}. "
            f"Name the negative relation with --negative; they have {', '.join(sorted(names))}."
        )
    relations = RelationSet.from_names(names, declared)
    counts = confusion_matrix(
        np.array([relations.ids[relation] for relation in gold.relations.values()]),
        np.array([relations.ids[answers.relations[identifier]] for identifier in gold.relations]),
        len(relations),
    )
    return FileScores(score_report(counts, relations), None, _not_in_key(gold, answers))


def _semeval2010(key: Path, proposed: Path, negative: str) -> FileScores:
    known = {*DIRECTED_RELATIONS, negative}
    gold, answers = read_answers(key, known), read_answers(proposed, known)
    check_same_examples(gold, answers, may_skip=True)
    text = official_report(gold.relations, answers.relations, negative)
    counts, relations = official_counts(gold.relations, answers.relations, negative)
    return FileScores(score_report(counts, relations), text, _not_in_key(gold, answers))


def _not_in_key(key: Answers, proposed: Answers) -> dict[str, int]:
    in_key = set(key.relations.values())
    return dict(sorted(Counter(r for r in proposed.relations.values() if r not in in_key).items()))
