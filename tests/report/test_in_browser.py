"""The pages in a real browser: quiet, without a network, with the right numbers, and proof against hostile text."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from relclf.cli.app import app
from tests.comparison.runs import write_sweep
from tests.diagnosis.runs import rising
from tests.report.conftest import HOSTILE_RELATION, HOSTILE_TEXTS, RIGHT_TO_LEFT

Opener = Callable[..., Any]


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """The report of a run or a sweep, made once."""

    @cache
    def write_report(target: Path) -> Path:
        out = tmp_path_factory.mktemp("page") / "report.html"
        result = CliRunner().invoke(app, ["report", str(target), "-o", str(out)])
        assert result.exit_code == 0, result.output
        return out

    return write_report


@pytest.fixture
def opened(browser: Any, written: Callable[[Path], Path]) -> Iterator[Opener]:
    """Opens the report of a run or a sweep; at the end nothing may have been said or asked for."""
    pages: list[Any] = []
    heard: list[str] = []

    def open_report(target: Path, width: int = 1280, **context: Any) -> Any:
        out = written(target)
        page = browser.new_page(viewport={"width": width, "height": 900}, reduced_motion="reduce", **context)
        pages.append(page)
        page.set_default_timeout(120_000)  # machines can be busy
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda request: heard.append(request.url) if request.url != out.as_uri() else None)
        page.goto(out.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        return page

    yield open_report
    for page in pages:
        page.close()
    assert heard == []


def evaluated(run: Path, split: str) -> dict[str, Any]:
    """What `relclf evaluate --json` prints."""
    result = CliRunner().invoke(app, ["evaluate", str(run), "--split", split, "--json"])
    value: dict[str, Any] = json.loads(result.stdout)
    return value


def texts(page: Any, selector: str) -> list[str]:
    """The text of each element that is shown."""
    return [each.inner_text() for each in page.query_selector_all(selector) if each.is_visible()]


def test_the_numbers_are_those_of_evaluate(opened: Opener, run: Path) -> None:
    page = opened(run)
    for split in ("test", "dev"):
        page.check(f"#split-switch input[value={split}]", force=True)
        said = evaluated(run, split)
        values = page.eval_on_selector_all(
            f".split[data-split={split}] .scores data", "all => all.map(each => Number(each.value))"
        )
        assert values == [score["value"] for score in said["scores"].values()]
        counts = page.eval_on_selector_all(
            f".split[data-split={split}] .matrix tbody tr",
            "rows => rows.map(row => [...row.querySelectorAll('td')].map(cell => Number(cell.textContent)))",
        )
        assert counts == said["confusion"]["counts"]
        rows = [row.split() for row in texts(page, "#relations tbody tr")]
        assert [row[-4] for row in rows] == [str(row["support"]) for row in said["relations"]]
        assert [row[-3] for row in rows] == [f"{100 * row['f1']:.1f}" for row in said["relations"]]


def test_the_sentences_shown_first_are_the_errors_the_surest_first(opened: Opener, run: Path) -> None:
    page = opened(run)
    said = [json.loads(line) for line in (run / "evaluations" / "test.best.jsonl").read_text().splitlines()]
    wrong = {row["id"] for row in said if row["gold"] != row["relation"]}
    shown = page.eval_on_selector_all(
        "#results li", "all => all.map(each => each.lastChild.lastChild.textContent)"
    )
    assert {text.removeprefix("id ") for text in shown} == wrong
    assert texts(page, "#found") == [f"{len(wrong)} of 20 sentences of test"]
    shares = page.eval_on_selector_all(
        "#results .wrong", "all => all.map(each => Number(each.lastChild.textContent.replace('%', '')))"
    )
    assert shares == sorted(shares, reverse=True)


def test_filters_search_and_order_choose_sentences(opened: Opener, run: Path) -> None:
    page = opened(run)
    test = [json.loads(line) for line in (run.parents[1] / "test.jsonl").read_text().splitlines()]
    page.check("input[name=show][value=all]", force=True)
    assert len(texts(page, "#results li")) == 20
    page.select_option("select[name=gold]", label="contains")
    assert len(texts(page, "#results li")) == sum(row["relation"] == "contains" for row in test)
    page.click("button[type=reset]")
    page.check("input[name=show][value=all]", force=True)
    page.select_option("select[name=order]", "file")
    page.fill("input[name=query]", "STORM")
    page.press("input[name=query]", "Enter")
    found = [row for row in test if "storm" in " ".join(row["tokens"])]
    assert texts(page, "#found") == [f"{len(found)} of 20 sentences of test"]
    assert [text.split("id ")[1] for text in texts(page, "#results .said")] == [row["id"] for row in found]


def test_a_cell_of_the_confusion_shows_its_sentences(opened: Opener, run: Path) -> None:
    page = opened(run)
    cell = page.query_selector(".split:not([hidden]) .matrix button")
    count = int(cell.inner_text())
    cell.click()
    assert len(texts(page, "#results li")) == count
    assert cell.get_attribute("aria-pressed") == "true"
    assert page.evaluate("document.activeElement.id") == "found"


def test_both_mentions_are_marked_with_their_roles(opened: Opener, run: Path) -> None:
    page = opened(run)
    page.check("input[name=show][value=all]", force=True)
    page.select_option("select[name=order]", "file")
    first = json.loads((run.parents[1] / "test.jsonl").read_text().splitlines()[0])
    for role in ("head", "tail"):
        start, end = first[role]
        marked = page.eval_on_selector(f"#results li mark.{role}", "each => each.textContent")
        assert marked == " ".join(first["tokens"][start:end])


def test_the_keyboard_reaches_and_moves_inside_the_matrix(opened: Opener, run: Path) -> None:
    page = opened(run)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.focus(".split:not([hidden]) .matrix button")
    before = page.evaluate("document.activeElement.dataset")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset") != before
    assert (
        page.evaluate(
            "document.querySelectorAll('.split:not([hidden]) .matrix button[tabindex=\"0\"]').length"
        )
        == 1
    )
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "found"


def test_the_relations_sort_by_their_heads(opened: Opener, run: Path) -> None:
    page = opened(run)
    page.click("#relations thead th:nth-child(3) button")
    assert page.get_attribute("#relations thead th:nth-child(3)", "aria-sort") == "descending"
    f1 = [float(row.split()[-3]) for row in texts(page, "#relations tbody tr")]
    assert f1 == sorted(f1, reverse=True)


@pytest.mark.parametrize("width", [360, 800, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(opened: Opener, run: Path, width: int, scheme: str) -> None:
    page = opened(run, width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_hostile_text_is_shown_as_text(opened: Opener, hostile_run: Path) -> None:
    page = opened(hostile_run)
    page.check("input[name=show][value=all]", force=True)
    page.select_option("select[name=order]", "file")
    assert page.title() == f"{hostile_run.name} · relclf report"
    shown = page.eval_on_selector_all("#results .sentence", "all => all.map(each => each.textContent)")
    assert set(shown) == set(HOSTILE_TEXTS)
    assert page.eval_on_selector_all("main script, main img, main b bdi b", "all => all.length") == 0
    names = page.eval_on_selector_all("select[name=gold] option", "all => all.map(each => each.textContent)")
    assert names == ["any relation", *sorted([HOSTILE_RELATION, RIGHT_TO_LEFT, "none"])]
    heads = page.eval_on_selector_all("#confusion thead th", "all => all.map(each => each.textContent)")
    assert heads == names[1:]
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_mentions_after_emoji_are_marked_where_they_are(opened: Opener, hostile_run: Path) -> None:
    page = opened(hostile_run)
    page.check("input[name=show][value=all]", force=True)
    tails = page.eval_on_selector_all("#results mark.tail", "all => all.map(each => each.textContent)")
    assert tails == ["causes"] * len(tails)


def test_a_sweep_shows_its_groups_and_its_failed_runs(opened: Opener, tmp_path: Path) -> None:
    variants = {
        f"lr={rate}": ({"training.optimizer.lr": rate}, [rising(8), rising(8, 0.01)]) for rate in (0.1, 0.2)
    }
    sweep = write_sweep(tmp_path / "<b>sweep", "grid", variants)
    run = sweep / "lr=0.1" / "seed-1"
    summary = json.loads((run / "summary.json").read_bytes())
    (run / "summary.json").write_text(json.dumps(summary | {"stop_reason": "not_finite"}))
    page = opened(sweep, 360)
    assert page.inner_text("h1") == "<b>sweep"
    assert len(texts(page, "#runs tbody tr")) == 4
    assert len(texts(page, "#runs tr.failed")) == 1
    assert len(page.query_selector_all("#curves svg[role=img]")) == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    compared = json.loads(CliRunner().invoke(app, ["compare", str(sweep), "--json"]).stdout)
    means = [f"{100 * group['best']['mean']:.2f}" for group in compared["groups"]]
    shown = [
        row.split(" ± ")[0].split()[-1] for row in texts(page, "#groups table:first-of-type tbody tr")[:2]
    ]
    assert shown == means
