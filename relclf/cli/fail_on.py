"""`--fail-on`: a command ends with a code of its own where its findings are grave."""

from typing import TYPE_CHECKING, Annotated

import typer

from relclf.errors import UserMistake

if TYPE_CHECKING:
    from collections.abc import Iterable

    from relclf.diagnosis.findings import Finding

SEVERITIES = ("watch", "problem")
EXIT_FOUND = 3

FailOnOption = Annotated[
    str | None, typer.Option(metavar="watch|problem", help="Exit 3 where a finding is as grave.")
]


def check_fail_on(severity: str | None) -> None:
    """Raise UserMistake where the option has another value."""
    if severity is not None and severity not in SEVERITIES:
        raise UserMistake(f"--fail-on: must be {' or '.join(SEVERITIES)} (got {severity!r}).")


def exit_where_found(severity: str | None, findings: "Iterable[Finding]") -> None:
    """Raise typer.Exit where a finding is of this severity or a graver one; nothing where none was asked for."""
    if severity is None:
        return
    from relclf.diagnosis.findings import gravest

    if gravest([*findings]) in SEVERITIES[SEVERITIES.index(severity) :]:
        raise typer.Exit(EXIT_FOUND)
