"""Watches a training loop that somebody wrote by hand, through hooks that change none of its numbers."""

import copy
import inspect
import math
import weakref
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import length_hint
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler

from relclf.diagnosis.drawn import looks_drawn
from relclf.diagnosis.epoch_checks import epoch_findings
from relclf.diagnosis.findings import Finding, in_order
from relclf.diagnosis.loop_checks import loop_findings
from relclf.diagnosis.loop_probes import ProbeBatch, Start, probe_findings, varies
from relclf.diagnosis.losses_seen import is_squeezed_again, seen_loss
from relclf.diagnosis.nested import (
    by_row,
    comes_out_of_a_sigmoid,
    copied,
    leaves_of,
    scores_among,
    tensors_in,
)
from relclf.diagnosis.observations import (
    LoaderFacts,
    Observations,
    OptimizerFacts,
    SeenBatch,
    SeenEpoch,
    SeenParameter,
    SeenUpdate,
)
from relclf.diagnosis.report import Report
from relclf.errors import UserMistake

FIRST_UPDATES = 10
"""The first updates are all looked at closely."""
EVERY = 50
"""Of the others one in so many."""
LOSS_EVERY = 4
"""Of all updates, one in so many has its loss computed, and its gradient followed from the scores on."""
FEW_VALUES = 64
"""Values that are added up faster as a list than as a tensor."""
UPDATES_WITHOUT_EPOCH = 1_000
"""Updates after which losses are no more computed where `epoch` was never called, which compares them."""
SAMPLE = 4096
"""Values of a parameter that are looked at, evenly spread."""
FINGERPRINTED = 100_000
"""Sentences whose fingerprints are kept, of each kind."""
FIRST_CALLS = 50
"""Calls that may be learned from whose sentences are all told apart; of an evaluation, those of its first round are."""
AGAIN = 0.25
"""A share of all sentences, so many of which were seen again in a row when none is taken to be new any more."""
LATER_CALLS = 8
"""Of the calls after that, one in so many, as long as they bring no sentence that is new."""
MEANS = 64
"""Batches of training and of evaluation whose inputs are averaged."""
COLUMNS = 256
"""Values of a row that its fingerprint is made of."""
LAST_GRADIENTS = 5
"""Looked-at updates over which a row must be without gradient to count as dead."""
MOST_WAITING = 10_000
"""Calls without an update after which they are counted."""
MOST_UPDATES = 5_000
"""Updates whose calls are kept, one by one."""
KEPT_BATCHES = 20
KEPT_BYTES = 2**26
"""Of batches and of the model that are kept for probes, each."""
MOST_GRAPHS = 1_000
"""Graphs that are counted at a time."""
MANY_ZEROS = 0.05
"""Share of scores that are exactly 0 behind a ReLU, and hardly ever else."""
CLOSE = 1e-4
"""How near to 1 the sum of probabilities is."""
_DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
_BY_MODE = (*_DROPOUT, nn.modules.batchnorm._BatchNorm)


def watch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    criterion: Callable[..., Any] | None = None,
    loader: Any = None,
    *,
    every: int = EVERY,
) -> "Watch":
    """Watch the loop that follows; call `.report()` after it, or use the result in a `with` statement.

    criterion: the loss, which sharpens the checks of scores. loader: what yields the training batches, which tells
    how many there are. every: after the first ten updates one in so many is looked at closely.
    Raises UserMistake where model or optimiser are of another kind.
    """
    return Watch(model, optimizer, criterion, loader, every=every)


