"""Sweep files: what they mean, what their variants are called, and how they are refused."""

from pathlib import Path
from typing import Any

import pytest

from relclf.errors import UserMistake
from relclf.sweeps.distributions import Choice, Numbers, draw
from relclf.sweeps.folder import SweepFolder
from relclf.sweeps.plan import plan_sweep
from relclf.sweeps.sweep_file import read_sweep
from relclf.sweeps.variants import all_settings, checked_variants, readable_name
from tests.sweeps.tiny_sweep import write_base

LR = "training.optimizer.lr"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the base config `tiny.yaml` of the tiny corpus."""
    write_base(tmp_path)
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(f"base: tiny.yaml\n{text}", encoding="utf-8")
    return path


def names(folder: Path, text: str) -> list[str]:
    plan, lock = plan_sweep(
        read_sweep(written(folder, text)), SweepFolder(folder / "sweeps" / "s"), yes=False
    )
    lock.release()
    return [each.name for each in plan.variants]


def test_a_grid_is_every_combination_and_names_say_what_varies(folder: Path) -> None:
    text = "grid: {training.optimizer.lr: [1e-3, 0.01], model.filters: [8, 16], training.max_epochs: [2]}"
    assert names(folder, text) == [
        "lr=0.001,filters=8",
        "lr=0.001,filters=16",
        "lr=0.01,filters=8",
        "lr=0.01,filters=16",
    ]


def test_a_section_varies_whole_and_a_key_in_it_beside(folder: Path) -> None:
    sweep = read_sweep(
        written(
            folder,
            "grid: {training.optimizer.lr: [0.5], training.optimizer: [{name: sgd, momentum: 0.9}, {name: adam}]}",
        )
    )
    variants = checked_variants(sweep, all_settings(sweep))
    assert [(v.config.training.optimizer.name, v.config.training.optimizer.lr) for v in variants] == [
        ("sgd", 0.5),
        ("adam", 0.5),
    ]
    assert readable_name(variants[0].settings, sweep, ()) == "optimizer=sgd-momentum0.9"


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"model.windows": [2, 3]}, "windows=2-3"),
        ({"encoding.lowercase": False, "training.patience": None}, "lowercase=false,patience=null"),
        ({"encoding.vectors": "../a b/glove.50d.txt"}, "vectors=glove.50d"),
        (
            {"training.optimizer.name": "sgd", "training.schedule.name": "linear"},
            "optimizer.name=sgd,schedule.name=linear",
        ),
        ({f"model.key{number}": 0.123456 for number in range(9)}, "variant-001"),
    ],
)
def test_names_are_safe_in_a_file_system_and_short(folder: Path, settings: dict[str, Any], name: str) -> None:
    sweep = read_sweep(written(folder, "grid: {model.filters: [1, 2]}"))
    assert readable_name(settings, sweep, ()) == name


def test_a_name_that_is_taken_in_another_case_becomes_a_number(folder: Path) -> None:
    sweep = read_sweep(written(folder, "grid: {model.filters: [1, 2]}"))
    assert readable_name({"data.x": "A"}, sweep, ["X=a", "variant-001"]) == "variant-002"


def test_more_draws_leave_the_first_as_they_are(folder: Path) -> None:
    text = "random: {training.optimizer.lr: {log_uniform: [1e-4, 1e-1]}, model.filters: {int: [5, 50]}}\nvariants: "
    five, nine = (list(all_settings(read_sweep(written(folder, f"{text}{count}")))) for count in (5, 9))
    assert nine[:5] == five
    assert len({each[LR] for each in nine}) == 9


def test_draws_fill_their_distribution() -> None:
    low = [draw(Numbers(1e-4, 1e-1, True, False), "a", 1, n) for n in range(300)]
    assert 60 < sum(value < 1e-3 for value in low) < 140
    whole = [draw(Numbers(1, 4, False, True), "a", 1, n) for n in range(300)]
    assert {*whole} == {1, 2, 3, 4}
    assert {draw(Choice(("x", None)), "a", 1, n) for n in range(30)} == {"x", None}


REFUSED = {
    "grid: {training.optimiser.lr: [1]}": "sweep.yaml:2:8: training.optimiser: unknown key; did you mean `optimizer`?",
    "grid: {training.optimizer.lr: [1, -1]}": f"sweep.yaml:2:8: {LR}: must be a number above 0 (got -1)",
    "grid: {model.filters: []}": "an empty list: the grid has no variant",
    "grid: {}": "grid: is empty: name the keys that vary",
    "grid: {model.filters: 5}": "did you mean [5]?",
    "grid: {model: {filters: [5]}}": "must be a list of values (got {filters: [5]}). Write keys whole",
    "grid: {model.filters: [5, 5]}": "has 5 twice",
    "grid: {seed: [1, 2]}": "seed: cannot vary: a sweep's own `seeds:`",
    "grid: {model.filters: [5]}\nvariants: 3": "variants: a grid has as many variants as its values make",
    "grid: {model.filters: [5]}\nrandom: {a: {int: [1, 2]}}\nvariants: 2": "exactly one of grid, random and search",
    "seeds: 2": "exactly one of grid, random and search (it has none)",
    "grid: {model.filters: [5]}\nseed: 2": "sweep.yaml:3:1: seed: unknown key; did you mean `seeds`?",
    "grid: {model.filters: [5]}\nseeds: 0": "seeds: must be how many",
    "grid: {model.filters: [5]}\nseeds: [1, 1]": "has a seed twice",
    "grid: {model.filters: [5]}\nsplit: other": "must be `fixed` or `resample` (got 'other')",
    "grid: {data.split_seed: [5]}\nsplit: resample": "data.split_seed: cannot vary",
    "random: {model.filters: {int: [5, 9]}}": "variants: must be a whole number of at least 1 (got null)",
    "random: {model.filters: {normal: [5, 9]}}\nvariants: 2": "no distribution 'normal'. There are uniform,",
    "random: {model.filters: {int: [9, 5]}}\nvariants: 2": "must go from a lower number to a higher one",
    "random: {model.dropout: {log_uniform: [0, 0.5]}}\nvariants: 2": "must begin above 0",
    "random: {model.filters: [5, 9]}\nvariants: 2": "must be one distribution, such as {log_uniform:",
    "random: {model.dropout: {uniform: [0.1, 3]}}\nvariants: 9": "model.dropout: must be a number of at least 0",
    "search: {model.dropout: {uniform: [0, 3]}}\nvariants: 9": "model.dropout: must be a number of at least 0",
    "grid: {data.train: [missing.jsonl]}": "missing.jsonl: no such file",
    "grid: {data.dev: [train.jsonl]}\nsplit: resample": "data.dev is no share of it",
    "grid: {data.test: [0.1, 0.2]}\nsplit: resample": "would draw another test set for each seed",
    "grid: {model.filters: [1, 2, 3]}\nseeds: 400": "3 variants x 400 seeds are 1,200 runs. Give --yes",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_makes_no_sense_is_refused_by_its_place_before_anything_is_made(folder: Path, text: str) -> None:
    with pytest.raises(UserMistake) as refused:
        names(folder, text)
    assert REFUSED[text] in str(refused.value)
    assert not (folder / "sweeps").exists()


def test_a_million_variants_are_counted_and_not_made(folder: Path) -> None:
    values = list(range(1, 101))
    text = f"grid: {{model.filters: {values}, model.word_dim: {values}, training.batch_size: {values}}}"
    with pytest.raises(UserMistake, match="1,000,000 variants x 1 seeds are 1,000,000 runs"):
        names(folder, text)


def test_paths_of_a_sweep_are_relative_to_its_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "other").mkdir()
    monkeypatch.chdir(folder / "other")
    sweep = read_sweep(written(folder, "grid: {data.train: [train.jsonl]}"))
    assert checked_variants(sweep, all_settings(sweep))[0].config.data.train == folder / "train.jsonl"
