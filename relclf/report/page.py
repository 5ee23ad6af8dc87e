"""Writes a report as one HTML page that needs no network: style, script and data are inside it."""

import base64
import gzip
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from relclf.errors import UserMistake
from relclf.report.gathering import RunReport, SplitReport
from relclf.runs.records import reached_95
from relclf.scoring.metrics import SCORE_WORDS
from relclf.training.stopping import StopReason, stop_sentence
from relclf.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

_STATES = {
    "training": "still training: this is how far it has come",
    "killed": "killed before its end: the last record is used",
}
"""Of a run that has not said why it ended."""


def run_page(report: RunReport) -> str:
    """The page of one run. Raises UserMistake where jinja2 is not installed."""
    run, config = report.run, report.run.config
    best = run.best
    assert best is not None  # gather_run refuses a run without an epoch
    return _rendered(
        "run.html",
        report=report,
        name=run.directory.path.resolve().name,
        path=str(run.directory.path),
        state=_state(run.state, len(run.records), report),
        best=best,
        last=run.records[-1],
        at_95=reached_95(run.records),
        seconds=sum(record.seconds for record in run.records),
        headline=_headline(config.training.monitor, report.splits),
        counts={s: sum(each.severity == s for each in report.findings) for s in ("problem", "watch", "ok")},
        config=run.directory.config.read_text(encoding="utf-8"),
        environment=_flat(run.environment),
        data=_packed([_columns(split) for split in report.splits]),
    )


def _rendered(template: str, **values: Any) -> str:
    """The page of a template, with the style and the script in it."""
    script = _file("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = _environment()
    from markupsafe import Markup

    return environment.get_template(template).render(
        style=Markup(_file("report.css")),
        script=Markup(script),
        script_hash=digest,
        version=__version__,
        words=SCORE_WORDS,
        **values,
    )


def _environment() -> "Environment":
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError:
        raise UserMistake("relclf report needs jinja2: pip install 'relclf[report]'") from None
    environment = Environment(
        loader=PackageLoader("relclf.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "duration": _duration}
    return environment


def _file(name: str) -> str:
    return (files("relclf.report") / "templates" / name).read_text(encoding="utf-8")


def _state(state: str, epochs: int, report: RunReport) -> str:
    """How the training ended, as a sentence."""
    if state in _STATES:
        return f"{_STATES[state]} (after epoch {epochs})"
    reason: StopReason = state  # type: ignore[assignment]
    return stop_sentence(reason, epochs, report.run.config.training)


def _headline(monitor: str, splits: Sequence[SplitReport]) -> str:
    """The score that stands at the top: the monitored one, where it is a score that every split has."""
    known = [split.evaluation["scores"] for split in splits if split.evaluation is not None]
    return monitor if known and all(monitor in scores for scores in known) else "macro_f1"


def _columns(split: SplitReport) -> dict[str, Any]:
    """The sentences of a split as columns, which are small when packed; probabilities in tenths of a percent."""
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


def _packed(value: Any) -> str:
    """JSON in gzip in base64, which holds no character that HTML reads as its own; equal values, equal bytes."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _flat(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows of a table; a mapping inside becomes one row."""
    return [(key, _shown(value)) for key, value in values.items()]


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return "-" if value is None else str(value)


def _percent(share: float | None, digits: int = 1) -> str:
    """0.7931 -> "79.3"; None -> "-"."""
    return "-" if share is None else f"{100 * share:.{digits}f}"


def _duration(seconds: float) -> str:
    """75 -> "1 min 15 s", 4000 -> "1 h 7 min"."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
