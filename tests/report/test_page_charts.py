"""Charts as parts of a page: one element that refers to nothing outside itself and can be read aloud."""

import re
from xml.etree import ElementTree

import pytest

from relclf.comparison.tuning import expected_best, marginal_effects
from relclf.report.curves import group_curves, learning_curves, rate_curves
from relclf.report.panels import INK, STYLES, Panel
from relclf.report.rendering import PAGE_COLOURS, svg_for_page
from relclf.report.studies import expected_best as expected_best_panel
from relclf.report.studies import marginal_effects as effect_panels
from relclf.report.studies import reliability
from relclf.runs.records import best_record
from tests.diagnosis.runs import records, rising

pytest.importorskip("matplotlib")

RUN = records(rising(12))
CELLS = [({"lr": lr}, [0.7 + lr, 0.71 + lr]) for lr in (0.01, 0.1)]
PANELS: tuple[Panel, ...] = (
    *learning_curves(RUN, best_record(RUN, "macro_f1")),
    *rate_curves(RUN),
    *group_curves([("<b>", [RUN, RUN[:9]]), ("_b$x$", [RUN])]),
    reliability([(0.3, 0.4, 12), (0.6, 0.6, 0), (0.9, 0.95, 40)]),
    *effect_panels(marginal_effects(["lr"], CELLS)),
    expected_best_panel(expected_best([0.5, 0.6, 0.7])),
)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_a_chart_is_one_svg_element_with_a_title_and_a_description(panel: Panel) -> None:
    root = ElementTree.fromstring(svg_for_page(panel, "chart-1"))
    assert root.tag.endswith("}svg")
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", "chart-1-title chart-1-desc")
    assert [each.text for each in root[:2]] == [panel.title, panel.description]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_all_ids_begin_with_the_charts_name_and_all_references_lead_to_one(panel: Panel) -> None:
    svg = svg_for_page(panel, "chart-1")
    ids = re.findall(r' id="([^"]+)"', svg)
    assert len(set(ids)) == len(ids)
    assert all(each.startswith("chart-1") for each in ids)
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', svg)) <= set(ids)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_nothing_is_fetched_and_no_colour_or_font_is_fixed(panel: Panel) -> None:
    svg = svg_for_page(panel, "chart-1")
    assert not re.findall(r'(?:href|src)="(?!#)|url\((?!#)|<style|<script|<image', svg)
    assert "DejaVu" not in svg
    assert INK not in svg
    assert re.findall(r"(?:fill|stroke): (?!none|currentColor|var\(|\d)\S+", svg) == []


def test_text_stays_text_and_hostile_names_stay_words() -> None:
    svg = svg_for_page(PANELS[4], "c")
    assert "<b>" not in svg
    assert "&lt;b&gt;" in svg
    assert "_b$x$" in svg


def test_a_dark_page_has_a_colour_for_every_line() -> None:
    assert re.findall(r"--series-(\d)", PAGE_COLOURS) == [str(1 + i) for i in range(len(STYLES))]
