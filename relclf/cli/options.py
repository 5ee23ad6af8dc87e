"""Options that several commands have in common."""

from typing import Annotated

import typer

FormatOption = Annotated[
    str,
    typer.Option(
        metavar="FORMAT",
        help="The file's format: a name, or {name: ..., OPTION: ...}; auto: the first line shows it.",
    ),
]
CharsetOption = Annotated[
    str, typer.Option(metavar="NAME", help="The file's encoding of characters, such as latin-1.")
]
