"""Fills a template with a report's values: one HTML page that needs no network, with style and script inside."""

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from relclf.errors import UserMistake
from relclf.report.panels import Panel
from relclf.report.rendering import PAGE_COLOURS, svg_for_page
from relclf.scoring.metrics import SCORE_WORDS
from relclf.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment


def check_extra() -> None:
    """Raise UserMistake where what pages need is not installed."""
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserMistake(
            f"a report needs {error.name}, which is not installed. pip install 'relclf[report]' installs it."
        ) from None


def filled(template: str, **values: Any) -> str:
    """The page of a template. Every value is escaped, but for charts, which `charts` has made.

    A byte of a path that is no UTF-8 becomes a question mark.
    """
    from markupsafe import Markup

    script = _file("report.js")
    page = (
        _environment()
        .get_template(template)
        .render(
            style=Markup(_file("report.css") + PAGE_COLOURS),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            version=__version__,
            words=SCORE_WORDS,
            **values,
        )
    )
    return page.encode("utf-8", "replace").decode()


def charts(name: str, panels: Sequence[Panel]) -> Any:
    """The panels as SVG elements, in a figure; `name` begins their ids."""
    from markupsafe import Markup

    drawn = (svg_for_page(panel, f"{name}-{number}") for number, panel in enumerate(panels, 1))
    return Markup("").join(Markup(f"<figure>{svg}</figure>") for svg in drawn)


def packed(value: Any) -> str:
    """JSON in gzip in base64, which has no character that HTML reads as its own. Equal values give equal text."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("relclf.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": _percent,
        "duration": _duration,
        "count": _count,
        "capital": _capital,
    }
    return environment


def _file(name: str) -> str:
    return (files("relclf.report") / "templates" / name).read_text(encoding="utf-8")


def _percent(share: float | None, digits: int = 1) -> str:
    """0.7931 -> "79.3"; None -> "-"."""
    return "-" if share is None else f"{100 * share:.{digits}f}"


def _count(number: float) -> str:
    """2717 -> "2,717"."""
    return f"{number:,.0f}"


def _duration(seconds: float) -> str:
    """75 -> "1 min 15 s", 4000 -> "1 h 7 min"."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _capital(text: str) -> str:
    """With a capital at its beginning."""
    return text[:1].upper() + text[1:]
