"""A replay says what a rule would have done, judged on sentences that the rule has not seen."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from relclf.config.schema import TrainingConfig
from relclf.errors import UserMistake
from relclf.prediction.opening import open_trained
from relclf.relations import RelationSet
from relclf.replay.epochs import ScoredEpochs, score_epochs
from relclf.replay.replaying import _halves, averages, replay_run
from relclf.replay.rules import DEFAULT, first_stop, replayed_rules
from relclf.runs.directory import RunDirectory
from relclf.runs.records import EpochRecord, best_record, read_records
from relclf.scoring.metrics import confusion_matrix, score
from relclf.training.experiment import start
from relclf.training.stopping import stop_reason
from tests.tiny import tiny_config

EPOCHS = 12


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A long run on the tiny corpus that kept the weights of every epoch, with a test file."""
    folder = tmp_path_factory.mktemp("long")
    config = tiny_config(folder, data__dev=0.4, training__keep="all", training__max_epochs=EPOCHS)
    test = folder / "test.jsonl"
    test.write_text("".join((folder / "train.jsonl").read_text().splitlines(keepends=True)[:20]))
    config = config.model_copy(update={"data": config.data.model_copy(update={"test": test})})
    experiment = start(config, "long", folder / "runs", None)
    assert len(list(experiment.epochs())) == EPOCHS
    return experiment.run


def test_the_whole_of_dev_gives_the_records_that_the_training_made(run: RunDirectory) -> None:
    records = read_records(run.records)
    scored = score_epochs(open_trained(run.path, "last", "cpu"), "dev", EPOCHS)
    again = scored.records(records, "macro_f1", seed=13)
    for made, found in zip(records, again, strict=True):
        assert found.dev_macro_f1 == made.dev_macro_f1
        assert found.monitored == made.monitored
        assert found.dev_loss == pytest.approx(made.dev_loss, rel=1e-6)
        assert found.dev_nll == pytest.approx(made.dev_nll, rel=1e-6)
        assert (found.train_loss, found.total_updates) == (made.train_loss, made.total_updates)


def test_the_records_of_a_half_are_those_of_its_sentences_alone() -> None:
    relations = RelationSet(("a", "b"), None)
    gold = np.array([0, 0, 1, 1, 0])
    predicted = np.array([[0, 1, 1, 1, 0], [0, 0, 1, 0, 1]])
    losses = np.array([[0.1, 2.0, 0.3, np.nan, 5.0], [0.2, 0.4, 0.6, np.nan, 7.0]])
    scored = ScoredEpochs(relations, gold, predicted, losses, losses / 2)
    half = scored.part(np.array([True, True, True, True, False]))
    blank = EpochRecord(**{field.name: 0 for field in dataclasses.fields(EpochRecord)})
    records = half.records([dataclasses.replace(blank, epoch=n) for n in (1, 2, 3)], "loss", seed=1)
    assert [record.dev_loss for record in records] == pytest.approx([0.8, 0.4])
    assert [record.dev_nll for record in records] == pytest.approx([0.4, 0.2])
    assert [record.monitored for record in records] == [record.dev_loss for record in records]
    for record, each in zip(records, predicted, strict=False):
        expected = score("macro_f1", confusion_matrix(gold[:4], each[:4], 2), relations)
        assert record.dev_macro_f1 == expected


def test_halves_share_each_relation_evenly_and_no_sentence() -> None:
    gold = np.repeat([0, 1, 2], [31, 6, 1])
    nothing = np.zeros((1, len(gold)))
    scored = ScoredEpochs(RelationSet(("a", "b", "c"), None), gold, nothing.astype(int), nothing, nothing)
    masks = list(_halves(scored, 3))
    assert len(masks) == 6
    for one, other in zip(masks[::2], masks[1::2], strict=True):
        assert (one ^ other).all()
        assert abs(int(one.sum()) - int(other.sum())) <= 1
        counts = np.array([np.bincount(gold[mask], minlength=3) for mask in (one, other)])
        assert (abs(counts[0] - counts[1]) <= 1).all()
    assert len({mask.tobytes() for mask in masks}) == 6
    assert all((a == b).all() for a, b in zip(masks, _halves(scored, 3), strict=True))


def test_a_replayed_rule_stops_where_the_training_itself_would_have(run: RunDirectory) -> None:
    records = read_records(run.records)
    for patience, smooth in ((3, 1), (3, 3), (5, 1)):
        training = TrainingConfig(patience=patience, smooth=smooth, max_epochs=999)
        itself = next(
            (n for n in range(1, EPOCHS + 1) if stop_reason(records[:n], training, 3) == "patience"), None
        )
        rule = replayed_rules(TrainingConfig(), 1)[f"patience {patience}, smooth {smooth}"]
        assert first_stop(rule, records) == itself


