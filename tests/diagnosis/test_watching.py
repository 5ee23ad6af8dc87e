"""A hand-written loop is watched without changing it, and what is wrong with it is named first."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import relclf
from relclf.diagnosis import watching
from relclf.diagnosis.findings import Finding
from relclf.diagnosis.losses_seen import seen_loss
from relclf.diagnosis.watching import Watch
from relclf.errors import UserMistake
from tests.diagnosis.hand_written import CLASSES, WORDS, Data, Loop, Net, healthy

OPTIMIZERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    "adam": lambda m: torch.optim.Adam(m.parameters(), lr=1e-3),
    "adamw": lambda m: torch.optim.AdamW(m.parameters(), lr=1e-3, weight_decay=0.01),
    "sgd": lambda m: torch.optim.SGD(m.parameters(), lr=0.1),
    "momentum": lambda m: torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4),
    "adagrad": lambda m: torch.optim.Adagrad(m.parameters(), lr=0.1),
    "rmsprop": lambda m: torch.optim.RMSprop(m.parameters(), lr=1e-3),
}


def problems(findings: list[Finding]) -> list[str]:
    return [finding.check for finding in findings if finding.severity == "problem"]


def watches(findings: list[Finding]) -> list[str]:
    return [finding.check for finding in findings if finding.severity == "watch"]


def findings_of(loop: Loop, run: Callable[[Loop], None], **options: object) -> list[Finding]:
    watch = relclf.watch(loop.model, loop.optimizer, **options)
    run(loop)
    return watch.report()


# healthy loops


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_healthy_loop_has_no_problem_and_nothing_to_watch(name):
    loop = healthy()
    found = findings_of(replace(loop, optimizer=OPTIMIZERS[name](loop.model)), Loop.run)
    assert problems(found) == watches(found) == []
    assert {f.check for f in found} >= {
        "updates-per-epoch", "gradients-not-cleared", "not-finite", "parameters-not-in-optimizer",
        "parameters-not-moving", "embeddings-frozen", "eval-mode-while-training", "train-mode-while-evaluating",
        "gradients-while-evaluating", "softmax-before-loss", "loss-at-init", "loss-kept-with-graph", "same-batch",
        "no-shuffling", "dev-in-train", "dropout-too-high", "dead-filters", "positions-unused",
    }  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_watching_changes_no_bit_of_the_weights_nor_of_the_random_numbers(name):
    ends = []
    for watched in (False, True):
        loop = healthy()
        loop = replace(loop, optimizer=OPTIMIZERS[name](loop.model))
        if watched:
            with relclf.watch(loop.model, loop.optimizer, criterion=loop.criterion, every=3) as watch:
                loop.run()
                watch.epoch(train_loss=1.0)
        else:
            loop.run()
        ends.append(([p.detach().clone() for p in loop.model.parameters()], torch.rand(3)))
    for left, right in zip(ends[0][0], ends[1][0], strict=True):
        assert torch.equal(left, right)
    assert torch.equal(ends[0][1], ends[1][1])


def test_everything_is_removed_at_the_end(capsys):
    loop = healthy()
    with relclf.watch(loop.model, loop.optimizer, criterion=loop.criterion):
        loop.run()
    for module in (loop.model, *loop.model.modules(), loop.criterion):
        assert not module._forward_hooks and not module._forward_pre_hooks
    assert not loop.optimizer._optimizer_step_pre_hooks and not loop.optimizer._optimizer_step_post_hooks
    assert not any(p._post_accumulate_grad_hooks for p in loop.model.parameters())
    assert capsys.readouterr().out.endswith("checks in order\n")


def test_gradients_of_several_batches_divided_by_their_number_are_no_fault():
    def accumulate(loop):
        for epoch in range(8):
            for index, (words, positions, gold) in enumerate(loop.train.batches(seed=epoch), 1):
                (loop.criterion(loop.model(words, positions), gold) / 4).backward()
                if index % 4 == 0:
                    loop.optimizer.step()
                    loop.optimizer.zero_grad()

    loop = healthy()
    found = findings_of(replace(loop, optimizer=OPTIMIZERS["sgd"](loop.model)), accumulate)
    assert problems(found) == watches(found) == []
    assert "accumulation-not-averaged" in {f.check for f in found}


def test_one_batch_that_is_the_whole_of_train_is_no_fault():
    def full_batch(loop):
        for _ in range(30):
            loop.model.train()
            loop.optimizer.zero_grad()
            loop.criterion(loop.model(loop.train.words, loop.train.positions), loop.train.gold).backward()
            loop.optimizer.step()
            loop.evaluate()

    loop = healthy()
    loader = DataLoader(TensorDataset(loop.train.words), batch_size=len(loop.train.gold))
    assert problems(findings_of(loop, full_batch, loader=loader)) == []


def by_closure(loop, sentences=240, evaluated=()):
    """Findings of twelve updates of L-BFGS, all on the first sentences of train."""
    optimizer = torch.optim.LBFGS(loop.model.parameters(), lr=0.5, max_iter=4)
    train = loop.train.first(sentences)

    def closure():
        optimizer.zero_grad()
        loss = loop.criterion(loop.model(train.words, train.positions), train.gold)
        loss.backward()
        return loss

    def run(loop):
        for _ in range(12):
            loop.model.train()
            optimizer.step(closure)
            loop.model.eval()
            with torch.no_grad():
                for data in evaluated:
                    loop.model(data.words, data.positions)

    return run, replace(loop, optimizer=optimizer)


def test_the_same_batch_is_in_order_where_the_optimiser_is_meant_for_the_whole_of_train():
    loop = healthy()
    run, loop = by_closure(loop, evaluated=(loop.train, loop.dev))
    found = findings_of(loop, run)
    assert "same-batch" not in problems(found) + watches(found)
    run, loop = by_closure(healthy(), sentences=40, evaluated=(loop.dev,))
    assert "same-batch" in watches(findings_of(loop, run))
    run, loop = by_closure(healthy(), sentences=40)
    loader = DataLoader(TensorDataset(loop.train.words), batch_size=40)
    assert "same-batch" in problems(findings_of(loop, run, loader=loader))


def scheduled(factor, epochs):
    """A loop whose rate is multiplied by `factor` of the number of updates done."""

    def run(loop):
        schedule = torch.optim.lr_scheduler.LambdaLR(loop.optimizer, factor)
        for epoch in range(epochs):
            loop.model.train()
            for words, positions, gold in loop.train.batches(seed=epoch):
                loop.optimizer.zero_grad()
                loop.criterion(loop.model(words, positions), gold).backward()
                loop.optimizer.step()
                schedule.step()
            loop.evaluate()

    return run


def test_a_cosine_schedule_with_warm_up_is_no_fault():
    rates = [min((u + 1) / 20, 0.5 * (1 + math.cos(math.pi * u / 96))) for u in range(97)]
    found = findings_of(healthy(), scheduled(rates.__getitem__, epochs=8))
    assert problems(found) == watches(found) == []


def test_a_model_called_twice_a_batch_is_no_fault():
    def pairs(loop):
        for epoch in range(4):
            loop.model.train()
            for words, positions, gold in loop.train.batches(seed=epoch):
                loop.optimizer.zero_grad()
                left, right = loop.model(words, positions), loop.model(words.flip(1), positions.flip(1))
                (loop.criterion(left, gold) + loop.criterion(right, gold)).backward()
                loop.optimizer.step()
            loop.evaluate()

    assert problems(findings_of(healthy(), pairs)) == []


def test_frozen_vectors_that_were_learned_before_are_no_fault():
    loop = healthy()
    with torch.no_grad():
        table = loop.model.words.weight
        table.mul_(torch.linspace(0.3, 2.0, len(table))[:, None]).add_(0.5)
    loop.model.words.weight.requires_grad_(False)
    assert problems(findings_of(loop, Loop.run)) == []


# faulty loops


def once_an_epoch(loop):
    for epoch in range(20):
        loop.model.train()
        for words, positions, gold in loop.train.batches(seed=epoch):
            loss = loop.criterion(loop.model(words, positions), gold)
        loop.optimizer.zero_grad()
        loss.backward()
        loop.optimizer.step()
        loop.evaluate()


def step_after_all(loop):
    for epoch in range(20):
        loop.model.train()
        total = 0
        for words, positions, gold in loop.train.batches(seed=epoch):
            total = total + loop.criterion(loop.model(words, positions), gold) / 12
        loop.optimizer.zero_grad()
        total.backward()
        loop.optimizer.step()


def no_update(loop):
    for words, positions, gold in loop.train.batches(seed=1):
        loop.criterion(loop.model(words, positions), gold).backward()


def backward_once(loop):
    for epoch in range(4):
        loop.optimizer.zero_grad()
        for words, positions, gold in loop.train.batches(seed=epoch):
            loss = loop.criterion(loop.model(words, positions), gold)
            loop.optimizer.step()
        loss.backward()


def batch_by_batch(**changes):
    """The healthy loop with one line changed."""

    def run(loop):
        for epoch in range(4):
            loop.model.train()
            total = 0
            for words, positions, gold in loop.train.batches(seed=changes.get("order", epoch)):
                if "keep" not in changes:
                    loop.optimizer.zero_grad()
                loss = changes.get("loss", loop.criterion)(loop.model(words, positions), gold)
                total = total + (loss if "graph" in changes else loss.item())
                loss.backward()
                if "between" in changes:
                    loop.optimizer.zero_grad()
                if "clip" in changes:
                    nn.utils.clip_grad_norm_(loop.model.parameters(), changes["clip"])
                loop.optimizer.step()
            if "always_train" not in changes:
                loop.model.eval()
            with torch.set_grad_enabled("gradients" in changes):
                for words, positions, _ in changes.get("dev", loop.dev).batches():
                    loop.model(words, positions)

    return run


def train_mode_once(loop):
    loop.model.train()
    for epoch in range(4):
        for words, positions, gold in loop.train.batches(seed=epoch):
            loop.optimizer.zero_grad()
            loop.criterion(loop.model(words, positions), gold).backward()
            loop.optimizer.step()
        loop.evaluate()


def first_batch_only(loop):
    words, positions, gold = next(loop.train.batches(seed=0))
    for _ in range(30):
        loop.optimizer.zero_grad()
        loop.criterion(loop.model(words, positions), gold).backward()
        loop.optimizer.step()


def not_averaged(loop):
    for epoch in range(8):
        for index, (words, positions, gold) in enumerate(loop.train.batches(seed=epoch), 1):
            loop.criterion(loop.model(words, positions), gold).backward()
            if index % 4 == 0:
                loop.optimizer.step()
                loop.optimizer.zero_grad()


def of_another_model(loop):
    other = Net()
    return replace(loop, optimizer=torch.optim.Adam(other.parameters()))


def layer_replaced(loop):
    loop.model.output = nn.Linear(24, CLASSES)
    return loop


def frozen(loop):
    loop.model.words.weight.requires_grad_(False)
    return loop


def left_out(loop):
    rest = [p for name, p in loop.model.named_parameters() if not name.startswith("words")]
    return replace(loop, optimizer=torch.optim.Adam(rest, lr=1e-3))


def with_optimizer(name, **options):
    def change(loop):
        return replace(loop, optimizer=getattr(torch.optim, name)(loop.model.parameters(), **options))

    return change


def filters(number):
    def change(loop):
        loop.model.convolution = nn.Conv1d(20, number, 3, padding=1)
        loop.model.output = nn.Linear(number, CLASSES)
        return with_optimizer("Adam", lr=1e-3)(loop)

    return change


def dead(loop):
    loop.model.activation = torch.relu
    with torch.no_grad():
        loop.model.convolution.bias[:20] = -50
    return loop


def dropped(loop):
    loop.model.drop.p = 0.95
    return loop


def sorted_train(loop):
    order = loop.train.gold.argsort()
    return replace(
        loop, train=Data(loop.train.words[order], loop.train.positions[order], loop.train.gold[order])
    )


def no_positions(loop):
    train = replace(loop.train, positions=torch.zeros_like(loop.train.positions))
    return replace(loop, train=train)


def same(loop):
    return loop


def log_of_zero(scores, gold):
    chances = scores.softmax(dim=1) * (scores.softmax(dim=1) > 0.2)
    return -torch.log(chances.gather(1, gold[:, None])).mean()


def in_a_plain_list(loop):
    layer = loop.model.output
    del loop.model.output
    object.__setattr__(loop.model, "output", layer)
    return replace(loop, optimizer=torch.optim.Adam(loop.model.parameters(), lr=1e-3))


class _AlwaysDropping(nn.Module):
    def forward(self, values):
        return nn.functional.dropout(values, 0.3)


def always_dropping(loop):
    loop.model.drop = _AlwaysDropping()
    return loop


def replaced_while_watched(loop):
    loop.model.words = nn.Embedding(WORDS, 16)
    loop.run()


def scheduled_each_batch(loop):
    schedule = torch.optim.lr_scheduler.StepLR(loop.optimizer, step_size=1, gamma=0.9)
    for epoch in range(8):
        loop.model.train()
        for words, positions, gold in loop.train.batches(seed=epoch):
            loop.optimizer.zero_grad()
            loop.criterion(loop.model(words, positions), gold).backward()
            loop.optimizer.step()
            schedule.step()


def learning_evaluation(loop):
    for epoch in range(4):
        for data, mode in ((loop.train, True), (loop.dev, False)):
            loop.model.train(mode)
            for words, positions, gold in data.batches(seed=epoch):
                loop.optimizer.zero_grad()
                loop.criterion(loop.model(words, positions), gold).backward()
                loop.optimizer.step()


def cut_off(loop):
    loop.model.output = nn.Sequential(loop.model.output, nn.ReLU())
    return loop


cross = nn.functional.cross_entropy
FAULTS = {
    "one update an epoch": ("updates-per-epoch", same, once_an_epoch),
    "one update an epoch, of all batches": ("updates-per-epoch", same, step_after_all),
    "no update at all": ("updates-per-epoch", same, no_update),
    "backward after the loop": ("updates-per-epoch", same, backward_once),
    "zero_grad missing": ("gradients-not-cleared", same, batch_by_batch(keep=True)),
    "zero_grad before step": ("parameters-not-moving", same, batch_by_batch(between=True)),
    "another model's optimiser": ("parameters-not-in-optimizer", of_another_model, Loop.run),
    "a layer replaced after": ("parameters-not-in-optimizer", layer_replaced, Loop.run),
    "random words frozen": ("embeddings-frozen", frozen, Loop.run),
    "random words not in the optimiser": ("embeddings-frozen", left_out, Loop.run),
    "never train() again": ("eval-mode-while-training", same, train_mode_once),
    "never eval()": ("train-mode-while-evaluating", same, batch_by_batch(always_train=True)),
    "never eval(), with gradients": (
        "train-mode-while-evaluating", same, batch_by_batch(always_train=True, gradients=True)
    ),
    "no no_grad()": ("gradients-while-evaluating", same, batch_by_batch(gradients=True)),
    "softmax outside": ("softmax-before-loss", same, batch_by_batch(loss=lambda s, y: cross(s.softmax(1), y))),
    "sigmoid outside": ("softmax-before-loss", same, batch_by_batch(loss=lambda s, y: cross(s.sigmoid(), y))),
    "nll of raw scores": ("softmax-before-loss", same, batch_by_batch(loss=nn.functional.nll_loss)),
    "a ReLU on the scores": ("softmax-before-loss", cut_off, Loop.run),
    "a layer that the model does not list": ("parameters-not-in-optimizer", in_a_plain_list, Loop.run),
    "a layer replaced while watched": ("parameters-not-in-optimizer", same, replaced_while_watched),
    "dropout that knows no mode": ("train-mode-while-evaluating", always_dropping, Loop.run),
    "an evaluation that learns": ("dev-in-train", same, learning_evaluation),
    "log of zero": ("not-finite", same, batch_by_batch(loss=log_of_zero)),
    "loss summed with its graph": ("loss-kept-with-graph", same, batch_by_batch(graph=True)),
    "the same batch": ("same-batch", same, first_batch_only),
    "sorted, not shuffled": ("no-shuffling", sorted_train, batch_by_batch(order=None)),
    "dev is a part of train": ("dev-in-train", same, batch_by_batch(dev=Data.draw(1).first(60))),
    "not averaged, SGD": (
        "accumulation-not-averaged", with_optimizer("SGD", lr=0.1), not_averaged
    ),
    "weight decay in Adam": (
        "weight-decay-dominates", with_optimizer("Adam", lr=1e-3, weight_decay=1.0), Loop.run
    ),
    "weight decay in AdamW": (
        "weight-decay-dominates", with_optimizer("AdamW", lr=1e-3, weight_decay=200.0), Loop.run
    ),
    "clipped to nothing": ("clipping-always", same, batch_by_batch(clip=1e-3)),
    "dropout 0.95": ("dropout-too-high", dropped, Loop.run),
    "a rate that is far too small": ("learning-rate-too-small", with_optimizer("Adam", lr=1e-5), Loop.run),
    "a rate that is far too large": ("learning-rate-too-large", with_optimizer("SGD", lr=10.0), Loop.run),
    "a schedule that falls each batch": ("learning-rate-too-small", same, scheduled_each_batch),
    "one filter": ("too-simple", filters(1), Loop.run),
    "two filters": ("too-simple", filters(2), Loop.run),
    "dead filters": ("dead-filters", dead, Loop.run),
    "positions are zeros": ("positions-unused", no_positions, Loop.run),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_the_fault_is_the_first_problem(fault):
    check, change, run = FAULTS[fault]
    assert problems(findings_of(change(healthy()), run))[:1] == [check]


def told(change=lambda gold, predicted: (gold, predicted), train=None, epochs=24):
    """A loop that tells `watch.epoch` of its dev predictions; returns the findings."""
    loop = healthy(lr=3e-3)
    train = train or loop.train
    watch = relclf.watch(loop.model, loop.optimizer)
    for epoch in range(epochs):
        loop.model.train()
        total = 0.0
        for words, positions, gold in train.batches(seed=epoch):
            loop.optimizer.zero_grad()
            loss = loop.criterion(loop.model(words, positions), gold)
            loss.backward()
            loop.optimizer.step()
            total += loss.item()
        loop.model.eval()
        with torch.no_grad():
            predicted = loop.model(loop.dev.words, loop.dev.positions).argmax(1)
        gold, answers = change(loop.dev.gold, predicted)
        watch.epoch(train_loss=total / 12, gold=gold, predicted=answers)
    return watch.report()


def test_predictions_of_a_healthy_loop_are_in_order():
    found = told()
    assert problems(found) == watches(found) == []
    assert {f.check for f in found} >= {"relation-ids-mismatch", "uninformative-input", "majority-collapse",
                                        "epoch-loss-not-averaged"}  # fmt: skip


def test_relation_ids_that_differ_in_dev_are_named():
    assert problems(told(lambda gold, predicted: ((gold + 1) % CLASSES, predicted)))[:1] == [
        "relation-ids-mismatch"
    ]


def test_mentions_that_are_exchanged_in_dev_are_named():
    loop = healthy()
    loop.model.positions = nn.Embedding(WORDS, 4)
    loop = replace(loop, optimizer=OPTIMIZERS["adam"](loop.model))
    loop.dev.words, loop.dev.positions = loop.dev.positions, loop.dev.words
    assert problems(findings_of(loop, lambda loop: [loop.run() for _ in range(2)]))[:1] == [
        "mentions-swapped"
    ]


def test_a_loop_that_stays_at_guessing_because_nothing_can_be_told_is_named():
    loop = with_optimizer("Adam", lr=3e-4)(healthy())
    loop.train.words = loop.train.words[torch.randperm(240, generator=torch.Generator().manual_seed(3))]
    loop.train.positions = torch.full_like(loop.train.positions, 3)
    loop.train.positions[:, ::2] = 4
    assert problems(findings_of(replace(loop, epochs=20), Loop.run))[:1] == ["uninformative-input"]


def test_shares_of_relations_that_are_those_of_other_ids_are_named():
    exchanged = torch.tensor([3, 1, 2, 0])
    found = told(lambda gold, predicted: (exchanged[gold].repeat(3), torch.full((180,), 3)), epochs=6)
    assert problems(found)[:1] == ["relation-ids-mismatch"]


def test_relations_that_the_sentences_do_not_tell_are_named():
    train = Data.draw(1)
    shuffled = replace(
        train, gold=train.gold[torch.randperm(240, generator=torch.Generator().manual_seed(5))]
    )
    assert problems(told(train=shuffled, epochs=60))[:1] == ["uninformative-input"]


def test_a_sum_of_losses_that_goes_for_a_mean_is_named():
    loop = healthy()
    watch = relclf.watch(loop.model, loop.optimizer)
    for epoch in range(3):
        total = 0.0
        for words, positions, gold in loop.train.batches(seed=epoch):
            loop.optimizer.zero_grad()
            loss = loop.criterion(loop.model(words, positions), gold)
            loss.backward()
            loop.optimizer.step()
            total += loss.item()
        watch.epoch(train_loss=total)
    assert problems(watch.report()) == ["epoch-loss-not-averaged"]


def test_shuffled_file_order_is_something_to_watch_and_no_problem():
    found = findings_of(healthy(), batch_by_batch(order=None))
    assert (problems(found), watches(found)) == ([], ["no-shuffling"])


def test_a_loss_of_raw_scores_is_told_from_the_others_by_its_gradient():
    torch.manual_seed(0)
    gold = torch.randint(0, 5, (30,))
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    losses = {
        "cross-entropy": lambda s: cross(s, gold),
        "cross-entropy weighted": lambda s: cross(s, gold, weight=weights),
        "cross-entropy smoothed": lambda s: cross(s, gold, label_smoothing=0.1),
        "cross-entropy summed": lambda s: cross(s, gold, reduction="sum"),
        "softmax twice": lambda s: cross(s.softmax(dim=1), gold),
        "nll": lambda s: nn.functional.nll_loss(s, gold),
        "other": lambda s: (s.square() * s.exp()).sum(),
    }
    for name, loss in losses.items():
        scores = torch.randn(30, 5, requires_grad=True)
        loss(scores).backward()
        seen = seen_loss(scores, scores.grad)
        assert seen.name == name.split(" w")[0].split(" sm")[0].split(" su")[0]
        if name != "other":
            assert torch.equal(seen.gold, gold)
    scores = torch.randn(30, 5, requires_grad=True)
    cross(scores, gold).backward()
    seen = seen_loss(scores, scores.grad)
    assert seen.weight == pytest.approx(1.0, abs=1e-5)
    assert seen.cross_entropy == pytest.approx(cross(scores, gold).item(), abs=1e-5)


def test_scores_so_large_that_a_right_one_leaves_no_gradient_are_read_all_the_same():
    generator = torch.Generator().manual_seed(0)
    gold = torch.randint(0, 5, (300,), generator=generator)
    scores = (200 * torch.randn(300, 5, generator=generator)).requires_grad_()
    loss = cross(scores, gold)
    loss.backward()
    assert (scores.grad == 0).all(dim=1).any()
    seen = seen_loss(scores, scores.grad)
    assert seen.name == "cross-entropy"
    assert torch.equal(seen.gold, gold)
    assert seen.cross_entropy == pytest.approx(loss.item(), rel=1e-5)


def test_a_second_softmax_is_told_by_its_gradient_where_the_first_is_sure_and_wrong():
    generator = torch.Generator().manual_seed(0)
    gold = torch.randint(0, 5, (300,), generator=generator)
    scores = (10 * torch.randn(300, 5, generator=generator)).requires_grad_()
    cross(scores.softmax(dim=1), gold).backward()
    seen = seen_loss(scores, scores.grad)
    assert seen.name == "softmax twice"
    moved = scores.grad.abs().amax(dim=1) > 0
    assert torch.equal(seen.gold[moved], gold[moved])


@pytest.mark.parametrize("squeeze", [False, True])
def test_a_line_search_on_a_linear_model_shows_its_softmax_and_accumulates_nothing(squeeze):
    torch.manual_seed(1)
    values, model = torch.randn(400, 20), nn.Linear(20, 5)
    gold = (values @ torch.randn(20, 5) + torch.randn(400, 5)).argmax(dim=1)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=1.0, max_iter=5)
    watch = relclf.watch(model, optimizer)

    def closure():
        optimizer.zero_grad()
        scores = model(values)
        loss = cross(scores.softmax(dim=1) if squeeze else scores, gold)
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(closure)
    assert problems(watch.report()) == (["softmax-before-loss"] if squeeze else [])


def test_probes_leave_the_model_the_optimiser_and_the_random_numbers_alone():
    loop = with_optimizer("Adam", lr=1e-5)(healthy())
    watch = relclf.watch(loop.model, loop.optimizer)
    loop.run()
    torch.manual_seed(7)
    expected = torch.rand(3)
    weights = [p.detach().clone() for p in loop.model.parameters()]
    averages = [s["exp_avg"].clone() for s in loop.optimizer.state.values()]
    torch.manual_seed(7)
    assert problems(watch.report()) == ["learning-rate-too-small"]
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(weights, loop.model.parameters(), strict=True))
    assert all(
        torch.equal(a, s["exp_avg"]) for a, s in zip(averages, loop.optimizer.state.values(), strict=True)
    )
    assert loop.model.training is False


def test_a_model_that_cannot_be_copied_is_watched_without_probes():
    loop = healthy()
    loop.model.cache = loop.model.output.weight * 2
    found = findings_of(loop, Loop.run)
    assert problems(found) == []
    assert "too-simple" not in {f.check for f in found}


# how it is used


def test_a_loop_that_fails_still_has_its_report(capsys):
    loop = healthy()

    def fails(loop):
        once_an_epoch(replace(loop, epochs=12))
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"), relclf.watch(loop.model, loop.optimizer):
        fails(loop)
    assert capsys.readouterr().out.startswith("problem  updates-per-epoch\n")


def test_a_report_is_a_list_a_text_and_a_table_that_escapes():
    loop = healthy()
    loop.model.add_module("<b>", nn.Linear(2, 2))
    loop = replace(loop, optimizer=OPTIMIZERS["adam"](loop.model))
    report = findings_of(loop, Loop.run)
    assert isinstance(report, list)
    assert report[0].check == "parameters-not-moving"
    assert "<b>.weight" in str(report)
    assert "&lt;b&gt;.weight" in report._repr_html_() and "<b>" not in report._repr_html_()
    assert max(map(len, str(report).splitlines())) <= 80


def test_a_model_whose_parts_are_called_is_said_to_be_unseen():
    def by_forward(loop):
        for words, positions, gold in loop.train.batches(seed=0):
            loop.optimizer.zero_grad()
            loop.criterion(loop.model.forward(words, positions), gold).backward()
            loop.optimizer.step()

    found = findings_of(healthy(), by_forward)
    assert problems(found) == []
    assert watches(found) == ["updates-per-epoch"]
    assert "no call of the model was seen" in found[0].measured


def test_nothing_seen_is_no_finding():
    loop = healthy()
    assert problems(relclf.watch(loop.model, loop.optimizer).report()) == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda loop: Watch(loop.optimizer, loop.model), "model is a Adam; it takes a torch.nn.Module"),
        (lambda loop: Watch(loop.model, loop.model), "optimizer is a Net; it takes a torch.optim.Optimizer"),
        (
            lambda loop: Watch(loop.model, loop.optimizer).epoch(gold=[1]),
            "gold and predicted belong together",
        ),
        (
            lambda loop: Watch(loop.model, loop.optimizer).epoch(gold=[1], predicted=[1, 2]),
            "1 ids and predicted 2",
        ),
        (
            lambda loop: Watch(loop.model, loop.optimizer).epoch(gold=["a"], predicted=["b"]),
            "class ids from 0",
        ),
        (lambda loop: Watch(loop.model, loop.optimizer).epoch(score="high"), "score is one number, not str"),
    ],
)
def test_what_is_handed_in_is_checked(call, message):
    with pytest.raises(UserMistake, match=message):
        call(healthy())


def test_what_an_epoch_was_told_is_kept():
    loop = healthy()
    watch = relclf.watch(loop.model, loop.optimizer)
    loop.run()
    watch.epoch(train_loss=torch.tensor(0.5), score=0.25, gold=[0, 1], predicted=torch.tensor([1, 1]))
    (epoch,) = watch.observations().epochs
    assert (epoch.train_loss, epoch.score, epoch.updates) == (0.5, 0.25, 48)
    assert (epoch.gold.tolist(), epoch.predicted.tolist()) == ([0, 1], [1, 1])
    assert len(epoch.batch_losses) == 19  # the first ten of 48, then one in four
    assert 0 < min(epoch.batch_losses) <= max(epoch.batch_losses) < 2 * math.log(CLASSES)


class OneScore(nn.Module):
    """A score a sentence, from a sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(10, 20), nn.Tanh(), nn.Linear(20, 1), nn.Sigmoid())

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.network(values).squeeze(1)
        return scores


