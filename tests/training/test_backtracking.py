"""The line search takes the steps that can be computed by hand on quadratics, and leaves the weights where it fails."""

import itertools
import math

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from relclf.config.schema import Backtracking as Config
from relclf.config.schema import TrainingConfig
from relclf.training.backtracking import MOST_FORWARDS, Backtracking
from relclf.training.checkpoint import read_checkpoint
from tests.training.test_resume import begin


class Quadratic:
    """f(w) = sum of a w^2 / 2 over the weights, from w = start."""

    def __init__(self, curvatures, start, **options):
        self.curvatures = torch.tensor(curvatures, dtype=torch.float64)
        self.weights = nn.Parameter(torch.tensor(start, dtype=torch.float64))
        self.optimizer = Backtracking([self.weights], Config(name="backtracking", **options))
        self.forwards = 0

    @property
    def group(self):
        return self.optimizer.param_groups[0]

    def loss(self):
        self.forwards += 1
        return (self.curvatures * self.weights**2).sum() / 2

    def update(self, loss_again=None):
        self.weights.grad = None
        loss = self.loss()
        loss.backward()
        self.optimizer.search(loss.item(), loss_again or (lambda: self.loss().item()))
        return self.weights.tolist()


@pytest.mark.parametrize(
    ("first", "decrease", "taken"),
    [
        # One weight of curvature 4 decreases enough up to the step 2 (1 - c) / 4.
        (0.25, 0.1, 0.25),
        (0.44, 0.1, 0.44),
        (0.46, 0.1, 0.23),
        (8.0, 0.1, 0.25),
        (0.24, 0.5, 0.24),
        (0.26, 0.5, 0.13),
        (0.2, 0.9, 0.05),
    ],
)
def test_the_step_is_the_first_that_decreases_enough(first, decrease, taken):
    quadratic = Quadratic([4.0], [1.0], lr=first, decrease=decrease)
    assert quadratic.update() == pytest.approx([1 - 4 * taken])
    assert quadratic.group["lr"] == pytest.approx(taken)


def test_one_step_of_the_inverse_curvature_ends_at_the_minimum():
    assert Quadratic([4.0, 4.0], [1.0, -3.0], lr=0.25).update() == pytest.approx([0, 0])


def test_from_update_to_update_the_step_grows_as_well_as_falls():
    quadratic = Quadratic([4.0], [1.0], lr=0.01, growth=2.0)
    steps = []
    for _ in range(9):
        quadratic.update()
        steps.append(quadratic.group["lr"])
    assert steps[:6] == pytest.approx([0.01, 0.02, 0.04, 0.08, 0.16, 0.32])
    assert steps[6:] == pytest.approx([0.32] * 3)  # 0.64 is above 0.45, and halved
    assert quadratic.group["failures"] == 0


def test_no_step_is_larger_than_max_step():
    quadratic = Quadratic([0.01], [1.0], lr=1.0, growth=4.0, max_step=3.0)
    for _ in range(3):
        quadratic.update()
    assert quadratic.group["lr"] == 3.0


def test_every_direction_of_a_quadratic_goes_to_its_minimum_within_the_largest_curvature():
    quadratic = Quadratic([1.0, 10.0], [5.0, 5.0], lr=10.0)
    losses = [quadratic.loss().item()]
    for _ in range(60):
        quadratic.update()
        losses.append(quadratic.loss().item())
    assert all(after <= before for before, after in itertools.pairwise(losses))
    assert losses[-1] < 1e-6


def test_the_l2_penalty_is_part_of_what_must_decrease():
    # f + w^2 (penalty 2) has curvature 2 + 2, so 0.5 is too long where it would not be without the penalty.
    assert Quadratic([2.0], [1.0], lr=0.5).update() == pytest.approx([0.0])
    assert Quadratic([2.0], [1.0], lr=0.5, weight_decay=2.0).update() == pytest.approx([0.0])
    assert Quadratic([2.0], [1.0], lr=0.4, weight_decay=2.0).update() == pytest.approx([1 - 4 * 0.4])


def test_a_search_without_a_step_leaves_every_bit_of_the_weights_and_is_counted():
    quadratic = Quadratic([4.0], [1 / 3], lr=1.0)
    assert quadratic.update(loss_again=lambda: math.inf) == [1 / 3]
    assert quadratic.update(loss_again=lambda: math.nan) == [1 / 3]
    assert (quadratic.group["failures"], quadratic.group["searches"]) == (2, 2)
    assert quadratic.group["forwards"] == 2 * MOST_FORWARDS
    assert quadratic.group["lr"] == 0


