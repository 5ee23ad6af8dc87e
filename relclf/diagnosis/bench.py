"""The probes of one config on its data, each as findings; short trainings that several need are run once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from relclf.config.schema import ExperimentConfig
from relclf.diagnosis.capacity_probes import (
    ONE_BATCH_UPDATES,
    SEVERAL_BATCHES_UPDATES,
    dead_filters_finding,
    first_loss_finding,
    overfit,
    overfit_finding,
    vanishing_finding,
)
from relclf.diagnosis.config_checks import HIGH_DROPOUT, train_command
from relclf.diagnosis.findings import Finding
from relclf.diagnosis.probed import Probed, Trial, in_random_order
from relclf.diagnosis.probes import (
    CLEAR_GAIN,
    SHORT_UPDATES,
    Difference,
    Ids,
    ShortTraining,
    ablate,
    ablation_findings,
    difference,
    distinct_sentences,
    few_features_finding,
    filters_finding,
    high_dropout_finding,
    macro_f1,
    more_data_finding,
    no_positions_finding,
    pooled_features,
    probe_batches,
    probed_network,
    shuffled_finding,
    train_shortly,
    with_filters,
    with_share,
    with_shuffled_relations,
)
from relclf.diagnosis.rate_probes import (
    HEADROOM,
    SCALE_FREE_HEADROOM,
    UPDATES,
    StepSizes,
    rate_findings,
    schedule_finding,
    step_sizes,
)
from relclf.diagnosis.setting_probes import Setting, setting_finding
from relclf.models.cnn import Cnn
from relclf.models.losses import build_objective
from relclf.training.evaluation import LabelledSet, evaluate
from relclf.training.experiment import Material
from relclf.training.optimizers import learning_rate
from relclf.training.updates import update_plan

FEW, SEVERAL = 50, 200
"""Sentences that are learned by heart, in batches of `FEW`."""
LEAST = 20
"""Sentences below which learning them by heart, or training on them, says nothing."""
LEAST_CURVE = 400
"""Train sentences below which a quarter of them is too few to train on."""
RATE_SEEDS = 3
USUAL_FILTERS, USUAL_POSITIONS = 200, 5
"""Of Zeng et al. 2014, rounded: filters, and width of a position embedding."""
NARROW = 8
"""Features below which it is tried whether more help, where they are fewer than the relations; 15 are enough for 19."""
USUAL_DROPOUT = 0.5
"""Of Kim 2014."""
USUAL_DECAY = 0.01
"""AdamW's default in PyTorch; an L2 penalty is usually smaller still."""
USUAL_STD, WIDEST_STD = 0.1, 1.0
"""Of word vectors as they are drawn: relclf's default, and PyTorch's."""
SCALE_FREE = ("adam", "adamw", "nadam", "radam", "adamax", "rmsprop", "adagrad", "adadelta")
"""Optimisers that divide by the gradient's size."""

_FINDS_ITS_OWN = "backtracking finds each step by itself"


@dataclass(frozen=True)
class Skipped:
    """What could not be looked at, and why."""

    what: str
    why: str


Answer = list[Finding | Skipped | StepSizes]


