"""What a person sees of a sweep: a live table on a terminal, a line a run elsewhere, a row a variant at the end."""

import contextlib
import json
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.text import Text

from relclf.cli.formatting import loss, percent, shell_path
from relclf.runs.records import lower_is_better
from relclf.sweeps.jobs import JobEnd, RunEnd
from relclf.sweeps.results import RunResult, epochs_so_far, rank, run_result, variant_score
from relclf.sweeps.running import Sweeping
from relclf.sweeps.variants import Variant
from relclf.training.stopping import MONITOR_WORDS

MOST_ROWS = 40
"""Variants in the closing table; the others are counted."""
BESIDE_THE_NAME = 58
"""Characters of a row of a variant."""


class SweepTable:
    """Prints a sweep as it goes, on one console."""

    def __init__(self, console: Console, sweeping: Sweeping) -> None:
        self._console = console
        self._sweeping = sweeping
        self._lines = False
        self._monitor, self._score = ranked_by(sweeping)
        self._shown = loss if lower_is_better(self._monitor) else percent

    def header(self) -> None:
        """What is trained, on which data, and what is there already."""
        sweeping, plan = self._sweeping, self._sweeping.plan
        count = plan.sweep.variants if plan.sweep.kind == "search" else len(sweeping.variants)
        runs = f"{_counted(count, 'variant')} x {_counted(len(plan.seeds), 'seed')}"
        self._print(f"relclf sweep · {plan.sweep.kind} · {runs} · {sweeping.engine} · {plan.folder.path}")
        dev = f"{len(plan.corpus.dev):,} dev" if plan.corpus.dev is not None else "no dev"
        anew = ", drawn anew for each seed" if plan.sweep.split == "resample" else ""
        relations = f"{len(plan.corpus.relations)} relations"
        self._print(f"data   {len(plan.corpus.train):,} train · {dev}{anew} · {relations}")
        for note in plan.corpus.notes:
            self._console.print(Text(f"note   {note}", "yellow"))
        if plan.sweep.kind != "search" and count < plan.sweep.variants:
            repeats = f"{plan.sweep.variants - count:,} of {plan.sweep.variants:,} variants repeat others"
            self._print(f"note   {repeats}; they are left out")
        if finished := sum(each.finished for each in self._all_results()):
            self._print(f"{_counted(finished, 'run')} finished before")
        self._print("")

    @contextlib.contextmanager
    def live(self) -> Iterator[None]:
        """Within the block the variants, the runs at work and the time left are shown, on a terminal only."""
        if not self._console.is_terminal or self._console.quiet:
            yield
            return
        from rich.live import Live

        with Live(
            get_renderable=self._view,
            console=self._console,
            transient=True,
            refresh_per_second=2,
            redirect_stderr=False,
        ):
            yield

    def ended(self, end: JobEnd) -> None:
        """A line for each run that has ended, where there is no live table."""
        if self._console.is_terminal:
            return
        self._lines = True
        for run in end.runs:
            left = self._sweeping.runs_left()
            self._print(f"{left:>5} left  {end.job.variant}  {run.path.name}  {self._outcome(run)}")

    def closing(self) -> None:
        """A row a variant, the best first; then every error, once."""
        variants = self._ranked()
        if self._lines:
            self._print("")
        for line in self._rows(variants[:MOST_ROWS]):
            self._console.print(line)
        if len(variants) > MOST_ROWS:
            self._print(f"and {len(variants) - MOST_ROWS:,} more variants; --json prints every run")
        for error, paths in _grouped(self._sweeping.errors).items():
            others = f" and {_counted(len(paths) - 1, 'other run')}" if len(paths) > 1 else ""
            self._console.print(Text.assemble((f"failed: {paths[0]}{others}: ", "bold red"), (error, "red")))
        if variants and self._value(variants[0]) is not None:
            run = self._sweeping.results[variants[0].name][0].path
            compared = run.parents[1] if len(variants) > 1 else run.parent
            self._print(f"\nnext: relclf compare {shell_path(compared)}")

    def failed(self) -> bool:
        """Whether a run has failed or diverged."""
        return bool(self._sweeping.errors) or any(each.diverged for each in self._all_results())

    def _view(self) -> Group:
        """The live table: variants by state, the runs at work, and the time left."""
        sweeping = self._sweeping
        states = Counter(sweeping.state(each) for each in sweeping.variants)
        counts = " · ".join(f"{count:,} {state}" for state, count in states.items())
        seconds = sweeping.seconds_left()
        time_left = f" · about {duration(seconds)} left" if seconds is not None else ""
        below = [Text(f"variants: {counts} · runs left: {sweeping.runs_left():,}{time_left}", "bold")]
        for job, _ in list(sweeping.training.values()):
            below += [Text(self._progress(job.variant, run.path)) for run in job.runs if run.path.exists()]
        height = max(3, self._console.height - len(below) - 3)
        variants = self._ranked()
        rows = list(self._rows(variants[:height]))
        if len(variants) > height:
            rows.append(Text(f"and {len(variants) - height:,} more variants", "dim"))
        return Group(*rows, *below[: self._console.height - 4])

    def _progress(self, variant: str, path: Path) -> str:
        most = self._sweeping.plan.typical.training.max_epochs
        return f"training {variant} {path.name}: epoch {epochs_so_far(path) + 1} of at most {most}"

    def _rows(self, variants: Sequence[Variant]) -> Iterator[Text]:
        """A title and a row a variant; the first that has a score is the best."""
        width = max([len("variant"), *(len(each.name) for each in variants)])
        if self._console.is_terminal:
            width = max(10, min(width, self._console.width - BESIDE_THE_NAME))
        words = MONITOR_WORDS[self._monitor] if len(MONITOR_WORDS[self._monitor]) <= 13 else "dev score"
        title = f"  {'variant':<{width}}{'runs':>7}{words:>15}{'least':>7}{'most':>7}{'epochs':>7}  state"
        yield Text(title, "bold")
        for number, each in enumerate(variants):
            results, state = self._sweeping.results[each.name], self._sweeping.state(each)
            finished = [found for found in results if found.finished]
            score, cells = variant_score(results, self._score), f"{'-':>15}{'-':>7}{'-':>7}"
            if score is not None:
                deviation = f" ±{self._shown(score.deviation)}" if score.deviation is not None else ""
                cells = f"{self._shown(score.mean) + deviation:>15}"
                cells += "".join(
                    f"{self._shown(value):>7}" for value in (min(score.values), max(score.values))
                )
            epochs = [found.summary["epochs"] for found in finished if found.summary is not None]
            mean = f"{statistics.fmean(epochs):.0f}" if epochs else "-"
            mark = "*" if number == 0 and score is not None else " "
            name = _cut(each.name, width)
            row = f"{mark} {name:<{width}}{f'{len(finished)}/{len(results)}':>7}{cells}{mean:>7}  {state}"
            yield Text(row, "red" if state == "failed" else "")

    def _outcome(self, run: RunEnd) -> str:
        """How a run has ended, in words."""
        result = run_result(run.path)
        if run.error is not None:
            return f"failed: {run.error}"
        best = (result.summary or {}).get("best")
        score = result.best(self._score)
        found = f"{self._shown(score)} at epoch {best['epoch']}" if best and score is not None else "no score"
        if run.ended_early is not None:
            return f"{found}, ended early at epoch {run.ended_early}: worse than the median"
        if run.interrupted or result.summary is None:
            return "interrupted"
        return f"{found} of {result.summary['epochs']} ({result.summary['stop_reason']})"

    def _ranked(self) -> list[Variant]:
        return sorted(
            self._sweeping.variants,
            key=lambda each: rank(
                variant_score(self._sweeping.results[each.name], self._score), self._monitor
            ),
        )

    def _value(self, variant: Variant) -> float | None:
        score = variant_score(self._sweeping.results[variant.name], self._score)
        return None if score is None else score.mean

    def _all_results(self) -> list[RunResult]:
        return [each for runs in self._sweeping.results.values() for each in runs]

    def _print(self, text: str) -> None:
        self._console.print(Text(text))


