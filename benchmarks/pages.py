"""Measures the page of a run: its bytes, the CPU-seconds to make it, and the seconds until a browser shows it.

    python -m benchmarks.pages RUN [--sentences 100000]

The first row is the page as it is, where both evaluations are there; `--sentences` adds rows with the sentences of the
run's first split repeated to so many. Making is in CPU-seconds, without the imports; opening and searching are medians
of five in a headless Chromium, in seconds. Needs playwright.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from relclf.report.gathering import RunReport, gather_run
from relclf.report.run_page import run_page

REPEATS = 5


def main() -> None:
    """Print a row a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--sentences", type=int, nargs="*", default=[])
    arguments = parser.parse_args()
    gather_run(arguments.run)  # evaluates what is missing, and imports
    started = time.process_time()
    report = gather_run(arguments.run)
    gathering = time.process_time() - started
    print("sentences      MB   gathered   written    opened  searched")
    with _browser() as browser, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        for each, gathered in (
            (report, f"{gathering:.2f}"),
            *((_grown(report, n), "-") for n in arguments.sentences),
        ):
            started = time.process_time()
            path.write_text(run_page(each), encoding="utf-8")
            written = time.process_time() - started
            opened, searched = _opened(browser, path)
            count = sum(len(split.sentences) for split in each.splits)
            size = path.stat().st_size / 1e6
            print(f"{count:>9,} {size:>7.2f} {gathered:>10} {written:>9.2f} {opened:>9.2f} {searched:>9.2f}")


def _grown(report: RunReport, count: int) -> RunReport:
    """The report with the sentences of its first split repeated."""
    first, *others = report.splits
    return replace(
        report, splits=(replace(first, sentences=tuple(islice(cycle(first.sentences), count))), *others)
    )


def _opened(browser: Any, path: Path) -> tuple[float, float]:
    """The median seconds until a page is ready, and then until a search has shown its first sentences."""
    opening, searching = [], []
    for _ in range(REPEATS):
        page = browser.new_page()
        started = time.perf_counter()
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        opening.append(time.perf_counter() - started)
        page.fill("input[name=query]", "the")
        started = time.perf_counter()
        page.press("input[name=query]", "Enter")
        page.inner_text("#found")
        searching.append(time.perf_counter() - started)
        page.close()
    return statistics.median(opening), statistics.median(searching)


@contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


if __name__ == "__main__":
    main()
