"""Prints findings: what would explain most first, in colours where the terminal has them."""

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from relclf.diagnosis.findings import Finding
from relclf.diagnosis.report import finding_lines

_STYLES = {"problem": "bold red", "watch": "bold yellow", "skipped": "yellow"}
_WIDEST = 100


def print_findings(console: Console, findings: Sequence[Finding], skipped: Sequence[str]) -> None:
    """The findings, in order already, then what was skipped; those that are ok are counted in the last line."""
    for line in finding_lines(findings, skipped, width_of(console)):
        style = _STYLES.get(line.split(" ", 1)[0], "")
        console.print(Text(line, style), no_wrap=True, overflow="ignore", crop=False)


def print_wrapped(console: Console, text: str, style: str = "") -> None:
    """One message, folded to the width of findings."""
    for line in textwrap.wrap(text, width_of(console), subsequent_indent="  ", break_on_hyphens=False) or [
        ""
    ]:
        console.print(Text(line, style), no_wrap=True, overflow="ignore", crop=False)


def width_of(console: Console) -> int:
    """Columns of a terminal, up to a width that reads well; 80 where it is none."""
    return min(console.width, _WIDEST) if console.is_terminal else 80