def ranked_by(sweeping: Sweeping) -> tuple[str, str]:
    """The monitor whose score ranks the variants, and the summary's name of it: macro-F1 where monitors differ."""
    monitors = {each.config.training.monitor for each in sweeping.variants}
    monitors.add(sweeping.plan.typical.training.monitor)
    return (monitors.pop(), "monitored") if len(monitors) == 1 else ("macro_f1", "dev_macro_f1")


def json_lines(sweeping: Sweeping, ends: Sequence[RunEnd] | None = None) -> Iterator[str]:
    """One JSON object for each run that has ended now, or, without `ends`, that was finished before."""
    by_path = {str(end.path): end for end in ends or ()}
    for variant in sweeping.variants:
        for seed, result in zip(sweeping.plan.seeds, sweeping.results[variant.name], strict=True):
            end = by_path.get(str(result.path))
            if end is not None or (ends is None and result.finished):
                yield json.dumps(_fields(variant, seed, result, end), ensure_ascii=False) + "\n"


def _fields(variant: Variant, seed: int, result: RunResult, end: RunEnd | None) -> dict[str, Any]:
    summary = result.summary or {}
    best = summary.get("best") or {}
    state = summary.get("stop_reason")
    if end is not None and end.error is not None:
        state = "failed"
    elif end is not None and end.ended_early is not None:
        state = "ended early"
    return {
        "run": str(result.path),
        "variant": variant.name,
        "settings": dict(variant.settings),
        "seed": seed,
        "state": state,
        "epochs": summary.get("epochs", 0),
        "best_epoch": best.get("epoch"),
        "monitored": best.get("monitored"),
        "dev_macro_f1": best.get("dev_macro_f1"),
        "dev_macro_f1_se": best.get("dev_macro_f1_se"),
        "seconds": summary.get("seconds"),
        "error": end.error if end is not None else None,
    }


def duration(seconds: float) -> str:
    """75 -> "2 min", 4000 -> "1 h 7 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _grouped(errors: dict[str, str]) -> dict[str, list[str]]:
    """The runs of each error; a run's own path in it is no difference."""
    found: dict[str, list[str]] = {}
    for path, error in errors.items():
        found.setdefault(error.replace(path, "RUN"), []).append(path)
    return {
        error.replace("RUN", paths[0]) if len(paths) == 1 else error: paths for error, paths in found.items()
    }


def _cut(name: str, width: int) -> str:
    """A name with its middle left out where it is too long: variants often differ in their last setting alone."""
    return (
        name if len(name) <= width else f"{name[: width // 2]}…{name[len(name) - (width - width // 2 - 1) :]}"
    )


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' if count != 1 else ''}"
