"""Findings come gravest first, causes before what they explain."""

import pytest

from relclf.diagnosis.catalogue import CHECKS, EXPLAINS
from relclf.diagnosis.findings import Finding, Severity, gravest, in_order


def found(check: str, severity: Severity = "problem", measured: str = "1") -> Finding:
    return Finding(severity, check, measured, "2", "because", "relclf --help")


def names(findings: "list[Finding] | tuple[Finding, ...]") -> list[str]:
    return [finding.check for finding in findings]


def test_a_cause_comes_first_and_its_symptoms_stand_under_it():
    findings = in_order([found("dead-filters"), found("majority-collapse"), found("gradients-not-cleared")])
    assert names(findings) == ["gradients-not-cleared"]
    assert names(findings[0].symptoms) == ["dead-filters", "majority-collapse"]


def test_a_symptom_graver_than_its_possible_cause_stands_alone():
    findings = in_order([found("gradients-not-cleared", "watch"), found("dead-filters")])
    assert names(findings) == ["dead-filters", "gradients-not-cleared"]
    assert findings[0].symptoms == findings[1].symptoms == ()


def test_what_is_in_order_stands_at_the_end_and_is_nobodys_symptom():
    findings = in_order(
        [found("dead-filters", "ok"), found("gradients-not-cleared"), found("overfitting", "watch")]
    )
    assert names(findings) == ["gradients-not-cleared", "dead-filters"]
    assert names(findings[0].symptoms) == ["overfitting"]


def test_of_two_findings_of_one_check_the_graver_is_kept():
    findings = in_order(
        [found("overfitting", "watch", "a"), found("overfitting", "problem", "b"), found("overfitting", "ok")]
    )
    assert [(f.severity, f.measured) for f in findings] == [("problem", "b")]


def test_the_order_does_not_depend_on_that_of_the_checks_having_run():
    findings = [found(check, severity) for check in CHECKS for severity in ("watch",)]
    assert in_order(findings) == in_order(reversed(findings))


def test_no_finding_is_lost_in_the_order():
    top = in_order(found(check, "watch") for check in CHECKS)
    assert sorted([*names(top), *(s.check for f in top for s in f.symptoms)]) == sorted(CHECKS)


@pytest.mark.parametrize("check", CHECKS)
def test_of_two_findings_that_could_explain_each_other_one_stands_on_top(check):
    for other in set(CHECKS) - {check}:
        pair = in_order([found(check), found(other)])
        assert sorted([*names(pair), *(s.check for f in pair for s in f.symptoms)]) == sorted([check, other])


def test_the_gravest_counts():
    assert gravest([]) == "ok"
    assert gravest([found("overfitting", "watch"), found("dead-filters", "ok")]) == "watch"


def test_a_finding_has_a_known_name():
    with pytest.raises(ValueError, match="no check is called 'made-up'"):
        found("made-up")


def test_what_is_explained_is_a_check_and_no_check_explains_itself():
    for check, explained in EXPLAINS.items():
        assert check in CHECKS
        assert set(explained) <= set(CHECKS) - {check}
