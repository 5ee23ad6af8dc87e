"""What a person sees of several runs: a row an epoch for all of a pack, and at the end a row a run."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from relclf.cli.formatting import loss, percent, shell_path, short_count, small
from relclf.cli.training_table import header_lines
from relclf.config.loading import load_config
from relclf.runs.directory import RunDirectory
from relclf.runs.files import read_json
from relclf.runs.records import EpochRecord, best_record
from relclf.training.experiment import Experiment
from relclf.training.stopping import ENDED_WELL, MONITOR_WORDS


class PackedTable:
    """Prints packed runs as they go, on one console."""

    def __init__(self, console: Console, experiments: Sequence[Experiment]) -> None:
        self._console = console
        self._experiments = experiments
        self._monitor = experiments[0].inputs.config.training.monitor

    def header(self) -> None:
        """Three lines: the runs, the data, the network; then the column titles."""
        first = self._experiments[0]
        seeds = ", ".join(str(each.inputs.config.seed) for each in self._experiments)
        self._console.print(
            Text(f"relclf train · {len(self._experiments)} runs packed · seeds {seeds} · {first.device}")
        )
        for line in header_lines(first)[1:]:
            self._console.print(Text(line))
        for note in dict.fromkeys(note for each in self._experiments for note in each.notes):
            self._console.print(Text(f"note   {note}", "yellow"))
        self._console.print()
        above = f"{'':11}{'mean loss':>14}{'train':>7}{'dev macro-F1':>21}{'new':>6}{'':8}{'all':>9}"
        below = f"{'epoch':>5}{'runs':>6}{'train':>7}{'dev':>7}{'F1':>7}{'mean':>7}{'least':>7}{'most':>7}{'best':>6}"
        self._console.print(Text(above, "bold"))
        self._console.print(Text(f"{below}{'rate':>8}{'sent/s':>9}", "bold"))

    def row(self, records: Sequence[tuple[Experiment, EpochRecord]]) -> None:
        """One epoch of the runs that were in it together."""
        if not records:
            return
        each = [record for _, record in records]
        f1s = [record.dev_macro_f1 for record in each if record.dev_macro_f1 is not None]
        best = sum(self._is_best(experiment, record) for experiment, record in records)
        cells = [
            f"{each[0].epoch:>5}{len(each):>6}",
            f"{loss(statistics.fmean(record.train_loss for record in each)):>7}",
            f"{loss(_mean([record.dev_loss for record in each])):>7}",
            f"{percent(statistics.fmean(record.train_macro_f1 for record in each)):>7}",
            f"{percent(_mean(f1s)):>7}{percent(min(f1s, default=None)):>7}{percent(max(f1s, default=None)):>7}",
            f"{best or '':>6}{small(each[0].learning_rate):>8}",
            f"{short_count(statistics.fmean(record.sentences_per_second for record in each)):>9}",
        ]
        self._console.print(Text("".join(cells)))

    def _is_best(self, experiment: Experiment, record: EpochRecord) -> bool:
        state = experiment.state
        return experiment.inputs.dev is not None and (
            best_record(state.records, self._monitor, state.best_from) is record
        )


def print_summary(paths: Sequence[Path], console: Console) -> None:
    """A row a run, from the files that it has left, then the mean and spread of the best dev scores."""
    if not paths:
        return
    summaries = [read_json(RunDirectory(path).summary, "The training left no summary.") for path in paths]
    console.print()
    titles = f"{'seed':>4}{'epochs':>7}{'best':>5}{'dev loss':>9}{'dev macro-F1':>13}  {'ended':13}run"
    console.print(Text(titles, "bold"))
    for path, summary in zip(paths, summaries, strict=True):
        console.print(Text(_row(path, summary)))
    best = [each["best"] for each in summaries if each["stop_reason"] in ENDED_WELL]
    known = [each for each in best if each is not None and each["monitored"] is not None]
    if known:
        console.print(Text(_spread("macro_f1", [each["dev_macro_f1"] for each in known], len(paths))))
        if (monitor := summaries[0]["monitor"]) != "macro_f1":
            console.print(Text(_spread(monitor, [each["monitored"] for each in known], len(paths))))


def _row(path: Path, summary: dict[str, Any]) -> str:
    seed, best = load_config(RunDirectory(path).config).seed, summary["best"]
    cells = f"{'-':>5}{'-':>9}{'-':>13}"
    if best is not None:
        error = best["dev_macro_f1_se"]
        score = percent(best["dev_macro_f1"]) + (f" ±{percent(error)}" if error is not None else "")
        cells = f"{best['epoch']:>5}{loss(best['dev_loss']):>9}{score:>13}"
    return f"{seed:>4}{summary['epochs']:>7}{cells}  {summary['stop_reason']:13}{shell_path(path)}"


def _spread(monitor: str, scores: list[float], runs: int) -> str:
    """Mean, standard deviation and range in words."""
    shown = loss if monitor in ("loss", "nll") else percent
    deviation = f" ±{shown(statistics.stdev(scores))} (mean ± sd)" if len(scores) > 1 else ""
    number = f"{len(scores)} of {runs} runs" if len(scores) < runs else f"{runs} run{'s' if runs > 1 else ''}"
    mean, low, high = (shown(each) for each in (statistics.fmean(scores), min(scores), max(scores)))
    return f"best {MONITOR_WORDS[monitor]}, {number}: {mean}{deviation}, {low} to {high}"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
