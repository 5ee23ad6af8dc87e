"""The table of commands: registers each on the application, in the order that `relclf --help` shows."""

from collections.abc import Callable

import typer

from relclf.cli import config
from relclf.cli.compare import compare
from relclf.cli.convert import convert
from relclf.cli.diagnose import diagnose
from relclf.cli.evaluate import evaluate
from relclf.cli.init import init
from relclf.cli.inspect import inspect
from relclf.cli.plot import plot
from relclf.cli.predict import predict
from relclf.cli.report import report
from relclf.cli.reporting import reports_errors
from relclf.cli.runs import runs
from relclf.cli.score import score
from relclf.cli.stop import stop
from relclf.cli.sweep import sweep
from relclf.cli.train import train


def register(app: typer.Typer) -> None:
    """Add every command to the application, each wrapped so that errors become messages and exit codes."""
    for name, command in _COMMANDS.items():
        app.command(name)(reports_errors(command))
    for name, (meaning, commands) in _GROUPS.items():
        group = typer.Typer(help=meaning, no_args_is_help=True)
        for inner, command in commands.items():
            group.command(inner)(reports_errors(command))
        app.add_typer(group, name=name)


_COMMANDS: dict[str, Callable[..., None]] = {
    "init": init,
    "inspect": inspect,
    "convert": convert,
    "train": train,
    "sweep": sweep,
    "evaluate": evaluate,
    "predict": predict,
    "runs": runs,
    "stop": stop,
    "score": score,
    "compare": compare,
    "diagnose": diagnose,
    "report": report,
    "plot": plot,
}

_GROUPS: dict[str, tuple[str, dict[str, Callable[..., None]]]] = {
    "config": ("Check and explain configs.", {"show": config.show, "schema": config.schema}),
}
