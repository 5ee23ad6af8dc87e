"""Prints findings: what would explain most first, in colours where the terminal has them."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from relclf.diagnosis.findings import Finding
from relclf.diagnosis.report import finding_lines

_STYLES = {"problem": "bold red", "watch": "bold yellow"}
_WIDEST = 100


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """The findings, in order already; those that are ok are counted in the last line."""
    width = min(console.width, _WIDEST) if console.is_terminal else 80
    for line in finding_lines(findings, width):
        style = _STYLES.get(line.split(" ", 1)[0], "")
        console.print(Text(line, style), no_wrap=True, overflow="ignore", crop=False)
