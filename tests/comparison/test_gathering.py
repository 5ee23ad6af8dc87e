"""Which runs make a group: all seeds of one config, wherever they are named."""

import json
from pathlib import Path

import pytest

from relclf.comparison.gathering import gather, read_run, read_sweep
from relclf.comparison.measuring import choose_split
from relclf.errors import UserMistake
from relclf.runs.lock import RunLock
from tests.comparison.runs import write_group, write_run, write_sweep

VARIANTS = {
    "lr=0.1": ({"training.optimizer.lr": 0.1}, [[0.5, 0.6], [0.5, 0.7]]),
    "lr=0.2": ({"training.optimizer.lr": 0.2}, [[0.5, 0.8], [0.5, 0.7]]),
}


def names(*paths: Path) -> list[tuple[str, list[int]]]:
    """Each group's name, without the folder of the test, and its seeds."""
    root = paths[0].parent
    groups = gather(paths).groups
    return [(g.name.replace(f"{root}/", ""), [run.config.seed for run in g.runs]) for g in groups]


def test_single_runs_of_one_config_make_one_group_and_others_another(tmp_path: Path) -> None:
    paths = [write_run(tmp_path / f"plain-{seed}", seed) for seed in (1, 2, 3)]
    other = write_run(tmp_path / "other", settings={"model.filters": 50})
    assert names(paths[0], other, *paths[1:]) == [("plain-1 and 2 more", [1, 2, 3]), ("other", [1])]


def test_a_folder_of_runs_is_a_group_of_its_own(tmp_path: Path) -> None:
    a, b = (write_group(tmp_path / name, [0.7, 0.8]) for name in "ab")
    assert names(a, b) == [("a", [1, 2]), ("b", [1, 2])]


def test_runs_of_one_config_may_lie_anywhere_and_run_on_any_machine(tmp_path: Path) -> None:
    near = write_run(tmp_path / "near", 1)
    far = write_run(
        tmp_path / "far" / "away" / "run", 2, settings={"training.threads": 7, "training.device": "cpu"}
    )
    assert names(near, far) == [("near and 1 more", [1, 2])]


def test_vectors_are_the_same_where_their_hash_is(tmp_path: Path) -> None:
    runs = [
        write_run(
            tmp_path / f"{seed}",
            seed,
            settings={"encoding.vectors": f"{name}.txt"},
            sha256={"vectors": digest * 64},
        )
        for seed, name, digest in ((1, "here", "e"), (2, "there", "e"), (3, "here", "f"))
    ]
    assert names(*runs) == [("1 and 1 more", [1, 2]), ("3", [3])]


def test_a_folder_of_different_configs_is_refused_with_the_keys(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "a", 1)
    write_run(tmp_path / "runs" / "b", 2, settings={"model.filters": 50, "training.batch_size": 20})
    with pytest.raises(
        UserMistake, match=r"differs from .*runs/a in model\.filters, training\.batch_size\. "
    ):
        gather([tmp_path / "runs"])


def test_a_sweep_alone_is_its_variants(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "rates", "grid", VARIANTS)
    gathered = gather([sweep])
    assert [(group.name, group.variant, group.tried) for group in gathered.groups] == [
        ("lr=0.1", "lr=0.1", 2),
        ("lr=0.2", "lr=0.2", 2),
    ]
    assert gathered.sweep == read_sweep(sweep)


def test_variants_of_a_sweep_may_be_named_and_count_as_tried(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "rates", "grid", VARIANTS)
    gathered = gather([sweep / "lr=0.2", sweep / "lr=0.1"])
    assert [(group.name, group.tried, len(group.runs)) for group in gathered.groups] == [
        ("lr=0.2", 2, 2),
        ("lr=0.1", 2, 2),
    ]
    assert gathered.sweep is None
    assert gather([sweep / "lr=0.1" / "seed-1"]).groups[0].tried == 2


def test_beside_others_a_sweep_is_its_best_variant_on_dev(tmp_path: Path) -> None:
    sweeps = [write_sweep(tmp_path / name, "random", VARIANTS) for name in ("one", "two")]
    assert [group.name for group in gather(sweeps).groups] == [
        "one/lr=0.2, best on dev",
        "two/lr=0.2, best on dev",
    ]


def test_a_sweep_with_a_dev_split_for_each_seed_is_one_group_a_variant(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "rates", "grid", VARIANTS, split="resample")
    write_run(sweep / "lr=0.1" / "seed-3", 3, settings={"training.optimizer.lr": 0.1}, split_seed=99)
    assert [len(group.runs) for group in gather([sweep]).groups] == [3, 2]
    fixed = write_sweep(tmp_path / "fixed", "grid", VARIANTS)
    write_run(fixed / "lr=0.1" / "seed-3", 3, settings={"training.optimizer.lr": 0.1}, split_seed=99)
    with pytest.raises(UserMistake, match=r"data\.split_seed"):
        gather([fixed])


