"""The consoles that tables and messages are printed on."""

import sys

from rich.console import Console


class _Console(Console):
    """A console that leaves it to the command what a closed pipe means; rich itself would exit with code 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def answers() -> Console:
    """The console of the answer (standard output); nothing is wrapped where it is no terminal."""
    return _Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def messages() -> Console:
    """The console of messages, progress and errors (standard error)."""
    return _Console(stderr=True, highlight=False, soft_wrap=True)
