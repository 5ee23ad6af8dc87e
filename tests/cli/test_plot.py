"""`relclf plot` and the curves of `relclf train --live`, as a person and as a script see them."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relclf.cli.app import app
from relclf.runs.lock import RunLock
from tests.cli.test_train import CONFIG
from tests.comparison.runs import write_run, write_sweep
from tests.tiny import write_tiny_corpus

runner = CliRunner()

CHART = """\
loss, nats an example                    macro-F1, %
1.5 ┤                                    100 ┤
    │                                        │                          ....···
    │˙·..                                 80 ┤                   ..··˙˙˙ ▁*▁▁▁▁
  1 ┤    ˙·..                                │             ..··˙˙   ▁──▔▔
    │▔▔▔──▁▁ ˙··.                         60 ┤         .··˙    ▁──▔▔
    │       ▔▔▔───▁▁▁..                   40 ┤      .·˙  ▁▁──▔▔
0.5 ┤                ▔▔▔▔────▁▁▁▁            │   .·˙ ▁──▔
    │                         ˙˙˙*▔▔▔─    20 ┤▁▁▁──▔▔
    │                                        │
  0 ┤                                      0 ┤
    └─────────────────────────────────       └─────────────────────────────────
     1             epoch             9        1             epoch             9
▁─▔ dev   .·˙ train   * best, epoch 8
"""


@pytest.fixture(autouse=True)
def _in_a_folder_at_width_80(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of nine epochs, the eighth the best."""
    return write_run(Path("run"), dev=[0.19, 0.24, 0.33, 0.42, 0.5, 0.58, 0.66, 0.74, 0.73])


def plot(*arguments: object) -> tuple[int, str, str]:
    result = runner.invoke(app, ["plot", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_a_run_is_drawn_in_the_terminal(run: Path) -> None:
    assert plot(run) == (0, CHART, "")
    assert plot(run, "--terminal") == (0, CHART, "")


def test_a_narrow_terminal_has_the_plots_one_above_the_other(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    _, out, _ = plot(run)
    lines = out.splitlines()
    assert [line for line in lines if not line.startswith(" ") and "," in line][:2] == [
        "loss, nats an example",
        "macro-F1, %",
    ]
    assert max(map(len, lines)) <= 40


@pytest.mark.parametrize("suffix", ["svg", "pdf", "png", "PDF"])
def test_a_file_is_of_the_kind_that_its_name_says(run: Path, suffix: str) -> None:
    beginnings = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}
    code, out, said = plot(run, "-o", f"curves.{suffix}", "--rates", "--columns", "one")
    assert (code, out, said) == (0, "", f"curves.{suffix}: written\n")
    assert Path(f"curves.{suffix}").read_bytes().startswith(beginnings[suffix.lower()])


def test_a_file_and_the_terminal_at_once(run: Path) -> None:
    assert plot(run, "-o", "a.svg", "--terminal") == (0, CHART, "a.svg: written\n")


def test_several_runs_are_drawn_by_group_with_a_letter_each(run: Path) -> None:
    low = {"training.optimizer.lr": 0.01}
    others = [write_run(Path(f"low-{seed}"), seed, dev=[0.2, 0.3, 0.4], settings=low) for seed in (1, 2)]
    code, out, said = plot(run, *others)
    assert (code, said) == (0, "")
    assert out.startswith("dev loss, nats an example                dev macro-F1, %\n")
    assert out.endswith("A  run (1 run)\nB  low-1 and 1 more (2 runs)\n")


def test_a_sweep_is_drawn_by_variant(tmp_path: Path) -> None:
    variants = {f"lr={lr}": ({"training.optimizer.lr": lr}, [[lr, 2 * lr]]) for lr in (0.01, 0.1, 0.2)}
    sweep = write_sweep(Path("sweep"), "grid", variants)
    code, out, _ = plot(sweep)
    assert code == 0
    assert out.splitlines()[-3:] == ["A  lr=0.01 (1 run)", "B  lr=0.1 (1 run)", "C  lr=0.2 (1 run)"]
    assert plot(sweep, "-o", "sweep.pdf")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-o", "curves.gif"), "curves.gif: no kind of figure ends in '.gif'. Name a file that ends in .svg"),
        (("-o", "curves"), "curves: its name does not say what to write. Let it end in .svg, .pdf or .png."),
        (("--rates",), "--rates is for one run, and goes with -o FILE."),
        (("nowhere",), "nowhere: no such run, folder of runs, or sweep."),
        (("empty",), "empty: not a run, and no runs lie in it."),
    ],
)
def test_what_cannot_be_drawn_is_said(run: Path, arguments: tuple[str, ...], words: str) -> None:
    Path("empty").mkdir()
    code, out, said = plot(run, *arguments)
    assert (code, out) == (2, "")
    assert words in said


def test_a_folder_that_is_not_there_is_said_and_leaves_nothing(run: Path) -> None:
    code, _, said = plot(run, "-o", "nowhere/curves.svg")
    assert code == 1
    assert "nowhere/curves.svg: cannot be written: No such file or directory." in said
    assert sorted(path.name for path in Path().iterdir()) == ["run"]


