"""What a figure is made of: panels with their words, and the colours, dashes and marks of their lines."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relclf.relations import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#1a1a1a"
"""Text and axes; on a page they take the colour of the page's text."""
FAINT = "#8c8c8c"
"""What stands in the background."""
LONGEST_NAME = 48
"""Characters; of a longer name the middle is left out."""


@dataclass(frozen=True)
class Style:
    """Colour, dash and mark each tell a line from the others, so that any one of them may be lost."""

    colour: str
    dark: str
    """The colour on a dark page."""
    dash: str | tuple[int, tuple[int, ...]]
    mark: str


STYLES = (
    Style("#0072b2", "#4ba3e3", "-", "o"),
    Style("#d55e00", "#f28c4e", (0, (4, 2)), "s"),
    Style("#009e73", "#2dc29b", (0, (5, 1, 1, 1)), "^"),
    Style("#cc79a7", "#e5a5cb", (0, (1, 1)), "D"),
    Style("#e69f00", "#ffc04d", (0, (5, 1, 1, 1, 1, 1)), "v"),
    Style("#56b4e9", "#a3dbff", (0, (2, 2)), "P"),
)
"""The colours of Okabe and Ito (2008) without black and yellow, which vanish on one background or the other."""


@dataclass(frozen=True)
class Panel:
    """One pair of axes and what is drawn on them; a figure has one panel or several."""

    title: str
    description: str
    """What it shows, in words, for those who do not see it."""
    draw: Callable[["Axes"], None]


def shown(name: object, longest: int = LONGEST_NAME) -> str:
    """A name as a legend can hold it: no control characters, not too long, and no underscore at its beginning.

    matplotlib leaves out what begins with an underscore.
    """
    text = printable(str(name))
    if len(text) > longest:
        text = f"{text[: longest // 2 - 2]}...{text[-longest // 2 + 1 :]}"
    return f" {text}" if text.startswith("_") else text
