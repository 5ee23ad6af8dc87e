"""`relclf inspect`: says what data hold, and what is wrong with them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relclf.cli import completion
from relclf.cli.fail_on import FailOnOption, check_fail_on, exit_where_found
from relclf.cli.options import CharsetOption, FormatOption, SetOption

if TYPE_CHECKING:
    from relclf.diagnosis.inspecting import Inspection


def inspect(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG|FILE",
            help="A config (.yaml), or a file of sentences.",
            autocompletion=completion.configs,
        ),
    ],
    overrides: SetOption = None,
    format: FormatOption = "auto",
    charset: CharsetOption = "utf-8",
    tokenizer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a FILE: how to split texts, see docs/formats.md.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Of a FILE: pass over malformed records, and count them.")
    ] = False,
    suspects: Annotated[
        int, typer.Option(min=0, metavar="K", help="List this many sentences whose relation looks wrong.")
    ] = 10,
    fail_on: FailOnOption = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Look for faults in the data of a config, or in one file.

    Counts, spans, duplicates, leaks, linear baselines, relations that look wrong. Needs no PyTorch.
    """
    from relclf.cli.console import messages
    from relclf.errors import UserMistake

    check_fail_on(fail_on)
    is_config = data.suffix in (".yaml", ".yml")
    if is_config and (format != "auto" or charset != "utf-8" or tokenizer or skip_bad):
        raise UserMistake(
            "--format, --charset, --tokenizer and --skip-bad are for a FILE; a config says it itself: "
            "--set data.format=..."
        )
    if not is_config and overrides:
        raise UserMistake("--set is for a CONFIG, whose name ends in .yaml or .yml.")
    from relclf.diagnosis.inspecting import inspect_config, inspect_file

    console = messages()
    with console.status("looking at the data"):
        if is_config:
            from relclf.config.loading import load_config

            inspection = inspect_config(load_config(data, overrides or ()))
        else:
            from dataclasses import replace

            from relclf.data.options import checked_tokenizer, reading_named

            reading = reading_named(format, charset)
            inspection = inspect_file(
                data, replace(reading, tokenizer=checked_tokenizer(tokenizer), skip_bad=skip_bad)
            )
    if json_:
        import json

        print(json.dumps(inspection.to_json(suspects), ensure_ascii=False))
    else:
        _print(inspection, suspects)
    exit_where_found(fail_on, inspection.findings)


def _print(inspection: "Inspection", suspects: int) -> None:
    """The tables, then notes on what was skipped."""
    from relclf.cli.console import answers, messages
    from relclf.cli.inspection_tables import blocks

    out, console = answers(), messages()
    for number, lines in enumerate(blocks(inspection, suspects, out.width)):
        for text in ["", *lines] if number else lines:
            out.print(text, no_wrap=True, overflow="ignore", crop=False)
    for note in inspection.skipped:
        console.print(f"note   {note}", style="yellow")
