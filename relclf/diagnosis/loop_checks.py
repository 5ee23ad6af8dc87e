"""The checks of a watched loop, of which those of gradients, parameters, modes and graphs stand here."""

import numpy as np

from relclf.diagnosis import batch_checks, score_checks, step_checks, update_checks
from relclf.diagnosis.findings import Finding, well
from relclf.diagnosis.observations import SCALE_FREE, Observations, SeenParameter, rows_of

ENOUGH_UPDATES = 10
"""Fewer say nothing about what a loop does as a rule."""
MOST = 0.5
"""A share above which a loop does something as a rule."""
SOME = 0.05
"""A share above which it is no accident."""
ENOUGH_WRONG = 4
"""Batches that are at most an accident."""


def loop_findings(seen: Observations) -> list[Finding]:
    """What the loop shows, one finding for each check that could look."""
    checks = [
        update_checks.updates_per_epoch,
        gradients_not_cleared,
        parameters_not_in_optimizer,
        parameters_not_moving,
        embeddings_frozen,
        accumulation_not_averaged,
        eval_mode_while_training,
        train_mode_while_evaluating,
        gradients_while_evaluating,
        loss_kept_with_graph,
        *score_checks.CHECKS,
        *batch_checks.CHECKS,
        *step_checks.CHECKS,
    ]
    found = [check(seen) for check in checks]
    return [finding for finding in found if finding is not None]


def gradients_not_cleared(seen: Observations) -> Finding | None:
    """At the first backward pass after an update no gradient may be left."""
    if seen.checked_gradients < 2:
        return None
    check, expected = "gradients-not-cleared", "at none: PyTorch adds a new gradient to what .grad holds"
    kept, looked = seen.kept_gradients, seen.checked_gradients
    measured = f"at {kept} of {looked} looked-at updates, gradients of the update before were still there"
    if not kept:
        return well(check, measured, expected)
    return Finding(
        "problem" if kept > MOST * looked else "watch",
        check,
        measured,
        expected,
        "each update follows the sum of all gradients so far: an old direction, with ever larger steps",
        "call optimizer.zero_grad() for each update, before loss.backward()",
    )


def parameters_not_in_optimizer(seen: Observations) -> Finding | None:
    """The optimiser must hold every trainable parameter of the model, and none of another model."""
    trainable = [p for p in seen.parameters if p.trainable]
    left_out = [p for p in trainable if not p.in_optimizer]
    foreign = seen.optimizer.foreign
    check, expected = (
        "parameters-not-in-optimizer",
        "every trainable parameter of the model, and no others",
    )
    if seen.unregistered:
        shapes = ", ".join(str(list(shape)) for shape in seen.unregistered[:3])
        return Finding(
            "problem",
            check,
            f"the scores depend on {len(seen.unregistered)} tensors that model.parameters() does not list ({shapes})",
            expected,
            "layers in a plain list or dict are unknown to the model: no optimiser gets them, no device",
            "keep them in torch.nn.ModuleList, torch.nn.ModuleDict or torch.nn.Parameter",
        )
    if not left_out and not foreign:
        return well(check, f"the optimiser has all {len(trainable)} trainable tensors", expected)
    if not foreign and all(p.is_embedding for p in left_out):
        return None  # perhaps on purpose: embeddings_frozen tells
    others = f", and it has {foreign} tensors that the model lacks" if foreign else ""
    return Finding(
        "problem",
        check,
        f"the optimiser lacks {len(left_out)} of {len(trainable)} trainable tensors{_names(left_out)}{others}",
        expected,
        "what the optimiser does not have never changes, whatever its gradient",
        "build the optimiser last, of the model that is trained: torch.optim.Adam(model.parameters())",
    )


