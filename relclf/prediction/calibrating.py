"""Fits a temperature to a run's scores on dev, so that its probabilities can be believed."""

from relclf.errors import UserMistake
from relclf.prediction.evaluating import evaluated, split_examples
from relclf.prediction.opening import OpenedRun
from relclf.runs.calibration import Calibration, checkpoint_sha256, write_calibration
from relclf.runs.lock import is_locked
from relclf.scoring.calibration import fit_temperature, reliability
from relclf.training.checkpoint import checkpoint_epoch


def calibrate(opened: OpenedRun) -> Calibration:
    """Fit the temperature on the run's own dev set and keep it in RUN/calibration.json.

    Raises UserMistake where there is no dev set, it shows no temperature, or the run is being trained.
    """
    run, weights = opened.run, opened.weights
    if is_locked(run.path):
        raise UserMistake(
            f"{run.path}: is being trained, and its {weights} weights may change. Calibrate it afterwards."
        )
    _, sha256, examples, _ = split_examples(opened, "dev")
    labelled, evaluation = evaluated(opened, examples)
    known = labelled.gold < labelled.known
    temperature = fit_temperature(evaluation.scores[known], labelled.gold[known])
    if temperature is None:
        raise UserMistake(
            f"{run.path}: its {len(examples):,} dev sentences show no temperature: all of them are right, or "
            "hardly any. A larger dev set may (data.dev)."
        )
    found = reliability(
        evaluation.scores,
        evaluation.predicted,
        labelled.gold,
        temperature,
        opened.network.config.scoring.bootstrap_samples,
    )
    calibration = Calibration(
        temperature,
        checkpoint_epoch(run.checkpoint(weights)),
        checkpoint_sha256(run, weights) or "",
        sha256,
        found.to_json(),
    )
    write_calibration(run, weights, calibration)
    return calibration
