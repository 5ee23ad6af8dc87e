"""`relclf init`: writes a config to start from, for a data file."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="The training sentences (gzip too).")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="CONFIG", help="The file to write. Default: standard output."),
    ] = None,
    format: Annotated[
        str, typer.Option(metavar="FORMAT", help="semeval2010, jsonl, or auto: the first line shows it.")
    ] = "auto",
) -> None:
    """Write a commented config for a data file.

    It holds what the file shows: its format, its relations, how long its sentences are.
    """
    from relclf.cli.console import messages
    from relclf.data.starting_config import starting_config, write_starting_config

    if output is None:
        typer.echo(starting_config(data, Path(), format), nl=False)
        next_step = "next: save it here as config.yaml, then relclf train --config config.yaml"
    else:
        write_starting_config(data, output, format)
        next_step = f"next: relclf train --config {output}"
    messages().print(next_step)
