"""The records of a run name its fault, and say nothing of a healthy one."""

import json
from pathlib import Path

import pytest

from relclf.config.loading import load_config
from relclf.diagnosis.findings import Finding, in_order
from relclf.diagnosis.record_checks import FIRST_RATIOS, record_findings
from relclf.errors import RelclfError
from relclf.runs.records import read_records
from relclf.training.experiment import train
from tests.diagnosis.runs import config, of, records, rising, severities

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
CLIPPED = "training.optimizer={name: sgd, lr: 0.1}", "training.clip_norm=0.001"


def findings_of_training(folder: Path, name: str, *overrides: str) -> list[Finding]:
    """What the records of a real training say, in order."""
    run = folder / "run"
    try:
        list(train(CONFIGS / name, run=run, overrides=("training.device=cpu", *overrides)))
    except RelclfError:
        assert (run / "summary.json").exists()
    reason = json.loads((run / "summary.json").read_text())["stop_reason"]
    return in_order(
        record_findings(load_config(run / "config.yaml"), read_records(run / "records.jsonl"), reason)
    )


@pytest.mark.parametrize(
    ("name", "overrides", "first"),
    [
        ("slow-learner.yaml", ("training.max_epochs=6",), "updates-per-epoch"),
        ("quickstart.yaml", ("training.max_epochs=5", *CLIPPED), "clipping-always"),
        ("quickstart.yaml", ("training.optimizer={name: sgd, lr: 100}",), "learning-rate-too-large"),
        ("quickstart.yaml", ("training.optimizer={name: sgd, lr: 1e30}",), "not-finite"),
    ],
)
def test_the_first_finding_of_a_faulty_training_is_its_fault(tmp_path, name, overrides, first):
    findings = findings_of_training(tmp_path, name, *overrides)
    assert (findings[0].severity, findings[0].check) == ("problem", first)


def test_a_rate_a_hundred_times_too_small_is_watched(tmp_path):
    findings = findings_of_training(
        tmp_path, "quickstart.yaml", "training.optimizer.lr=1e-5", "training.max_epochs=4"
    )
    assert severities(findings)["learning-rate-too-small"] == "watch"


def test_nothing_is_said_of_a_healthy_training(tmp_path):
    settings = "model.filters=50", "training.optimizer.lr=0.003", "training.max_epochs=14"
    assert severities(findings_of_training(tmp_path, "quickstart.yaml", *settings)) == {}


def test_no_record_yields_no_finding_and_a_first_epoch_that_broke_one():
    assert record_findings(config(), []) == []
    broken = record_findings(config(), [], "not_finite")
    assert [(finding.severity, finding.check) for finding in broken] == [("problem", "not-finite")]
    assert "epoch 1" in broken[0].measured


def test_a_run_without_a_dev_set_is_judged_by_its_updates_alone():
    blind = records([0.5] * 20, dev_macro_f1=None, dev_macro_f1_se=None, dev_loss=None, monitored=None)
    found = record_findings(config(data__all_data=True), blind, "max_epochs")
    assert {finding.check for finding in found} == {
        "updates-per-epoch",
        "not-finite",
        "learning-rate-too-small",
    }


@pytest.mark.parametrize(
    ("every", "updates", "severity"),
    [("batch", 56, "ok"), (4, 14, "ok"), ("epoch_mean", 1, "watch"), ("epoch", 1, "problem")],
)
def test_updates_that_leave_batches_out_are_a_problem_and_averaged_ones_are_not(every, updates, severity):
    found = record_findings(config(training__update_every=every), records(rising(30), updates=updates))
    finding = of("updates-per-epoch", found)
    assert finding.severity == severity
    assert f"for 56 batches in each epoch, {30 * updates:,} in all" in finding.measured


def test_one_update_from_the_only_batch_is_its_own_remedy_away_from_a_problem():
    found = record_findings(config(training__update_every="epoch"), records(rising(9), updates=1, batches=1))
    assert of("updates-per-epoch", found).severity == "watch"


@pytest.mark.parametrize("optimizer", FIRST_RATIOS)
def test_update_ratios_inside_the_band_of_the_optimiser_are_ok(optimizer):
    low, high = FIRST_RATIOS[optimizer]
    ratios = [min(2 * low, high)] + [max(low, 0.001)] * 29
    found = record_findings(
        config(training__optimizer={"name": optimizer}), records(rising(30), update_ratio=ratios)
    )
    assert of("learning-rate-too-small", found).severity == "ok"


