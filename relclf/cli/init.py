"""`relclf init`: writes a config to start from, for a data file."""

from pathlib import Path
from typing import Annotated

import typer

from relclf.cli.options import CharsetOption, FormatOption


def init(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="The training sentences.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="CONFIG", help="The file to write. Default: standard output."),
    ] = None,
    format: FormatOption = "auto",
    charset: CharsetOption = "utf-8",
) -> None:
    """Write a commented config for a data file.

    It holds what the file shows: its format, its relations, how long its sentences are.
    """
    from relclf.cli.console import messages
    from relclf.data.options import reading_named
    from relclf.data.starting_config import starting_config, write_starting_config

    reading = reading_named(format, charset)
    if output is None:
        typer.echo(starting_config(data, Path(), reading), nl=False)
        next_step = "next: save it here as config.yaml, then relclf train --config config.yaml"
    else:
        write_starting_config(data, output, reading)
        next_step = f"next: relclf train --config {output}"
    messages().print(next_step)
