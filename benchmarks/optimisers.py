"""Trains with every optimiser at several rates over several seeds, for docs/optimisers.md.

    python benchmarks/optimisers.py --semeval TRAIN_FILE.TXT --semeval-seeds 2 --json optimisers.json

Each variant has the same network, epochs and dev sentences; variants and corpora take turns within a seed. Then a row a
variant: the best dev macro-F1 (mean and standard deviation over the seeds), and the epochs, forward passes of a batch
and CPU-seconds until 95 % of the best of all variants (medians, and in how many seeds it was reached); a row an
optimiser with what its rates are apart; and Adam with one update an epoch against one a batch, at three rates.
With --from-json the tables are printed anew from the files of earlier calls.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from relclf.config.loading import config_from_mapping
from relclf.errors import RelclfError
from relclf.runs.files import write_json
from relclf.training.experiment import Material, begin, prepare

QUICKSTART = Path(__file__).resolve().parents[1] / "data" / "quickstart"
RATES = (0.1, 0.01, 0.001)
USUAL = {"adadelta": (1.0,), "adamax": (0.002,), "sgd": (0.5, 1.0), "schedule_free": (0.0025,)}
"""Usual rates that are not among RATES; two for SGD, whose usual one depends on the network."""
VARIANTS: tuple[dict[str, Any], ...] = (
    *(
        {"name": name, "lr": rate}
        for name in ("adam", "adamw", "rmsprop", "adadelta", "adamax", "sgd", "schedule_free")
        for rate in (*USUAL.get(name, ()), *RATES)
    ),
    {"name": "prodigy"},
    {"name": "backtracking"},
    {"name": "backtracking", "momentum": 0.9},
    {"name": "backtracking", "lr": 0.001},
)
SLOW_EPOCHS = 100
"""Epochs with one update each."""
REACHED = 0.95


def main() -> None:
    """Parse the options, train, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--semeval", type=Path, help="SemEval-2010's TRAIN_FILE.TXT")
    parser.add_argument("--seeds", type=int, default=5, help="on quickstart")
    parser.add_argument("--semeval-seeds", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write every training's numbers to this file")
    parser.add_argument("--first-seed", type=int, default=1, help="leave out the seeds below")
    parser.add_argument(
        "--from-json", type=Path, nargs="+", help="train nothing, print the tables of these files"
    )
    options = parser.parse_args()
    if options.from_json:
        found = [each for path in options.from_json for each in json.loads(path.read_text(encoding="utf-8"))]
    else:
        last = {"quickstart": options.seeds, "SemEval-2010": options.semeval_seeds}
        found = list(_measured(options.semeval, options.first_seed, last, options.json))
    for corpus in dict.fromkeys(each["corpus"] for each in found):
        for title, lines in _tables([each for each in found if each["corpus"] == corpus]).items():
            print(f"\n{corpus}: {title}\n")
            print("\n".join(lines))


def _measured(
    semeval: Path | None, first: int, last: Mapping[str, int], kept: Path | None
) -> Iterator[dict[str, Any]]:
    """Each training's course; seed by seed, so that a call cut short has whole seeds."""
    train, dev = QUICKSTART / "train.jsonl", QUICKSTART / "dev.jsonl"
    material = {
        "quickstart": _material(
            {"train": str(train), "dev": str(dev), "negative_relation": "no_relation"}, 25
        )
    }
    if semeval:
        material["SemEval-2010"] = _material(
            {"train": str(semeval), "dev": 0.1, "negative_relation": "Other"}, 10
        )
    found: list[dict[str, Any]] = []
    for seed in range(first, max(last.values()) + 1):
        for corpus in (corpus for corpus in material if seed <= last[corpus]):
            for changes in _plans(slow=corpus == "quickstart" and seed <= 3):
                course = _course(material[corpus], seed, changes)
                found.append({"corpus": corpus, "seed": seed, **changes, **course})
                print(f"{corpus} seed {seed} {changes}: {course['cpu_seconds'][-1]:.1f} CPU s", flush=True)
                if kept:
                    write_json(kept, found)
                yield found[-1]


def _plans(slow: bool) -> Iterator[dict[str, Any]]:
    for optimizer in VARIANTS:
        yield {"optimizer": optimizer, "update_every": "batch"}
    for rate in RATES if slow else ():
        yield {"optimizer": {"name": "adam", "lr": rate}, "update_every": "epoch", "max_epochs": SLOW_EPOCHS}


def _material(data: dict[str, Any], epochs: int) -> Material:
    training = {
        "max_epochs": epochs,
        "patience": None,
        "divergence": None,
        "device": "cpu",
        "threads": 1,
    }
    model, scoring = {"word_dim": 20, "filters": 50}, {"bootstrap_samples": 100}
    values = {"data": data, "model": model, "training": training, "scoring": scoring}
    return prepare(config_from_mapping(values, Path.cwd()))


def _course(material: Material, seed: int, changes: dict[str, Any]) -> dict[str, Any]:
    """Dev macro-F1, forward passes and CPU-seconds after each epoch; a course that breaks off keeps what it had."""
    values = material.config.model_dump()
    values["training"].update(changes)
    config = config_from_mapping(values, Path.cwd())
    scores, forwards, seconds = [0.0], [0], [0.0]
    with tempfile.TemporaryDirectory() as folder:
        experiment = begin(replace(material, config=config), seed, "variant", Path(folder), None)
        started = time.process_time()
        try:
            for record in experiment.epochs():
                group = experiment.state.optimizer.param_groups[0]
                scores.append(record.dev_macro_f1 or 0.0)
                forwards.append(group.get("forwards", forwards[-1] + record.batches))
                seconds.append(time.process_time() - started)
        except RelclfError as error:
            print(f"ended: {error}")
        failures = experiment.state.optimizer.param_groups[0].get("failures", 0)
    return {"scores": scores, "forwards": forwards, "cpu_seconds": seconds, "failures": failures}


def _tables(found: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """The tables of one corpus by their titles, as rows of Markdown."""
    by_batch = [each for each in found if each["update_every"] == "batch"]
    variants: dict[str, list[dict[str, Any]]] = {}
    for each in by_batch:
        variants.setdefault(_name(each["optimizer"]), []).append(each)
    best = {name: statistics.fmean(max(run["scores"]) for run in runs) for name, runs in variants.items()}
    goal = REACHED * max(best.values())
    tables = {
        f"variants; 95 % of the best of all is {100 * goal:.1f}": _variant_rows(variants, best, goal),
        "what a wrong rate costs": _rate_rows(variants, best),
    }
    slow = [each for each in found if each["update_every"] == "epoch"]
    if slow:
        tables["Adam, one update an epoch against one a batch"] = _slow_rows(slow, variants)
    return tables


def _variant_rows(
    variants: dict[str, list[dict[str, Any]]], best: dict[str, float], goal: float
) -> list[str]:
    rows = [
        "| optimiser | best dev macro-F1 | reached | epochs | forward passes | CPU s |",
        "|---|---|---|---|---|---|",
    ]
    for name in sorted(variants, key=lambda name: -best[name]):
        runs = variants[name]
        places = [next((i for i, s in enumerate(run["scores"]) if s >= goal), None) for run in runs]
        reached = [(run, place) for run, place in zip(runs, places, strict=True) if place is not None]
        cells = ["-", "-", "-"]
        if reached:
            cells = [
                f"{statistics.median(place for _, place in reached):g}",
                f"{statistics.median(run['forwards'][place] for run, place in reached):,.0f}",
                f"{statistics.median(run['cpu_seconds'][place] for run, place in reached):.1f}",
            ]
        score = _spread([100 * max(run["scores"]) for run in runs])
        rows.append(f"| {name} | {score} | {len(reached)} of {len(runs)} | {' | '.join(cells)} |")
    return rows


def _rate_rows(variants: dict[str, list[dict[str, Any]]], best: dict[str, float]) -> list[str]:
    rows = ["| optimiser | 0.1 | 0.01 | 0.001 | best less worst |", "|---|---|---|---|---|"]
    for name in dict.fromkeys(runs[0]["optimizer"]["name"] for runs in variants.values()):
        scores = [100 * best[key] for rate in RATES if (key := f"{name} {rate:g}") in best]
        if len(scores) == len(RATES):
            cells = " | ".join(f"{score:.1f}" for score in scores)
            rows.append(f"| {name} | {cells} | {max(scores) - min(scores):.1f} |")
    return rows


def _slow_rows(slow: Sequence[dict[str, Any]], variants: dict[str, list[dict[str, Any]]]) -> list[str]:
    rows = ["| rate | update every | updates | best dev macro-F1 |", "|---|---|---|---|"]
    for rate in RATES:
        once = [run for run in slow if run["optimizer"]["lr"] == rate]
        each = variants[f"adam {rate:g}"]
        updates = each[0]["forwards"][-1]
        rows.append(
            f"| {rate:g} | epoch | {SLOW_EPOCHS} | {_spread([100 * max(r['scores']) for r in once])} |"
        )
        rows.append(f"| {rate:g} | batch | {updates:,} | {_spread([100 * max(r['scores']) for r in each])} |")
    return rows


def _name(optimizer: dict[str, Any]) -> str:
    extra = f", momentum {optimizer['momentum']:g}" if "momentum" in optimizer else ""
    if optimizer["name"] == "backtracking":
        return f"backtracking from {optimizer.get('lr', 1.0):g}{extra}"
    return f"{optimizer['name']} {optimizer['lr']:g}" if "lr" in optimizer else optimizer["name"]


def _spread(values: Sequence[float]) -> str:
    error = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.1f}{error}"


if __name__ == "__main__":
    main()
