"""The consoles that tables and messages are printed on."""

import sys

from rich.console import Console


class _Console(Console):
    """A console that prints text as it is, and leaves it to the command what a closed pipe means.

    rich itself would read [words] as markup and :words: as emoji, which names and paths may hold, and would
    exit with code 1 where nobody reads.
    """

    def __init__(self, *, stderr: bool = False, soft_wrap: bool) -> None:
        super().__init__(stderr=stderr, soft_wrap=soft_wrap, highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def answers() -> Console:
    """The console of the answer (standard output); nothing is wrapped where it is no terminal."""
    return _Console(soft_wrap=not sys.stdout.isatty())


def messages() -> Console:
    """The console of messages, progress and errors (standard error)."""
    return _Console(stderr=True, soft_wrap=True)