def parameters_not_moving(seen: Observations) -> Finding | None:
    """Every trainable parameter in the optimiser must have a gradient and change."""
    parameters = [p for p in seen.parameters if p.trainable and p.in_optimizer and not p.is_embedding]
    if seen.updates < 2 or not seen.looked or not parameters:
        return None
    check, expected = "parameters-not-moving", "every trainable tensor changes at the first updates"
    if seen.empty_steps > MOST * seen.looked:
        return Finding(
            "problem",
            check,
            f"at {seen.empty_steps} of {seen.looked} looked-at updates no parameter had a gradient other than 0",
            expected,
            "gradients that are cleared or cut off before the update leave nothing to learn from",
            "call optimizer.zero_grad() before loss.backward(), not between it and optimizer.step()",
        )
    if seen.resets:
        return Finding(
            "problem",
            check,
            f"{seen.resets} times in {seen.updates:,} updates all weights were back at their first values",
            expected,
            "what was learned is thrown away",
            "load or initialise weights once, before the loop over epochs",
        )
    still = [p for p in parameters if not p.moved]
    if not still:
        return well(check, f"all {len(parameters)} tensors move", expected)
    share = sum(p.size for p in still) / sum(p.size for p in parameters)
    reason = "although they have gradients" if any(p.gradients for p in still) else "no gradient reached them"
    return Finding(
        "problem" if share > MOST else "watch",
        check,
        f"{len(still)} of {len(parameters)} tensors have not changed in {seen.updates:,} updates"
        f"{_names(still)}; {reason}",
        expected,
        "a tensor that no gradient reaches (detach, .data, no_grad, an unused layer) cannot learn",
        "follow the loss back to it: no .detach(), .item(), .data or torch.no_grad() on the way",
    )


def embeddings_frozen(seen: Observations) -> Finding | None:
    """An embedding that does not learn must have been learned before."""
    embeddings = [p for p in seen.parameters if p.is_embedding]
    if not embeddings or seen.updates < ENOUGH_UPDATES or not any(p.moved for p in seen.parameters):
        return None
    check, expected = "embeddings-frozen", "embeddings that learn, or that were learned before"
    still = sorted(
        (p for p in embeddings if not p.moved and not p.one_row_asked),
        key=lambda p: (not p.random_rows, -p.size),
    )
    if not still:
        return well(check, f"all {len(embeddings)} embeddings move", expected)
    first = still[0]
    rows = f"{first.name} {list(first.shape)} has not changed in {seen.updates:,} updates"
    if not first.random_rows:
        return well(
            check, f"{rows}; its rows differ in length and lean one way, as learned ones do", expected
        )
    reason = (
        "requires_grad is False"
        if not first.trainable
        else "no gradient reaches it"
        if first.in_optimizer
        else "the optimiser does not have it"
    )
    return Finding(
        "problem",
        check,
        f"{rows} ({reason}), and its rows look drawn at random: of one length, without a common direction",
        expected,
        "words whose random vectors stay random never become alike",
        f"train {first.name}: requires_grad True, and among the optimiser's parameters; or load word vectors",
    )


def accumulation_not_averaged(seen: Observations) -> Finding | None:
    """Where several batches make one update, their gradients are to be divided by their number."""
    backwards = float(np.median([each.backwards for each in seen.update_sample] or [0]))
    scores = seen.scores
    if backwards <= 1 or not scores.weights or scores.fits["other"] > MOST * scores.looked:
        return None
    weight = float(np.median(scores.weights))
    check, expected = "accumulation-not-averaged", "1 together: the mean over all sentences of the update"
    measured = f"{backwards:.0f} backward passes an update, whose sentences weigh {weight:.2f} together"
    if seen.cleared_between > MOST * (seen.looked - 1) and abs(weight * backwards - 1) <= 0.1:
        return Finding(
            "problem",
            check,
            f"of {backwards:.0f} backward passes an update the last is left, whose sentences weigh {weight:.2f}",
            expected,
            f"gradients are cleared between the passes, so that 1 batch of {backwards:.0f} is learned from, and little",
            "call optimizer.zero_grad() after optimizer.step() only",
        )
    if abs(weight / backwards - 1) > 0.1 or seen.optimizer.name in SCALE_FREE:
        return well(check, measured, expected)
    return Finding(
        "problem",
        check,
        measured,
        expected,
        f"with {seen.optimizer.name} the steps are {backwards:.0f} times as long as the learning rate says",
        f"(loss / {backwards:.0f}).backward()",
    )


