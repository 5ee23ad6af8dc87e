"""Figures as files: exact widths, fonts inside, and the same bytes from the same values."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from relclf.errors import UserMistake
from relclf.report.curves import group_curves, learning_curves, rate_curves
from relclf.report.rendering import Kind, render, svg_for_page, without_shape
from relclf.runs.records import best_record
from tests.diagnosis.runs import records, rising

pytest.importorskip("matplotlib")

PROJECT = Path(__file__).resolve().parents[2]
RUN = records(rising(12))
PANELS = (*learning_curves(RUN, best_record(RUN, "macro_f1")), *rate_curves(RUN))
HASHES = """
import hashlib
from tests.report.test_figure_files import PANELS, render
print(*(hashlib.sha256(render(PANELS, kind)).hexdigest() for kind in ("svg", "pdf", "png")))
"""


def points_wide(svg: bytes) -> float:
    width = re.search(rb'<svg [^>]*width="([\d.]+)pt"', svg)
    assert width is not None
    return float(width[1])


def test_a_figure_is_as_wide_as_one_column_or_two() -> None:
    assert points_wide(render(PANELS, "svg", "one")) == pytest.approx(3.3 * 72)
    assert points_wide(render(PANELS, "svg", "two")) == pytest.approx(6.9 * 72)
    assert points_wide(render(PANELS[:1], "svg", "two")) == pytest.approx(6.9 * 72)
    assert b"/MediaBox [ 0 0 237.6 " in render(PANELS, "pdf", "one")
    png = render(PANELS, "png", "one")
    assert int.from_bytes(png[16:20]) == 990  # the IHDR chunk begins with the width; 3.3 inches at 300 dots


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_writes_the_same_bytes(hash_seed: str, tmp_path: Path) -> None:
    own = [hashlib.sha256(render(PANELS, kind)).hexdigest() for kind in ("svg", "pdf", "png")]
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nlines.linewidth: 9\n", encoding="utf-8")
    path = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": path}
    command = [sys.executable, "-c", HASHES]
    other = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.split() == own


def test_a_pdf_has_its_fonts_inside_as_truetype() -> None:
    pdf = render(PANELS, "pdf")
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf


def test_letters_of_an_svg_are_shapes_and_need_no_font() -> None:
    svg = render(PANELS, "svg")
    assert b"<text" not in svg
    assert b"font-family" not in svg
    assert b"<dc:date>" not in svg


@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
def test_names_that_would_steer_matplotlib_are_words(kind: Kind) -> None:
    names = ["_hidden", "$\\frac{1}{0}$", "a\nb\x00", "x" * 10_000, "関係 😀", "\u202eright to left"]
    panels = group_curves([(name, [RUN]) for name in names])
    assert render(panels, kind)
    assert "_hidden" in svg_for_page(panels[0], "c")


def test_letters_that_the_font_lacks_are_named() -> None:
    assert without_shape("lr=0.1, Größe") == ""
    assert without_shape("関係 of 関") == "係関"


@pytest.mark.parametrize("epochs", [0, 1, 2])
def test_few_epochs_make_a_figure_too(epochs: int) -> None:
    few = RUN[:epochs]
    assert render((*learning_curves(few, best_record(few, "macro_f1")), *rate_curves(few)), "svg")
    assert render(group_curves([("a", [few, RUN]), ("b", [])]), "svg")


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserMistake, match=r"pip install 'relclf\[report\]'"):
        render(PANELS, "svg")
