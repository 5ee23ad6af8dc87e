"""Replays stopping rules over long runs of three corpora, several optimisers and rates, for docs/stopping.md.

    python benchmarks/stopping.py --semeval TRAIN_FILE.TXT --euadr FOLDER --json stopping.json

Each run goes to its end without a rule and keeps the weights of every epoch; dev is halved five times, a rule sees
one half, the other is reported, both ways. Then for each rule, corpus by corpus and over all runs, what it lost against
the whole run in points of macro-F1 (mean and standard error over the runs, in brackets the loss that one run in ten
exceeds), and the share of updates that it saved; then both as paired differences from the default rule. With
--from-json the tables are printed anew from an earlier call's file.
"""

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from relclf.config.loading import config_from_mapping
from relclf.replay.replaying import replay_run
from relclf.replay.rules import DEFAULT
from relclf.runs.files import write_json
from relclf.scoring.metrics import Values
from relclf.training.experiment import start

QUICKSTART = Path(__file__).resolve().parents[1] / "data" / "quickstart"
OPTIMIZERS: tuple[dict[str, Any], ...] = (
    {"name": "adam", "lr": 0.001},
    {"name": "adam", "lr": 0.003},
    {"name": "adagrad", "lr": 0.05},
    {"name": "rmsprop", "lr": 0.001},
    {"name": "backtracking"},
    {"name": "sgd", "lr": 0.3},
    {"name": "adam", "lr": 0.01},
    {"name": "adamw", "lr": 0.002, "weight_decay": 0.1},
    {"name": "adadelta", "lr": 1.0},
    {"name": "sgd", "lr": 0.1, "momentum": 0.9},
    {"name": "adamax", "lr": 0.002},
    {"name": "schedule_free", "lr": 0.0025},
)
CORPORA = ("quickstart", "SemEval-2010", "EU-ADR")
HALVINGS = 5
SEMEVAL_SENTENCES = 4000
DEV_ABSTRACTS = 4
"""One abstract in so many of EU-ADR goes to dev, all its sentences together."""


def main() -> None:
    """Parse the options, train and replay, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--semeval", type=Path, help="SemEval-2010's TRAIN_FILE.TXT; its first 4,000 sentences"
    )
    parser.add_argument("--euadr", type=Path, help="the folder of EU-ADR's three CSV files")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write every run's replays to this file")
    parser.add_argument("--from-json", type=Path, help="train nothing, print the tables of this file")
    options = parser.parse_args()
    if options.from_json:
        found = json.loads(options.from_json.read_text(encoding="utf-8"))
    else:
        found = _measured(options.semeval, options.euadr, options.seeds, options.json)
    corpora = {name: [each for each in found if each["corpus"] == name] for name in CORPORA}
    corpora = {name: runs for name, runs in corpora.items() if runs} | {"all": found}
    print("\n".join(_means(corpora)), "\n", "\n".join(_differences(corpora)), sep="\n")


def _measured(
    semeval: Path | None, euadr: Path | None, seeds: int, kept: Path | None
) -> list[dict[str, Any]]:
    """Each run's replays; the corpora take turns, so that a call cut short has runs of each."""
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        corpora = dict(_corpora(Path(folder), semeval, euadr))
        for seed in range(1, seeds + 1):
            for optimizer in OPTIMIZERS:
                for corpus, config in corpora.items():
                    started = time.process_time()
                    replay = _replayed(config, optimizer, seed, Path(folder) / f"run-{len(found)}")
                    seconds = time.process_time() - started
                    run = {"corpus": corpus, "optimizer": optimizer, "seed": seed, "cpu_seconds": seconds}
                    found.append(run | replay)
                    print(f"{corpus} {optimizer} seed {seed}: {seconds:.1f} CPU s", flush=True)
                    if kept:
                        write_json(kept, found)
    return found


def _replayed(config: dict[str, Any], optimizer: dict[str, Any], seed: int, run: Path) -> dict[str, Any]:
    values = {**config, "seed": seed, "training": {**config["training"], "optimizer": optimizer}}
    experiment = start(config_from_mapping(values, Path.cwd()), "long", run.parent, run)
    for _ in experiment.epochs():
        pass
    replay = replay_run(run, halvings=HALVINGS, device="cpu").to_json()
    for weights in experiment.run.epochs.iterdir():
        weights.unlink()
    return replay