@pytest.mark.parametrize(
    ("criterion", "named"), [(nn.BCELoss(), []), (nn.BCEWithLogitsLoss(), ["softmax-before-loss"])]
)
def test_a_sigmoid_before_a_loss_that_has_its_own_is_named(criterion, named):
    torch.manual_seed(1)
    values = torch.randn(400, 10)
    gold = (values[:, 0] > 0).float()
    model = OneScore()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    watch = relclf.watch(model, optimizer)
    for _ in range(3):
        for rows in torch.randperm(400).split(20):
            optimizer.zero_grad()
            criterion(model(values[rows]), gold[rows]).backward()
            optimizer.step()
    assert problems(watch.report()) == named


def test_sentences_are_told_apart_until_none_is_new_and_again_where_one_is():
    loop = healthy()
    loop.epochs = 30
    watch = relclf.watch(loop.model, loop.optimizer)
    loop.run()
    seen = watch.observations()
    assert len(seen.batches) < seen.forwards.trained / 3
    assert len({int(row) for batch in seen.batches for row in batch.rows}) == 240
    loop.train = Data.draw(5)
    loop.run()
    assert len({int(row) for batch in watch.observations().batches for row in batch.rows}) == 480


def test_an_evaluation_is_told_apart_in_its_first_round_and_now_and_then_after_it():
    loop = healthy()
    loop.epochs = 4
    watch = relclf.watch(loop.model, loop.optimizer)
    loop.run()

    def evaluate(data, rounds):
        loop.model.eval()
        with torch.no_grad():
            for _ in range(rounds):
                for words, positions, _ in data.batches(10):
                    loop.model(words, positions)

    evaluate(loop.dev, 30)
    seen = watch.observations()
    assert seen.forwards.evaluated > 180 > 60 > len(seen.evaluated_rows)
    evaluate(Data.draw(7, 60), 3)
    rows = {int(row) for batch in watch.observations().evaluated_rows for row in batch}
    assert len(rows) > 60  # what is new in a later evaluation is noticed


