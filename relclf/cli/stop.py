"""`relclf stop`: replays stopping rules over long runs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relclf.cli import completion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from relclf.replay.replaying import RunReplay


def stop(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN",
            help="Run directories, trained with training.keep=all.",
            autocompletion=completion.runs,
        ),
    ],
    on: Annotated[
        str,
        typer.Option(metavar="dev|test", help="What is reported: the unseen half of dev, or test."),
    ] = "dev",
    halvings: Annotated[int, typer.Option(min=1, help="How many times dev is halved.")] = 10,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Also replay each run's own rule, changed like this.",
            autocompletion=completion.settings,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Replay stopping rules over long runs: when, at what score.

    A rule sees one half of dev, the other half is reported. Nothing is written.
    """
    from relclf.cli.console import answers, messages
    from relclf.errors import UserMistake
    from relclf.replay.replaying import averages, replay_run

    replays = []
    with messages().status("opening") as status:
        for run in runs:
            status.update(f"scoring the epochs of {run}")
            replays.append(replay_run(run, on, halvings=halvings, overrides=list(set_ or []), device=device))
    if len(metrics := {replay.metric for replay in replays}) > 1:
        raise UserMistake(f"the runs are judged by {' and '.join(sorted(metrics))}; replay them apart.")
    for note in (note for replay in replays for note in replay.notes):
        messages().print(f"note   {note}", style="yellow")
    if json_:
        rules = [{**vars(each), "lost_se": se, "worst": worst} for each, se, worst in averages(replays)]
        what = {"on": on, "halvings": halvings if on == "dev" else None}
        print(json.dumps({**what, "runs": [each.to_json() for each in replays], "rules": rules}))
        return
    title, *lines = _lines(replays, on, halvings)
    console = answers()
    console.print(title, style="bold")
    for line in lines:
        console.print(line)


def _lines(replays: "Sequence[RunReplay]", on: str, halvings: int) -> "Iterator[str]":
    """The title, what was seen, a row a rule, and what the columns mean."""
    from relclf.cli.formatting import percent
    from relclf.replay.replaying import averages
    from relclf.training.stopping import MONITOR_WORDS

    several = len(replays) > 1
    lengths = sorted({replay.epochs for replay in replays})
    epochs = f"{lengths[0]} to {lengths[-1]}" if len(lengths) > 1 else f"{lengths[0]}"
    yield f"relclf stop · {f'{len(replays)} runs' if several else replays[0].run} · {epochs} epochs"
    metric = MONITOR_WORDS[replays[0].metric].removeprefix("dev ")
    if on == "test":
        yield f"the rule sees dev, the score is {metric} on test"
    else:
        yield f"the rule sees half of dev, the score is {metric} on the other half"
        yield f"(dev halved {halvings} time{'s' if halvings > 1 else ''}, both ways; means)"
    yield ""
    more = f"{'±':>5}{'worst':>7}" if several else ""
    yield f"{'rule':26}{'stopped':>8}{'epoch':>7}{'kept':>6}{'score':>7}{'saved':>7}{'lost':>6}{more}"
    for outcome, error, worst in averages(replays):
        more = f"{percent(error):>5}{percent(worst):>7}" if several else ""
        yield (
            f"{outcome.rule:26}{f'{100 * outcome.stopped:.0f} %':>8}{outcome.epoch:>7.1f}{outcome.kept:>6.1f}"
            f"{percent(outcome.score):>7}{f'{100 * outcome.saved:.0f} %':>7}{percent(outcome.lost):>6}{more}"
        )
    yield ""
    yield "stopped: replays that ended before the run did; epoch: after which, on average"
    yield "kept: the best epoch until then by what the rule saw; score: of that epoch"
    yield "saved: updates not run; lost: points below what the whole run would have kept"
    if several:
        yield "±: standard error of lost over the runs; worst: the most that one run lost"
