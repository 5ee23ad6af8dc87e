"""A signature tells scores with different meanings apart, and only those."""

from pathlib import Path

import numpy as np
import pytest

from relclf.relations import RelationSet
from relclf.scoring.metrics import SCORE_NAMES
from relclf.scoring.semeval2010 import DIRECTED_RELATIONS
from relclf.scoring.signature import signature
from relclf.version import __version__

RELATIONS = RelationSet(("A(e1,e2)", "A(e2,e1)", "B(e1,e2)", "Other"), negative="Other")
ALL = np.array([True] * 4)


def test_a_signature_reads_as_the_definition_of_its_score():
    assert signature("macro_f1", RELATIONS, ALL).startswith(
        "macro_f1|relations:4|negative:Other included|direction:as named|zero_division:0|set:"
    )
    assert signature("semeval2010", RELATIONS, ALL).startswith(
        "semeval2010|relations:2|negative:Other excluded|direction:counted|zero_division:0|set:"
    )
    assert signature("macro_f1_positive", RELATIONS, ALL).startswith(
        "macro_f1_positive|relations:3|negative:Other excluded|"
    )
    assert signature("accuracy", RelationSet(("a", "b")), ALL[:2]).startswith(
        "accuracy|relations:2|negative:undeclared|"
    )


def test_details_stand_before_the_version():
    text = signature("macro_f1", RELATIONS, ALL, {"tokenizer": "words"})
    assert text.endswith(f"|tokenizer:words|relclf:{__version__}")


@pytest.mark.parametrize("name", ["macro_f1", "macro_f1_positive", "semeval2010"])
def test_other_relations_counted_change_the_signature(name):
    fewer = np.array([True, True, False, True])
    assert signature(name, RELATIONS, ALL) != signature(name, RELATIONS, fewer)


def test_the_order_of_the_relations_does_not_change_the_signature():
    reordered = RelationSet(tuple(reversed(RELATIONS.names)), negative="Other")
    assert signature("macro_f1", RELATIONS, ALL) == signature("macro_f1", reordered, ALL)


def test_the_signature_in_the_documentation_is_that_of_the_semeval_relations():
    relations = RelationSet.from_names([*DIRECTED_RELATIONS, "Other"], "Other")
    text = signature("macro_f1", relations, np.array([True] * 19), {"interval": "95% bootstrap 1000 seed 1"})
    documented = (Path(__file__).resolve().parents[2] / "docs" / "scores.md").read_text(encoding="utf-8")
    assert text.removesuffix(__version__) in documented


def test_every_score_is_documented():
    documented = (Path(__file__).resolve().parents[2] / "docs" / "scores.md").read_text(encoding="utf-8")
    assert [name for name in SCORE_NAMES if f"| `{name}` |" not in documented] == []
