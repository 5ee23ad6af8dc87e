"""`relclf predict`: labels the sentences of a file."""

from pathlib import Path
from typing import Annotated

import typer

from relclf.cli.options import CharsetOption


def predict(
    run: Annotated[Path, typer.Argument(help="The run directory.")],
    input_: Annotated[
        str, typer.Argument(metavar="INPUT", help="A file of sentences, or - for standard input.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write (.csv, .gz by name). [default: standard output]"),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="jsonl|csv", help="Output format. [default: by name, else jsonl]"),
    ] = None,
    input_format: Annotated[
        str, typer.Option(help="Input format, a name or {name: ..., OPTION: ...}, see docs/formats.md.")
    ] = "auto",
    charset: CharsetOption = "utf-8",
    top: Annotated[int, typer.Option(min=1, help="Also give this many most probable relations.")] = 1,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Also give every relation's probability.")
    ] = False,
    skip_bad: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Pass over malformed records, and list them here.")
    ] = None,
    weights: Annotated[str, typer.Option(metavar="best|last", help="Which epoch's weights.")] = "best",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads. [default: the cores less the readers]")
    ] = None,
    readers: Annotated[
        int | None,
        typer.Option(
            min=0, help="Processes that read long JSON lines beside. [default: half of the cores, at most 4]"
        ),
    ] = None,
) -> None:
    """Label the sentences of a file, of any size.

    One line each with id, relation and probability, in the order of the file.
    """
    from relclf.errors import UserMistake

    chosen = format_ or (
        "csv" if output is not None and output.name.removesuffix(".gz").endswith(".csv") else "jsonl"
    )
    if chosen not in ("jsonl", "csv"):
        raise UserMistake(f"--format: must be jsonl or csv (got {chosen!r}).")
    from relclf.cli.console import messages
    from relclf.data.options import reading_named

    reading = reading_named(input_format, charset, "--input-format")
    from relclf.prediction.predictor import load
    from relclf.prediction.streaming import predict_file

    threads, readers = _shared_out(threads, readers)
    predictor = load(run, weights, device, threads)
    console = messages()
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.completed:,.0f} sentences"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("predict", total=None)
        counts = predict_file(
            predictor,
            input_ if input_ == "-" else Path(input_),
            output,
            input_format=reading,
            output_format="csv" if chosen == "csv" else "jsonl",
            top=len(predictor.relations) if probabilities else top,
            skip_bad=skip_bad,
            readers=readers,
            on_progress=lambda done: progress.update(task, completed=done),
        )
    if output is not None:
        console.print(f"{counts.sentences:,} sentences labelled: {output}")
    if counts.skipped:
        console.print(
            f"{counts.skipped:,} malformed records passed over, listed in {skip_bad}", style="yellow"
        )


def _shared_out(threads: int | None, readers: int | None) -> tuple[int, int]:
    """Threads that score and processes that read; where only the threads are given, nothing else is started."""
    import torch

    cores = torch.get_num_threads()  # PyTorch's choice heeds OMP_NUM_THREADS and the cores that are allowed
    if readers is None:
        readers = min(_MOST_READERS, cores // 2) if threads is None else 0
    return threads or max(1, cores - readers), readers


_MOST_READERS = 4
"""By default, on however many cores: one process scores and writes all that they read."""
