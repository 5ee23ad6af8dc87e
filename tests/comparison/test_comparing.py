"""Comparisons of runs that never were: what is shown, what decides, what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from relclf.comparison.comparing import Comparison, compare, needs_sentences, refuse_mismatches
from relclf.comparison.gathering import gather
from relclf.comparison.measuring import Question, Split, choose_split, evaluate_missing
from relclf.errors import UserMistake
from relclf.runs.lock import RunLock
from tests.comparison.runs import GOLD, evaluation, write_group, write_run, write_sweep

GOOD, FAIR = [0.81, 0.82, 0.83, 0.84, 0.85], [0.71, 0.72, 0.73, 0.74, 0.75]


def compared(*paths: Path, split: Split | None = None, force: bool = False, **options: Any) -> Comparison:
    """Nothing is missing in these runs, so nothing is evaluated."""
    gathered = gather(paths)
    question = Question(choose_split(gathered, split), at_epoch=options.pop("at_epoch", None))
    refuse_mismatches(gathered, force)
    assert list(evaluate_missing(gathered.groups, question, needs_sentences(gathered))) == []
    return compare(gathered, question, force=force, **options)


def test_a_group_has_mean_deviation_and_interval_of_best_and_last(tmp_path: Path) -> None:
    (group,) = compared(write_group(tmp_path / "a", GOOD, last=0.8)).groups
    assert group.best is not None
    assert (group.best.n, group.best.mean, group.best.sd) == (
        5,
        pytest.approx(0.83),
        pytest.approx(np.std(GOOD, ddof=1)),
    )
    assert group.last is not None
    assert group.last.mean == pytest.approx(0.8)
    assert group.best_minus_last is not None
    assert group.best_minus_last.mean == pytest.approx(0.03)
    assert group.epochs is not None
    assert (group.epochs.mean, group.epochs.sd) == (20, 0)
    assert group.updates is not None
    assert group.updates.mean == 20 * 56
    assert group.seconds is not None
    assert group.seconds.mean == 40.0


def test_the_epochs_and_updates_to_95_percent_and_the_score_at_an_epoch_are_the_records(
    tmp_path: Path,
) -> None:
    a = write_group(tmp_path / "a", GOOD, dev=[0.2, 0.5, 0.77, 0.8])
    (group,) = compared(a, at_epoch=2).groups
    assert [(run.epochs_to_95, run.updates_to_95, run.at_epoch) for run in group.runs] == [(3, 168, 0.5)] * 5
    (group,) = compared(a, at_epoch=9).groups
    assert group.at_epoch is None


def test_on_dev_the_scores_are_the_records(tmp_path: Path) -> None:
    result = compared(write_group(tmp_path / "a", GOOD, dev=[0.5, 0.9, 0.7]), split="dev")
    assert [(run.best, run.last) for run in result.groups[0].runs] == [(0.9, 0.7)] * 5


def test_a_permutation_test_over_seeds_decides(tmp_path: Path) -> None:
    a, b = write_group(tmp_path / "a", GOOD), write_group(tmp_path / "b", FAIR)
    (pair,) = compared(a, b).pairs
    assert pair.difference == pytest.approx(0.1)
    interval = stats.ttest_ind(GOOD, FAIR, equal_var=False).confidence_interval()
    assert (pair.low, pair.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert pair.p_value == pair.p_adjusted == pair.smallest_p == pytest.approx(2 / 252)
    assert pair.verdict == "a"
    assert compared(b, a).pairs[0].verdict == "b"


def test_p_is_adjusted_for_the_number_of_pairs(tmp_path: Path) -> None:
    groups = [
        write_group(tmp_path / name, scores) for name, scores in (("a", GOOD), ("b", FAIR), ("c", FAIR))
    ]
    pairs = compared(*groups).pairs
    assert [pair.verdict for pair in pairs] == ["a", "a", "not shown"]
    assert [pair.p_adjusted for pair in pairs] == pytest.approx([6 / 252, 6 / 252, 1.0])
    assert [pair.smallest_p for pair in pairs] == pytest.approx([6 / 252] * 3)


def test_there_is_no_verdict_below_four_seeds_however_large_the_difference(tmp_path: Path) -> None:
    (pair,) = compared(write_group(tmp_path / "a", GOOD[:3]), write_group(tmp_path / "b", FAIR)).pairs
    assert (pair.verdict, pair.smallest_p) == ("too few seeds", pytest.approx(1 / 56))
    four = [write_group(tmp_path / name, GOOD[:4]) for name in "cd"]
    (pair,) = compared(*four).pairs
    assert (pair.verdict, pair.smallest_p) == ("not shown", pytest.approx(2 / 70))


def test_four_seeds_cannot_show_anything_among_three_pairs(tmp_path: Path) -> None:
    groups = [
        write_group(tmp_path / name, scores[:4]) for name, scores in (("a", GOOD), ("b", FAIR), ("c", FAIR))
    ]
    pairs = compared(*groups).pairs
    assert {pair.verdict for pair in pairs} == {"cannot be shown"}
    assert {pair.detectable for pair in pairs} == {None}


def test_the_seeds_for_a_difference_that_is_asked_about(tmp_path: Path) -> None:
    groups = [write_group(tmp_path / "a", GOOD), write_group(tmp_path / "b", FAIR)]
    (pair,) = compared(*groups, detect=0.01).pairs
    assert pair.seeds_needed == pytest.approx(stats.norm.ppf([0.975, 0.8]).sum() ** 2 * 2 * 2.5, abs=2)
    assert compared(*groups).pairs[0].seeds_needed is None


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"settings": {"training.max_epochs": 99}}, "not the same budget:\n  50 epochs .*a.\n  99 epochs"),
        ({"settings": {"training.max_seconds": 60}}, "50 epochs, 60 s"),
        ({"sha256": {"train": "b" * 64}}, "not the same train data:\n  train.jsonl aaaaaaaa"),
        ({"sha256": {"test": "b" * 64}, "signature": "x"}, "not the same test data"),
        ({"split_seed": 7}, "0.1 of train, split seed 7"),
        ({"signature": "macro_f1|relations:2"}, "not the same score:\n  macro_f1.relations:3"),
        ({"negative_relation": "none"}, "not the same negative relation"),
    ],
)
def test_other_conditions_are_refused_and_with_force_marked(
    tmp_path: Path, other: dict[str, Any], message: str
) -> None:
    a, b = write_group(tmp_path / "a", GOOD), write_group(tmp_path / "b", FAIR, **other)
    if "sha256" in other and "test" in other["sha256"]:
        for path in b.glob("*/evaluations/test.*.json"):
            path.write_text(path.read_text(encoding="utf-8").replace("c" * 64, "b" * 64), encoding="utf-8")
    with pytest.raises(UserMistake, match=message):
        compared(a, b)
    result = compared(a, b, force=True)
    assert result.mismatches
    assert [group.conditions_differ for group in result.groups] == [False, True]


def test_the_interval_is_no_part_of_a_scores_identity(tmp_path: Path) -> None:
    a = write_group(
        tmp_path / "a", GOOD, signature="macro_f1|set:1|interval:95% bootstrap 100 seed 1|relclf:0.1.0"
    )
    b = write_group(
        tmp_path / "b", FAIR, signature="macro_f1|set:1|interval:95% bootstrap 999 seed 1|relclf:0.1.0"
    )
    assert compared(a, b).mismatches == ()


def test_a_variant_of_a_sweep_does_not_compare_with_a_config_tried_once(tmp_path: Path) -> None:
    variants = {f"lr={lr}": ({"training.optimizer.lr": lr}, [[0.5, 0.6]]) for lr in (0.1, 0.2)}
    sweep = write_sweep(tmp_path / "rates", "grid", variants)
    with pytest.raises(UserMistake, match=r"not the same variants tried:\n  2 .*lr=0\.1.\n  1 "):
        compared(sweep / "lr=0.1", write_run(tmp_path / "lone", 2))


def test_a_tenfold_difference_in_updates_is_marked(tmp_path: Path) -> None:
    few = write_group(tmp_path / "few", GOOD, updates=1)
    many = write_group(tmp_path / "many", GOOD, updates=10)
    some = write_group(tmp_path / "some", GOOD, updates=9)
    assert [group.many_updates for group in compared(few, many, some).groups] == [False, True, False]


def test_two_single_runs_are_compared_on_their_sentences(tmp_path: Path) -> None:
    wrong = ["none" if i % 3 == 0 else relation for i, relation in enumerate(GOLD)]
    a = write_run(tmp_path / "a", 1, answers=GOLD)
    b = write_run(tmp_path / "b", 1, answers=wrong, settings={"model.filters": 9})
    result = compared(a, b)
    assert result.pairs == ()
    (pair,) = result.run_pairs
    assert (pair.a, pair.b, pair.test.sentences, pair.test.differing) == (0, 1, 100, 10)
    assert pair.test.a == 1.0
    assert pair.test.p_value == pair.p_adjusted < 0.01


def test_single_runs_on_other_sentences_are_refused(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", 1)
    b = write_run(tmp_path / "b", 1, settings={"model.filters": 9})
    path = b / "evaluations" / "test.best.jsonl"
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[1:]), encoding="utf-8")
    with pytest.raises(UserMistake, match="not evaluated on the same sentences"):
        compared(a, b)
    path.write_text("{}\n", encoding="utf-8")
    with pytest.raises(UserMistake, match=r"test\.best\.jsonl: cannot be read"):
        compared(a, b)


def test_a_run_that_still_trains_counts_with_its_last_record_and_is_named(tmp_path: Path) -> None:
    group = write_group(tmp_path / "a", GOOD, dev=[0.5, 0.6, 0.7])
    lock = RunLock(group / "seed-3")
    try:
        result = compared(group, split="dev")
    finally:
        lock.release()
    assert [note.removeprefix(f"{group}: ") for note in result.notes] == [
        "seed 3 still training: the last record is used"
    ]
    assert result.groups[0].best is not None
    assert result.groups[0].best.n == 5


def test_runs_that_ended_badly_count_and_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    for seed, reason in enumerate(("diverged", "interrupted", None, "patience"), 1):
        write_run(folder / f"seed-{seed}", seed, stop_reason=reason)
    write_run(folder / "seed-5", 5, dev=[], stop_reason="not_finite")
    result = compared(folder)
    assert len(result.groups[0].scores) == 4
    notes = "\n".join(result.notes)
    assert "seed 1 diverged: the best epoch before counts" in notes
    assert "seed 2 interrupted before the end" in notes
    assert "seed 3 killed before the end" in notes
    assert "seed 5 left out, without a score" in notes


def test_seconds_of_different_machines_are_named(tmp_path: Path) -> None:
    a = write_group(tmp_path / "a", GOOD)
    b = write_group(tmp_path / "b", FAIR, settings={"training.threads": 4})
    assert compared(a, b).notes == (
        "seconds do not compare: the runs were made on cpu (1 threads) and cpu (4 threads)",
    )


def test_an_evaluation_of_another_epoch_or_file_is_made_anew(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    gathered, question = gather([run]), Question("test")
    path = run / "evaluations" / "test.best.json"
    for stale in (evaluation(0.8, 3), evaluation(0.8, 19) | {"sha256": "b" * 64}):
        path.write_text(json.dumps(stale), encoding="utf-8")
        assert next(evaluate_missing(gathered.groups, question, False)) == (run, "best")
        with pytest.raises(UserMistake, match="not of the epoch that counts"):
            compare(gathered, question)
    path.unlink()
    assert next(evaluate_missing(gathered.groups, question, False)) == (run, "best")


def test_a_score_that_is_not_defined_is_refused_with_those_that_are(tmp_path: Path) -> None:
    gathered = gather([write_run(tmp_path / "run")])
    with pytest.raises(UserMistake, match=r"--score semeval2010: not defined .* There are macro_f1\."):
        compare(gathered, Question("test", "semeval2010"))


def test_a_random_sweep_says_what_best_dev_score_to_expect(tmp_path: Path) -> None:
    variants = {f"v{i}": ({"training.optimizer.lr": i / 100}, [[0.1, i / 10]]) for i in range(2, 8)}
    result = compared(write_sweep(tmp_path / "rates", "random", variants))
    assert [each.variants for each in result.expected_best] == [1, 2, 3, 4, 5, 6]
    assert (result.expected_best[0].mean, result.expected_best[-1].mean) == (
        pytest.approx(0.45),
        pytest.approx(0.7),
    )
    assert result.effects == ()


def test_a_grid_says_what_each_key_changes(tmp_path: Path) -> None:
    variants = {
        f"lr={lr},filters={filters}": (
            {"training.optimizer.lr": lr, "model.filters": filters},
            [[0.1, 0.5 + lr + filters / 100 + noise] for noise in (0, 0.01)],
        )
        for lr in (0.1, 0.2)
        for filters in (5, 10)
    }
    result = compared(write_sweep(tmp_path / "grid", "grid", variants))
    changes = {(each.key, each.value): each.difference for each in result.effects}
    assert changes["training.optimizer.lr", 0.2] == pytest.approx(0.1)
    assert changes["model.filters", 10] == pytest.approx(0.05)
    assert all(each.low is not None for each in result.effects if each.difference)
    assert result.expected_best == ()


def test_a_sweep_with_missing_seeds_says_so(tmp_path: Path) -> None:
    variants = {
        "a": ({"training.optimizer.lr": 0.1}, [[0.5, 0.6]] * 2),
        "b": ({"training.optimizer.lr": 0.2}, [[0.5, 0.7]]),
    }
    result = compared(write_sweep(tmp_path / "grid", "grid", variants))
    assert result.notes == ("b: 1 of the sweep's 2 seeds",)


def test_json_holds_every_number_and_names_the_groups(tmp_path: Path) -> None:
    a, b = write_group(tmp_path / "a", GOOD), write_group(tmp_path / "b", FAIR)
    value = json.loads(json.dumps(compared(a, b).to_json()))
    assert [group["best"]["mean"] for group in value["groups"]] == pytest.approx([0.83, 0.73])
    assert (value["pairs"][0]["a"], value["pairs"][0]["b"]) == (str(a), str(b))
    assert value["pairs"][0]["verdict"] == "a"
    assert [run["seed"] for run in value["groups"][0]["runs"]] == [1, 2, 3, 4, 5]