class Watch:
    """Counts calls of the model, backward passes and updates, and samples scores, gradients and weights."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        criterion: Callable[..., Any] | None = None,
        loader: Any = None,
        *,
        every: int = EVERY,
    ) -> None:
        _check_kinds(model, optimizer)
        self._model = model
        self._optimizer = optimizer
        self._every = every
        self._parameters = _named_parameters(model)
        embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)}
        self._seen = Observations(
            _optimizer_facts(optimizer, self._parameters),
            _loader_facts(loader),
            [_seen_parameter(name, p, id(p) in embeddings) for name, p in self._parameters.items()],
            dropout={name: float(m.p) for name, m in model.named_modules() if isinstance(m, _DROPOUT)},
            depends_on_mode=any(isinstance(module, _BY_MODE) for module in model.modules()),
        )
        self._first_values = [_sample(p).clone() for p in self._parameters.values()]
        self._before: list[Tensor] = []
        self._alive_rows = [deque[Tensor](maxlen=LAST_GRADIENTS) for _ in self._parameters]
        self._asked_rows: dict[int, set[int]] = {}
        self._counts = [0] * len(self._parameters)
        """Backward passes that reached each parameter, since the last update."""
        self._backward_norms: dict[int, Tensor] = {}
        self._waiting: list[_Call] = []
        """Calls since the last update, in train mode with gradients on."""
        self._graphs: list[tuple[weakref.ref[_Graph], int]] = []
        """Those of calls whose update is done, and that still live; how many calls each stands for."""
        self._looking = True
        """Whether the update that comes is one of those looked at closely."""
        self._followed = True
        """Whether its gradients are followed from the scores on; if not, the last call is the one that has them."""
        self._regular = True
        """Whether every update so far came of one call with one backward pass."""
        self._counting: nn.Parameter | None = None
        """The one that counts backward passes between close looks."""
        self._first = next(iter(self._parameters.values()), None)
        self._kept: bool | None = None
        """Whether gradients of before the last update were left at every backward pass since."""
        self._passes_seen = 0
        self._leaves_known = False
        self._since_evaluation = 0
        self._version = 0
        """Of the first parameter after the last update; whoever changes all of them in between changes this."""
        self._weight = 0.0
        """Of the sentences of the batches since the last update, in the gradients that are left of them."""
        self._cleared = False
        """Whether gradients were cleared between two backward passes since the last update."""
        self._stepping = False
        """Whether an update that is looked at has begun; what comes then is asked for by the optimiser's closure."""
        self._losses_since_epoch: list[Tensor] = []
        """Left where they were computed."""
        self._trained_sentences = 0
        self._fingerprints = {"trained": 0, "unused": 0, "evaluated": 0}
        self._sums: dict[str, list[_Sums]] = {"trained": [], "evaluated": []}
        self._sentences = _Sentences(FIRST_CALLS), _Sentences(0)
        """Of calls that may be learned from, and of those in eval mode without gradients."""
        self._mixers: dict[tuple[tuple[int, int], ...], Tensor] = {}
        self._pending: list[tuple[str, Tensor, _Call]] = []
        self._start = _copies(model, optimizer)
        self._kept_bytes = 0
        self._all_kept = True
        """Whether the sentences of every batch so far are known."""
        self._handles: list[Any] = []
        self._close_handles: list[Any] = []
        """Of hooks that change with `_looking`."""
        self._passes = [0] * len(self._parameters)
        """Backward passes that reached each parameter, in all updates that were looked at."""
        self._all_passes = 0
        self._add_hooks(criterion)

    # what the loop may call

    def epoch(
        self,
        train_loss: float | None = None,
        dev_loss: float | None = None,
        score: float | None = None,
        gold: Sequence[int] | None = None,
        predicted: Sequence[int] | None = None,
    ) -> None:
        """Say that an epoch has ended, with whatever is known of it. score in [0, 1]; ids of classes from 0."""
        if (gold is None) != (predicted is None):
            raise UserMistake("watch.epoch: gold and predicted belong together; hand in both, or neither.")
        golds, predictions = _ids(gold, "gold"), _ids(predicted, "predicted")
        if golds is not None and predictions is not None and len(golds) != len(predictions):
            raise UserMistake(
                f"watch.epoch: gold has {len(golds)} ids and predicted {len(predictions)}; both are of dev."
            )
        losses, self._losses_since_epoch = self._losses_since_epoch, []
        self._seen.epochs.append(
            SeenEpoch(
                self._seen.updates,
                self._trained_sentences,
                self._seen.forwards.trained,
                tuple(float(loss) for loss in losses),
                _number(train_loss, "train_loss"),
                _number(dev_loss, "dev_loss"),
                _number(score, "score"),
                golds,
                predictions,
            )
        )

    def report(self, show: bool = False) -> Report:
        """The findings so far, gravest first and causes before symptoms; printed where `show` asks for it."""
        seen = self.observations()
        probed, skipped = self._probe(seen)
        found = [*loop_findings(seen), *epoch_findings(seen), *probed]
        report = Report(in_order(found), skipped)
        if show:
            print(report)
        return report

    def _probe(self, seen: Observations) -> tuple[list[Finding], list[str]]:
        """Findings of the probes, and what was skipped; notes in `seen` how the model behaves in its modes."""
        if self._start is None:
            return [], ["probes: the model is large, or cannot be copied"]
        if self._start.batches:
            try:
                seen.varies_in_eval_mode = varies(self._start, training=False)
                seen.depends_on_mode |= not seen.varies_in_eval_mode and varies(self._start, training=True)
            except Exception as error:  # whatever a model may raise that is called outside of its loop
                return [], [f"probes: a copy of the model failed ({type(error).__name__}: {error})"]
        found, skipped = list[Finding](), list[str]()
        for each in probe_findings(seen, self._start):
            if isinstance(each, Finding):
                found.append(each)
            else:
                skipped.append(each)
        return found, skipped

    def close(self) -> None:
        """Remove every hook; the loop goes on unwatched."""
        for handle in (*self._handles, *self._close_handles):
            handle.remove()
        self._handles, self._close_handles = [], []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self.report(show=True)

    def observations(self) -> Observations:
        """Everything seen so far, as plain values."""
        self._settle_calls(final=True)
        self._read_fingerprints()
        self._seen.all_sentences = self._fingerprints["trained"] < FINGERPRINTED
        self._seen.input_means = {
            kind: [
                {place: float(total) / values for place, (total, values) in sums.items()} for sums in batches
            ]
            for kind, batches in self._sums.items()
        }
        for index, (name, parameter) in enumerate(self._parameters.items()):
            seen = self._seen.parameters[index]
            seen.moved = seen.moved or not torch.equal(_sample(parameter), self._first_values[index])
            seen.dead_rows = _dead_share(self._alive_rows[index])
            seen.one_row_asked = len(self._asked_rows.get(index, ())) == 1
            seen.in_optimizer = name in _names_in(self._optimizer, self._parameters)
        now = _named_parameters(self._model)
        self._seen.optimizer = _optimizer_facts(self._optimizer, now)
        result = copy.deepcopy(self._seen)
        result.parameters = [
            seen for seen in result.parameters if now.get(seen.name) is self._parameters[seen.name]
        ]
        held = _names_in(self._optimizer, now)
        result.parameters += [
            _replaced(name, p, name in held) for name, p in now.items() if self._parameters.get(name) is not p
        ]
        return result

    # what the hooks call

    def _add_hooks(self, criterion: Callable[..., Any] | None) -> None:
        add = self._handles.append
        add(self._model.register_forward_hook(self._after_call, with_kwargs=True))
        add(self._optimizer.register_step_post_hook(self._after_step))
        if isinstance(criterion, nn.CrossEntropyLoss):
            add(criterion.register_forward_pre_hook(self._before_loss))
        self._listen()

    def _listen(self) -> None:
        """Hook all that is looked at for an update that is, and one parameter alone, which counts, for the others."""
        for handle in self._close_handles:
            handle.remove()
        self._close_handles = []
        self._counting = None
        add = self._close_handles.append
        own = None if self._looking else self._always_reached()
        for index, parameter in enumerate(self._parameters.values()):
            if parameter.requires_grad and own in (None, index):
                hook = self._after_backward_of(index)
                add(parameter.register_post_accumulate_grad_hook(hook))  # type: ignore[no-untyped-call]
                self._counting = None if own is None else parameter
        if not self._looking:
            return
        add(self._optimizer.register_step_pre_hook(self._before_step))
        numbers = {id(p): index for index, p in enumerate(self._parameters.values())}
        embeddings = [module for module in self._model.modules() if isinstance(module, nn.Embedding)]
        for module in embeddings:
            number = numbers.get(id(module.weight))
            if number is not None and module.num_embeddings > 1:
                add(module.register_forward_pre_hook(self._before_look_up_in(number)))

    def _always_reached(self) -> int | None:
        """The smallest parameter that every backward pass has reached so far."""
        sizes = [parameter.numel() for parameter in self._parameters.values()]
        whole = (index for index, passes in enumerate(self._passes) if passes == self._all_passes)
        return min(whole, key=lambda index: sizes[index], default=None)

    def _after_call(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        tensors = tensors_in(output)
        scores = scores_among(tensors)
        watched = scores if scores is not None and scores.requires_grad else None
        if watched is None:
            watched = next((tensor for tensor in tensors if tensor.requires_grad), None)
        call = _Call(model.training, watched is not None, 0 if scores is None else len(scores))
        if scores is not None:
            self._note_inputs(call, scores, args, kwargs)
        self._waiting.append(call)
        if self._seen.updates and (version := self._version_now()) != self._version:
            self._look_for_a_reset(version)
        if watched is not None:
            call.scores = None if scores is None else scores.detach()
            if not self._leaves_known:
                self._look_for_strangers(tensors, (args, kwargs))
            if not self._followed and not (self._counting is not None and self._counting.requires_grad):
                self._followed, self._regular = True, False
            if self._followed:
                self._follow(call, watched)
        if len(self._waiting) >= MOST_WAITING:
            self._settle_calls(final=False)

    def _note_inputs(
        self, call: "_Call", scores: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Tell the sentences of a call apart, and keep it for the probes, as far as wanted."""
        sentences = self._sentences[not (call.training or call.gradients)]
        if sentences.wanted():
            call.sums = {} if len(self._sums["trained" if call.training else "evaluated"]) < MEANS else None
            call.fingerprints = self._fingerprint(scores, args, kwargs, call.sums)
            sentences.add(call.fingerprints)
        if self._followed and call.training and self._start is not None and self._losses_computed:
            call.inputs = self._kept_inputs(args, kwargs)

    def _look_for_strangers(self, outputs: list[Tensor], inputs: Any) -> None:
        """Whether the first scores depend on tensors that are neither the model's nor handed in."""
        self._leaves_known = True
        own = {id(p) for p in _named_parameters(self._model).values()}
        strange = leaves_of((each for each in outputs if each.requires_grad), tensors_in(inputs), own)
        self._seen.unregistered = tuple(tuple(leaf.shape) for leaf in strange)

    def _follow(self, call: "_Call", watched: Tensor) -> None:
        """Be told of the gradient that comes back to an output, and of the end of its graph."""
        graph = _Graph()
        call.graph = weakref.ref(graph)
        if self._regular and self._seen.updates >= FIRST_UPDATES:
            call.stands_for = 0 if self._seen.updates % LOSS_EVERY else LOSS_EVERY
        if call.scores is None and self._looking:
            call.squeezed = watched.detach() if comes_out_of_a_sigmoid(watched) else None
        hook = self._after_gradient_of(call, call.scores, graph)
        watched.register_hook(hook)  # type: ignore[no-untyped-call]

    def _after_gradient_of(
        self, call: "_Call", scores: Tensor | None, graph: "_Graph"
    ) -> Callable[[Tensor], None]:
        def after_gradient(
            gradient: Tensor, graph: "_Graph" = graph
        ) -> None:  # whose end is that of the graph
            self._after_gradient(call, scores, gradient)

        return after_gradient

    def _after_gradient(self, call: "_Call", scores: Tensor | None, gradient: Tensor) -> None:
        """A gradient has come back to the scores of a call; parameters get theirs after this."""
        seen = self._seen
        if gradient.requires_grad:
            gradient = gradient.detach()
        if call.settled and not call.trained:  # it comes after the next update
            seen.forwards.unused -= call.training
            seen.forwards.evaluated_with_gradients -= not call.training
            seen.forwards.trained += 1
        call.trained = True
        if self._looking and seen.updates:
            self._look_for_kept_gradients()
        if scores is None and self._looking:
            seen.scores.single += 1
            seen.scores.sigmoid_twice += call.squeezed is not None and is_squeezed_again(
                call.squeezed, gradient
            )
        if scores is None or scores.shape != gradient.shape:
            return
        if seen.not_finite is None and (self._looking or gradient.device.type == "cpu"):
            self._look_for_not_finite(scores, gradient, "the gradient of the loss")
        if self._looking and seen.not_finite is None:
            self._look_at_scores(call, scores, gradient)
        if self._losses_computed and seen.scores.cross_entropies and seen.not_finite is None:
            gold = gradient.argmin(dim=1)
            self._keep_batch(call, gold)
            self._losses_since_epoch.append(nn.functional.cross_entropy(scores, gold))

    def _look_for_kept_gradients(self) -> None:
        """Whether gradients of before the last update are left at the first backward pass, and stay to the last.

        Another model's backward pass may leave gradients here, which are cleared before this one's.
        """
        passes = max(self._counts, default=0)
        if (
            self._kept is None
        ):  # where the model has several outputs, some parameters may have their gradient by now
            counts = zip(self._parameters.values(), self._counts, strict=True)
            self._kept = _any_gradient(self._optimizer, {id(p) for p, count in counts if count})
            self._passes_seen = max(1, passes)
        elif passes == self._passes_seen:  # another pass begins
            left = _any_gradient(self._optimizer)
            self._kept = self._kept and left
            self._passes_seen += 1
            if not left and not self._stepping:
                self._cleared, self._weight = True, 0.0

    def _look_at_scores(self, call: "_Call", scores: Tensor, gradient: Tensor) -> None:
        seen = self._seen.scores
        loss = seen_loss(scores, gradient)
        seen.classes = scores.shape[1]
        seen.looked += 1
        low, high = (float(edge) for edge in scores.aminmax())
        if low >= 0:
            probabilities = _are_probabilities(scores)
            seen.probabilities += probabilities
            seen.squeezed += not probabilities and high <= 1
            seen.sigmoid_twice += high <= 1 and is_squeezed_again(scores, gradient)
            seen.cut += float((scores == 0).float().mean()) > MANY_ZEROS
            seen.by_column += len(scores) > 1 and _are_probabilities(scores.T)
        if high <= CLOSE:
            seen.log_probabilities += _are_logarithms(scores)
            seen.by_column += len(scores) > 1 and _are_logarithms(scores.T)
        seen.fits[loss.name] += 1
        self._weight += 0.0 if self._stepping else loss.weight
        if loss.name == "cross-entropy":
            seen.class_weights = max(seen.class_weights, loss.class_weights)
        if loss.name == "other" and bool(gradient.any()):
            seen.losses.clear()
        if loss.name != "other":
            self._keep_batch(call, loss.gold)
            if not self._seen.updates:
                seen.first_losses.append(loss.cross_entropy)
            seen.losses.append(loss.cross_entropy)

    @property
    def _losses_computed(self) -> bool:
        """Whether loss and gold of the batches of the update that comes are computed."""
        if self._looking:
            return True
        wanted = self._seen.updates < UPDATES_WITHOUT_EPOCH or bool(self._seen.epochs)
        return wanted and self._seen.updates % LOSS_EVERY == 0

    def _keep_batch(self, call: "_Call", gold: Tensor) -> None:
        """Note the gold classes of a call, and keep it for the probes where its inputs were copied."""
        call.gold = gold
        if call.inputs is not None and self._start is not None:
            self._start.batches.append(ProbeBatch(*call.inputs, gold, call.fingerprints))
            call.inputs = None

    def _kept_inputs(self, args: Any, kwargs: Any) -> tuple[Any, dict[str, Any]] | None:
        """A copy of what the model was called with; None where enough is kept."""
        if self._start is None or len(self._start.batches) >= KEPT_BATCHES:
            return None
        size = sum(tensor.nbytes for tensor in tensors_in((args, kwargs)))
        if self._kept_bytes + size > KEPT_BYTES:
            return None
        self._kept_bytes += size
        kept: tuple[Any, dict[str, Any]] = copied((args, kwargs))
        return kept

    def _look_for_not_finite(self, scores: Tensor, gradient: Tensor, name: str) -> None:
        if _sums_to_a_number(gradient):  # scores that are not finite have such a gradient
            return
        place = f"at update {self._seen.updates + 1}"
        broken = [name for name, p in self._parameters.items() if not bool(p.detach().isfinite().all())]
        if broken:
            self._seen.not_finite = f"the weights of {broken[0]} {place}"
        elif not bool(scores.isfinite().all()):
            self._seen.not_finite = f"the model's scores {place}, of finite weights"
        elif not bool(gradient.isfinite().all()):
            self._seen.not_finite = f"{name} {place}, of finite scores"

    def _after_backward_of(self, index: int) -> Callable[[Tensor], None]:
        def after_backward(parameter: Tensor) -> None:
            self._counts[index] += 1
            if not self._followed:
                self._after_unfollowed(index, parameter)
            elif self._looking and parameter.grad is not None and not parameter.grad.is_sparse:
                self._backward_norms[index] = torch.linalg.vector_norm(parameter.grad.detach())

        return after_backward

    def _after_unfollowed(self, index: int, parameter: Tensor) -> None:
        """A gradient has come back to the parameter that counts, and nobody asked the scores that it came from."""
        call = next((each for each in reversed(self._waiting) if each.gradients), None)
        gradient = parameter.grad
        if call is None or gradient is None:
            return
        call.trained = True
        if self._seen.not_finite is None and call.scores is not None and gradient.device.type == "cpu":
            name = f"the gradient of {self._seen.parameters[index].name}"
            self._look_for_not_finite(call.scores, gradient, name)

    def _before_look_up_in(self, index: int) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def before_look_up(module: nn.Module, args: tuple[Any, ...]) -> None:
            asked = self._asked_rows.setdefault(index, set())
            if self._looking and len(asked) < 2 and args and isinstance(args[0], Tensor) and args[0].numel():
                ids = args[0].detach()
                padding = getattr(module, "padding_idx", None)
                real = ids[ids != padding] if padding is not None else ids
                ids = real if real.numel() else ids
                asked |= {int(ids.min()), int(ids.max())}

        return before_look_up

    def _before_loss(self, _: nn.Module, args: tuple[Any, ...]) -> None:
        if self._looking and args and isinstance(args[0], Tensor) and args[0].dim() == 2:
            self._seen.scores.criterion_got_probabilities |= _are_probabilities(args[0].detach())

    def _look_for_a_reset(self, version: int) -> None:
        """Whether weights that were changed between two updates are what they were at first."""
        self._version = version
        values = zip(self._parameters.values(), self._first_values, strict=True)
        self._seen.resets += all(torch.equal(_sample(p), value) for p, value in values)

    @torch.no_grad()
    def _before_step(self, *_: Any) -> None:
        self._stepping = True
        seen = self._seen
        groups = {id(p): group for group in self._optimizer.param_groups for p in group["params"]}
        found = [
            (index, p, p.grad)
            for index, p in enumerate(self._parameters.values())
            if p.grad is not None and not p.grad.is_sparse
        ]
        sizes = _floats([torch.linalg.vector_norm(gradient) for _, _, gradient in found])
        for (index, parameter, gradient), size in zip(found, sizes, strict=True):
            self._look_at_gradient(index, parameter, gradient, size, groups.get(id(parameter)))
        norm = math.hypot(*sizes)
        if self._backward_norms and norm:
            seen.clipped.append((math.hypot(*_floats([*self._backward_norms.values()])), norm))
        seen.empty_steps += norm == 0
        self._before = [_sample(p).clone() for p in self._parameters.values()]

    def _look_at_gradient(
        self, index: int, parameter: Tensor, gradient: Tensor, size: float, group: Mapping[str, Any] | None
    ) -> None:
        seen = self._seen.parameters[index]
        seen.gradients += size > 0
        seen.gradient_norms.append(size)
        if parameter.dim() > 1 and not seen.is_embedding:
            self._alive_rows[index].append(gradient.flatten(1).any(dim=1))
        if group and group.get("weight_decay") and not _decays_by_itself(self._optimizer, group) and size:
            pull = float(group["weight_decay"]) * float(torch.linalg.vector_norm(parameter.detach()))
            seen.decay_ratios.append(pull / size)

    def _after_step(self, *_: Any) -> None:
        seen = self._seen
        trained = unused = 0
        for call in self._waiting:
            trained += call.trained
            unused += call.training and call.gradients and not call.trained
        backwards = max(self._counts, default=0) or min(trained, 1)
        if self._looking:
            self._look_after_step(backwards)
        self._regular = self._regular and trained == backwards == 1 and not unused
        if len(seen.update_sample) < MOST_UPDATES:
            rate = max([float(group.get("lr", 0.0)) for group in self._optimizer.param_groups])
            seen.update_sample.append(SeenUpdate(trained, unused, backwards, rate))
        seen.backwards += backwards
        seen.updates += 1
        if self._graphs:
            self._graphs = [each for each in self._graphs if each[0]() is not None][-MOST_GRAPHS:]
            seen.graphs_alive = max(seen.graphs_alive, sum(calls for _, calls in self._graphs))
        self._settle_calls(final=False)
        self._counts = [0] * len(self._counts)
        if self._kept is not None:
            seen.checked_gradients += 1
            seen.kept_gradients += self._kept
        self._kept, self._passes_seen = None, 0
        self._version = self._version_now()
        looking = seen.updates < FIRST_UPDATES or seen.updates % self._every == 0
        if looking != self._looking:
            self._looking = looking
            self._listen()
        in_turn = seen.updates % LOSS_EVERY == 0
        self._followed = looking or in_turn or self._counting is None or not self._regular

    def _version_now(self) -> int:
        """How often the first parameter was changed in place; 0 without any."""
        return 0 if self._first is None else self._first._version

    def _look_after_step(self, backwards: int) -> None:
        self._look_at_changes()
        self._seen.looked += 1
        if self._weight:
            self._seen.scores.weights.append(self._weight)
        self._seen.cleared_between += self._cleared
        self._weight, self._stepping, self._cleared = 0.0, False, False
        self._backward_norms = {}
        self._all_passes += backwards
        self._passes = [total + count for total, count in zip(self._passes, self._counts, strict=True)]

    @torch.no_grad()
    def _look_at_changes(self) -> None:
        groups = {id(p): group for group in self._optimizer.param_groups for p in group["params"]}
        spreads = list[Tensor]()
        for seen, parameter, before in zip(
            self._seen.parameters, self._parameters.values(), self._before, strict=True
        ):
            change = _sample(parameter) - before
            seen.moved = seen.moved or bool(change.any())
            spreads += [change.std(), before.std()] if before.numel() > 1 else [before.new_zeros(())] * 2
            group = groups.get(id(parameter))
            if group and group.get("weight_decay") and _decays_by_itself(self._optimizer, group):
                pull = float(group["lr"]) * float(group["weight_decay"]) * before
                rest = float(torch.linalg.vector_norm(change + pull))
                if rest:
                    seen.decay_ratios.append(float(torch.linalg.vector_norm(pull)) / rest)
        both = iter(_floats(spreads))
        for seen, moved, spread in zip(self._seen.parameters, both, both, strict=True):
            seen.update_ratios += [moved / spread] if spread else []

    def _settle_calls(self, final: bool) -> None:
        """Count what became of the calls since the last update."""
        forwards = self._seen.forwards
        for call in self._waiting:
            if call.settled:
                continue
            call.scores = None
            call.settled = True
            if call.trained:
                self._since_evaluation += 1
            elif self._since_evaluation:
                self._seen.between_evaluations.append(self._since_evaluation)
                self._since_evaluation = 0
            if call.trained:
                forwards.trained += 1
                forwards.trained_in_eval_mode += not call.training
                self._trained_sentences += call.rows
            elif call.gradients:
                forwards.unused += call.training
                forwards.evaluated_with_gradients += not call.training
            else:
                forwards.evaluated_in_train_mode += call.training
                forwards.evaluated += not call.training
            self._keep_fingerprints(call)
            if call.graph is not None and call.graph() is not None:
                self._graphs.append((call.graph, call.stands_for))
        if not final:
            self._waiting = []

    def _keep_fingerprints(self, call: "_Call") -> None:
        kind = "trained" if call.trained else "unused" if call.training and call.gradients else "evaluated"
        if call.sums and kind in self._sums and len(self._sums[kind]) < MEANS:
            self._sums[kind].append(call.sums)
        if kind == "trained":
            self._all_kept = self._all_kept and call.fingerprints is not None
            self._seen.batches_in_a_row += self._all_kept
        if call.fingerprints is not None and self._fingerprints[kind] < FINGERPRINTED:
            self._fingerprints[kind] += call.rows
            self._pending.append((kind, call.fingerprints, call))

    def _read_fingerprints(self) -> None:
        """Bring the fingerprints, which may lie on an accelerator, to the host."""
        seen = self._seen
        for kind, rows, call in self._pending:
            ids = rows.cpu().numpy()
            if kind == "trained":
                gold = None if call.gold is None else call.gold.cpu().numpy()
                seen.batches.append(SeenBatch(ids, gold, in_eval_mode=not call.training))
            else:
                (seen.unused_rows if kind == "unused" else seen.evaluated_rows).append(ids)
                if kind == "evaluated" and call.training:
                    seen.evaluated_rows_in_train_mode.append(ids)
        self._pending = []

    def _fingerprint(
        self, scores: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any], sums: "_Sums | None"
    ) -> Tensor | None:
        """(rows,) int64, a number for each row of the inputs; padding with zeros does not change it.

        The sum of each input of ids is put into `sums`.
        """
        places, parts = [], []
        for number, tensor in enumerate(tensors_in((args, kwargs))):
            rows = by_row(tensor, len(scores), COLUMNS)
            if rows is None or not rows.shape[1] or rows.device != scores.device:
                continue
            if sums is not None and not tensor.is_floating_point() and tensor.dim() > 1:
                sums[number] = rows.sum(), rows.numel()
            places.append((number, rows.shape[1]))
            parts.append(rows if rows.dtype is torch.int64 else rows.to(torch.int64))
        if not parts:
            return None
        mixer = self._mixer(tuple(places), scores.device)
        return torch.mv(parts[0] if len(parts) == 1 else torch.cat(parts, dim=1), mixer)

    def _mixer(self, places: tuple[tuple[int, int], ...], device: torch.device) -> Tensor:
        """Random numbers for inputs of these numbers and widths, side by side; a wider input has more of the same."""
        if places not in self._mixers:
            columns = [
                torch.randint(-(2**62), 2**62, (COLUMNS,), generator=torch.Generator().manual_seed(number))
                for number, _ in places
            ]
            cut = [column[:width] for column, (_, width) in zip(columns, places, strict=True)]
            self._mixers[places] = torch.cat(cut).to(device)
        return self._mixers[places]


class _Sentences:
    """Which sentences have been seen in calls of one mode, as far as needed to know when none is new any more."""

    def __init__(self, first_calls: int) -> None:
        self._first_calls = first_calls
        self._known: set[int] = set()
        self._calls = 0
        self._old = 0
        """Sentences since the last new one."""
        self._waiting: list[Tensor] = []

    def wanted(self) -> bool:
        """Whether the sentences of the call that comes are to be told apart."""
        self._calls += 1
        if len(self._waiting) == LATER_CALLS:
            self._compare()
        all_seen = self._old > AGAIN * len(self._known) > 0
        return self._calls <= self._first_calls or not all_seen or self._calls % LATER_CALLS == 0

    def add(self, fingerprints: Tensor | None) -> None:
        """Note those of a call; those on an accelerator stay there, and each call counts as new."""
        if fingerprints is None or fingerprints.device.type != "cpu" or len(self._known) >= FINGERPRINTED:
            return
        self._waiting.append(fingerprints)

    def _compare(self) -> None:
        """Several calls at a time, since a few numbers take as long as many."""
        rows, before = torch.cat(self._waiting).tolist(), len(self._known)
        self._waiting = []
        self._known.update(rows)
        self._old = 0 if len(self._known) > before else self._old + len(rows)


class _Graph:
    """Lives as long as the graph of one call."""


_Sums = dict[int, tuple[Tensor, int]]
"""Of each input of ids, by its place: the sum of its values, and how many they are."""


class _Call:
    """One call of the model."""

    def __init__(self, training: bool, gradients: bool, rows: int) -> None:
        self.training = training
        self.gradients = gradients
        self.rows = rows
        self.trained = False
        self.settled = False
        self.fingerprints: Tensor | None = None
        self.gold: Tensor | None = None
        self.sums: _Sums | None = None
        self.inputs: tuple[Any, dict[str, Any]] | None = None
        self.squeezed: Tensor | None = None
        """One score a sentence that came out of a sigmoid."""
        self.scores: Tensor | None = None
        """Without their graph, until the call is counted."""
        self.graph: weakref.ref[_Graph] | None = None
        self.stands_for = 1
        """Calls of which this one alone is followed to the end of its graph."""


def _check_kinds(model: Any, optimizer: Any) -> None:
    if not isinstance(model, nn.Module):
        raise UserMistake(f"watch: model is a {type(model).__name__}; it takes a torch.nn.Module.")
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise UserMistake(
            f"watch: optimizer is a {type(optimizer).__name__}; it takes a torch.optim.Optimizer, after the model."
        )


def _named_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if not isinstance(p, nn.UninitializedParameter)}


