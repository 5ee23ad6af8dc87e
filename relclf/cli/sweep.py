"""`relclf sweep`: trains every variant of a sweep file with every seed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relclf.cli import completion

if TYPE_CHECKING:
    from relclf.sweeps.engines import Engine
    from relclf.sweeps.plan import Plan
    from relclf.sweeps.running import Sweeping


def sweep(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="SWEEP",
            help="The sweep's YAML file, see docs/sweeps.md.",
            autocompletion=completion.configs,
        ),
    ],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The sweep's folder. [default: the file's name]")
    ] = None,
    sweeps_dir: Annotated[Path, typer.Option(help="Where sweeps lie.")] = Path("sweeps"),
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            "-w",
            min=1,
            help="Runs at once, which share the threads. [default: one a core; on a GPU one]",
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(metavar="local|ray", help="Processes here, or tasks on a Ray cluster.")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="The Ray cluster. [default: the one Ray finds, or a new one]"),
    ] = None,
    cpus: Annotated[
        float | None,
        typer.Option(min=0.01, help="CPUs of a run, with ray. [default: training.threads, or 1]"),
    ] = None,
    gpus: Annotated[
        float | None,
        typer.Option(
            min=0, help="GPUs of a run, with ray: 0.25 puts four on one. [default: 1 for cuda, else 0]"
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Train more than 1,000 runs.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only the sweep's folder, at the end.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object a run on standard output.")] = False,
) -> None:
    """Train the variants of a config, each with several seeds.

    Run it again to go on: what is finished is never repeated.
    """
    from relclf.errors import UserMistake

    if engine not in ("local", "ray"):
        raise UserMistake(f"--engine: must be local or ray (got {engine!r}).")
    if engine == "local" and (address, cpus, gpus) != (None, None, None):
        raise UserMistake("--address, --cpus and --gpus go with --engine ray.")
    if engine == "ray" and workers is not None:
        raise UserMistake(
            "--workers goes with --engine local; a Ray cluster trains as many runs as it has room for."
        )
    from relclf.sweeps.plan import plan_sweep
    from relclf.sweeps.sweep_file import read_sweep

    description = read_sweep(file)
    if description.kind == "search":
        from relclf.sweeps.search import check_optuna

        check_optuna()
    if engine == "ray":
        from relclf.sweeps.ray_cluster import check_ray

        check_ray()
    from relclf.sweeps.folder import sweep_folder

    folder = sweep_folder(sweeps_dir.absolute() if engine == "ray" else sweeps_dir, name or file.stem)
    plan, lock = plan_sweep(description, folder, yes)
    try:
        sweeping = _on_ray(plan, address, cpus, gpus) if engine == "ray" else _local(plan, workers)
        _run(sweeping, quiet, json_)
    finally:
        lock.release()


def _local(plan: "Plan", workers: int | None) -> "Sweeping":
    """The sweep on processes of this machine: the threads are divided among them, one GPU is shared."""
    from dataclasses import replace

    from relclf.runs.environment import available_cores
    from relclf.sweeps.local import LocalEngine
    from relclf.sweeps.running import Sweeping

    training, accelerated = plan.typical.training, False
    if training.device != "cpu":
        from relclf.training.device import choose_device

        accelerated = choose_device(training.device).type != "cpu"
    cores, runs = available_cores(), plan.sweep.variants * len(plan.seeds)
    most = 1 if accelerated else max(1, cores // (training.threads or 1))
    workers = min(workers or most, runs)
    threads = training.threads or max(1, cores // workers)
    return Sweeping(replace(plan, threads=threads), LocalEngine(workers), packed=accelerated)


def _on_ray(plan: "Plan", address: str | None, cpus: float | None, gpus: float | None) -> "Sweeping":
    """The sweep as tasks of a cluster."""
    from dataclasses import replace

    from relclf.sweeps.ray_cluster import RayEngine
    from relclf.sweeps.running import Sweeping

    training = plan.typical.training
    threads = training.threads or max(1, int(cpus or 1))
    if gpus is None:
        gpus = 1 if training.device.startswith("cuda") else 0
    engine: Engine = RayEngine(address, cpus or threads, gpus)
    accelerated = gpus > 0 and training.device != "cpu"
    return Sweeping(replace(plan, threads=threads), engine, packed=accelerated)


def _run(sweeping: "Sweeping", quiet: bool, as_json: bool) -> None:
    """Train to the end, or to a signal, and print it; exit code 1 where a run has failed or diverged."""
    from rich.console import Console

    from relclf.cli.console import answers, messages
    from relclf.cli.sweep_table import SweepTable, json_lines
    from relclf.errors import Interrupted
    from relclf.training.interruption import stop_on_signals

    console: Console = Console(quiet=True) if quiet else messages() if as_json else answers()
    table = SweepTable(console, sweeping)
    with sweeping.engine, stop_on_signals() as request:
        table.header()
        if as_json:
            print(*json_lines(sweeping), sep="", end="", flush=True)
        try:
            with table.live():
                for end in sweeping.steps(request):
                    if end is not None:
                        table.ended(end)
                        if as_json:
                            print(*json_lines(sweeping, end.runs), sep="", end="", flush=True)
        except Interrupted as error:
            table.closing()
            raise Interrupted(
                f"{error} To go on, give the same command again.", error.signal_number
            ) from None
    table.closing()
    if quiet and not as_json:
        print(sweeping.plan.folder.path)
    if table.failed():
        raise typer.Exit(1)