def test_a_run_without_an_epoch_has_nothing_to_draw_but_others_do(run: Path) -> None:
    write_run(Path("young"), seed=2, dev=[], stop_reason=None)
    code, out, said = plot("young")
    assert (code, out) == (2, "")
    assert "young: no epoch is done yet, so there is nothing to draw." in said
    code, _, said = plot(run, "young")
    assert (code, said) == (0, "note   young has no epoch, and no curve\n")


def test_a_run_still_training_is_drawn_as_far_as_it_is(run: Path) -> None:
    lock = RunLock(run)
    code, out, said = plot(run)
    lock.release()
    assert (code, out) == (0, CHART)
    assert said == "note   run is still training; it has 9 epochs so far\n"


@pytest.mark.parametrize("summary", [True, False])
def test_epochs_with_null_or_nan_are_left_out_and_named(run: Path, summary: bool) -> None:
    lines = [json.loads(line) for line in (run / "records.jsonl").read_text(encoding="utf-8").splitlines()]
    lines[2] |= {"dev_macro_f1": None, "monitored": None}
    lines[4] |= {"train_loss": math.nan, "dev_loss": math.inf}
    (run / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    if not summary:
        (run / "summary.json").unlink()
    code, out, said = plot(run, "--terminal", "-o", "curves.pdf")
    assert code == 0
    assert "nan" not in out
    assert out.endswith("* best, epoch 8\n")
    assert said.splitlines() == [
        "curves.pdf: written",
        "note   run: train_loss is no finite number in epoch 5, and left out there",
        "note   run: dev_loss is no finite number in epoch 5, and left out there",
        "note   run: dev_macro_f1 is no finite number in epoch 3, and left out there",
    ]


def test_letters_without_a_shape_are_named(run: Path) -> None:
    write_run(Path("関係"), settings={"model.filters": 7})
    code, _, said = plot(run, "関係", "-o", "curves.svg")
    assert code == 0
    assert "the font of figures has no 係 関, and boxes stand in their place." in said


def test_without_matplotlib_a_file_needs_the_extra_and_the_terminal_does_not(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, said = plot(run, "-o", "curves.svg")
    assert code == 2
    assert "pip install 'relclf[report]'" in said
    assert plot(run) == (0, CHART, "")


def test_the_terminal_needs_neither_matplotlib_nor_torch(run: Path) -> None:
    code = (
        "import sys\nfrom relclf.cli.app import main\nsys.argv = ['relclf', 'plot', 'run']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\nprint('imported', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "matplotlib", "scipy"} & set(done.stdout.splitlines()[-1].split())


def on_a_terminal(*arguments: str, encoding: str = "utf-8") -> str:
    """What a relclf prints on a terminal of 80 columns."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    environment = os.environ | {
        "COLUMNS": "80",
        "LINES": "30",
        "TERM": "xterm-256color",
        "PYTHONIOENCODING": encoding,
    }
    command = [sys.executable, "-m", "relclf", *arguments]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs, env=environment) as process:
        os.close(theirs)
        parts = []
        while part := _read(ours):
            parts.append(part)
    os.close(ours)
    assert process.returncode == 0
    return b"".join(parts).decode(encoding)


def _read(descriptor: int) -> bytes:
    """The next bytes of a terminal; empty where its other end is closed (Linux says so by an error)."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def test_a_terminal_with_ascii_alone_gets_other_characters(run: Path) -> None:
    shown = on_a_terminal("plot", "run", encoding="ascii")
    assert "_-^" in shown
    assert "?" not in shown


def test_no_color_means_no_colour(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[36m" in on_a_terminal("plot", "run")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[36m" not in on_a_terminal("plot", "run")


@pytest.fixture
def config(tmp_path: Path) -> str:
    write_tiny_corpus(tmp_path)
    Path("tiny.yaml").write_text(CONFIG, encoding="utf-8")
    return "tiny.yaml"


def test_a_live_training_leaves_the_table_the_curves_and_the_closing_lines(config: str) -> None:
    shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", on_a_terminal("train", "-c", config, "--live"))
    end = shown[shown.rindex("macro-F1, %") :]
    assert re.findall(r"(\d) +5/5", shown) == ["1", "2", "3"]
    assert end.index("best, epoch") < end.index("stopped after epoch 3")
    assert end.rstrip().endswith("next: relclf evaluate runs/tiny-001")


def test_into_a_pipe_a_live_training_prints_the_ordinary_table(config: str) -> None:
    def lines(*options: str) -> list[str]:
        result = runner.invoke(app, ["train", "-c", config, "--run", "-".join(["run", *options]), *options])
        assert result.exit_code == 0
        return [line[:59] for line in result.stdout.splitlines()[3:-1]]

    assert lines("--live") == lines()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--quiet",), "--live draws, --quiet does not."),
        (("--pack", "--seeds", "2"), "--pack trains all at once"),
    ],
)
def test_options_that_contradict_live_are_refused(config: str, options: tuple[str, ...], words: str) -> None:
    result = runner.invoke(app, ["train", "-c", config, "--live", *options])
    assert result.exit_code == 2
    assert words in result.stderr