def eval_mode_while_training(seen: Observations) -> Finding | None:
    """Batches that are learned from go through the model in train mode."""
    trained, wrong = seen.forwards.trained, seen.forwards.trained_in_eval_mode
    if not trained:
        return None
    check, expected = (
        "eval-mode-while-training",
        "none: model.train() at the start, and after each evaluation",
    )
    measured = f"{wrong:,} of {trained:,} training batches went through the model in eval mode"
    if wrong <= max(ENOUGH_WRONG, SOME * trained) or not seen.depends_on_mode:
        return well(check, measured, expected)
    return Finding(
        "problem",
        check,
        measured,
        expected,
        "dropout and batch normalisation are off while it learns",
        "call model.train() at the start of each epoch",
    )


def train_mode_while_evaluating(seen: Observations) -> Finding | None:
    """Evaluation goes through the model in eval mode."""
    stray = _stray_calls(seen)
    wrong, calls = seen.forwards.evaluated_in_train_mode + stray, seen.evaluations + stray
    check, expected = "train-mode-while-evaluating", "none: model.eval() before evaluating"
    if seen.varies_in_eval_mode:
        return Finding(
            "problem",
            check,
            "two calls in eval mode with the same batch gave different scores",
            "the same scores each time in eval mode",
            "something drops or adds values at random whatever the mode, in evaluation too",
            "nn.Dropout as a module, or torch.nn.functional.dropout(x, p, training=self.training)",
        )
    if not calls:
        return None
    measured = f"{wrong:,} of {calls:,} batches that were not learned from went through in train mode"
    if wrong <= MOST * calls or not seen.depends_on_mode:
        return well(check, measured, expected)
    rows = np.unique(rows_of(seen.evaluated_rows_in_train_mode))
    own = rows_of([batch.rows for batch in seen.batches])
    on_train = not stray and len(rows) > 0 and float(np.isin(rows, own).mean()) > 0.9
    return Finding(
        "watch" if on_train else "problem",
        check,
        measured + (", all of training sentences" if on_train else ""),
        expected,
        "dropout zeroes values in evaluation too: scores are lower, and differ each time",
        "call model.eval() before evaluating, and model.train() after it",
    )


def gradients_while_evaluating(seen: Observations) -> Finding | None:
    """Evaluation needs no gradients."""
    stray = _stray_calls(seen)
    wrong, calls = seen.forwards.evaluated_with_gradients + stray, seen.evaluations + stray
    if not calls:
        return None
    check, expected = "gradients-while-evaluating", "none: evaluation inside torch.no_grad()"
    measured = f"{wrong:,} of {calls:,} evaluation batches were run with gradients on"
    if wrong <= MOST * calls:
        return well(check, measured, expected)
    return Finding(
        "problem",
        check,
        measured,
        expected,
        "each evaluation builds a graph that nobody uses: time and memory, though the scores are the same",
        "with torch.no_grad(): around the evaluation",
    )


def loss_kept_with_graph(seen: Observations) -> Finding | None:
    """What is added up over an epoch must be a number, not a loss with its graph."""
    if not seen.updates:
        return None
    together = float(np.median([each.trained for each in seen.update_sample]))
    check, expected = "loss-kept-with-graph", "none: a graph ends with its update"
    measured = f"up to {seen.graphs_alive:,} graphs at a time were still in memory after their updates"
    if seen.graphs_alive < max(ENOUGH_UPDATES, 3 * together):
        return well(check, measured, expected)
    return Finding(
        "problem",
        check,
        measured,
        expected,
        "memory grows with each batch, and what is made of the sum goes through all of them",
        "total += loss.item() instead of total += loss",
    )


def _stray_calls(seen: Observations) -> int:
    """Calls in train mode with gradients on that are an evaluation, and not a misplaced update."""
    unused = [each.unused for each in seen.update_sample]
    return seen.forwards.unused if unused and float(np.median(unused)) < 1 else 0


def _names(parameters: list[SeenParameter]) -> str:
    shown = ", ".join(p.name for p in parameters[:3]) + (", ..." if len(parameters) > 3 else "")
    return f" ({shown})" if shown else ""
