"""The checks of a watched loop's scores and losses."""

import math

from relclf.diagnosis.findings import Finding, well
from relclf.diagnosis.observations import Observations, SeenScores

MOST = 0.5
"""A share of the looked-at batches that makes a rule."""
ENOUGH_BATCHES = 10
FAR = 5.0
"""Times the loss of guessing that no usual initialisation comes near."""


def not_finite(seen: Observations) -> Finding | None:
    """No score and no gradient may be NaN or infinite."""
    if not seen.updates and seen.not_finite is None:
        return None
    check, expected = "not-finite", "finite numbers only"
    if seen.not_finite is None:
        return well(check, "all looked-at scores and gradients are finite", expected)
    of_loss = "the gradient of" in seen.not_finite
    return Finding(
        "problem",
        check,
        f"the first number that is not finite was in {seen.not_finite}",
        expected,
        "the loss itself divides by zero, or takes the logarithm of zero"
        if of_loss
        else "weights or activations have grown beyond what floating point holds",
        "torch.nn.functional.cross_entropy(scores, gold) on raw scores instead of log(softmax(scores))"
        if of_loss
        else "a smaller learning rate, and torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
    )


def softmax_before_loss(seen: Observations) -> Finding | None:
    """Cross-entropy takes raw scores; it applies the softmax itself."""
    scores = seen.scores
    if scores.single and not scores.looked:
        return _sigmoid_before_loss(scores)
    if not scores.looked:
        return None
    check, expected = (
        "softmax-before-loss",
        "raw scores: cross-entropy applies the softmax itself (PyTorch, CrossEntropyLoss)",
    )
    floor = math.log(1 + (scores.classes - 1) / math.e)
    ends = f"so the loss cannot fall below {floor:.3f} for {scores.classes} classes"
    crossed = scores.fits["cross-entropy"] > MOST * scores.looked
    twice, bent = scores.fits["softmax twice"], scores.fits["sigmoid first"]
    raw_nll = (
        scores.fits["nll"] > MOST * scores.looked and not scores.log_probabilities + scores.probabilities
    )
    if (crossed and scores.probabilities > MOST * scores.looked) or scores.criterion_got_probabilities:
        measured = f"the scores given to cross-entropy are probabilities (each row sums to 1), {ends}"
    elif twice > MOST * scores.looked:
        measured = f"in {twice} of {scores.looked} looked-at batches the gradient went through a second softmax, {ends}"
    elif bent > MOST * scores.looked:
        measured = f"in {bent} of {scores.looked} looked-at batches the gradient went through a sigmoid first"
    elif scores.by_column > MOST * scores.looked:
        measured = (
            "the columns of the scores, not the rows, are probabilities: softmax over the batch (dim=0)"
        )
    elif raw_nll:
        measured = "the negative log-likelihood is taken of raw scores, not of log-probabilities: it has no lower end"
    elif crossed and scores.cut > MOST * scores.looked:
        measured = f"no score of {scores.cut} of {scores.looked} looked-at batches is below 0, and many are 0: a ReLU"
    elif crossed and scores.squeezed == scores.looked >= ENOUGH_BATCHES:
        measured = f"all scores of {scores.looked} looked-at batches lie between 0 and 1, as after a sigmoid"
    elif scores.sigmoid_twice > MOST * scores.looked:
        measured = (
            f"in {scores.sigmoid_twice} of {scores.looked} looked-at batches the scores lie between 0 and 1, and went "
            "through a sigmoid in the loss"
        )
    elif crossed and scores.log_probabilities > MOST * scores.looked:
        return Finding(
            "watch",
            check,
            "the scores given to cross-entropy are log-probabilities: log-softmax is applied twice",
            expected,
            "the second one changes no number; it costs time, and hides what is meant",
            "leave log_softmax out of the model, or use torch.nn.NLLLoss",
        )
    else:
        return well(check, f"raw scores in {scores.looked} looked-at batches", expected)
    return Finding(
        "problem",
        check,
        measured,
        expected,
        "scores that are bent or cut before the loss cannot say that they are sure, and their gradients fade",
        "torch.nn.functional.cross_entropy(model(x), gold) on raw scores; softmax only where probabilities are shown",
    )


def _sigmoid_before_loss(scores: SeenScores) -> Finding:
    """The same for one score a sentence: a loss that applies the sigmoid takes the raw score."""
    check, expected = (
        "softmax-before-loss",
        "one sigmoid: in the model with BCELoss, or in the loss alone (PyTorch, BCEWithLogitsLoss)",
    )
    twice = scores.sigmoid_twice
    measured = (
        f"in {twice} of {scores.single} looked-at batches a sigmoid's score went through another in the loss"
    )
    if twice <= MOST * scores.single:
        return well(check, measured, expected)
    return Finding(
        "problem",
        check,
        measured,
        expected,
        "the loss reads scores from 0 to 1 as raw ones, so that it takes none below 50 % nor above 73 %",
        "leave torch.sigmoid out of the model, and apply it only where probabilities are shown",
    )


def loss_at_init(seen: Observations) -> Finding | None:
    """Before the first update the loss is that of guessing, ln C."""
    scores = seen.scores
    if not scores.first_losses:
        return None
    first, guessing = scores.first_losses[0], math.log(scores.classes)
    check, expected = (
        "loss-at-init",
        f"about ln {scores.classes} = {guessing:.3f}, less than twice that even with embeddings drawn from N(0, 1)",
    )
    measured = f"{first:.3f} nats in the first batch"
    if first <= 2 * guessing:
        return well(check, measured, expected)
    return Finding(
        "problem" if first > FAR * guessing else "watch",
        check,
        measured,
        expected,
        "large first scores are sure and wrong; the first updates go into taking them back",
        "draw embeddings with a smaller spread (std 0.1), or scale the last layer's weights down",
    )


CHECKS = (not_finite, softmax_before_loss, loss_at_init)
