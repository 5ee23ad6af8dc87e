"""The command line: one Typer application, one file a command, each importing its work when it runs."""

import atexit
import gc
import io
import sys
from typing import Annotated

import typer

from relclf.cli import commands
from relclf.version import __version__

app = typer.Typer(
    name="relclf",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"relclf {__version__}")
        raise typer.Exit


@app.callback()
def relclf(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Relation classification experiments: train small networks fast, and trust the numbers."""


commands.register(app)


def main() -> None:
    """Entry point of the `relclf` script."""
    _collect_less_garbage()
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if stream.isatty():
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 shows "?", and nothing fails
        else:
            stream.reconfigure(encoding="utf-8")  # files and pipes lose no letter, whatever the locale
    app(prog_name="relclf")


def _collect_less_garbage() -> None:
    """Let Python look for reference cycles every 100,000 new objects instead of 700, and at the end not at all.

    What torch imports stays until the process ends: to look through it over and over, and once more to take it
    apart at the end, costs a third of the import itself.
    """
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
