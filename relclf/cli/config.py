"""The commands `relclf config show` and `relclf config schema`: what a config means, and what it may say."""

from pathlib import Path
from typing import Annotated

import typer

from relclf.cli import completion
from relclf.cli.options import SetOption

ConfigArgument = Annotated[
    Path,
    typer.Argument(metavar="CONFIG", help="The config file (YAML).", autocompletion=completion.configs),
]


def show(config: ConfigArgument, overrides: SetOption = None) -> None:
    """Print the resolved config as YAML: checked, defaults filled in, paths relative to its folder."""
    from relclf.config.loading import dump_config, load_config

    typer.echo(dump_config(load_config(config, overrides or ()), config.parent), nl=False)


def schema() -> None:
    """Print the JSON schema of a config, with which editors complete and check the YAML."""
    import json

    from relclf.config.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