def test_a_line_search_that_asks_for_the_whole_of_train_again_is_one_update_a_batch():
    loop = healthy()
    optimizer = torch.optim.LBFGS(loop.model.parameters(), lr=0.5, max_iter=4)
    watch = relclf.watch(loop.model, optimizer)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = loop.criterion(loop.model(loop.train.words, loop.train.positions), loop.train.gold)
        loss.backward()
        return loss

    for _ in range(8):
        optimizer.step(closure)
    assert "updates-per-epoch" not in problems(watch.report())


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_gradients_that_are_cleared_between_the_passes_of_an_update_are_named(optimizer):
    loop = healthy()
    loop = replace(loop, optimizer=OPTIMIZERS[optimizer](loop.model))

    def run(loop):
        for epoch in range(8):
            for index, (words, positions, gold) in enumerate(loop.train.batches(seed=epoch), 1):
                loop.optimizer.zero_grad()
                (loop.criterion(loop.model(words, positions), gold) / 4).backward()
                if index % 4 == 0:
                    loop.optimizer.step()

    assert problems(findings_of(loop, run))[:1] == ["accumulation-not-averaged"]


def test_a_step_that_is_tried_before_it_is_made_is_no_accumulation():
    def sharpness_aware(loop):
        """Foret et al. 2021: the gradient of the update is taken where the loss is highest nearby."""
        for epoch in range(8):
            for words, positions, gold in loop.train.batches(seed=epoch):
                loop.criterion(loop.model(words, positions), gold).backward()
                with torch.no_grad():
                    moves = [(p, 0.01 * p.grad) for p in loop.model.parameters()]
                    for p, move in moves:
                        p += move
                loop.optimizer.zero_grad()
                loop.criterion(loop.model(words, positions), gold).backward()
                with torch.no_grad():
                    for p, move in moves:
                        p -= move
                loop.optimizer.step()
                loop.optimizer.zero_grad()

    loop = healthy()
    found = findings_of(replace(loop, optimizer=OPTIMIZERS["sgd"](loop.model)), sharpness_aware)
    assert "accumulation-not-averaged" not in problems(found)


