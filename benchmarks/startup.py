"""Measures what a command costs before it does its work: CPU-seconds of whole processes, ours and a naive script's.

    python benchmarks/startup.py [--semeval FOLDER] [--repeats 7] [--json FILE]

`relclf train` and the naive script end at their first update. The commands are started in turn, over and over, each
process on one thread; CPU-seconds are those of the process and its children, from its start to its end. "Beyond torch"
is what is left when the import of torch, a process of the same round, is taken away.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
QUICKSTART = PROJECT / "data" / "quickstart"
TORCH = "import torch"

IMPORT_TORCH = "import os, torch; os._exit(0)"

UNTIL_FIRST_UPDATE = """
import os, sys
from relclf.cli import app, train

follow = train.follow

def follow_until_first_update(experiment, *options, **named):
    optimizer = experiment.state.optimizer
    step = optimizer.step
    def first_step(*arguments):
        step(*arguments)
        sys.stdout.flush()
        os._exit(0)
    optimizer.step = first_step
    follow(experiment, *options, **named)
    os._exit(1)

train.follow = follow_until_first_update
app.main()
"""
"""The command itself, but the process ends after the first call of its optimiser."""

Command = list[str]


@dataclass(frozen=True)
class Usage:
    """What one process and its children used."""

    cpu_seconds: float
    wall_seconds: float
    peak_mib: float


@dataclass(frozen=True)
class Row:
    """One command: seconds are (median, least, most) over the rounds."""

    what: str
    cpu_seconds: tuple[float, float, float]
    beyond_torch: tuple[float, float, float] | None
    """None where the command does not import torch."""
    wall_seconds: float
    peak_mib: float
    naive_over_ours: float | None
    """CPU-seconds beyond torch of the naive script, over ours; medians."""


def main() -> None:
    """Start every command `repeats` times in turn, print the table, and write the JSON where it is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--semeval", type=Path, help="the folder of SemEval-2010 Task 8")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--naive", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.naive is not None:
        naive_training(arguments.naive)
    with tempfile.TemporaryDirectory() as name:
        commands = all_commands(Path(name), arguments.semeval)
        for command in commands.values():
            used_by(command)  # compiles the sources and fills the file cache
        rounds = [
            {what: used_by(command) for what, command in commands.items()} for _ in range(arguments.repeats)
        ]
    rows = [row(what, rounds) for what in commands]
    print_table(rows)
    if arguments.json is not None:
        values = json.dumps([asdict(each) for each in rows], indent=2)
        arguments.json.write_text(values + "\n", encoding="utf-8")


def all_commands(folder: Path, semeval: Path | None) -> dict[str, Command]:
    """What is measured, by its name in the table; makes a run in `folder` for the commands that read one."""
    run, sentence = folder / "run", folder / "sentence.jsonl"
    config = ["-c", str(PROJECT / "configs" / "quickstart.yaml"), "--set", "training.threads=1"]
    used_by([*relclf("train"), *config, "--set", "training.max_epochs=1", "--run", str(run), "--quiet"])
    sentence.write_text((QUICKSTART / "test.jsonl").read_text(encoding="utf-8").splitlines()[0] + "\n")
    runs = ["--runs-dir", str(folder / "runs")]
    first_update = [sys.executable, "-c", UNTIL_FIRST_UPDATE, "train", *runs]
    naive = [sys.executable, __file__, "--naive"]
    commands = {
        TORCH: [sys.executable, "-c", IMPORT_TORCH],
        "relclf --help": relclf("--help"),
        "relclf config show": [*relclf("config"), "show", config[1]],
        "train quickstart": [*first_update, *config],
        "naive quickstart": [*naive, str(QUICKSTART / "train.jsonl")],
        "evaluate quickstart": [*relclf("evaluate"), str(run)],
        "predict 1 sentence": [*relclf("predict"), str(run), str(sentence), "--threads", "1"],
    }
    if semeval is not None:
        train, test = semeval / "TRAIN_FILE.TXT", semeval / "TEST_FILE_FULL.TXT"
        config = ["-c", str(PROJECT / "configs" / "semeval2010-cnn.yaml"), "--set", "training.threads=1"]
        config += ["--set", f"data.train={train}", "--set", f"data.test={test}"]
        commands["train SemEval"] = [*first_update, *config]
        commands["naive SemEval"] = [*naive, str(train)]
    return commands


def relclf(command: str) -> Command:
    """The `relclf` command of this checkout."""
    return [sys.executable, "-m", "relclf", command]


