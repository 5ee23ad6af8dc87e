"""Searches: what Optuna proposes, and whom its median pruner ends early."""

from dataclasses import replace

from relclf.runs.records import EpochRecord
from relclf.sweeps.distributions import Choice, Numbers
from relclf.sweeps.jobs import Pruning
from relclf.sweeps.search import Tried, propose, worse_than_the_median

SPACE = {
    "training.optimizer.lr": Numbers(1e-4, 1e-1, logarithmic=True, whole=False),
    "model.windows": Choice(([3], [3, 5])),
    "model.filters": Numbers(5, 9, logarithmic=False, whole=True),
}
RECORD = EpochRecord(1, 5, 5, 5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.1, 0.5, 0.1, 1.0, 0.1, 1.0, 1.0)


def records(*scores: float) -> list[EpochRecord]:
    return [replace(RECORD, epoch=epoch, monitored=score) for epoch, score in enumerate(scores, 1)]


def rising(last: float) -> dict[int, float]:
    return {1: 0.1, 2: last / 2, 3: last}


PRUNING = Pruning("maximize", tuple(rising(last) for last in (0.5, 0.6, 0.7, 0.8, 0.9)), first_epoch=2)


def test_a_proposal_depends_on_what_was_tried_and_its_number_alone() -> None:
    tried = [
        Tried(
            {"training.optimizer.lr": 0.01, "model.windows": [3, 5], "model.filters": 7}, 0.8, {}, "finished"
        ),
        Tried({"training.optimizer.lr": 0.1, "model.windows": [3], "model.filters": 5}, None, {}, "training"),
        Tried({"training.optimizer.lr": 7.0, "model.windows": [9], "model.filters": 5}, 0.1, {}, "finished"),
    ]
    first, again = (propose(SPACE, tried, "macro_f1", 1, 3) for _ in range(2))
    assert first == again
    assert first != propose(SPACE, tried, "macro_f1", 1, 4)
    assert 1e-4 <= first["training.optimizer.lr"] <= 1e-1
    assert first["model.windows"] in ([3], [3, 5])
    assert first["model.filters"] in range(5, 10)


def test_a_search_finds_the_good_end_of_a_space() -> None:
    tried: list[Tried] = []
    for number in range(40):
        settings = propose(SPACE, tried, "loss", 1, number)
        tried.append(Tried(settings, abs(settings["training.optimizer.lr"] - 0.05), {}, "finished"))
    late = [each.settings["training.optimizer.lr"] for each in tried[-10:]]
    assert sum(rate > 0.02 for rate in late) >= 7


def test_a_run_that_falls_behind_the_median_is_ended_at_that_epoch() -> None:
    assert worse_than_the_median([], records(0.1, 0.36, 0.6), PRUNING) == 3
    assert worse_than_the_median([], records(0.1, 0.2, 0.9), PRUNING) == 2
    assert worse_than_the_median([], records(0.0, 0.36, 0.9), PRUNING) is None


def test_a_run_that_was_ended_before_is_ended_again_without_another_epoch() -> None:
    later = iter(records(0.1, 0.2, 0.3))
    assert worse_than_the_median(records(0.1, 0.2), later, PRUNING) == 2
    assert len(list(later)) == 3


def test_nobody_is_ended_before_five_variants_are_complete() -> None:
    few = replace(PRUNING, completed=PRUNING.completed[:4])
    assert worse_than_the_median([], records(0.0, 0.0, 0.0), few) is None


def test_a_loss_is_better_low() -> None:
    losses = replace(PRUNING, direction="minimize")
    assert worse_than_the_median([], records(0.1, 0.3, 0.75), losses) is None
    assert worse_than_the_median([], records(0.9, 0.8, 0.6), losses) == 2
