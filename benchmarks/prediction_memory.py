"""Labels a large file with `relclf predict` and prints the speed and the peak memory of the whole process.

    python benchmarks/prediction_memory.py RUN [--sentences 1000000]

The file is made by repeating the quickstart corpus's test sentences under new ids.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
TEST = PROJECT / "data" / "quickstart" / "test.jsonl"


def main() -> None:
    """Make the file, label it in a process of its own, print one line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--sentences", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        source, out = Path(name) / "in.jsonl", Path(name) / "out.jsonl"
        write_sentences(source, arguments.sentences)
        size = source.stat().st_size
        command = [sys.executable, "-m", "relclf", "predict", str(arguments.run), str(source), "-o", str(out)]
        subprocess.run([*command, "--threads", "1"], check=True)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        check_order(out, arguments.sentences)
    seconds = used.ru_utime + used.ru_stime
    print(
        f"{arguments.sentences:,} sentences ({size / 1e6:,.0f} MB): {seconds:,.0f} CPU-seconds, "
        f"{arguments.sentences / seconds:,.0f} sentences a CPU-second (start included), "
        f"peak memory {used.ru_maxrss / 1024:,.0f} MiB"
    )


def write_sentences(path: Path, count: int) -> None:
    """`count` sentences with ids 1, 2, ..."""
    records = [json.loads(line) for line in TEST.read_text(encoding="utf-8").splitlines()]
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            record = {**records[number % len(records)], "id": str(number + 1)}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def check_order(path: Path, count: int) -> None:
    """Every sentence has its line, in the order of the input."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            assert json.loads(line)["id"] == str(number), f"line {number} is out of order"
    assert number == count, f"{number} lines for {count} sentences"


if __name__ == "__main__":
    main()