def test_on_test_the_rule_sees_dev_and_the_score_is_that_of_test(run: RunDirectory) -> None:
    replay = replay_run(run.path, "test", device="cpu")
    records = read_records(run.records)
    scored = score_epochs(open_trained(run.path, "last", "cpu"), "test", EPOCHS).scores("macro_f1")
    best = best_record(records, "macro_f1")
    assert best is not None
    assert replay.whole.score == pytest.approx(scored[best.epoch - 1])
    (third,) = [each for each in replay.outcomes if each.rule == "patience 3, smooth 1"]
    kept = best_record(records[: int(third.epoch)], "macro_f1")
    assert kept is not None
    assert (third.kept, third.score) == (kept.epoch, pytest.approx(scored[kept.epoch - 1]))
    assert third.last == pytest.approx(scored[int(third.epoch) - 1])
    assert third.lost == pytest.approx(replay.whole.score - third.score)
    assert third.saved == pytest.approx(1 - third.epoch / EPOCHS)


def test_a_budget_stops_after_its_share_and_the_whole_run_after_all_of_it(run: RunDirectory) -> None:
    replay = replay_run(run.path, halvings=2, device="cpu")
    outcomes = {each.rule: each for each in replay.outcomes}
    half = outcomes["budget, 50 % of it"]
    assert (half.epoch, half.saved, half.stopped) == (EPOCHS / 2, 0.5, 1.0)
    assert (replay.whole.epoch, replay.whole.saved, replay.whole.lost) == (EPOCHS, 0, 0)
    assert DEFAULT in outcomes
    assert all(outcome.kept <= outcome.epoch <= EPOCHS for outcome in outcomes.values())


def test_train_loss_below_dev_loss_stops_at_the_first_such_epoch(run: RunDirectory) -> None:
    records = read_records(run.records)
    below = [r.epoch for r in records if r.dev_loss is not None and r.train_loss < r.dev_loss]
    rule = replayed_rules(TrainingConfig(), 1)["train loss below dev loss"]
    assert first_stop(rule, records) == (below[0] if below else None)
    blank = dataclasses.replace(records[0], train_loss=1.0, dev_loss=1.0)
    assert not rule([blank])
    assert rule([dataclasses.replace(blank, dev_loss=1.1)])


def test_averages_over_runs_have_a_standard_error_and_a_worst(run: RunDirectory) -> None:
    replay = replay_run(run.path, halvings=1, device="cpu")
    worse = dataclasses.replace(
        replay,
        outcomes=tuple(dataclasses.replace(each, lost=each.lost + 0.1) for each in replay.outcomes),
    )
    for (mean, error, worst), each in zip(list(averages([replay, worse]))[1:], replay.outcomes, strict=True):
        assert mean.rule == each.rule
        assert mean.lost == pytest.approx(each.lost + 0.05)
        assert error == pytest.approx(0.05)
        assert worst == pytest.approx(each.lost + 0.1)


def test_a_replay_is_the_same_each_time_and_writes_nothing(run: RunDirectory) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    first, second = (replay_run(run.path, halvings=2, device="cpu") for _ in range(2))
    assert json.dumps(first.to_json()) == json.dumps(second.to_json())
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before


def test_a_run_that_kept_only_its_best_weights_is_refused_with_what_to_do(tmp_path: Path) -> None:
    experiment = start(tiny_config(tmp_path), "short", tmp_path / "runs", None)
    list(experiment.epochs())
    with pytest.raises(UserMistake, match=r"not kept the weights of its epochs.*training\.keep=all"):
        replay_run(experiment.run.path)


def test_a_removed_epoch_is_named(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, training__keep="all")
    experiment = start(config, "long", tmp_path / "runs", None)
    list(experiment.epochs())
    experiment.run.epoch_weights(2).unlink()
    with pytest.raises(UserMistake, match=r"00002\.safetensors: no such file"):
        replay_run(experiment.run.path)


def test_a_run_without_a_dev_set_is_refused(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, training__keep="all", data__all_data=True)
    experiment = start(config, "all", tmp_path / "runs", None)
    list(experiment.epochs())
    with pytest.raises(UserMistake, match="no rule had anything to see"):
        replay_run(experiment.run.path)
