"""Runs to report, one of them of hostile sentences, and the browser that opens their pages."""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from relclf.training.experiment import start
from tests.tiny import tiny_config, write_tiny_corpus

HOSTILE_RELATION = "</script><script>document.title='broken'</script>"
RIGHT_TO_LEFT = "سبب‮evil"
HOSTILE_TEXTS = (
    "<script>document.title='broken'</script> causes <img src=x onerror=document.title='broken'>",
    "</script><!-- {{ 7 * 7 }} & &amp; \"quoted\" 'text' causes \\u003cb\\u003e",
    "العاصفة تسببت في الفيضانات ‮ causes backwards",
    "👩‍👩‍👧‍👦 emoji 🌪️ causes 🌊 floods",
    "long " * 2000 + "causes end",
)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the tiny corpus, whose test set has a relation that train lacks."""
    folder = tmp_path_factory.mktemp("reported")
    train = write_tiny_corpus(folder).read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in train[:20]]
    records[0]["relation"] = "only in test"
    return _trained(folder, records)


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose relations, ids and sentences try to leave their place in the page."""
    folder = tmp_path_factory.mktemp("hostile")
    names = (HOSTILE_RELATION, RIGHT_TO_LEFT, "none")
    records = [
        {
            "id": f"<b>{number}</b>",
            "text": text,
            "head": [0, len(text.split()[0])],
            "tail": [text.index("causes"), text.index("causes") + len("causes")],
            "relation": names[number % 3],
        }
        for number, text in enumerate(HOSTILE_TEXTS * 6)
    ]
    (folder / "train.jsonl").write_text(
        "".join(json.dumps(each) + "\n" for each in records), encoding="utf-8"
    )
    return _trained(folder, records[:10], encoding__max_length=3000, data__dev=0.4)


def _trained(folder: Path, test: Sequence[dict[str, Any]], **overrides: Any) -> Path:
    path = folder / "test.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in test), encoding="utf-8")
    config = tiny_config(folder, data__test=str(path), training__max_epochs=3, **overrides)
    experiment = start(config, "tiny", folder / "runs", None)
    list(experiment.epochs())
    return experiment.run.path


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium, the system's own."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("needs a Chromium: apt-get install chromium")
    quiet = ("background-networking", "component-update", "sync")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", *(f"--disable-{each}" for each in quiet)],
        )
        yield browser
        browser.close()
