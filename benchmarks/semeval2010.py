"""Trains `configs/semeval2010-cnn.yaml` with several seeds and prints the official score and the CPU-seconds.

    python benchmarks/semeval2010.py [--data FOLDER] [--seeds 1 2 3] [--set KEY=VALUE ...] [--json FILE]

The epoch is picked on the dev split, the test score is that of the official report over the written answer file.
CPU-seconds are those of this process (one thread), from reading the data to the end of the best epoch, importing
torch aside.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch  # imported first, so that its own import is not counted

from relclf.prediction.evaluating import evaluate_run, write_answers
from relclf.prediction.opening import open_trained
from relclf.scoring.answers import read_answers
from relclf.scoring.semeval2010 import official_report, official_score
from relclf.training.experiment import train

PROJECT = Path(__file__).resolve().parents[1]
CONFIG = PROJECT / "configs" / "semeval2010-cnn.yaml"


def main() -> None:
    """Train, evaluate, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=PROJECT / "data" / "semeval2010")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--set", nargs="*", default=[])
    parser.add_argument("--json", type=Path, help="write every seed's numbers to this file")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, one thread, {CONFIG.name} {' '.join(arguments.set)}\n")
    print("seed   dev official   best epoch   epochs   CPU-s to best   test official")
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for seed in arguments.seeds:
            row = one_seed(seed, arguments.data, arguments.set, Path(folder))
            rows.append(row)
            print(
                f"{seed:>4}{100 * row['dev']:>15.2f}{row['best_epoch']:>13}{row['epochs']:>9}"
                f"{row['cpu_seconds_to_best']:>16.1f}{100 * row['test']:>16.2f}",
                flush=True,
            )
    tests = [100 * row["test"] for row in rows]
    spread = f" ± {statistics.stdev(tests):.2f}" if len(tests) > 1 else ""
    print(f"\nofficial macro-F1 on test: mean {statistics.fmean(tests):.2f}{spread} over {len(tests)} seeds")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def one_seed(seed: int, data: Path, overrides: list[str], folder: Path) -> dict[str, Any]:
    """Train and test one seed; scores in [0, 1]."""
    run = folder / f"seed-{seed}"
    settings = [
        f"data.train={data / 'TRAIN_FILE.TXT'}",
        f"data.test={data / 'TEST_FILE_FULL.TXT'}",
        f"seed={seed}",
        "training.threads=1",
        *overrides,
    ]
    started = time.process_time()
    spent = []
    for _ in train(CONFIG, run=run, overrides=settings):
        spent.append(time.process_time() - started)
    summary = json.loads((run / "summary.json").read_bytes())
    opened = open_trained(run)
    result = evaluate_run(opened, split="test")
    write_answers(run / "answers.txt", result)
    names, gold = result.labelled.relations.names, result.labelled.gold
    key = {i: names[relation] for i, relation in zip(result.labelled.ids, gold, strict=True)}
    answers = read_answers(run / "answers.txt").relations
    test = official_score(key, answers)
    printed = official_report(key, answers).strip().splitlines()[-1]
    assert f"macro-averaged F1 = {100 * test:.2f}%" in printed, printed
    return {
        "seed": seed,
        "dev": summary["best"]["monitored"],
        "best_epoch": summary["best"]["epoch"],
        "epochs": summary["epochs"],
        "cpu_seconds_to_best": spent[summary["best"]["epoch"] - 1],
        "test": test,
        "signature": result.report.scores["semeval2010"].signature,
    }


if __name__ == "__main__":
    main()
