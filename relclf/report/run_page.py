"""The page of one run."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from relclf.report.curves import learning_curves, rate_curves
from relclf.report.gathering import RunReport, SplitReport
from relclf.report.html import charts, filled, packed
from relclf.report.studies import reliability
from relclf.runs.records import reached_95
from relclf.training.stopping import StopReason, stop_sentence

_STATES = {
    "training": "still training: this is how far it has come, after epoch {}",
    "killed": "killed before its end, after epoch {}",
}
"""Of a run that has not said why it ended."""


def run_page(report: RunReport) -> str:
    """The page of one run."""
    run = report.run
    best = run.best
    assert best is not None  # gather_run refuses a run without an epoch
    return filled(
        "run.html",
        report=report,
        name=run.directory.path.resolve().name,
        path=str(run.directory.path),
        state=_state(report),
        best=best,
        last=run.records[-1],
        at_95=reached_95(run.records),
        seconds=sum(record.seconds for record in run.records),
        headline=_headline(run.config.training.monitor, report.splits),
        counts={s: sum(each.severity == s for each in report.findings) for s in ("problem", "watch", "ok")},
        curves=charts("curves", learning_curves(run.records, best)),
        rates=charts("rates", rate_curves(run.records)),
        reliability={split.name: _reliability(split) for split in report.splits},
        config=run.directory.config.read_text(encoding="utf-8"),
        environment=[(key, _shown(value)) for key, value in run.environment.items()],
        data=packed([_columns(split) for split in report.splits]),
    )


def _reliability(split: SplitReport) -> dict[str, Any]:
    """A chart of accuracy against probability for each kind of probabilities."""
    panels = {
        kind: reliability([(each.confidence, each.accuracy, each.sentences) for each in error.bins])
        for kind, error in split.reliability.items()
    }
    return {
        kind: charts(f"reliability-{split.name}-{number}", [panel])
        for number, (kind, panel) in enumerate(panels.items(), 1)
    }


def _state(report: RunReport) -> str:
    """How the training ended, as a sentence."""
    state, epochs = report.run.state, len(report.run.records)
    if state in _STATES:
        return _STATES[state].format(epochs)
    reason: StopReason = state  # type: ignore[assignment]
    return stop_sentence(reason, epochs, report.run.config.training)


def _headline(monitor: str, splits: Sequence[SplitReport]) -> str:
    """The score that stands at the top: the monitored one, where it is a score that every split has."""
    known = [split.evaluation["scores"] for split in splits if split.evaluation is not None]
    return monitor if known and all(monitor in scores for scores in known) else "macro_f1"


def _columns(split: SplitReport) -> dict[str, Any]:
    """The sentences of a split as columns, which pack well; probabilities in tenths of a percent."""
    relations = list(split.evaluation["confusion"]["relations"]) if split.evaluation else []
    ids = {name: number for number, name in enumerate(relations)}
    sentences = split.sentences
    return {
        "name": split.name,
        "relations": relations,
        "ids": [each.id for each in sentences],
        "texts": [each.text for each in sentences],
        "spans": [[*each.head, *each.tail] for each in sentences],
        "gold": [ids[each.gold] for each in sentences],
        "predicted": [ids[each.predicted] for each in sentences],
        "probability": [_per_mille(each.probability) for each in sentences],
        "goldProbability": [_per_mille(each.gold_probability) for each in sentences],
    }


def _per_mille(share: float | None) -> int | None:
    return round(1000 * share) if share is not None and math.isfinite(share) else None


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return "-" if value is None else str(value)