def _corpora(folder: Path, semeval: Path | None, euadr: Path | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """The configs by the corpus's name."""
    quickstart = {"train": str(QUICKSTART / "train.jsonl"), "dev": str(QUICKSTART / "dev.jsonl")}
    yield "quickstart", _config({**quickstart, "negative_relation": "no_relation"}, epochs=60)
    if semeval:
        blocks = semeval.read_text(encoding="utf-8").replace("\r\n", "\n").strip().split("\n\n")
        part = folder / "semeval.txt"
        part.write_text("\n\n".join(blocks[:SEMEVAL_SENTENCES]) + "\n", encoding="utf-8")
        yield (
            "SemEval-2010",
            _config({"train": str(part), "dev": 0.25, "negative_relation": "Other"}, epochs=40),
        )
    if euadr:
        files = {name: folder / f"euadr-{name}.jsonl" for name in ("train", "dev")}
        _convert_euadr(euadr, files)
        named = {name: str(path) for name, path in files.items()}
        yield "EU-ADR", _config({**named, "negative_relation": "NA"}, epochs=80)


def _config(data: dict[str, Any], epochs: int) -> dict[str, Any]:
    return {
        "data": data,
        "model": {"word_dim": 20, "filters": 50},
        "training": {
            "max_epochs": epochs,
            "patience": None,
            "divergence": None,
            "keep": "all",
            "device": "cpu",
            "threads": 1,
        },
        "scoring": {"bootstrap_samples": 100},
    }


def _convert_euadr(folder: Path, files: dict[str, Path]) -> None:
    """Write EU-ADR's pairs as JSON lines, an abstract's sentences to one file; overlapping mentions are left out."""
    written: dict[str, list[str]] = {name: [] for name in files}
    left_out = 0
    for path in sorted(folder.glob("EUADR_*.csv")):
        with path.open(encoding="latin-1", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                head, tail = ([int(row[f"ENTITY{i}_INI"]), int(row[f"ENTITY{i}_END"])] for i in (1, 2))
                if head[0] < tail[1] and tail[0] < head[1]:
                    left_out += 1
                    continue
                value = {
                    "text": row["SENTENCE"],
                    "head": head,
                    "tail": tail,
                    "relation": row["ASSOCIATION_TYPE"],
                }
                name = "train" if int(row["PMID"]) % DEV_ABSTRACTS else "dev"
                written[name].append(json.dumps(value, ensure_ascii=False))
    for name, path in files.items():
        path.write_text("\n".join(written[name]) + "\n", encoding="utf-8")
    counts = ", ".join(f"{len(lines)} {name}" for name, lines in written.items())
    print(f"EU-ADR: {counts}, {left_out} pairs of overlapping mentions left out", flush=True)


def _means(corpora: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[str]:
    """Rows of Markdown, a rule each: what it lost and saved on each corpus."""
    for name, runs in corpora.items():
        scores = [[100 * each["whole"][key] for each in runs] for key in ("score", "last")]
        best, last = (np.mean(values) for values in scores)
        yield f"{name}: {len(runs)} runs, macro-F1 {best:.1f} at the best epoch and {last:.1f} at the last"
    yield ""
    yield "| rule | " + " | ".join(f"{name}: lost | saved" for name in corpora) + " |"
    yield "|---" * (1 + 2 * len(corpora)) + "|"
    for rule in _rules(corpora):
        cells = []
        for runs in corpora.values():
            lost, saved = _lost_and_saved(runs, rule)
            cells += [f"{_mean(lost)} ({np.quantile(lost, 0.9):.1f})", f"{saved.mean():.0f} %"]
        yield f"| {rule} | {' | '.join(cells)} |"


def _differences(corpora: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[str]:
    """Rows of Markdown, a rule each: lost and saved less those of the default, run by run."""
    yield f"| rule less {DEFAULT} | " + " | ".join(f"{name}: lost | saved" for name in corpora) + " |"
    yield "|---" * (1 + 2 * len(corpora)) + "|"
    for rule in _rules(corpora):
        pairs = [
            np.subtract(_lost_and_saved(runs, rule), _lost_and_saved(runs, DEFAULT))
            for runs in corpora.values()
        ]
        cells = [cell for lost, saved in pairs for cell in (_mean(lost), f"{saved.mean():.0f} %")]
        yield f"| {rule} | {' | '.join(cells)} |"


def _rules(corpora: Mapping[str, Sequence[dict[str, Any]]]) -> list[str]:
    return [outcome["rule"] for outcome in corpora["all"][0]["outcomes"]]


def _lost_and_saved(runs: Sequence[dict[str, Any]], rule: str) -> tuple[Values, Values]:
    """(runs,) each, in points and in percent."""
    outcomes = [next(each for each in run["outcomes"] if each["rule"] == rule) for run in runs]
    lost, saved = (np.array([100 * each[key] for each in outcomes]) for key in ("lost", "saved"))
    return lost, saved


def _mean(values: Values) -> str:
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{values.mean():.2f} ± {error:.2f}"


if __name__ == "__main__":
    main()
