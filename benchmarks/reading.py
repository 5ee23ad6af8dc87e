"""Measures reading: the sentences of DBpediaRelations-PT as examples, and JSON lines as encoded arrays.

    python benchmarks/reading.py --dbpedia ../shared/data/dbpedia_rel_pt/DBpediaRelations-PT-0.2.txt.bz2

The first is one list of all examples, bzip2 unpacked and the mentions found by their words. The second repeats the
sentences of --data up to --sentences of them in a file, and streams it to arrays, in one process, as `relclf predict`
does without --readers. Each is a process of its own: CPU-seconds beyond the imports, and the peak of its whole
memory (on Linux).
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

from relclf.config.formats import BlocksFormat
from relclf.data.conversion import convert
from relclf.data.options import Reading
from relclf.data.reading import load_examples, read_examples
from relclf.encoding.sentences import joined
from relclf.encoding.vocabulary import Vocabulary
from relclf.prediction.reading import Encoder, read_sentences

QUICKSTART = Path(__file__).resolve().parents[1] / "data" / "quickstart" / "train.jsonl"


def main() -> None:
    """Measure each task that was asked for, and print a line for it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dbpedia", type=Path, help="the corpus; without it only the second is measured")
    parser.add_argument("--data", type=Path, default=QUICKSTART, help="whose sentences are repeated")
    parser.add_argument("--sentences", type=int, default=1_000_000)
    parser.add_argument("--task", choices=_TASKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        print(json.dumps(_measured(_TASKS[options.task], options.data)))
        return
    if options.dbpedia:
        _run("blocks", options.dbpedia)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sentences.jsonl"
        _write(path, options.data, options.sentences)
        _run("arrays", path)


def _write(path: Path, source: Path, count: int) -> None:
    once = path.with_suffix(".once")
    with once.open("w", encoding="utf-8") as file:
        convert([source], Reading(), "jsonl", file)
    with once.open(encoding="utf-8") as lines, path.open("w", encoding="utf-8") as file:
        file.writelines(islice(cycle(list(lines)), count))


def _run(task: str, path: Path) -> None:
    command = [sys.executable, __file__, "--task", task, "--data", str(path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)
    what = f"{found['what']:<50} {found['sentences']:>9,} sentences"
    print(f"{what}  {found['seconds']:6.1f} CPU-s  {found['mib']:5.0f} MiB")


def _measured(task: Callable[[Path], tuple[str, int]], path: Path) -> dict[str, object]:
    began = time.process_time()
    what, sentences = task(path)
    seconds = time.process_time() - began
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return {
        "what": what,
        "sentences": sentences,
        "seconds": seconds,
        "mib": int(peak[1]) / 1024 if peak else 0,
    }


def _blocks(path: Path) -> tuple[str, int]:
    loaded = load_examples(path, Reading(BlocksFormat(several="nearest"), skip_bad=True), offsets=False)
    passed = sum(1 for note in loaded.notes if "passed over" in note)
    return f"{path.name} to examples" + " (and the malformed)" * passed, len(loaded.examples)


def _arrays(path: Path) -> tuple[str, int]:
    examples = list(islice(read_examples(path, offsets=False), 10_000))
    vocabulary = Vocabulary.build(examples, min_count=1, lowercase=True, fold_digits=True)
    parts = read_sentences(path, "auto", Encoder(vocabulary, 256, "window"))
    sentences = joined([part.sentences for part in parts])
    return f"jsonl to arrays of {len(sentences.word_ids):,} tokens", len(sentences)


_TASKS: dict[str, Callable[[Path], tuple[str, int]]] = {"blocks": _blocks, "arrays": _arrays}

if __name__ == "__main__":
    main()
