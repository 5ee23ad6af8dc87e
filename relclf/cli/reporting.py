"""How a command speaks: answers on standard output, messages on standard error, errors as exit codes."""

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from relclf.errors import RelclfError

P = ParamSpec("P")


def reports_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Wrap a command: a RelclfError becomes a red message and its exit code, a closed pipe exit 0.

    Anything else is a defect of relclf: one line that says so, and exit code 1; the traceback is shown
    where the environment variable RELCLF_TRACEBACK is set.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except (typer.Exit, typer.Abort):
            raise
        except BrokenPipeError:
            _silence_stdout()
        except RelclfError as error:
            print_error(str(error))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            print_error("interrupted before anything was saved")
            raise typer.Exit(130) from None
        except Exception as error:
            if os.environ.get("RELCLF_TRACEBACK"):
                raise
            print_error(
                f"relclf failed: {type(error).__name__}: {error}\n"
                "This is a defect of relclf, not of your input. Set RELCLF_TRACEBACK=1 to see where, "
                "and report it."
            )
            raise typer.Exit(1) from None

    return wrapped


def print_error(message: str) -> None:
    """A red message on standard error."""
    from rich.text import Text

    from relclf.cli.console import messages

    whole = message.encode(errors="backslashreplace").decode()  # a path may hold bytes that are no UTF-8
    messages().print(Text.assemble(("error: ", "bold red"), (whole, "red")))


def _silence_stdout() -> None:
    """Point standard output at nothing, so that the interpreter's last flush does not complain."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError, AttributeError):
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
