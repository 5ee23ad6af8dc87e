"""Tests two files of answers against one key, without a run."""

from pathlib import Path

import numpy as np

from relclf.comparison.sentence_tests import PairedTest, paired_test
from relclf.errors import UserMistake
from relclf.relations import RelationSet
from relclf.scoring.answers import check_same_examples, read_answers
from relclf.scoring.semeval2010 import DIRECTED_RELATIONS

SCORES = {"semeval2010": "semeval2010", "macro_f1": "macro_f1", "tacred": "micro_f1_positive"}
"""The score that each scorer compares."""
_NEGATIVE = {"semeval2010": "Other", "tacred": "no_relation"}


def compare_files(key: Path, a: Path, b: Path, scorer: str, negative: str | None = None) -> PairedTest:
    """Test a against b with the scorer "semeval2010", "macro_f1" or "tacred", as `scoring.files.score_files` scores.

    The semeval2010 scorer counts skipped ids as negative, the others refuse them. Raises DataError, UserMistake.
    """
    declared = negative if negative is not None else _NEGATIVE.get(scorer)
    official = scorer == "semeval2010"
    known = {*DIRECTED_RELATIONS, declared or ""} if official else None
    gold, *proposed = (read_answers(path, known) for path in (key, a, b))
    for answers in proposed:
        check_same_examples(gold, answers, may_skip=official)
    names = {relation for answers in (gold, *proposed) for relation in answers.relations.values()}
    if declared is not None and not official and declared not in names:
        raise UserMistake(
            f"{declared} is in none of {key}, {a} and {b}. "
            f"Name the negative relation with --negative; they have {', '.join(sorted(names))}."
        )
    relations = RelationSet.from_names({*names, *([declared] if declared is not None else [])}, declared)
    columns = [gold.relations, *(answers.relations for answers in proposed)]
    skipped = declared or ""
    ids = [np.array([relations.ids[each.get(i, skipped)] for i in gold.relations]) for each in columns]
    return paired_test(SCORES[scorer], ids[0], ids[1], ids[2], relations)
