"""What a check has found: measured, expected, why it matters, and the next move; causes before symptoms."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from relclf.diagnosis.catalogue import CHECKS, EXPLAINS

Severity = Literal["ok", "watch", "problem"]
SEVERITIES: tuple[Severity, ...] = ("ok", "watch", "problem")
"""From harmless to grave."""


@dataclass(frozen=True)
class Finding:
    """The answer of one check, with its evidence. All texts are one line each, without a final full stop."""

    severity: Severity
    check: str
    """One of `CHECKS`, kebab-case; it stays the same across versions."""
    measured: str
    """The evidence, in numbers: "1 update for 56 batches"."""
    expected: str
    """What a healthy training shows, with the source: "one update a batch (Goodfellow et al. 2016, 8.1.3)"."""
    why: str
    """What it does to learning."""
    next_step: str
    """A command or a line of code that mends it, or that would tell more."""
    symptoms: tuple["Finding", ...] = ()
    """Findings that this one explains."""

    def __post_init__(self) -> None:
        if self.check not in CHECKS:
            raise ValueError(f"no check is called {self.check!r}")

    def to_json(self) -> dict[str, Any]:
        """The finding as a JSON object, its symptoms as a list of the same."""
        return dataclasses.asdict(self)


def well(check: str, measured: str, expected: str) -> Finding:
    """The finding of a check that has looked and found nothing wrong."""
    return Finding("ok", check, measured, expected, "nothing is wrong here", "nothing to do")


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, gravest first and causes before what they explain, which is listed under them.

    One finding a check is kept, the gravest. A finding goes under another if the catalogue says that the other's
    check can cause it, directly or through others that were found too, and the other is at least as grave. Findings
    that are ok stand at the end, under nothing.
    """
    kept: dict[str, Finding] = {}
    for finding in findings:
        known = kept.get(finding.check)
        if known is None or _rank(finding) > _rank(known):
            kept[finding.check] = finding
    found = {finding.check for finding in kept.values() if finding.severity != "ok"}
    top = [finding for finding in kept.values() if _cause(finding, kept.values(), found) is None]
    with_symptoms = [
        replace(
            finding,
            symptoms=tuple(_sorted(other for other in kept.values() if _cause(other, top, found) == finding)),
        )
        for finding in top
    ]
    return _sorted(with_symptoms)


def gravest(findings: Sequence[Finding]) -> Severity:
    """The gravest severity among findings in order; ok where there are none."""
    return max((finding.severity for finding in findings), key=SEVERITIES.index, default="ok")


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    names = list(CHECKS)
    return sorted(findings, key=lambda finding: (-_rank(finding), names.index(finding.check)))


def _cause(finding: Finding, others: Iterable[Finding], found: set[str]) -> Finding | None:
    """The first of the others, in the catalogue's order, that explains this one; `found`: checks that are not ok."""
    if finding.severity == "ok":
        return None
    causes = [
        other
        for other in others
        if _rank(other) >= _rank(finding) and _explains(other.check, finding.check, found)
    ]
    return _sorted(causes)[0] if causes else None


def _explains(cause: str, effect: str, found: set[str]) -> bool:
    """Whether one check can cause the other; of two that can cause each other, the earlier in the catalogue does."""
    names = list(CHECKS)
    mutual = cause in _explained_by(effect, found)
    return effect in _explained_by(cause, found) and (not mutual or names.index(cause) < names.index(effect))


def _explained_by(check: str, found: set[str]) -> set[str]:
    """The checks that this one can cause, directly or through those that were found; never itself."""
    explained: set[str] = set()
    waiting = list(EXPLAINS.get(check, ()))
    while waiting:
        name = waiting.pop()
        if name not in explained and name != check:
            explained.add(name)
            waiting += EXPLAINS.get(name, ()) if name in found else ()
    return explained


def _rank(finding: Finding) -> int:
    return SEVERITIES.index(finding.severity)