@pytest.mark.parametrize("optimizer", ["backtracking", "prodigy", "schedule_free"])
def test_nothing_is_said_of_the_rate_of_optimisers_whose_usual_updates_are_not_known(optimizer):
    found = record_findings(config(training__optimizer={"name": optimizer}), records(rising(30)))
    assert found
    assert not [finding for finding in found if finding.check.startswith("learning-rate")]


@pytest.mark.parametrize("rule", ["one_se", "gl", "pq", "up"])
def test_nothing_is_said_of_the_patience_of_a_run_that_another_rule_ends(rule):
    found = record_findings(config(training__stop={"name": rule}), records(rising(30)), rule)
    assert not [finding for finding in found if finding.check == "patience-too-short"]


@pytest.mark.parametrize(
    ("ratio", "check"),
    [
        ([2e-4] * 30, "learning-rate-too-small"),
        ([0.3] + [0.005] * 29, "learning-rate-too-large"),
        ([0.08] + [0.04] * 29, "learning-rate-too-large"),
    ],
)
def test_ratios_outside_the_band_are_a_watch_and_never_more(ratio, check):
    found = record_findings(config(), records(rising(30), update_ratio=ratio), "max_epochs")
    assert severities(found)[check] == "watch"


def test_a_warm_up_is_judged_where_it_has_reached_its_rate():
    ratio, rate = [1e-4, 5e-4, *[0.01] * 28], [1e-5, 1e-4, *[1e-3] * 28]
    found = record_findings(config(), records(rising(30), update_ratio=ratio, learning_rate=rate))
    assert severities(found) == {}


def test_divergence_with_long_updates_is_a_problem():
    diverged = records([0.2] * 3, update_ratio=0.3, train_loss=[40.0, 90.0, 200.0])
    finding = of("learning-rate-too-large", record_findings(config(), diverged, "diverged"))
    assert finding.severity == "problem"
    assert "0.0001" in finding.next_step, "a tenth of the rate"


@pytest.mark.parametrize(
    ("clip_norm", "severity"), [(5.0, "ok"), (0.6, "ok"), (0.1, "watch"), (0.001, "problem")]
)
def test_clipping_is_a_problem_where_the_threshold_is_out_of_scale(clip_norm, severity):
    found = record_findings(config(training__clip_norm=clip_norm), records(rising(30), gradient_norm=0.5))
    assert of("clipping-always", found).severity == severity


def test_clipping_of_the_first_epochs_alone_is_ok():
    norms = [3.0] * 5 + [0.4] * 25
    found = record_findings(config(training__clip_norm=1.0), records(rising(30), gradient_norm=norms))
    assert of("clipping-always", found).severity == "ok"


def test_dropout_is_a_problem_only_where_train_was_not_fitted():
    unfitted = records(rising(30), train_macro_f1=[0.02 * epoch + 0.2 for epoch in range(30)])
    assert severities(record_findings(config(model__dropout=0.95), unfitted)) == {
        "dropout-too-high": "problem"
    }
    assert severities(record_findings(config(model__dropout=0.95), records(rising(30)))) == {
        "dropout-too-high": "watch"
    }
    assert "dropout-too-high" not in severities(record_findings(config(model__dropout=0.8), unfitted))


@pytest.mark.parametrize(
    ("optimizer", "filter_std", "train_f1", "severity"),
    [
        ({"name": "adam", "weight_decay": 0.1}, 0.001, 0.2, "problem"),
        ({"name": "adam", "weight_decay": 1e-4}, 0.09, 0.99, "ok"),
        ({"name": "adamw", "weight_decay": 10.0}, 0.043, 0.4, "problem"),
        ({"name": "adamw"}, 0.043, 0.4, "ok"),
        ({"name": "sgd", "weight_decay": 0.1}, 0.05, 0.3, "problem"),
        ({"name": "sgd", "momentum": 0.9, "weight_decay": 5e-4}, 0.02, 0.99, "ok"),
    ],
)
def test_decay_dominates_where_weights_shrank_or_forget_and_train_was_not_fitted(
    optimizer, filter_std, train_f1, severity
):
    found = record_findings(
        config(training__optimizer=optimizer),
        records(rising(30), train_macro_f1=train_f1),
        filter_std=filter_std,
    )
    assert of("weight-decay-dominates", found).severity == severity


def test_each_finding_is_one_line_without_a_full_stop():
    found = record_findings(
        config(training__clip_norm=0.001), records([0.2] * 30), "patience", dev_counts=(5, 95)
    )
    for finding in found:
        for text in (finding.measured, finding.expected, finding.why, finding.next_step):
            assert text
            assert "\n" not in text
            assert not text.endswith(".")