def used_by(command: Command) -> Usage:
    """Run a command to its end, on one thread and with compiled sources, as where it is installed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    started = time.perf_counter()
    child = os.posix_spawn(command[0], command, environment, file_actions=quiet)
    _, status, used = os.wait4(child, 0)
    wall = time.perf_counter() - started
    if status != 0:
        raise SystemExit(f"exit code {os.waitstatus_to_exitcode(status)}: {' '.join(command)}")
    return Usage(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024)


def row(what: str, rounds: Sequence[dict[str, Usage]]) -> Row:
    """The figures of one command; torch's import is taken away round by round."""

    def beyond(name: str) -> list[float]:
        return [each[name].cpu_seconds - each[TORCH].cpu_seconds for each in rounds]

    imports_torch = what.split()[0] in ("train", "naive", "evaluate", "predict")
    naive = what.replace("train", "naive")
    compared = what.startswith("train")
    return Row(
        what,
        spread([each[what].cpu_seconds for each in rounds]),
        spread(beyond(what)) if imports_torch else None,
        spread([each[what].wall_seconds for each in rounds])[0],
        max(each[what].peak_mib for each in rounds),
        spread(beyond(naive))[0] / spread(beyond(what))[0] if compared else None,
    )


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median (the upper one of an even number), least and most."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2], ordered[0], ordered[-1]


def print_table(rows: Sequence[Row]) -> None:
    """One line a command."""

    def three(values: tuple[float, float, float] | None) -> str:
        return f"{values[0]:.3f} ({values[1]:.3f} to {values[2]:.3f})" if values else "-"

    print(f"{'':20}{'CPU-seconds':>24}{'beyond torch':>24}{'wall s':>8}{'peak MiB':>10}{'naive/ours':>12}")
    for each in rows:
        ratio = f"{each.naive_over_ours:.2f}" if each.naive_over_ours else ""
        print(
            f"{each.what:20}{three(each.cpu_seconds):>24}{three(each.beyond_torch):>24}"
            f"{each.wall_seconds:>8.2f}{each.peak_mib:>10.0f}{ratio:>12}"
        )


def naive_training(path: Path) -> None:
    """What people write: read, split at blanks, pad to 100, build, one update with torch's Adam; here it ends."""
    import torch
    from torch import nn

    sentences = list(read_jsonl(path) if path.suffix == ".jsonl" else read_semeval(path))
    words = sorted({word for tokens, *_ in sentences for word in tokens})
    word_ids = {word: index for index, word in enumerate(words, 1)}
    relation_ids = {name: index for index, name in enumerate(sorted({each[3] for each in sentences}))}
    tokens, near_head, near_tail, gold = [], [], [], []
    for words_of_it, head, tail, relation in sentences:
        padding = [0] * (100 - len(words_of_it))
        tokens.append([word_ids[word] for word in words_of_it] + padding)
        near_head.append([max(-50, min(50, i - head)) + 51 for i in range(len(words_of_it))] + padding)
        near_tail.append([max(-50, min(50, i - tail)) + 51 for i in range(len(words_of_it))] + padding)
        gold.append(relation_ids[relation])
    inputs = [torch.tensor(tokens), torch.tensor(near_head), torch.tensor(near_tail)]
    embeddings = nn.ModuleList([nn.Embedding(len(words) + 1, 50), nn.Embedding(102, 5), nn.Embedding(102, 5)])
    layers = nn.ModuleList([embeddings, nn.Conv1d(60, 200, 3, padding=1), nn.Linear(200, len(relation_ids))])
    optimizer = torch.optim.Adam(layers.parameters(), lr=0.001)
    batch = torch.randperm(len(gold))[:50]
    embedded = [layer(ids[batch]) for layer, ids in zip(embeddings, inputs, strict=True)]
    pooled = torch.tanh(layers[1](torch.cat(embedded, 2).transpose(1, 2))).amax(2)
    scores = layers[2](nn.functional.dropout(pooled, 0.5))
    torch.autograd.backward(nn.functional.cross_entropy(scores, torch.tensor(gold)[batch]))
    optimizer.step()
    os._exit(0)


Sentence = tuple[list[str], int, int, str]
"""Words, the places of the first words of head and tail, the relation."""


def read_jsonl(path: Path) -> Iterator[Sentence]:
    """Sentences of a JSON Lines file, mentions by character offset."""
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        head, tail = (len(record["text"][: record[role]["start"]].split()) for role in ("head", "tail"))
        yield record["text"].lower().split(), head, tail, record["relation"]


def read_semeval(path: Path) -> Iterator[Sentence]:
    """Sentences of SemEval-2010 Task 8: blocks of sentence, relation, comment and a blank line."""
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        if not block.strip():
            continue
        sentence, relation, *_ = block.strip().split("\n")
        text = sentence.split("\t")[1].strip('"')
        head, tail = (len(text[: text.index(mark)].split()) for mark in ("<e1>", "<e2>"))
        yield re.sub("</?e[12]>", " ", text).lower().split(), head, tail, relation


if __name__ == "__main__":
    main()
