"""The command line: one Typer application, one file a command, each importing its work when it runs."""

import typer

from relclf.cli import commands

app = typer.Typer(
    name="relclf",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Relation classification experiments: train small networks fast and reproducibly, "
    "and trust the numbers.",
)
commands.register(app)


def main() -> None:
    """Entry point of the `relclf` script."""
    app()
