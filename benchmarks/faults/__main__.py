"""Runs every fault and every control with three seeds and prints what `relclf.watch` or `relclf diagnose` said of them.

    python -m benchmarks.faults [--only NAME] [--seeds 1 2 3] [--json FILE]             hand-written loops, watched
    python -m benchmarks.faults --configs --corpora FOLDER [the same options]           configs, diagnosed
    python -m benchmarks.faults --overhead

A fault is named if the first finding of severity problem is of a check that it expects.
"""

import argparse
import contextlib
import io
import json
import linecache
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.faults import cases, config_cases
from benchmarks.faults.configs import diagnosed
from benchmarks.faults.outcomes import Outcome, found, row, totals
from benchmarks.faults.overhead import overhead
from relclf.diagnosis import watching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from relclf.diagnosis.findings import Finding


def main() -> int:
    """Parse the options, run, print; 1 where a fault is missed or a control accused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", metavar="NAME", help="cases whose name, loop or corpus holds this")
    parser.add_argument("--kind", choices=("faults", "controls"), help="leave the others out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every finding there")
    parser.add_argument("--evidence", action="store_true", help="print what each finding measured")
    parser.add_argument("--configs", action="store_true", help="diagnose configs instead of watching loops")
    parser.add_argument("--corpora", type=Path, metavar="FOLDER", help="where semeval2010/ and others lie")
    parser.add_argument(
        "--overhead", action="store_true", help="measure what watching costs, and that weights stay the same"
    )
    parser.add_argument("--no-probes", action="store_true", help="leave the short trainings of report() out")
    options = parser.parse_args()
    if options.no_probes:
        watching.probe_findings = lambda *_: []  # type: ignore[assignment,attr-defined]
    torch.set_num_threads(1)
    if options.overhead:
        return overhead(options.seeds)
    outcomes: list[Outcome] = []
    for title, runs in _runs(options.configs, options.corpora):
        if options.kind not in (None, title):
            continue
        chosen = [run for name, run in runs if options.only is None or options.only in name]
        if chosen:
            print(f"\n{title.upper()}")
        for run in chosen:
            seen = [run(seed) for seed in options.seeds]
            outcomes += seen
            print("\n".join(row(seen, options.evidence)), flush=True)
            if options.json:
                options.json.write_text(json.dumps([asdict(each) for each in outcomes], indent=1) + "\n")
    print("\n".join(["", *totals(outcomes)]))
    return 0 if all(each.right for each in outcomes) else 1


Run = Callable[[int], Outcome]


def _runs(configs: bool, corpora: Path | None) -> Iterable[tuple[str, list[tuple[str, Run]]]]:
    """The cases by their kind: what each is called, and what runs it with a seed."""
    if configs:
        for title, chosen in (("faults", config_cases.FAULTS), ("controls", config_cases.CONTROLS)):
            yield title, [(f"{c.name} {c.corpus}", lambda s, c=c: diagnosed(c, s, corpora)) for c in chosen]  # type: ignore[misc]
        return
    for title, loops in (("faults", cases.FAULTS), ("controls", cases.CONTROLS)):
        yield title, [(f"{c.name} {c.loop}", lambda seed, c=c: watched(c, seed)) for c in loops]  # type: ignore[misc]


def watched(case: cases.Case, seed: int) -> Outcome:
    """One training of the case in this process, its warnings and prints kept away."""
    file = f"<{case.loop}: {case.name}>"
    source = case.source()
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    space: dict[str, Any] = {"__name__": f"benchmarks.faults.loops.{case.loop}"}
    started = time.process_time()
    error = None
    findings: Sequence[Finding] = ()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(compile(source, file, "exec", dont_inherit=True), space)
            findings = space["train"](seed)
        except Exception:  # a case that ends by an exception is a row of the table, and counted as wrong
            error = traceback.format_exc()
    seconds = time.process_time() - started
    return Outcome(
        case.name, case.loop, case.expected, seed, **vars(found(findings)), seconds=seconds, error=error
    )


if __name__ == "__main__":
    sys.exit(main())
