"""`relclf runs`: lists runs as a table."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from relclf.runs.directory import RunDirectory


def runs(
    runs_dir: Annotated[Path, typer.Option(help="The folder that holds the runs.")] = Path("runs"),
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object a run.")] = False,
) -> None:
    """List runs with their state and best score."""
    import json

    from relclf.cli.console import messages
    from relclf.cli.formatting import percent
    from relclf.runs.directory import list_runs

    rows = [_row(run) for run in list_runs(runs_dir)]
    if json_:
        for row in rows:
            print(json.dumps(row))
        return
    if not rows:
        messages().print(f"{runs_dir}: no runs yet. relclf train --config FILE makes one.")
        return
    width = max(len("run"), *(len(row["run"]) for row in rows))
    print(f"{'run':<{width}}  {'state':<11}  epochs  updates  best  dev macro-F1")
    for row in rows:
        known = row["dev_macro_f1"] is not None
        score = f"{percent(row['dev_macro_f1'])} ±{percent(row['dev_macro_f1_se'])}" if known else "-"
        best = "-" if row["best_epoch"] is None else row["best_epoch"]
        counts = f"{row['epochs']:>6}  {row['updates']:>7,}  {best:>4}"
        print(f"{row['run']:<{width}}  {row['state']:<11}  {counts}  {score:>12}")


def _row(run: "RunDirectory") -> dict[str, Any]:
    """What is known of a run from its summary or, while there is none, from its records."""
    import json

    from relclf.config.loading import load_config
    from relclf.errors import UserMistake
    from relclf.runs.lock import is_locked
    from relclf.runs.records import read_records
    from relclf.runs.summary import summarise

    try:
        if run.summary.exists():
            summary = json.loads(run.summary.read_bytes())
        else:
            monitor = load_config(run.config).training.monitor
            summary = summarise(read_records(run.records), monitor, 1, "killed")
        return _fields(run, "training" if is_locked(run.path) else summary["stop_reason"], summary)
    except (UserMistake, OSError, ValueError, KeyError, TypeError, AttributeError):
        return _fields(run, "broken", {"epochs": 0, "updates": 0, "best": None})


def _fields(run: "RunDirectory", state: str, summary: dict[str, Any]) -> dict[str, Any]:
    best = summary["best"] or {}
    return {
        "run": str(run.path),
        "state": state,
        "epochs": summary["epochs"],
        "updates": summary["updates"],
        "best_epoch": best.get("epoch"),
        "dev_macro_f1": best.get("dev_macro_f1"),
        "dev_macro_f1_se": best.get("dev_macro_f1_se"),
    }
