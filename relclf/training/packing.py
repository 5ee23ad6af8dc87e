"""Trains runs that differ in their seed alone as one stacked network, each with its own order, draws and end.

Shared is what leaves a large device idle where the network is small: the forward and the backward pass of a
batch of every run, and the optimiser's update. Each run keeps a state of its own, which the ordinary loop's
`end_epoch` evaluates, records and saves; it can be resumed alone as well as packed.

A pack lives for one epoch. In it are runs that stand at the same place of their training and have the same
learning rate, so that one optimiser serves them; those that are furthest behind go first. A run that has ended
is not in the next pack.
"""

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from relclf.config.loading import changed_keys
from relclf.errors import Interrupted, RelclfError, UserMistake
from relclf.models.stacked import not_stacked
from relclf.runs.records import EpochRecord
from relclf.training.experiment import Experiment
from relclf.training.interruption import StopRequest
from relclf.training.loop import end_epoch, total_updates
from relclf.training.optimizers import learning_rate, own_word_share
from relclf.training.pack import Pack
from relclf.training.stopping import stop_reason

Outcome = EpochRecord | RelclfError
"""What an epoch of one run has come to: its record, or the error that has ended the run."""


def run_packed(
    experiments: Sequence[Experiment], request: StopRequest | None = None
) -> Iterator[list[tuple[Experiment, Outcome]]]:
    """Train all runs to their ends, yielding what each epoch of a pack has come to, run by run.

    A run that fails leaves the others as they are. Raises Interrupted (all states saved, inside the epoch if
    need be) when `request` is set, and UserMistake for runs that differ in more than their seeds.
    """
    request = request or StopRequest()
    going, failures = list(experiments), dict[Path, RelclfError]()
    try:
        _check_alike(experiments)
        for experiment in experiments:
            experiment.run.summary.unlink(missing_ok=True)
            if _has_ended(experiment):
                going.remove(experiment)
                experiment.end()
        while going:
            pack = Pack(_furthest_behind(going), failures)
            if not pack.train_epoch(request):
                pack.save()
                raise _interrupted(going, failures, request)
            outcomes = [(each, _end_epoch(each, failures)) for each in pack.experiments]
            going = [each for each in going if each.run.path not in failures and not _has_ended(each)]
            yield outcomes
    except BaseException as error:
        for experiment in going:
            with contextlib.suppress(RelclfError):  # the first error is the one to report
                experiment.end(failures.get(experiment.run.path, error))
        raise


def pays(device: torch.device) -> bool:
    """Whether packing is faster than one run after the other.

    On a CPU, where each distinct word of a batch is projected once and batches are as short as their longest
    sentence, it was measured to lose but for tiny networks (docs/training.md).
    """
    return device.type != "cpu"


def _check_alike(experiments: Sequence[Experiment]) -> None:
    first = experiments[0]
    config = first.inputs.config
    if config.training.optimizer.model_dump().get("rows") == "touched":
        raise UserMistake("training.optimizer.rows: touched cannot be packed. Leave out --pack.")
    elsewhere = {
        "training.loss.name: ranking": config.training.loss.name == "ranking",
        "encoding.missing_vectors: ngrams": config.encoding.missing_vectors == "ngrams",
    }
    if asked := [*not_stacked(config.model), *(key for key, is_asked in elsewhere.items() if is_asked)]:
        raise UserMistake(f"{', '.join(asked)}: such networks cannot be packed. Leave out --pack.")
    if (name := config.training.optimizer.name) in ("backtracking", "prodigy", "schedule_free"):
        raise UserMistake(
            f"training.optimizer.name: {name} measures one network as a whole, and cannot be packed. Leave out --pack."
        )
    if own_word_share(config.training, 1) is not None:
        raise UserMistake(
            "training.word_rate and training.words_from_epoch give the words a rate of their own, which cannot be "
            "packed. Leave out --pack."
        )
    for other in experiments[1:]:
        others = [key for key in changed_keys(config, other.inputs.config) if key != "seed"]
        if others:
            raise UserMistake(
                f"{other.run.path}: differs from {first.run.path} in {', '.join(others)}, and only runs that "
                "differ in the seed alone can be packed. Leave out --pack to train one after the other."
            )


def _has_ended(experiment: Experiment) -> bool:
    inputs = experiment.inputs
    return stop_reason(experiment.state.records, inputs.config.training, len(inputs.relations)) is not None


def _furthest_behind(experiments: Sequence[Experiment]) -> list[Experiment]:
    """The runs at the earliest place of all, as far as they have the learning rate of the first of them."""

    def place(experiment: Experiment) -> tuple[int, int]:
        state = experiment.state
        return len(state.records), state.progress.batches_done if state.progress else 0

    def rate(experiment: Experiment) -> float:
        # At one place the updates are the same: only records can tell the rates apart (the plateau schedule).
        state = experiment.state
        return learning_rate(experiment.inputs.config.training, total_updates(state), 1, state.records)

    earliest = min(place(each) for each in experiments)
    there = [each for each in experiments if place(each) == earliest]
    return [each for each in there if rate(each) == rate(there[0])]


def _end_epoch(experiment: Experiment, failures: dict[Path, RelclfError]) -> Outcome:
    """The ordinary end of an epoch, and of the run where it is the last one or has failed."""
    state, path = experiment.state, experiment.run.path
    try:
        if path in failures:
            raise failures[path]
        assert state.progress is not None
        record = end_epoch(experiment.inputs, state, state.progress)
        if _has_ended(experiment):
            experiment.end()
        return record
    except RelclfError as error:
        failures[path] = error
        with contextlib.suppress(RelclfError):  # the first error is the one to report
            experiment.end(error)
        return error


def _interrupted(
    going: Sequence[Experiment], failures: dict[Path, RelclfError], request: StopRequest
) -> Interrupted:
    assert request.signal_number is not None
    kept = [each.run.path for each in going if each.run.path not in failures]
    runs = " ".join(f"--resume {shlex.quote(str(path))}" for path in kept)
    pack = " --pack" if len(kept) > 1 else ""
    return Interrupted(
        f"interrupted; everything is saved. To go on: relclf train{pack} {runs}", request.signal_number
    )
