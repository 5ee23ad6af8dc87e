"""The official SemEval-2010 Task 8 report comes out as the original printed it, and its score agrees."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relclf.errors import DataError, UserMistake
from relclf.scoring.answers import read_answers
from relclf.scoring.report import score_report
from relclf.scoring.semeval2010 import (
    DIRECTED_RELATIONS,
    official_counts,
    official_report,
    official_score,
)

EXAMPLES = ("1", "2", "3", "5")
SYSTEMS = (
    "onehaitao_attblstm",
    "onehaitao_cnn_v3",
    "onehaitao_crcnn_v2",
    "qhlin_attcnn",
    "rbert_first_commit_degenerate",
    "roomylee_cnn_zero_based_ids",
)

# Made by hand from the layout, so that a checkout without the shared corpora tests every branch too:
# a skipped answer, a wrong direction, a relation that the key lacks.
KEY = {
    "1": "Cause-Effect(e1,e2)",
    "2": "Cause-Effect(e2,e1)",
    "3": "Message-Topic(e1,e2)",
    "4": "Other",
    "5": "Other",
}
PROPOSED = {
    "1": "Cause-Effect(e1,e2)",
    "2": "Cause-Effect(e1,e2)",
    "3": "Entity-Origin(e2,e1)",
    "4": "Other",
}
OFFICIAL_EVALUATION = """\
<<< (9+1)-WAY EVALUATION TAKING DIRECTIONALITY INTO ACCOUNT -- OFFICIAL >>>:

Confusion matrix:
         C-E  M-T  _O_  *EO <-- classified as
      +--------------------+ -SUM- xDIRx skip  ACTUAL
  C-E |   1    0    0    0 |    1     1     0      2
  M-T |   0    0    0    1 |    1     0     0      1
  _O_ |   0    0    1    0 |    1     0     1      2
      +--------------------+
 -SUM-    1    0    1    1      3     1     1      5

Coverage = 4/5 = 80.00%
Accuracy (calculated for the above confusion matrix) = 2/4 = 50.00%
Accuracy (considering all skipped examples as Wrong) = 2/5 = 40.00%
Accuracy (considering all skipped examples as Other) = 3/5 = 60.00%

Results for the individual relations:
             Cause-Effect :    P =    1/(   1 +   1) =  50.00%     R =    1/   2 =  50.00%     F1 =  50.00%
            Message-Topic :    P =    0/(   0 +   0) =   0.00%     R =    0/   1 =   0.00%     F1 =   0.00%
                   _Other :    P =    1/(   1 +   0) = 100.00%     R =    1/   2 =  50.00%     F1 =  66.67%

Micro-averaged result (excluding Other):
P =    1/   2 =  50.00%     R =    1/   3 =  33.33%     F1 =  40.00%

MACRO-averaged result (excluding Other):
P =  25.00%\tR =  25.00%\tF1 =  25.00%



<<< The official score is (9+1)-way evaluation with directionality taken into account: \
macro-averaged F1 = 25.00% >>>
"""


def test_the_official_evaluation_counts_wrong_directions_skips_and_relations_not_in_the_key():
    report = official_report(KEY, PROPOSED)
    assert report.endswith(OFFICIAL_EVALUATION)
    assert report.startswith(
        "!!!WARNING!!! The proposed file contains 1 label(s) of type 'Entity-Origin(e2,e1)', "
        "which is NOT present in the key file.\n\n<<< (2*9+1)-WAY EVALUATION (USING DIRECTIONALITY)>>>:\n"
    )
    assert "        C-E1 C-E2 M-T1  _O_ *EO2 <-- classified as\n" in report
    assert official_score(KEY, PROPOSED) == 0.25


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_report_of_a_shipped_example_is_equal_to_the_original(shared_data, example):
    folder = shared_data / "semeval2010" / "scorer"
    check(
        folder / f"answer_key{example}.txt",
        folder / f"proposed_answer{example}.txt",
        folder / f"result_scores{example}.txt",
    )


@pytest.mark.parametrize("swapped", [False, True], ids=["official", "swapped"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_report_of_a_published_system_is_equal_to_the_original(shared_data, system, swapped):
    corpus = shared_data / "semeval2010"
    systems = corpus / "scorer" / "systems"
    zero_based = "zero_based" in system
    key = systems / "roomylee_zero_based_ids.key.txt" if zero_based else corpus / "key_directed.txt"
    proposed = systems / f"{system}.pred.txt"
    if swapped:
        check(proposed, key, systems / f"{system}.swapped_args_score.txt")
    else:
        check(key, proposed, systems / f"{system}.official_score.txt")


def check(key_path, proposed_path, printed_path):
    key, proposed = read_answers(key_path).relations, read_answers(proposed_path).relations
    printed = printed_path.read_bytes().decode().replace("\r\n", "\n")
    assert official_report(key, proposed) == printed
    assert f"{100 * official_score(key, proposed):.2f}%" == final_line(printed)


def final_line(report):
    return re.search(r"macro-averaged F1 = ([\d.]+%) >>>\n\Z", report)[1]


relation = st.sampled_from([*DIRECTED_RELATIONS[:6], "Other"])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(relation, st.none() | relation), min_size=1, max_size=40))
def test_the_score_of_the_metrics_is_the_last_line_of_the_report(pairs):
    key = {str(i): gold for i, (gold, _) in enumerate(pairs)} | {"last": "Cause-Effect(e1,e2)"}
    proposed = {str(i): predicted for i, (_, predicted) in enumerate(pairs) if predicted is not None}
    counts, relations = official_counts(key, proposed)
    assert counts.sum() == len(key)
    report = official_report(key, proposed)
    assert final_line(report) == f"{100 * official_score(key, proposed):.2f}%"
    scores = score_report(counts, relations, samples=2).scores
    assert scores["semeval2010"].value == official_score(key, proposed)


def test_another_name_of_the_negative_relation_changes_nothing_in_the_report():
    def renamed(answers):
        return {i: "none of them" if name == "Other" else name for i, name in answers.items()}

    assert official_report(renamed(KEY), renamed(PROPOSED), "none of them") == official_report(KEY, PROPOSED)


def test_no_proposed_answer_at_all_scores_zero():
    assert official_score(KEY, {}) == 0.0
    assert "Coverage = 0/5 =  0.00%" in official_report(KEY, {})


@pytest.mark.parametrize("scored", [official_report, official_score])
@pytest.mark.parametrize(
    ("key", "proposed", "message"),
    [
        (KEY, {"9": "Other"}, "id 9 is not in the key"),
        (KEY, {"1": "Cause-Effect"}, "'Cause-Effect' is not a relation of SemEval-2010"),
        ({"1": "cause(e1,e2)"}, {}, "the key: 'cause\\(e1,e2\\)' is not a relation"),
        ({"1": "Other"}, {"1": "Other"}, "nothing to average"),
        ({}, {}, "nothing to average"),
    ],
)
def test_answers_that_cannot_be_scored_are_refused(scored, key, proposed, message):
    with pytest.raises(DataError, match=message):
        scored(key, proposed)


def test_a_scored_relation_cannot_be_the_negative_one():
    with pytest.raises(UserMistake, match="one of the relations scored"):
        official_report(KEY, PROPOSED, negative="Cause-Effect(e1,e2)")
