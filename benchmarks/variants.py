"""Trains one config over several seeds with and without a change, and says whether dev scores and epochs differ.

    python benchmarks/variants.py --data TRAIN_FILE.TXT --change training.bucket_batches=1

A row a variant: best dev macro-F1 and the epoch it came in, mean and standard deviation over the seeds, and
CPU-seconds; then the paired differences. Seeds of both variants are trained in turn.
"""

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from relclf.config.loading import load_config
from relclf.runs.records import best_record
from relclf.training.experiment import start

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "semeval2010-cnn.yaml"


@dataclass(frozen=True)
class Outcome:
    """One training."""

    macro_f1: float
    epoch: int
    cpu_seconds: float


def main() -> None:
    """Parse the options, train both variants over the seeds, print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="SemEval-2010's TRAIN_FILE.TXT")
    parser.add_argument("--change", action="append", required=True, metavar="KEY=VALUE")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write every training's numbers to this file")
    options = parser.parse_args()
    common = [
        f"data.train={options.data.resolve()}",
        "data.test=null",
        "training.threads=1",
        *options.overrides,
    ]
    outcomes: dict[str, list[Outcome]] = {"as it is": [], " ".join(options.change): []}
    for seed in range(1, options.seeds + 1):
        for name, change in zip(outcomes, ([], options.change), strict=True):
            outcomes[name].append(_train([*common, f"seed={seed}", *change]))
    print(f"{'variant':<40} {'dev macro-F1':>14} {'best epoch':>12} {'CPU s':>12}")
    for name, found in outcomes.items():
        columns = (
            [100 * o.macro_f1 for o in found],
            [o.epoch for o in found],
            [o.cpu_seconds for o in found],
        )
        print(f"{name:<40} {'':>2}" + " ".join(f"{_spread(values):>12}" for values in columns))
    pairs = list(zip(*outcomes.values(), strict=True))
    f1 = [100 * (changed.macro_f1 - plain.macro_f1) for plain, changed in pairs]
    epochs = [changed.epoch - plain.epoch for plain, changed in pairs]
    print(f"changed minus as it is, by seed: macro-F1 {_spread(f1)}, epochs {_spread(epochs)}")
    if options.json:
        found_of = {name: [asdict(outcome) for outcome in found] for name, found in outcomes.items()}
        options.json.write_text(json.dumps(found_of, indent=1) + "\n", encoding="utf-8")


def _train(overrides: list[str]) -> Outcome:
    config = load_config(CONFIG, overrides)
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        records = list(start(config, "variant", Path(folder), None).epochs())
        seconds = time.process_time() - started
    best = best_record(records, config.training.monitor)
    if best is None or best.dev_macro_f1 is None:
        raise ValueError("the config has a dev set")
    return Outcome(best.dev_macro_f1, best.epoch, seconds)


def _spread(values: list[float] | list[int]) -> str:
    return f"{statistics.fmean(values):.1f} ± {statistics.stdev(values):.1f}"


if __name__ == "__main__":
    main()
