"""The scores mean what docs/scores.md says, and agree with scikit-learn where the definitions do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relclf.relations import RelationSet
from relclf.scoring.metrics import confusion_matrix, per_relation, score, with_support

FOUR = RelationSet(("NA", "cause", "part", "treats"), negative="NA")
SEMEVAL = RelationSet(("A(e1,e2)", "A(e2,e1)", "B(e1,e2)", "Other"), negative="Other")


def value(name, counts, relations):
    result = score(name, counts, relations)
    return None if result is None else float(result)


def test_the_confusion_matrix_has_gold_rows_and_predicted_columns():
    counts = confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 2, 1, 1]), 3)
    assert counts.tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 0]]
    assert counts.dtype == np.int64


@pytest.mark.parametrize(
    ("gold", "predicted"), [([0, 3], [0, 0]), ([0, 1], [0, -1]), ([0, 1], [0]), ([[0]], [[0]])]
)
def test_the_confusion_matrix_refuses_ids_out_of_range_and_unequal_lengths(gold, predicted):
    with pytest.raises(ValueError, match=r"gold|predicted"):
        confusion_matrix(np.array(gold), np.array(predicted), 3)


@pytest.mark.parametrize("seed", range(200))
def test_scores_agree_with_scikit_learn_on_random_predictions(seed):
    from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

    random = np.random.default_rng(seed)
    relations = int(random.integers(2, 12))
    size = int(random.integers(1, 300))
    shares = random.dirichlet(np.full(relations, 0.5))
    gold = random.choice(relations, size, p=shares)
    predicted = np.where(random.random(size) < 0.6, gold, random.integers(0, relations, size))
    names = RelationSet(tuple(f"r{i}" for i in range(relations)), negative="r0")
    counts = confusion_matrix(gold, predicted, relations)
    supported = sorted(set(gold.tolist()))
    positive = [i for i in supported if i != 0]

    def sklearn(average, labels):
        return f1_score(gold, predicted, average=average, labels=labels, zero_division=0)

    assert value("accuracy", counts, names) == pytest.approx(accuracy_score(gold, predicted))
    assert value("macro_f1", counts, names) == pytest.approx(sklearn("macro", supported))
    assert value("micro_f1_positive", counts, names) == pytest.approx(sklearn("micro", range(1, relations)))
    if positive:
        assert value("macro_f1_positive", counts, names) == pytest.approx(sklearn("macro", positive))
    precision, recall, f1, support = precision_recall_fscore_support(
        gold, predicted, labels=range(relations), zero_division=np.nan
    )
    for i, row in enumerate(per_relation(counts, names)):
        ours = [np.nan if part is None else part for part in (row.precision, row.recall)]
        assert ours == pytest.approx([precision[i], recall[i]], nan_ok=True)
        assert row.f1 == pytest.approx(np.nan_to_num(f1[i]))
        assert (row.support, row.predicted) == (support[i], (predicted == i).sum())


matrices = st.lists(st.integers(0, 9), min_size=16, max_size=16).map(lambda c: np.array(c).reshape(4, 4))


@settings(max_examples=60, deadline=None)
@given(st.lists(matrices, min_size=1, max_size=5), st.lists(st.booleans(), min_size=4, max_size=4))
def test_a_stack_scores_like_its_matrices_one_by_one(stack, mask):
    counted = np.array(mask)
    for relations in (FOUR, SEMEVAL):
        for name in ("macro_f1", "macro_f1_positive", "micro_f1_positive", "accuracy", "semeval2010"):
            together = score(name, np.array(stack), relations, counted)
            alone = [score(name, counts, relations, counted) for counts in stack]
            if together is None:
                assert alone == [None] * len(stack)
            else:
                assert together.tolist() == [float(one) for one in alone]
                assert ((together >= 0) & (together <= 1)).all()


@settings(max_examples=60, deadline=None)
@given(matrices)
def test_renaming_the_order_of_relations_changes_no_score(counts):
    order = np.array([3, 1, 0, 2])
    shuffled = RelationSet(tuple(SEMEVAL.names[i] for i in order), negative="Other")
    for name in ("macro_f1", "macro_f1_positive", "micro_f1_positive", "accuracy", "semeval2010"):
        assert value(name, counts[np.ix_(order, order)], shuffled) == pytest.approx(
            value(name, counts, SEMEVAL)
        )


def test_perfect_predictions_score_one_everywhere():
    counts = np.diag([5, 3, 2, 7])
    for name in ("macro_f1", "macro_f1_positive", "micro_f1_positive", "accuracy", "semeval2010"):
        assert value(name, counts, SEMEVAL) == 1.0


def test_a_relation_that_is_only_predicted_does_not_enter_the_macro_average():
    counts = np.array([[2, 0, 0, 1], [0, 3, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    assert value("macro_f1", counts, FOUR) == pytest.approx((4 / 5 + 1 + 1) / 3)


def test_a_wrong_direction_is_wrong_twice_in_the_semeval_score():
    counts = np.zeros((4, 4), dtype=int)
    counts[0, 0], counts[0, 1], counts[2, 2] = 3, 1, 2  # A(e1,e2) taken once for A(e2,e1)
    assert value("semeval2010", counts, SEMEVAL) == pytest.approx((2 * 3 / (4 + 4) + 1) / 2)


def test_scores_without_a_declared_negative_relation_are_undefined():
    relations = RelationSet(("A(e1,e2)", "A(e2,e1)", "B(e1,e2)", "Other"))
    counts = np.diag([1, 1, 1, 1])
    assert value("macro_f1", counts, relations) == 1.0
    for name in ("macro_f1_positive", "micro_f1_positive", "semeval2010"):
        assert value(name, counts, relations) is None


@pytest.mark.parametrize(
    ("names", "negative"),
    [
        (("A(e1,e2)", "B", "Other"), "Other"),
        (("A(e1,e2)", "A(e2,e1)"), "A(e2,e1)"),
        (("A(e1, e2)", "Other"), "Other"),
        (("(e1,e2)", "Other"), "Other"),
    ],
)
def test_the_semeval_score_needs_directed_names_and_a_negative_of_another_form(names, negative):
    relations = RelationSet(names, negative)
    assert value("semeval2010", np.eye(len(names), dtype=int), relations) is None


def test_a_split_with_the_negative_relation_alone_has_no_positive_macro_score():
    counts = np.array([[4, 1], [0, 0]])
    relations = RelationSet(("NA", "cause"), negative="NA")
    assert value("macro_f1_positive", counts, relations) is None
    assert value("micro_f1_positive", counts, relations) == 0.0
    assert value("macro_f1", counts, relations) == pytest.approx(8 / 9)


def test_a_split_with_one_relation_and_no_negative_scores_its_f1():
    relations = RelationSet(("only",))
    assert value("macro_f1", np.array([[3]]), relations) == 1.0
    assert value("accuracy", np.array([[3]]), relations) == 1.0


def test_no_examples_have_no_score():
    empty = np.zeros((4, 4), dtype=int)
    assert value("macro_f1", empty, FOUR) is None
    assert value("accuracy", empty, FOUR) is None
    assert not with_support(empty).any()


def test_a_stack_without_the_counted_relations_is_refused():
    with pytest.raises(ValueError, match="counted"):
        score("macro_f1", np.ones((2, 4, 4), dtype=int), FOUR)


def test_an_unknown_score_and_a_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="no score is called 'f1'"):
        score("f1", np.eye(4, dtype=int), FOUR)
    with pytest.raises(ValueError, match="shape"):
        score("macro_f1", np.eye(3, dtype=int), FOUR)


def test_undefined_precision_and_recall_are_none_and_f1_is_zero():
    counts = np.array([[0, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    missed, found, absent, _ = per_relation(counts, FOUR)
    assert (missed.precision, missed.recall, missed.f1, missed.support) == (None, 0.0, 0.0, 2)
    assert (found.precision, found.recall, found.predicted) == (1 / 3, 1.0, 3)
    assert (absent.precision, absent.recall, absent.f1) == (None, None, 0.0)
