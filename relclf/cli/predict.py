"""`relclf predict`: labels the sentences of a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relclf.cli import completion
from relclf.cli.options import CharsetOption

if TYPE_CHECKING:
    from rich.console import Console

    from relclf.data.options import Reading
    from relclf.prediction.shards import Labelling
    from relclf.prediction.streaming import OutputFormat


def predict(
    run: Annotated[Path, typer.Argument(help="The run directory.", autocompletion=completion.runs)],
    input_: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="A file of sentences, - for standard input, or shards: a folder or a pattern.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Where to write (.csv, .gz by name); a folder for shards. [default: standard output]",
        ),
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
    with_: Annotated[
        list[Path] | None,
        typer.Option(
            "--with",
            metavar="RUN",
            help="Average with the probabilities of this run; repeatable.",
            autocompletion=completion.runs,
        ),
    ] = None,
    weights: Annotated[str, typer.Option(metavar="best|last", help="Which epoch's weights.")] = "best",
    no_calibration: Annotated[
        bool,
        typer.Option("--no-calibration", help="Leave the probabilities of a calibrated run as they are."),
    ] = False,
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
    engine: Annotated[
        str, typer.Option(metavar="local|ray", help="Label shards here, or as tasks on a Ray cluster.")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="The Ray cluster. [default: the one Ray finds, or a new one]"),
    ] = None,
    gpus: Annotated[float, typer.Option(min=0, help="GPUs of a task, with ray; may be a fraction.")] = 0,
) -> None:
    """Label the sentences of a file, of any size.

    One line each with id, relation and probability, in the order of the file. Shards (a folder of files, or a quoted
    pattern) are labelled one by one, each whole or not at all; give the command again to go on.
    """
    from relclf.data.options import reading_named
    from relclf.errors import UserMistake
    from relclf.prediction.shards import Labelling, find_shards

    chosen = format_ or (
        "csv" if output is not None and output.name.removesuffix(".gz").endswith(".csv") else "jsonl"
    )
    if chosen not in ("jsonl", "csv"):
        raise UserMistake(f"--format: must be jsonl or csv (got {chosen!r}).")
    if engine not in ("local", "ray"):
        raise UserMistake(f"--engine: must be local or ray (got {engine!r}).")
    reading = reading_named(input_format, charset, "--input-format")
    shards = None if _is_one_folder(reading) else find_shards(input_)
    if shards is None and engine == "ray":
        raise UserMistake(
            "--engine ray labels shards: name a folder of files, or a quoted pattern such as 'in/*.jsonl'."
        )
    if shards is not None:
        if output is None or skip_bad is not None or with_:
            raise UserMistake("shards need --output FOLDER, and go neither with --skip-bad nor with --with.")
        output_format: OutputFormat = "csv" if chosen == "csv" else "jsonl"
        most = None if probabilities else top
        labelling = Labelling(
            run.absolute(), weights, device, reading, output_format, most, not no_calibration
        )
        _label_shards(shards, output, labelling, engine, address, gpus, threads)
        return
    from relclf.cli.console import messages
    from relclf.prediction.predictor import load
    from relclf.prediction.streaming import predict_file

    threads, readers = _shared_out(threads, readers)
    predictor = load(run, weights, device, threads, with_ or [], calibrated=not no_calibration)
    console = messages()
    _say_calibrated(console, predictor.temperature)
    if any((each / "calibration.json").exists() for each in (run, *(with_ or ())) if with_):
        console.print("note   the probabilities of an ensemble are not calibrated", style="yellow")
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
        by = f" by an ensemble of {1 + len(with_)} runs" if with_ else ""
        console.print(f"{counts.sentences:,} sentences labelled{by}: {output}")
    if counts.skipped:
        console.print(
            f"{counts.skipped:,} malformed records passed over, listed in {skip_bad}", style="yellow"
        )


def _say_calibrated(console: "Console", temperature: float | None) -> None:
    if temperature is not None:
        console.print(
            f"note   calibrated probabilities: scores divided by {temperature:.3f}, as fitted on dev "
            "(--no-calibration leaves them as they are)"
        )


def _is_one_folder(reading: "Reading") -> bool:
    """Whether the format's data is a folder of files that belong together, and not one of shards."""
    return bool(getattr(reading.format, "name", reading.format) == "brat")


def _label_shards(
    shards: list[Path],
    folder: Path,
    labelling: "Labelling",
    engine: str,
    address: str | None,
    gpus: float,
    threads: int | None,
) -> None:
    """Label the shards that are missing, saying a line each; exit code 1 where one has an error."""
    from relclf.cli.console import messages
    from relclf.cli.reporting import print_error
    from relclf.prediction.shards import label_shards, missing_shards, temperature

    if engine == "ray":
        from relclf.sweeps.ray_cluster import check_ray, label_on_cluster

        check_ray()
    missing = missing_shards(shards, folder, labelling)
    console = messages()
    _say_calibrated(console, temperature(labelling))
    if len(missing) < len(shards):
        console.print(f"{len(shards) - len(missing):,} of {len(shards):,} shards labelled before")
    if not missing:
        return
    if engine == "ray":
        ends = label_on_cluster(missing, folder, labelling, threads or 1, address, gpus)
    else:
        ends = label_shards(missing, folder, labelling, threads)
    failed = 0
    for number, end in enumerate(ends, 1):
        if end.error is not None:
            failed += 1
            print_error(f"{end.shard}: {end.error}" if str(end.shard) not in end.error else end.error)
        else:
            console.print(f"{number}/{len(missing)} {folder / end.shard.name}: {end.sentences:,} sentences")
    if failed:
        raise typer.Exit(1)


def _shared_out(threads: int | None, readers: int | None) -> tuple[int, int]:
    """Threads that score and processes that read; where only the threads are given, nothing else is started."""
    import torch

    cores = torch.get_num_threads()  # PyTorch's choice heeds OMP_NUM_THREADS and the cores that are allowed
    if readers is None:
        readers = min(_MOST_READERS, cores // 2) if threads is None else 0
    return threads or max(1, cores - readers), readers


_MOST_READERS = 4
"""By default, on however many cores: one process scores and writes all that they read."""