def test_losses_that_are_not_recognised_to_the_end_say_nothing_of_the_end():
    def held_together(loop):
        """A penalty on what two passes with other dropout differ by joins the cross-entropy, from an epoch on."""
        for epoch in range(loop.epochs):
            loop.model.train()
            for words, positions, gold in loop.train.batches(seed=epoch):
                left, right = (loop.model(words, positions) for _ in range(2))
                apart = (left.softmax(1) - right.softmax(1)).square().sum(1).mean()
                loop.optimizer.zero_grad()
                penalty = 20 * apart if epoch > 3 else 0
                (loop.criterion(left, gold) + loop.criterion(right, gold) + penalty).backward()
                loop.optimizer.step()

    loop = replace(healthy(), epochs=12)
    watch = relclf.watch(loop.model, loop.optimizer)
    held_together(loop)
    scores = watch.observations().scores
    assert scores.first_losses and scores.fits["cross-entropy"] > scores.fits["other"] > 0
    assert not scores.losses


class Bag(nn.Module):
    """The mean of embeddings, a hidden layer, scores."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(WORDS, 16, mode="mean", padding_idx=0)
        self.layers = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, CLASSES))

    def forward(self, words: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.layers(self.words(words))
        return scores


@pytest.mark.parametrize(("epochs", "severity"), [(5, "watch"), (20, "problem")])
def test_a_rate_of_which_a_hundred_times_learns_is_a_problem_once_a_whole_loop_has_come_to_nothing(
    epochs, severity
):
    torch.manual_seed(1)
    model = Bag()
    loop = Loop(model, torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9), epochs=epochs)
    (finding,) = (f for f in findings_of(loop, Loop.run) if f.check == "learning-rate-too-small")
    assert finding.severity == severity
    assert ("for guessing" in finding.measured) == (severity == "problem")


def test_a_loop_that_ends_within_its_warm_up_has_not_come_to_nothing_by_its_rate():
    torch.manual_seed(1)
    model = Bag()
    loop = Loop(model, torch.optim.SGD(model.parameters(), lr=4e-3, momentum=0.9))
    run = scheduled(lambda update: (update + 1) / 1000, epochs=20)
    assert "learning-rate-too-small" not in problems(findings_of(loop, run))


def test_plain_sgd_may_be_at_the_majority_for_long():
    loop = healthy()
    loop.optimizer = torch.optim.SGD(loop.model.parameters(), lr=1e-2)
    loop.epochs = 20
    watch = relclf.watch(loop.model, loop.optimizer)
    loop.run()
    watch.epoch(gold=loop.dev.gold.tolist(), predicted=[3] * len(loop.dev.gold))
    assert "majority-collapse" not in problems(watch.report())


def test_between_close_looks_backward_passes_and_updates_are_still_counted():
    loop = healthy()
    watch = relclf.watch(loop.model, loop.optimizer)
    batches = list(loop.train.batches(seed=1))
    for _ in range(5):
        for number, (words, positions, gold) in enumerate(batches):
            (loop.criterion(loop.model(words, positions), gold) / 2).backward()
            if number % 2:
                loop.optimizer.step()
                loop.optimizer.zero_grad()
    seen = watch.observations()
    assert (seen.updates, seen.looked) == (30, 10)
    assert {(each.trained, each.backwards) for each in seen.update_sample} == {(2, 2)}


def test_layers_that_are_frozen_or_take_turns_hide_no_backward_pass():
    torch.manual_seed(1)
    trunk, heads = torch.nn.Linear(10, 20), torch.nn.ModuleList([torch.nn.Linear(20, 4) for _ in range(2)])

    class Turns(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.heads = trunk, heads

        def forward(self, values: torch.Tensor, task: int) -> torch.Tensor:
            scores: torch.Tensor = self.heads[task](self.trunk(values).relu())
            return scores

    model = Turns()
    optimizer = torch.optim.Adam(model.parameters())
    watch = relclf.watch(model, optimizer)
    for update in range(60):
        trunk.requires_grad_(update < 20)
        optimizer.zero_grad()
        values, gold = torch.randn(20, 10), torch.randint(0, 4, (20,))
        torch.nn.functional.cross_entropy(model(values, update % 2), gold).backward()
        optimizer.step()
    assert {each.backwards for each in watch.observations().update_sample} == {1}
    watch.close()
    tensors = [*model.parameters()]
    assert not any(tensor._post_accumulate_grad_hooks for tensor in tensors)


def test_losses_are_kept_for_epochs_that_are_handed_in_and_else_only_at_first(monkeypatch):
    monkeypatch.setattr(watching, "UPDATES_WITHOUT_EPOCH", 20)
    loop = healthy()
    watch = relclf.watch(loop.model, loop.optimizer)
    loop.run()
    watch.epoch()
    loop.run()
    watch.epoch()
    assert [len(epoch.batch_losses) for epoch in watch.observations().epochs] == [12, 13]


class Stream(IterableDataset):
    """Sentences of a stream, which has no length."""

    def __iter__(self):
        return iter(torch.randn(40, 10))


def test_a_loader_of_a_stream_has_no_length_and_is_no_fault():
    loop = healthy()
    assert problems(findings_of(loop, Loop.run, loader=DataLoader(Stream(), batch_size=20))) == []


def test_a_linear_model_need_not_learn_sentences_by_heart():
    torch.manual_seed(1)
    values, gold = torch.randn(400, 10), torch.randint(0, 4, (400,))
    model = nn.Linear(10, 4)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    watch = relclf.watch(model, optimizer)
    for _ in range(4):
        for rows in torch.randperm(400).split(20):
            optimizer.zero_grad()
            cross(model(values[rows]), gold[rows]).backward()
            optimizer.step()
    report = watch.report()
    assert problems(report) == []
    assert (
        "too-simple: a single layer learns, which need not learn sentences by heart to be of use"
        in report.skipped
    )


@pytest.mark.parametrize(("last", "named"), [(nn.Identity(), []), (nn.Sigmoid(), ["softmax-before-loss"])])
def test_a_sigmoid_before_a_loss_of_many_labels_that_has_its_own_is_named(last, named):
    torch.manual_seed(1)
    values = torch.randn(400, 10)
    gold = (values[:, :6] > 0).float()
    model = nn.Sequential(nn.Linear(10, 20), nn.Tanh(), nn.Linear(20, 6), last)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    watch = relclf.watch(model, optimizer)
    for _ in range(4):
        for rows in torch.randperm(400).split(20):
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(model(values[rows]), gold[rows]).backward()
            optimizer.step()
    assert problems(watch.report()) == named


def test_the_calls_between_those_that_are_followed_are_counted_and_a_first_nan_is_named_there():
    loop = healthy()
    watch = relclf.watch(loop.model, loop.optimizer)
    for number, (words, positions, gold) in enumerate([*loop.train.batches(seed=1)] * 2, 1):
        loop.optimizer.zero_grad()
        loss = loop.criterion(loop.model(words, positions), gold)
        (loss * math.nan if number == 15 else loss).backward()
        loop.optimizer.step()
    seen = watch.observations()
    assert (seen.forwards.trained, seen.forwards.unused, seen.updates) == (24, 0, 24)
    assert {(each.trained, each.backwards) for each in seen.update_sample} == {(1, 1)}
    assert seen.not_finite == "the gradient of output.bias at update 15, of finite scores"
