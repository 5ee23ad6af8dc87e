"""Replays stopping rules over a long run, judged on sentences that they have not seen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relclf.config.loading import load_config
from relclf.errors import UserMistake
from relclf.prediction.opening import open_trained
from relclf.replay.epochs import ScoredEpochs, score_epochs, weights_of
from relclf.replay.rules import Rule, first_stop, own_rule, replayed_rules
from relclf.runs.directory import RunDirectory, open_run
from relclf.runs.files import read_json
from relclf.runs.lock import is_locked
from relclf.runs.records import EpochRecord, best_record, read_records
from relclf.training.seeding import numpy_generator

OWN = "with --set"
"""The name of the rule that a person has asked for."""


@dataclass(frozen=True)
class Outcome:
    """What a rule would have made of a run: means over the replays."""

    rule: str
    stopped: float
    """The share of replays in which it stopped before the run ended."""
    epoch: float
    """After which it stopped, or the run ended."""
    kept: float
    """The best epoch until then, on the sentences that the rule saw: whose weights would have been kept."""
    score: float
    """Of the kept epoch, on the other sentences."""
    last: float
    """Of the epoch after which it stopped, likewise."""
    lost: float
    """What the epoch kept by the whole run scores more than the rule's."""
    saved: float
    """The share of updates not run."""


@dataclass(frozen=True)
class RunReplay:
    """The rules replayed over one run."""

    run: str
    epochs: int
    metric: str
    """The score that is reported."""
    whole: Outcome
    """The run to its end, without a rule."""
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def replay_run(
    path: Path,
    on: str = "dev",
    *,
    halvings: int = 10,
    overrides: Sequence[str] = (),
    device: str = "auto",
) -> RunReplay:
    """Replay the rules over a run that kept the weights of every epoch.

    `on` "dev": dev is halved `halvings` times, each relation evenly; the rule sees one half, the other is
    reported, both ways. `on` "test": the rule sees dev as it was, and test is reported. With `overrides` the
    rule of the run's config, so changed, is replayed too. Raises UserMistake.
    """
    run = open_run(path)
    records, notes = read_records(run.records), _notes(run)
    config = load_config(run.config)
    if on not in ("dev", "test"):
        raise UserMistake(f"--on: must be dev or test (got {on!r}).")
    if config.data.all_data:
        raise UserMistake(f"{path}: was trained on dev too (data.all_data), so no rule had anything to see.")
    if len(records) < 2:
        raise UserMistake(f"{path}: has {len(records)} epochs; a replay needs two at least.")
    weights_of(run, len(records))
    rules = replayed_rules(config.training, records[-1].total_updates)
    if overrides:
        rules[OWN] = own_rule(load_config(run.config, overrides).training)
    scored = score_epochs(open_trained(path, "last", device), on, len(records))
    monitor = config.training.monitor
    metric = "macro_f1" if monitor in ("loss", "nll") else monitor
    if on == "test":
        views: list[tuple[list[EpochRecord], NDArray[np.float64]]] = [(records, scored.scores(metric))]
    else:
        views = [
            (scored.part(seen).records(records, monitor, config.seed), scored.part(~seen).scores(metric))
            for seen in _halves(scored, halvings)
        ]
    whole = _outcome("to the end", lambda _: False, views, monitor)
    outcomes = tuple(_outcome(name, rule, views, monitor) for name, rule in rules.items())
    return RunReplay(str(path), len(records), metric, whole, outcomes, notes)


def averages(replays: Sequence[RunReplay]) -> Iterator[tuple[Outcome, float, float]]:
    """Each rule's means over the runs, the standard error of `lost` over them, and the most that one run lost."""
    for each in zip(*((replay.whole, *replay.outcomes) for replay in replays), strict=True):
        values: Mapping[str, list[float]] = {
            name: [getattr(outcome, name) for outcome in each] for name in _NUMBERS
        }
        lost = np.array(values["lost"])
        error = float(lost.std(ddof=1) / np.sqrt(len(lost))) if len(lost) > 1 else 0.0
        means = {name: float(np.mean(numbers)) for name, numbers in values.items()}
        yield Outcome(each[0].rule, **means), error, float(lost.max())


_NUMBERS = ("stopped", "epoch", "kept", "score", "last", "lost", "saved")


def _halves(scored: ScoredEpochs, halvings: int) -> Iterator[NDArray[np.bool_]]:
    """(sentences,) masks of one half and of the other, each relation in both as evenly as can be."""
    for number in range(halvings):
        draws = numpy_generator(0, "dev halves", number).random(len(scored.gold))
        half = np.zeros(len(scored.gold), dtype=bool)
        half[np.lexsort((draws, scored.gold))[number % 2 :: 2]] = True
        yield half
        yield ~half


def _outcome(
    name: str, rule: Rule, views: Sequence[tuple[list[EpochRecord], NDArray[np.float64]]], monitor: str
) -> Outcome:
    """The mean over views: the records that the rule sees, and the scores on other sentences, (epochs,)."""
    rows = []
    for records, scores in views:
        stop = first_stop(rule, records)
        epoch = stop or len(records)
        kept, best = (best_record(seen, monitor) for seen in (records[:epoch], records))
        assert kept is not None and best is not None
        score = scores[kept.epoch - 1]
        saved = 1 - records[epoch - 1].total_updates / records[-1].total_updates
        stopped = stop is not None and stop < len(records)
        lost = scores[best.epoch - 1] - score
        rows.append((stopped, epoch, kept.epoch, score, scores[epoch - 1], lost, saved))
    return Outcome(name, *(float(mean) for mean in np.mean(rows, axis=0)))


def _notes(run: RunDirectory) -> tuple[str, ...]:
    """What a person should know of a run that may be too short."""
    if is_locked(run.path):
        return (f"{run.path}: still training; replayed are the epochs so far",)
    if not run.summary.exists():
        return (f"{run.path}: was killed; replayed are the epochs that it completed",)
    reason = read_json(run.summary, "relclf train --resume writes it anew.").get("stop_reason")
    if reason != "max_epochs":
        return (f"{run.path}: ended early ({reason}); a rule that would have gone on stops with it here",)
    return ()
