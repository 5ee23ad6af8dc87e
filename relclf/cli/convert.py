"""`relclf convert`: writes sentences in another format."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from relclf.cli.options import CharsetOption


def convert(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="IN... OUT", help="Files of sentences, and the file to write (.gz too)."),
    ],
    from_: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help="A name, or {name: ..., OPTION: ...}; auto: the first line shows it.",
        ),
    ] = "auto",
    to: Annotated[
        str | None, typer.Option(metavar="NAME", help="The format to write. [default: jsonl for .jsonl]")
    ] = None,
    charset: CharsetOption = "utf-8",
    tokenizer: Annotated[
        str | None, typer.Option(metavar="NAME", help="How to split texts, see docs/formats.md.")
    ] = None,
    renumber: Annotated[bool, typer.Option("--renumber", help="Make the ids numbers from 1.")] = False,
    skip_bad: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Pass over records that cannot be read or held, and list them here."
        ),
    ] = None,
) -> None:
    """Write sentences in another format.

    Each sentence is read back before it counts: its tokens, mentions, relation and id stay what they are.
    """
    from dataclasses import replace

    from relclf.cli.console import messages
    from relclf.data.conversion import check_writable, convert_to_brat
    from relclf.data.conversion import convert as convert_files
    from relclf.data.options import checked_tokenizer, reading_named
    from relclf.errors import UserMistake
    from relclf.prediction.outputs import check_output, opened_output

    *inputs, output = paths
    if not inputs:
        raise UserMistake("convert needs one file or more, and last the file to write.")
    if to is None:
        if not output.name.removesuffix(".gz").endswith(".jsonl"):
            raise UserMistake(f"--to: name the format to write, since {output.name} does not end in .jsonl.")
        to = "jsonl"
    reading = replace(reading_named(from_, charset, "--from"), tokenizer=checked_tokenizer(tokenizer))
    if to != "brat":
        check_writable(to)
        for path in inputs:
            check_output(output, path)
    with ExitStack() as stack:
        bad = None
        if skip_bad is not None:
            for path in paths:
                check_output(skip_bad, path)
            bad = stack.enter_context(opened_output(skip_bad))
        if to == "brat":
            result = convert_to_brat(inputs, reading, output, bad)
        else:
            out = stack.enter_context(opened_output(output))
            result = convert_files(inputs, reading, to, out, renumber=renumber, bad=bad)
    console = messages()
    console.print(f"{result.sentences:,} sentences written: {output}")
    for note in result.notes:
        console.print(f"note   {note}", style="yellow")
    if result.skipped:
        console.print(f"{result.skipped:,} records passed over, listed in {skip_bad}", style="yellow")