@dataclass(frozen=True)
class Bench:
    """What is probed; `check` raises where a probe has to end, `path` is the config's, for commands."""

    material: Material
    check: Callable[[], None]
    path: str

    def first_loss(self) -> Answer:
        """The loss before the first update, beside the ln(relations) nats of guessing."""
        if self._config.training.loss.name == "ranking":
            return [Skipped("the first loss", "a ranking loss has no value that guessing would have")]
        spread = self._model.words.weight.std().item()
        next_step = "divide the word vectors so that their standard deviation is 0.1"
        if self._config.encoding.vectors is None:
            next_step = self._train("model.word_std=0.1")
        scale = f"word vectors have a standard deviation of {spread:.2g}"
        return [first_loss_finding(self._probed, self._probed.batches[:20], scale, next_step)]

    def by_heart(self) -> Answer:
        """Overfit 50 and 200 sentences."""
        several = distinct_sentences(self.material, SEVERAL, self._config.seed)
        relations = np.unique(self.material.train.gold.cpu().numpy()[several[:FEW]])
        if len(several) < LEAST or len(relations) < 2:
            return [Skipped("a few sentences by heart", f"only {len(several)} distinct train sentences")]
        rows = [several[start : start + FEW] for start in range(0, len(several), FEW)]
        batches = probe_batches(self.material, rows)
        fits = [overfit(self._probed, batches[:1], ONE_BATCH_UPDATES, self.check)]
        if len(batches) > 1:
            fits.append(overfit(self._probed, batches, SEVERAL_BATCHES_UPDATES, self.check))
        more = max(200, 4 * self._config.model.filters)
        return [overfit_finding(fits, self._train(f"model.filters={more}"))]

    def rates(self) -> Answer:
        """The learning rate against others."""
        sentences = len(self.material.train)
        if sentences < 2 * LEAST:
            return [Skipped("the learning rate", f"only {sentences} train sentences")]
        if self._config.training.optimizer.name == "backtracking":
            return [Skipped("the learning rate", _FINDS_ITS_OWN)]
        allowed, updates = _updates_at_full_rate(self._config, sentences)
        schedule = self._config.training.schedule
        setting = "gamma=0.95" if schedule.name == "exponential" else "warmup_updates=0"
        gone = schedule_finding(
            self._trials, allowed, updates, self._train(f"training.schedule.{setting}"), self.check
        )
        if gone is not None:
            return [gone]
        findings = rate_findings(
            self._trials,
            self._config.training.optimizer.lr,
            self._train("training.optimizer.lr={}"),
            allowed,
            SCALE_FREE_HEADROOM if self._config.training.optimizer.name in SCALE_FREE else HEADROOM,
            self.check,
        )
        if not findings:
            return [Skipped("the learning rate", f"at no rate was anything learned in {UPDATES} updates")]
        return [*findings]

    def step_sizes(self) -> Answer:
        """A range test of the learning rate, and the gradient noise scale."""
        training = self._config.training
        if training.optimizer.name == "backtracking":
            return [Skipped("a range of learning rates", _FINDS_ITS_OWN)]
        return [step_sizes(self._trials, training.optimizer.lr, training.batch_size, self.check)]

    def settings(self) -> Answer:
        """Dropout, decay, clipping, few filters and no positions against usual values, where they are unusual."""
        found: Answer = []
        told = False
        if self._config.model.dropout > HIGH_DROPOUT and self._ends_soon and self.material.dev is not None:
            high, told = self._high_dropout()
            found += [high] if told else []
        found += [self._setting(each, changes, dropout) for each, changes, dropout in self._unusual(told)]
        if self.material.dev is None:
            return found
        if self._config.model.position_dim == 0:
            gain, set_it = self._gain(position_dim=USUAL_POSITIONS)
            found.append(no_positions_finding(gain, self._base.updates, USUAL_POSITIONS, set_it))
        features = self._config.model.features
        told = any(isinstance(each, Finding) and each.severity == "problem" for each in found)
        if not told and features < min(len(self.material.corpus.relations), NARROW):
            gain, set_it = self._gain(filters=USUAL_FILTERS)
            found.append(few_features_finding(gain, self._base.updates, features, USUAL_FILTERS, set_it))
        return found

    def _high_dropout(self) -> tuple[Finding, bool]:
        """Dropout against a usual one, each for as many updates as the whole training has, and whether dev can tell."""
        model = self._config.model.model_copy(update={"dropout": USUAL_DROPOUT})
        usual = replace(self.material, config=self._config.model_copy(update={"model": model}))
        _, updates = _updates_at_full_rate(self._config, len(self.material.train))
        own, other = (
            train_shortly(each, self._seeds, self.check, updates) for each in (self.material, usual)
        )
        gain = difference(self._dev, own.predicted, other.predicted, self._config.seed)
        set_it = self._train(f"model.dropout={USUAL_DROPOUT:g}")
        finding = high_dropout_finding(gain, own.updates, USUAL_DROPOUT, set_it)
        return finding, finding.severity != "ok" or gain.mean + 2 * gain.error < CLEAR_GAIN

    def _gain(self, **setting: float) -> tuple[Difference, str]:
        """How much dev gains in a short training by another setting of the model, and the command that sets it."""
        changed = self._config.model.model_copy(update=setting)
        usual = replace(self.material, config=self._config.model_copy(update={"model": changed}))
        (name, value), seed = *setting.items(), self._config.seed
        gain = difference(self._dev, self._base.predicted, self._shortly(usual), seed)
        return gain, self._train(f"model.{name}={value:g}")

    @property
    def _ends_soon(self) -> bool:
        """Whether the whole training is hardly longer than a short one, so that dev after a short one tells."""
        _, updates = _updates_at_full_rate(self._config, len(self.material.train))
        return updates <= 2 * SHORT_UPDATES

    def _unusual(self, dropout_told: bool) -> Iterator[tuple[Setting, dict[str, Any], bool]]:
        """Settings that are worth a training, with the section that has the usual value instead.

        `dropout_told`: whether dev has said already what dropout costs.
        """
        model, training = self._config.model, self._config.training
        decay = training.optimizer.weight_decay
        features = model.filters * len(model.windows)
        kept = features * (1 - model.dropout) if model.dropout <= HIGH_DROPOUT else features
        if kept < len(self.material.corpus.relations) and model.filters < USUAL_FILTERS:
            dropped = ", some of them dropped in each update," if model.dropout else ""
            why = f"so few features{dropped} cannot keep the relations apart"
            filters = f"{features} features", f"{USUAL_FILTERS} filters", why
            usual = {"model": model.model_copy(update={"filters": USUAL_FILTERS})}
            step = self._train(f"model.filters={USUAL_FILTERS}")
            yield Setting("too-simple", *filters, step), usual, True
        if self._config.encoding.vectors is None and model.word_std > WIDEST_STD:
            why = "filters of such wide inputs are saturated from the start and pass no gradient"
            wide = f"word vectors of a spread of {model.word_std:g}", f"one of {USUAL_STD:g}", why
            usual = {"model": model.model_copy(update={"word_std": USUAL_STD})}
            yield Setting("loss-at-init", *wide, self._train(f"model.word_std={USUAL_STD:g}")), usual, False
        if model.dropout > HIGH_DROPOUT and not dropout_told:
            left = "so few features are left in each sentence that it hardly learns from any"
            set_it = self._train(f"model.dropout={USUAL_DROPOUT:g}")
            dropout = f"dropout {model.dropout:g}", f"dropout {USUAL_DROPOUT:g}", left, set_it
            usual = {"model": model.model_copy(update={"dropout": USUAL_DROPOUT})}
            yield Setting("dropout-too-high", *dropout), usual, True
        if decay > USUAL_DECAY:
            why = "weights are drawn to 0 faster than the gradient makes them grow"
            named = f"weight_decay {decay:g}", "none", why, self._train("training.optimizer.weight_decay=0")
            optimizer = training.optimizer.model_copy(update={"weight_decay": 0.0})
            changed = {"training": training.model_copy(update={"optimizer": optimizer})}
            yield Setting("weight-decay-dominates", *named), changed, False
        if training.clip_norm is not None:
            why = "each update is cut down to a length that leads nowhere"
            named = f"clip_norm {training.clip_norm:g}", "none", why, self._train("training.clip_norm=null")
            changed = {"training": training.model_copy(update={"clip_norm": None})}
            yield Setting("clipping-always", *named), changed, False

    def _setting(self, setting: Setting, changes: dict[str, Any], dropout: bool) -> Finding:
        usual = replace(self.material, config=self._config.model_copy(update=changes))
        own, other = (
            [probed_network(material, seed, dropout=dropout) for seed in self._seeds]
            for material in (self.material, usual)
        )
        return setting_finding(setting, own, other, self.check)

    def filters_after_short_training(self) -> Answer:
        """Dead and saturated filters after a short training, and whether gradients reach every layer."""
        trial = Trial(self._probed)
        trial.train(in_random_order(self._probed, UPDATES, "filters"), self.check)
        trial.settle()
        if trial.broken:
            return [Skipped("the filters", "the loss became no number in a short training")]
        assert isinstance(trial.model, Cnn)
        batches, next_step = self._probed.batches[:8], self._train("model.word_std=0.1")
        vanishing = vanishing_finding(trial, batches, next_step)
        return [*self.filters_of(trial.model), *([vanishing] if vanishing else [])]

    def filters_of(self, model: Cnn) -> Answer:
        """Dead and saturated filters of a trained network."""
        features = pooled_features(model, self.material.train, self._config.seed)
        lower = f"training.optimizer.lr={self._config.training.optimizer.lr / 10:.3g}"
        return [dead_filters_finding(features, self._config.model.activation, self._train(lower))]

    def shuffled_relations(self) -> Answer:
        """A training on gold relations against one on shuffled ones."""
        seed = self._config.seed
        control = self._shortly(with_shuffled_relations(self.material, seed))
        real = self._base.predicted
        gain = difference(self._dev, control, real, seed)
        updates = self._base.updates
        return [shuffled_finding(self._mean(real), self._mean(control), gain, updates, self.path)]

    def more_and_fewer_filters(self) -> Answer:
        """Half and twice the filters."""
        before = self._base.predicted
        half, twice = (
            difference(
                self._dev, before, self._shortly(with_filters(self.material, factor)), self._config.seed
            )
            for factor in (0.5, 2)
        )
        filters, updates = self._config.model.filters, self._base.updates
        return [filters_finding(filters, half, twice, updates, self._train(f"model.filters={2 * filters}"))]

    def left_out_after_short_training(self) -> Answer:
        """Parts of the input left out, of a network that was trained shortly."""
        return self.left_out_of(self._base.model)

    def left_out_of(self, model: Cnn) -> Answer:
        """Parts of the input left out, of a trained network."""
        counts = np.bincount(self.material.train.gold.cpu().numpy())
        training, negative = self._config.training, self.material.corpus.relations.negative_id
        device = self.material.device
        objective = build_objective(training.imbalance, counts.tolist(), device, training.loss, negative)
        distance, seed = self._config.encoding.max_distance, self._config.seed
        whole, ablated = ablate(model, self._dev, objective, distance, seed)
        commonest = np.full(len(self._dev.gold), counts.argmax(), dtype=np.int64)
        with_all = evaluate(model, self._dev.dataset, objective).predicted
        learned = difference(self._dev, [commonest], [with_all], seed)
        findings = ablation_findings(whole, ablated, learned, self.path)
        if not findings:
            why = "the network does no better on dev than the commonest relation"
            return [Skipped("input left out", why)]
        return [*findings]

    def learning_curve(self) -> Answer:
        """A quarter, a half and all of train."""
        sentences = len(self.material.train)
        if sentences < LEAST_CURVE:
            why = f"{sentences} train sentences; a quarter of them is too few to train on"
            return [Skipped("the learning curve", why)]
        parts = [with_share(self.material, share, self._config.seed) for share in (0.25, 0.5)]
        curve = [(len(part.train), self._shortly(part)) for part in parts]
        curve.append((sentences, self._base.predicted))
        gain = difference(self._dev, curve[1][1], curve[2][1], self._config.seed)
        scores = [(count, self._mean(predicted)) for count, predicted in curve]
        return [more_data_finding(scores, gain, self._base.updates)]

    @property
    def _config(self) -> ExperimentConfig:
        return self.material.config

    @property
    def _dev(self) -> LabelledSet:
        if self.material.dev is None:
            raise ValueError("this probe needs a dev set")
        return self.material.dev

    @cached_property
    def _probed(self) -> Probed:
        return probed_network(self.material, self._config.seed)

    @cached_property
    def _trials(self) -> list[Probed]:
        seed = self._config.seed
        others = (probed_network(self.material, each) for each in range(seed + 1, seed + RATE_SEEDS))
        return [self._probed, *others]

    @property
    def _model(self) -> Cnn:
        assert isinstance(self._probed.model, Cnn)
        return self._probed.model

    @cached_property
    def _base(self) -> ShortTraining:
        return train_shortly(self.material, self._seeds, self.check)

    @property
    def _seeds(self) -> tuple[int, ...]:
        return self._config.seed, self._config.seed + 1

    def _shortly(self, variant: Material) -> tuple[Ids, ...]:
        return train_shortly(variant, self._seeds, self.check).predicted

    def _mean(self, predicted: tuple[Ids, ...]) -> float:
        return float(np.mean([macro_f1(self._dev, each) for each in predicted]))

    def _train(self, setting: str) -> str:
        """The command that trains with another setting."""
        return train_command(self.path, setting)


def _updates_at_full_rate(config: ExperimentConfig, sentences: int) -> tuple[float, int]:
    """What all updates that the config allows come to, each counted with its share of the rate; and their number."""
    training = config.training
    batches = -(-sentences // training.batch_size)
    updates = update_plan([training.batch_size] * batches, training.update_every).updates
    rates = (learning_rate(training, index, updates, []) for index in range(updates * training.max_epochs))
    return sum(rates) / training.optimizer.lr, updates * training.max_epochs