def test_variants_without_runs_are_left_out(tmp_path: Path) -> None:
    sweep = write_sweep(
        tmp_path / "rates", "grid", {**VARIANTS, "lr=0.3": ({"training.optimizer.lr": 0.3}, [])}
    )
    assert [group.name for group in gather([sweep]).groups] == ["lr=0.1", "lr=0.2"]
    empty = write_sweep(tmp_path / "new", "grid", {"lr=0.3": ({"training.optimizer.lr": 0.3}, [])}, seeds=[1])
    with pytest.raises(UserMistake, match="no variant of this sweep has a run yet"):
        gather([empty])


def test_one_training_is_never_counted_twice(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", 1), write_run(tmp_path / "b", 1)
    with pytest.raises(
        UserMistake, match=r"b: has the config and the seed \(1\) of .*a, so it is the same training"
    ):
        gather([a, b])
    group = write_group(tmp_path / "group", [0.7, 0.8])
    with pytest.raises(UserMistake, match="seed-2: is in two of the groups"):
        gather([group, group / "seed-2"])
    with pytest.raises(UserMistake, match="is in two of the groups"):
        gather([group, group])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "not a sweep"),
        ("{}", "not a sweep"),
        ('{"format": 2}', "a sweep of format 2. Install a newer relclf"),
        ('{"format": 1, "name": "x", "kind": "grid", "keys": 3}', "not a sweep"),
    ],
)
def test_a_malformed_sweep_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "sweep.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserMistake, match=message):
        gather([tmp_path])


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match="missing: no such run, folder of runs, or sweep"):
        gather([tmp_path / "missing"])
    with pytest.raises(UserMistake, match="not a run, and no runs lie in it"):
        gather([tmp_path])


def test_a_run_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run / "environment.json").write_text('{"format": 2}', encoding="utf-8")
    with pytest.raises(UserMistake, match="format 2"):
        gather([run])


def test_the_best_epoch_is_the_summarys_and_of_a_running_training_the_records(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", dev=[0.5, 0.9, 0.7])
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    summary["best"]["epoch"] = 3  # a person went back to an earlier checkpoint
    (run / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    found = read_run(run)
    assert (found.state, found.best and found.best.epoch) == ("patience", 3)
    lock = RunLock(run)
    try:
        found = read_run(run)
    finally:
        lock.release()
    assert (found.state, found.best and found.best.epoch) == ("training", 2)


def test_a_run_without_summary_was_killed_and_one_without_records_has_no_best(tmp_path: Path) -> None:
    killed = read_run(write_run(tmp_path / "killed", dev=[0.5, 0.9], stop_reason=None))
    assert (killed.state, killed.best and killed.best.epoch) == ("killed", 2)
    fresh = write_run(tmp_path / "fresh", dev=[], stop_reason=None)
    (fresh / "records.jsonl").unlink()
    assert read_run(fresh).best is None


@pytest.mark.parametrize("content", ["[]", "{}", '{"stop_reason": "patience", "best": {"epoch": 99}}'])
def test_a_summary_that_does_not_fit_is_named(tmp_path: Path, content: str) -> None:
    run = write_run(tmp_path / "run")
    (run / "summary.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserMistake, match=r"summary\.json: does not fit"):
        read_run(run)


def test_test_is_compared_where_every_config_names_it(tmp_path: Path) -> None:
    with_test, without = write_run(tmp_path / "a"), write_run(tmp_path / "b", test=None)
    assert choose_split(gather([with_test]), None) == "test"
    assert choose_split(gather([with_test, without]), None) == "dev"
    assert choose_split(gather([with_test]), "dev") == "dev"
    with pytest.raises(UserMistake, match=r"b: its config names no data\.test\."):
        choose_split(gather([with_test, without]), "test")
    with pytest.raises(UserMistake, match="must be test or dev"):
        choose_split(gather([with_test]), "train")


def test_a_whole_sweep_is_compared_on_dev_where_variants_are_chosen(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "rates", "grid", VARIANTS)
    assert choose_split(gather([sweep]), None) == "dev"
    assert choose_split(gather([sweep]), "test") == "test"
    assert choose_split(gather([sweep / "lr=0.1", sweep / "lr=0.2"]), None) == "test"


def test_a_run_that_was_trained_on_dev_is_not_compared_on_it(tmp_path: Path) -> None:
    run = write_run(tmp_path / "final", settings={"data.all_data": True})
    assert choose_split(gather([run]), None) == "test"
    with pytest.raises(UserMistake, match="was trained on dev too"):
        choose_split(gather([run]), "dev")
