"""Measures the two candidates for relclf's plotting grammar on one figure: matplotlib and Vega-Lite (vl-convert)."""

import argparse
import hashlib
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

EPOCHS = 30
KINDS = ("svg", "pdf", "png")
PACKAGES = {
    "matplotlib": (
        "matplotlib",
        "contourpy",
        "cycler",
        "fonttools",
        "kiwisolver",
        "pillow",
        "pyparsing",
        "python-dateutil",
    ),
    "vl-convert": ("vl-convert-python",),
}
"""What each brings along beside what relclf needs anyway. Specifications for vl-convert need no altair."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--only", choices=PACKAGES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(_measure(_matplotlib if arguments.only == "matplotlib" else _vega_lite)))
        return
    print(
        f"{'':12}{'MB':>6}{'import':>8}  {'kind':5}{'first':>7}{'next':>7}{'bytes':>9}  same in {arguments.processes}"
    )
    for name, packages in PACKAGES.items():
        command = [sys.executable, __file__, "--only", name]
        runs = [
            json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            for _ in range(arguments.processes)
        ]
        imported = statistics.median(run["import"] for run in runs)
        for kind in KINDS:
            first, later = (statistics.median(run[kind][each] for run in runs) for each in ("first", "next"))
            same = "yes" if len({run[kind]["hash"] for run in runs}) == 1 else "no"
            beside = (
                f"{name:12}{_megabytes(packages):>6.0f}{imported:>8.2f}" if kind == KINDS[0] else f"{'':26}"
            )
            print(f"{beside}  {kind:5}{first:>7.2f}{later:>7.2f}{runs[0][kind]['bytes']:>9,}  {same}")
    print("import, first and next figure: CPU-seconds, medians over processes")


def _measure(load: Callable[[], Callable[[str], bytes]]) -> dict[str, object]:
    start = time.process_time()
    draw = load()
    found: dict[str, object] = {"import": time.process_time() - start}
    for kind in KINDS:
        times = []
        for _ in range(4):
            start = time.process_time()
            content = draw(kind)
            times.append(time.process_time() - start)
        found[kind] = {
            "first": times[0],
            "next": statistics.median(times[1:]),
            "bytes": len(content),
            "hash": hashlib.sha256(content).hexdigest(),
        }
    return found


def _matplotlib() -> Callable[[str], bytes]:
    """The panels of `relclf plot`, by the code of `relclf plot`."""
    import matplotlib.figure  # noqa: F401

    from relclf.report.curves import learning_curves
    from relclf.report.rendering import Kind, render
    from relclf.runs.records import EpochRecord

    records = [
        EpochRecord(
            epoch=int(row["epoch"]),
            updates=1,
            total_updates=int(row["epoch"]),
            batches=1,
            train_loss=row["loss"],
            dev_loss=row["loss"],
            dev_nll=row["loss"],
            train_macro_f1=row["macro_f1"],
            dev_macro_f1=row["macro_f1"],
            dev_macro_f1_se=0.03,
            monitored=row["macro_f1"],
            learning_rate=0.001,
            gradient_norm=1.0,
            update_ratio=0.001,
            seconds=1.0,
            sentences_per_second=1.0,
        )
        for row in _rows()
    ]
    kinds: dict[str, Kind] = {"svg": "svg", "pdf": "pdf", "png": "png"}
    return lambda kind: render(learning_curves(records, records[-1]), kinds[kind])


def _vega_lite() -> Callable[[str], bytes]:
    import vl_convert

    def panel(field: str) -> dict[str, object]:
        x = {"field": "epoch", "type": "quantitative"}
        y = {"field": field, "type": "quantitative"}
        band = {
            "x": x,
            "y": {"field": f"{field}_low", "type": "quantitative"},
            "y2": {"field": f"{field}_high"},
        }
        layers = [
            {"mark": {"type": "area", "opacity": 0.2}, "encoding": band},
            {
                "mark": "line",
                "encoding": {"x": x, "y": y, "color": {"field": "split", "type": "nominal"}},
            },
        ]
        return {"width": 200, "height": 110, "layer": layers}

    rows = [
        row
        | {"split": split}
        | {f"{name}_low": row[name] - 0.03 for name in ("loss", "macro_f1")}
        | {f"{name}_high": row[name] + 0.03 for name in ("loss", "macro_f1")}
        for split in ("train", "dev")
        for row in _rows()
    ]
    specification = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": rows},
        "hconcat": [panel("loss"), panel("macro_f1")],
    }
    draw = {
        "svg": lambda: vl_convert.vegalite_to_svg(specification).encode(),
        "pdf": lambda: vl_convert.vegalite_to_pdf(specification),
        "png": lambda: vl_convert.vegalite_to_png(specification, ppi=300),
    }
    return lambda kind: bytes(draw[kind]())


def _rows() -> list[dict[str, float]]:
    return [
        {"epoch": epoch, "loss": math.exp(-epoch / 4), "macro_f1": 1 - math.exp(-epoch / 4)}
        for epoch in range(1, EPOCHS + 1)
    ]


def _megabytes(packages: tuple[str, ...]) -> float:
    """The size of the files of installed packages."""
    try:
        found = [Path(str(each.locate())) for package in packages for each in files(package) or ()]
    except PackageNotFoundError as missing:
        raise SystemExit(f"{missing} pip install matplotlib vl-convert-python") from None
    return sum(path.stat().st_size for path in found if path.is_file()) / 1e6


if __name__ == "__main__":
    main()
