"""Findings as text for a terminal, and as a table for a notebook."""

import html
import textwrap
from collections.abc import Iterable

from relclf.diagnosis.findings import SEVERITIES, Finding, Severity

_WIDTH = 78


class Report(list[Finding]):
    """Findings in order; printed they are text, and in a notebook a table."""

    def __init__(self, findings: Iterable[Finding] = (), skipped: Iterable[str] = ()) -> None:
        super().__init__(findings)
        self.skipped = tuple(skipped)
        """What could not be looked at, and why."""

    def __str__(self) -> str:
        return "\n".join(finding_lines(self, self.skipped))

    def _repr_html_(self) -> str:
        return _html(self)


def finding_lines(findings: Iterable[Finding], skipped: Iterable[str] = (), width: int = _WIDTH) -> list[str]:
    """The findings as lines of text; those that are ok are counted only, what was skipped is named."""
    findings = list(findings)
    lines: list[str] = []
    for finding in findings:
        if finding.severity != "ok":
            lines += [*_lines_of(finding, width), ""]
    well = sum(finding.severity == "ok" for finding in findings)
    counts = [f"{sum(f.severity == s for f in findings)} {s}" for s in reversed(SEVERITIES[1:])]
    looked = f"{well} check{'s' * (well != 1)} in order"
    lines += [part for each in skipped for part in _fold(f"skipped {each}", width)]
    return [*lines, ", ".join([*counts, looked])]


def _lines_of(finding: Finding, width: int) -> list[str]:
    lines = [f"{finding.severity}  {finding.check}"]
    for label, text in _rows(finding):
        lines += textwrap.wrap(
            text, width, initial_indent=f"  {label:<9} ", subsequent_indent=" " * 12, break_on_hyphens=False
        )
    lines += [f"  explains  {each.check} ({each.severity}): {each.measured}" for each in finding.symptoms]
    return [part for line in lines for part in _fold(line, width)]


def _fold(line: str, width: int) -> list[str]:
    return textwrap.wrap(line, width, subsequent_indent=" " * 12, break_on_hyphens=False) or [line]


def _rows(finding: Finding) -> list[tuple[str, str]]:
    return [
        ("measured", finding.measured),
        ("expected", finding.expected),
        ("why", finding.why),
        ("next", finding.next_step),
    ]


def _html(findings: Iterable[Finding]) -> str:
    """A table with a row a finding; every text is escaped."""
    rows = "".join(_html_row(finding, "") for finding in findings)
    heads = "".join(f"<th>{each}</th>" for each in ("", "check", "measured", "expected", "why", "next"))
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


_MARKS: dict[Severity, str] = {"ok": "✓", "watch": "○", "problem": "●"}


def _html_row(finding: Finding, indent: str) -> str:
    cells = [f"{_MARKS[finding.severity]} {finding.severity}", indent + finding.check]
    cells += [text for _, text in _rows(finding)]
    row = "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in cells)
    return f"<tr>{row}</tr>" + "".join(_html_row(each, "↳ ") for each in finding.symptoms)
