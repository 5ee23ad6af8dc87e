"""Options that several commands have in common."""

from typing import Annotated

import typer

from relclf.cli import completion

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the config; repeatable, a later one wins.",
        autocompletion=completion.settings,
    ),
]
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
