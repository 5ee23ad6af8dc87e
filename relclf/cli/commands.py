"""The table of commands: registers each on the application, in the order that `relclf --help` shows."""

from collections.abc import Callable

import typer

from relclf.cli.reporting import reports_errors


def register(app: typer.Typer) -> None:
    """Add every command to the application, each wrapped so that errors become messages and exit codes."""
    for name, command in _COMMANDS.items():
        app.command(name)(reports_errors(command))


_COMMANDS: dict[str, Callable[..., None]] = {}