def _copies(model: nn.Module, optimizer: torch.optim.Optimizer) -> Start | None:
    """Model and optimiser as they are before the loop; None where they are large, or no copy can be made."""
    if sum(p.nbytes for p in model.parameters()) > KEPT_BYTES:
        return None
    try:
        return Start(*copy.deepcopy((model, optimizer)), [])
    except (
        RuntimeError,
        TypeError,
    ):  # a tensor of a graph, a lock or an open file among the model's attributes
        return None


def _names_in(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> set[str]:
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return {name for name, p in parameters.items() if id(p) in held}


def _optimizer_facts(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]
) -> OptimizerFacts:
    held = [p for group in optimizer.param_groups for p in group["params"]]
    ours = {id(p) for p in parameters.values()}
    groups = tuple({k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups)
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    return OptimizerFacts(
        type(optimizer).__name__,
        groups,
        len(held),
        sum(id(p) not in ours for p in held),
        needs_closure=closure is not None and closure.default is closure.empty,
    )


def _loader_facts(loader: Any) -> LoaderFacts | None:
    if loader is None:
        return None
    batches = length_hint(loader) or None  # a loader of an IterableDataset has a length, and fails when asked
    if not isinstance(loader, DataLoader):
        return LoaderFacts(batches, None, None)
    sentences = length_hint(loader.dataset) or None
    shuffles = {RandomSampler: True, SequentialSampler: False}.get(type(loader.sampler))
    return LoaderFacts(batches, sentences, shuffles if loader.batch_sampler is not None else None)


def _seen_parameter(name: str, parameter: nn.Parameter, is_embedding: bool) -> SeenParameter:
    random = is_embedding and looks_drawn(parameter.detach())
    return SeenParameter(
        name, tuple(parameter.shape), is_embedding, parameter.requires_grad, True, random_rows=random
    )


def _replaced(name: str, parameter: nn.Parameter, in_optimizer: bool) -> SeenParameter:
    """A parameter that has come to the model since it was watched; nothing is known of its updates."""
    return SeenParameter(
        name, tuple(parameter.shape), False, parameter.requires_grad, in_optimizer, moved=True
    )


def _sample(parameter: Tensor) -> Tensor:
    """Up to SAMPLE of the values, evenly spread."""
    flat = parameter.detach().flatten()
    step = -(-flat.numel() // SAMPLE)
    return flat[::step] if step > 1 else flat


def _floats(scalars: Sequence[Tensor]) -> list[float]:
    """Brought to the host together where they lie on one device."""
    if len({each.device for each in scalars}) != 1:
        return [float(each) for each in scalars]
    values: list[float] = torch.stack([*scalars]).tolist()
    return values


def _sums_to_a_number(values: Tensor) -> bool:
    few = values.dim() == 1 and len(values) <= FEW_VALUES and not values.is_sparse
    return math.isfinite(sum(values.tolist()) if few else float(values.sum()))


def _are_probabilities(scores: Tensor) -> bool:
    return bool((scores >= 0).all()) and bool(((scores.sum(dim=1) - 1).abs() < CLOSE).all())


def _are_logarithms(scores: Tensor) -> bool:
    """Whether each row is the logarithms of probabilities."""
    return bool((scores.logsumexp(dim=1).abs() < CLOSE).all())


def _any_gradient(optimizer: torch.optim.Optimizer, but: Collection[int] = ()) -> bool:
    """Whether a parameter has a gradient that is not zero; but: the `id` of those that are left out."""
    held = (p for group in optimizer.param_groups for p in group["params"] if id(p) not in but)
    gradients = (p.grad.detach() for p in held if p.grad is not None)
    return any(bool((g.coalesce().values() if g.is_sparse else g).any()) for g in gradients)


def _dead_share(masks: Sequence[Tensor]) -> float:
    """Share of the rows that no mask names; 0 where too few updates were looked at."""
    if len(masks) < LAST_GRADIENTS:
        return 0.0
    return 1 - float(torch.stack(list(masks)).any(dim=0).float().mean())


def _decays_by_itself(optimizer: torch.optim.Optimizer, group: Mapping[str, Any]) -> bool:
    """Whether weight decay is apart from the gradient (Loshchilov and Hutter 2019)."""
    return isinstance(optimizer, torch.optim.AdamW) or bool(group.get("decoupled_weight_decay"))


def _ids(values: Sequence[int] | None, name: str) -> Any:
    if values is None:
        return None
    ids = np.asarray(values.cpu() if isinstance(values, Tensor) else values)
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer) or (ids.size and ids.min() < 0):
        raise UserMistake(f"watch.epoch: {name} is a list of class ids from 0, one a dev example.")
    return ids.astype(np.int64)


def _number(value: Any, name: str) -> float | None:
    if value is None:
        return None
    try:
        return float(value.detach() if isinstance(value, Tensor) else value)
    except (TypeError, ValueError, RuntimeError):
        raise UserMistake(f"watch.epoch: {name} is one number, not {type(value).__name__}.") from None