def test_a_failed_search_goes_on_below_where_it_stopped_and_recovers():
    quadratic = Quadratic([1e6], [1.0], lr=10.0)
    while quadratic.group["failures"] == quadratic.group["searches"]:
        quadratic.update()
    assert quadratic.group["failures"] == 2  # 10 to 2e-6 is 23 halvings, 9 a search
    assert quadratic.group["lr"] < 2e-6


def test_no_step_below_the_minimum_is_tried():
    tried = []
    quadratic = Quadratic([4.0], [1.0], lr=1.0, min_step=0.2)
    quadratic.update(loss_again=lambda: tried.append(quadratic.weights.item()) or math.inf)
    assert tried == pytest.approx([1 - 4.0, 1 - 2.0, 1 - 1.0])
    assert quadratic.group["next_step"] == 0.2


def test_a_change_that_float32_cannot_tell_passes():
    quadratic = Quadratic([4.0], [1.0], lr=0.01)
    before = 2.0
    assert quadratic.update(loss_again=lambda: before - 0.1 * 0.01 * 16 + 1.9e-6) == pytest.approx([0.96])
    quadratic = Quadratic([4.0], [1.0], lr=0.01)
    quadratic.update(loss_again=lambda: before - 0.1 * 0.01 * 16 + 2.1e-6)
    assert quadratic.group["lr"] < 0.01


def test_nothing_is_searched_where_the_gradient_is_zero():
    quadratic = Quadratic([4.0], [0.0])
    assert quadratic.update() == [0.0]
    assert (quadratic.forwards, quadratic.group["failures"], quadratic.group["next_step"]) == (1, 0, 1.0)


def test_with_momentum_the_weights_move_by_the_decaying_mean_of_the_steps():
    quadratic = Quadratic([1.0], [1.0], lr=0.5, growth=1.0, momentum=0.5)
    assert quadratic.update() == pytest.approx([1 - 0.25])
    assert quadratic.update() == pytest.approx([0.75 - (0.25 / 2 + 0.5 * 0.75 / 2)])


def test_every_forward_of_an_update_has_the_same_dropout_mask(tmp_path, monkeypatch):
    masks = []
    scores = "relclf.models.cnn.Cnn.scores"
    from relclf.models.cnn import Cnn

    plain = Cnn.scores

    def noted(self, features, dropout=None):
        if dropout is not None:
            masks.append(dropout.get_state().numpy().tobytes())
        return plain(self, features, dropout)

    monkeypatch.setattr(scores, noted)
    experiment = begin(
        tmp_path, training__optimizer={"name": "backtracking", "lr": 10.0}, training__max_epochs=1
    )
    list(experiment.epochs())
    group = experiment.state.optimizer.param_groups[0]
    assert group["searches"] == 5
    assert group["forwards"] == len(masks) > 10
    assert len(set(masks)) == 5  # one an update


def test_the_record_has_the_step_and_the_checkpoint_the_counts(tmp_path):
    experiment = begin(tmp_path, training__optimizer={"name": "backtracking"}, training__max_epochs=2)
    *_, record = experiment.epochs()
    _, state = read_checkpoint(experiment.run.checkpoint("last"))
    group = experiment.state.optimizer.param_groups[0]
    assert state["optimizer"]["carried"] == {name: group[name] for name in Backtracking.carried}
    assert record.learning_rate == group["lr"]
    assert group["searches"] == 10


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("clip_norm", 1.0),
        ("schedule", {"name": "cosine"}),
        ("schedule", {"warmup_updates": 5}),
        ("update_every", "epoch"),
        ("update_every", 2),
    ],
)
def test_what_would_change_the_step_behind_the_searchs_back_is_refused(key, value):
    with pytest.raises(ValidationError, match=f"which {key} would change behind its back"):
        TrainingConfig(optimizer={"name": "backtracking"}, **{key: value})


def test_steps_must_rise_from_the_least_to_the_first_to_the_largest():
    with pytest.raises(ValidationError, match=r"min_step \(1e-06\), lr \(20\) and max_step \(10\) must rise"):
        Config(name="backtracking", lr=20.0)
