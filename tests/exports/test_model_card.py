"""The model card holds the run's facts and no others, and shows every name as text."""

import json
import re
import shutil
from html import unescape
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from relclf.errors import UserMistake
from relclf.exports.model_card import escaped, model_card
from relclf.relations import printable
from relclf.runs.directory import RunDirectory
from tests.exports.conftest import HOSTILE


def shown(markdown: str) -> str:
    """As HTML, by a reader of GitHub's tables that lets HTML through and makes links of addresses."""
    return str(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(markdown))


def card(run: Path, **options: bool) -> str:
    return model_card(RunDirectory(run), **options).files["model-card.md"].decode()


def cells(html: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", html, flags=re.DOTALL)
    return [[unescape(cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)] for row in rows]


def test_every_score_stands_there_with_its_interval_and_signature(hostile_run: Path) -> None:
    text = card(hostile_run)
    stored = json.loads((hostile_run / "evaluations" / "test.best.json").read_bytes())
    rows = cells(shown(text))
    for name, score in stored["scores"].items():
        value, low, high = (f"{100 * score[key]:.1f}" for key in ("value", "low", "high"))
        assert [name, value, f"{low} to {high}"] in rows
        assert printable(score["signature"]) in text
    for row in stored["relations"]:
        found = next(r for r in rows if r[0] == printable(row["relation"]) and len(r) == 5)
        assert found[3:] == [f"{100 * row['f1']:.1f}", str(row["support"])]


def test_a_hostile_name_is_text_in_one_cell(hostile_run: Path) -> None:
    html = shown(card(hostile_run))
    assert "<script" not in html
    assert "<a " not in html
    assert "\u202e" not in html
    tables = [len(row) for row in cells(html) if row[0] == printable(HOSTILE)]
    assert tables == [3, 5]


def test_the_card_has_the_sections_of_the_paper(hostile_run: Path) -> None:
    assert re.findall(r"^## (.*)$", card(hostile_run), flags=re.MULTILINE) == [
        "Model details",
        "Intended use",
        "Training data",
        "Evaluation data",
        "Metrics",
        "Quantitative analyses",
        "Ethical considerations",
        "Caveats and recommendations",
    ]


def test_its_facts_are_those_of_the_run_and_no_path_is_told(hostile_run: Path) -> None:
    text = card(hostile_run)
    summary = json.loads((hostile_run / "summary.json").read_bytes())
    assert f"best, of epoch {summary['best']['epoch']} after {summary['best']['updates']} updates" in text
    assert "- **Sentences:** 48" in text
    assert "12 sentences, by which the epoch was chosen" in text
    assert "test has 1 sentences of only in test, which train lacks" in text
    assert str(hostile_run.parent) not in text
    calibration = json.loads((hostile_run / "calibration.json").read_bytes())["best"]
    assert f"Scores are divided by {calibration['temperature']:.3f} before" in text
    assert "before the softmax" not in card(hostile_run, calibrated=False)


def test_a_run_without_evaluations_or_with_old_ones_says_how_to_make_them(
    hostile_run: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(hostile_run, tmp_path / "run"))
    path = copy / "evaluations" / "test.best.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "epoch": 99}))
    with pytest.raises(UserMistake, match=r"test was evaluated before the weights changed\. relclf evaluate"):
        card(copy)
    shutil.rmtree(copy / "evaluations")
    with pytest.raises(
        UserMistake, match=f"has no evaluation of its best weights.* relclf evaluate {copy} makes one"
    ):
        card(copy)


def test_a_broken_checkpoint_is_named(hostile_run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(hostile_run, tmp_path / "run"))
    (copy / "calibration.json").unlink()
    (copy / "best.safetensors").write_bytes(b"1234567890")
    with pytest.raises(UserMistake, match=r"best\.safetensors: cut short or corrupted"):
        card(copy)


@pytest.mark.parametrize(
    "name", ["a|b", "*a*", "[a](http://b.c)", "`a`", "a\\", "&lt;", "# a", "$x$", "~~a~~"]
)
def test_escaped_text_is_shown_as_it_is(name: str) -> None:
    assert unescape(shown(f"| x |\n|---|\n| {escaped(name)} |\n")).count(name) == 1
