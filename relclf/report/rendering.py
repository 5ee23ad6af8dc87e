"""Turns panels into a figure's bytes (SVG, PDF, PNG) or into SVG that is part of a page."""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

from relclf.errors import UserMistake
from relclf.report.panels import FAINT, INK, STYLES, Panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["svg", "pdf", "png"]
COLUMN_INCHES = {"one": 3.3, "two": 6.9}
"""The widths of one and of two columns of a paper."""
PAGE_INCHES = 3.6
_PANEL_INCHES = 2.0
_LEGEND_ROW_INCHES = 0.15
_FONT = "DejaVu Sans"
"""matplotlib brings it along, so that a figure looks alike on every machine."""


def render(panels: Sequence[Panel], kind: Kind, columns: Literal["one", "two"] = "two") -> bytes:
    """A figure for a paper: panels below each other in one column, in pairs over two. The same panels, the same bytes.

    Letters are shapes in SVG, and embedded fonts (TrueType) in PDF. PNG has 300 dots an inch.
    """
    abreast = min(len(panels), 1 if columns == "one" else 2)
    with _style(letters="path"):
        figure = _figure(panels, COLUMN_INCHES[columns], abreast)
        return _saved(figure, kind, "; ".join(panel.title for panel in panels))


def svg_for_page(panel: Panel, name: str) -> str:
    """One panel as an <svg> element for an HTML page. `name` begins all its ids, so it must be the page's only one.

    Text stays text, in the page's font; text and axes have the page's colour, and the colours of the lines are CSS
    variables that PAGE_COLOURS sets for dark pages. It refers to nothing outside itself.
    """
    with _style(letters="none"):
        content = _saved(_figure([panel], PAGE_INCHES, 1), "svg", panel.title)
    root = ElementTree.fromstring(content)
    for part in ("title", "metadata", "defs/style"):
        _remove(root, part)
    _rename_ids(root, name)
    for each in root.iter():
        if style := each.get("style"):
            each.set("style", _page_style(style))
    for index, (tag, text) in enumerate((("title", panel.title), ("desc", panel.description))):
        words = ElementTree.Element(f"{_SVG}{tag}", {"id": f"{name}-{tag}"})
        words.text = text
        root.insert(index, words)
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "id": name,
        "class": "chart",
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-desc",
        "style": "stroke-linejoin: round; stroke-linecap: butt",
    }
    ElementTree.register_namespace("", _SVG[1:-1])
    ElementTree.register_namespace("xlink", _LINK[1:-1])
    return ElementTree.tostring(root, encoding="unicode")


def without_shape(text: str) -> str:
    """The letters that the font of figures has no shape for; they become boxes in a file, not on a page."""
    from matplotlib.font_manager import findfont
    from matplotlib.ft2font import FT2Font

    known = FT2Font(findfont(_FONT)).get_charmap()
    return "".join(sorted({letter for letter in text if ord(letter) not in known}))


PAGE_COLOURS = "\n".join(
    (
        "@media screen and (prefers-color-scheme: dark) { :root {",
        *(f"  --series-{number}: {style.dark};" for number, style in enumerate(STYLES, 1)),
        "} }",
    )
)
"""CSS for pages that can be dark; without it the lines have the colours of light ones."""


_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}"


@contextmanager
def _style(letters: Literal["path", "none"]) -> Iterator[None]:
    """matplotlib with our settings, and none of the person's. Raises UserMistake where it is not installed."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise UserMistake(
            "figures need matplotlib, which is not installed. pip install 'relclf[report]' installs it. "
            "relclf plot RUN --terminal draws without it."
        ) from None
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        matplotlib.rcParams["svg.fonttype"] = letters
        yield


_SETTINGS: Any = {
    "font.family": [_FONT],
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "pdf.fonttype": 42,
    "svg.hashsalt": "relclf",
}


def _figure(panels: Sequence[Panel], width: float, abreast: int) -> "Figure":
    """The panels in rows, and below them one legend for all."""
    from matplotlib.figure import Figure

    rows = -(-len(panels) // abreast)
    figure = Figure(figsize=(width, rows * _PANEL_INCHES), layout="constrained")
    entries: dict[tuple[str, int], Any] = {}  # panels share an entry, two lines of one panel do not
    for index, panel in enumerate(panels, 1):
        axes = figure.add_subplot(rows, abreast, index)
        panel.draw(axes)
        axes.set_title(panel.title)
        handles, names = axes.get_legend_handles_labels()
        for place, (handle, name) in enumerate(zip(handles, names, strict=True)):
            entries.setdefault((name, names[:place].count(name)), handle)
    if len(entries) > 1:
        names = [name for name, _ in entries]
        beside = _legend_columns(names, width)
        legend_rows = -(-len(entries) // beside)
        figure.set_figheight(rows * _PANEL_INCHES + legend_rows * _LEGEND_ROW_INCHES)
        figure.legend(
            list(entries.values()), names, loc="outside lower center", ncols=beside, borderaxespad=0.2
        )
    return figure


def _legend_columns(names: Sequence[str], width: float) -> int:
    """How many names fit beside each other: 7 points high, they are about 0.06 inches a letter and 0.5 for the line."""
    return max(1, min(len(names), int(width / (0.06 * max(map(len, names)) + 0.5))))


def _saved(figure: "Figure", kind: Kind, title: str) -> bytes:
    dateless = {"svg": {"Title": title, "Date": None}, "pdf": {"Title": title, "CreationDate": None}}
    out = io.BytesIO()
    figure.savefig(out, format=kind, dpi=300, transparent=kind == "svg", metadata=dateless.get(kind))
    return out.getvalue()


def _remove(root: ElementTree.Element, path: str) -> None:
    *above, last = (f"{_SVG}{part}" for part in path.split("/"))
    for parent in root.findall("/".join(above)) if above else [root]:
        for child in parent.findall(last):
            parent.remove(child)


def _rename_ids(root: ElementTree.Element, name: str) -> None:
    """Keep the ids that something refers to, each with the chart's name before it."""
    used = set(re.findall(r'(?:"|url\()#([^")]+)', ElementTree.tostring(root, encoding="unicode")))
    for each in root.iter():
        for key, value in list(each.attrib.items()):
            if key == "id" and value not in used:
                del each.attrib[key]
            elif key == "id":
                each.set(key, f"{name}-{value}")
            elif key == f"{_LINK}href" or "url(#" in value:
                each.set(key, value.replace("#", f"#{name}-"))


def _page_style(style: str) -> str:
    """Colours that the page can change, and its own font."""
    style = re.sub(r"font: ([\d.]+px) [^;]+", r"font-size: \1", style)
    style = re.sub(r"font-family: [^;]+; ?", "", style)
    style = style.replace(INK, "currentColor").replace(FAINT, f"var(--chart-faint, {FAINT})")
    for number, each in enumerate(STYLES, 1):
        style = style.replace(each.colour, f"var(--series-{number}, {each.colour})")
    return style
