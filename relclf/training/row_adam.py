"""Adam that touches only the word rows of a batch, and still gives every row the weights of dense Adam.

Without weight decay, a row whose gradient is zero in an update still moves, by what is left of its averages
(Kingma and Ba 2015, algorithm 1). If the row was last updated in update s, with averages m and v, then update
u > s subtracts

    a_u m / (x b_u + eps)   with   x = sqrt(v),   a_u = lr_u beta1^(u-s) / (1 - beta1^u)
                                                  b_u = beta2^((u-s)/2) / sqrt(1 - beta2^u)

Nothing reads the row before a batch has its word again (or an epoch ends), so all those updates can be made at
once, then. Their sum has no closed form, since b_u changes, but it changes little while a_u, which falls like
beta1^u, is not yet negligible. With c = b_(s+8), D = x c + eps, y = x c / D < 1 and r_u = b_u / c - 1,

    1 / (x b_u + eps) = 1 / (D (1 + y r_u)) = (1 - y r_u + y^2 r_u^2 - ...) / D

so the sum over u is a polynomial in y whose coefficients, sum over u of a_u r_u^k, do not depend on the row but
only on s: they are kept in a small table, one line for each s, to which every update adds a number a line.

The series is cut after TERMS terms. Early in a training b_u still changes fast, from the correction of the
bias, so updates are dense until DENSE_MEANS / (1 - beta1) of them are done. From there on the remainder is
below 1e-8 of the sum, which itself is at most about 10 lr: beneath float32's rounding of the weights. Where
beta2 is too far from 1 for this (see `can_defer`) all updates stay dense.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from relclf.compiled import compiled
from relclf.models.layers import RowGradient, WordEmbedding

Rows = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""The table and its averages, (rows, width) each."""
TERMS = 6
DENSE_MEANS = 30
CENTRE = 8
"""c is b_u this many updates after s, near the mean of u - s under the weights a_u with beta1 = 0.9."""
NEGLIGIBLE = 1e-12
"""A share of the last average that is no longer followed."""


def can_defer(betas: tuple[float, float]) -> bool:
    """Whether the series converges fast enough: b_u may change by 1 % while beta1^u falls to 1/e."""
    return 1 - betas[1] <= 0.02 * (1 - betas[0])


SHARE = "share"
"""The key of the group whose rate is a share of the others'."""


def groups_of(
    parameters: Sequence[nn.Parameter], words: WordEmbedding, lr: float, word_share: float | None
) -> list[dict[str, Any]]:
    """One group of parameters, or the word embedding as the first of two, at a share of the others' rate."""
    if word_share is None:
        return [{"params": list(parameters), "lr": lr}]
    others = [each for each in parameters if each is not words.weight]
    return [
        {"params": [words.weight], "lr": lr * word_share, SHARE: word_share},
        {"params": others, "lr": lr},
    ]


class RowAdam:
    """Adam without weight decay on a CPU, for a model with one large word embedding.

    With `deferred`, rows are updated when they are read again, as derived above; `settle` brings all of them
    up to date. With `touched_only`, rows whose words a batch lacks are not updated at all ("lazy" Adam, which
    is another algorithm). With neither, every update is dense. It has the methods of torch's optimisers that
    the loop and the checkpoints use, and their names for its state.
    """

    def __init__(
        self,
        words: WordEmbedding,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        word_share: float | None = None,
        betas: tuple[float, float],
        eps: float,
        deferred: bool = False,
        touched_only: bool = False,
    ) -> None:
        self._parameters = list(parameters)
        self.param_groups: list[dict[str, Any]] = groups_of(self._parameters, words, lr, word_share)
        self.defaults: dict[str, Any] = {"lr": lr, "betas": betas, "eps": eps}
        self._firsts = [torch.zeros_like(p) for p in self._parameters]
        self._seconds = [torch.zeros_like(p) for p in self._parameters]
        self._updates = torch.zeros(())
        self._place = next(i for i, p in enumerate(self._parameters) if p is words.weight)
        self._touched_only = touched_only
        self._dense_updates = math.ceil(DENSE_MEANS / (1 - betas[0]))
        self._missed = _MissedUpdates(len(words.weight), betas) if deferred and can_defer(betas) else None
        self._gradient = _GradientOfReadRows(self._read)
        words.row_gradient = self._gradient

    @torch.no_grad()
    def step(self) -> None:
        """One update; parameters without a gradient stay as they are."""
        rate = self.param_groups[0]["lr"]  # the table's; the last group is that of the others
        places = [i for i, p in enumerate(self._parameters) if p.grad is not None]
        missed = self._missed if self._updates.item() >= self._dense_updates else None
        self._updates.add_(1)
        gradient = self.table.grad
        if gradient is not None and (self._touched_only or missed is not None):
            ids = self._gradient.touched(gradient)
            if self._touched_only:  # whatever was read: a function of the gradient alone, also after a resume
                ids = ids[(gradient.index_select(0, ids) != 0).any(dim=1)]
            self._step_rows(ids, gradient)
            if missed is not None:
                missed.add_update(int(self._updates), rate, ids.numpy())
            places.remove(self._place)
        if self._place in places:
            self._fused_in_full([self._place], rate)
        self._fused_in_full([i for i in places if i != self._place], self.param_groups[-1]["lr"])

    @torch.no_grad()
    def settle(self) -> None:
        """Bring all rows of the table up to date, for whoever reads them outside training."""
        if self._missed is not None and self._missed.pending:
            self._missed.make_up(self._every_row(), self.defaults["eps"], self._arrays())
            self._missed.forget()

    @torch.no_grad()
    def settled_table(self) -> Tensor | None:
        """A copy of the table with all rows up to date, or None where they are so; nothing changes."""
        if self._missed is None or not self._missed.pending:
            return None
        table, first, second = (array.copy() for array in self._arrays())
        missed = copy(self._missed)
        missed.current = missed.current.copy()
        missed.make_up(self._every_row(), self.defaults["eps"], (table, first, second))
        return torch.from_numpy(table)

    def state_dict(self) -> dict[str, Any]:
        """The state under torch's names; inside an epoch also the table as it is and what its rows missed."""
        state: dict[int, dict[str, Tensor]] = {
            i: {"step": self._updates.clone(), "exp_avg": first, "exp_avg_sq": second}
            for i, (first, second) in enumerate(zip(self._firsts, self._seconds, strict=True))
            if self._updates.item() > 0
        }
        if self._missed is not None and self._missed.pending:
            state[self._place] |= {"table": self.table.detach(), **self._missed.tensors()}
        return {"state": state, "param_groups": [{"params": list(range(len(self._parameters)))}]}

    @torch.no_grad()
    def load_state_dict(self, value: dict[str, Any]) -> None:
        """Take over what `state_dict` gave. Raises ValueError or KeyError for another optimiser's state."""
        state = value["state"]
        if state and set(state) != set(range(len(self._parameters))):
            raise ValueError(f"the optimiser's state is of the parameters {sorted(state)}")
        self._updates.fill_(state[self._place]["step"] if state else 0)
        for i, each in state.items():
            self._firsts[i].copy_(each["exp_avg"])
            self._seconds[i].copy_(each["exp_avg_sq"])
        if self._missed is not None:
            self._missed.forget()
            if state and "table" in state[self._place]:
                self.table.copy_(state[self._place]["table"])
                self._missed.restore(state[self._place], int(self._updates))

    @property
    def table(self) -> nn.Parameter:
        """The word embedding's rows."""
        return self._parameters[self._place]

    def _step_rows(self, ids: Tensor, gradient: Tensor) -> None:
        """One update of these rows of the table, which are up to date: (rows,) ids, each named once."""
        beta1, beta2 = self.defaults["betas"]
        update = self._updates.item()
        rate = self.param_groups[0]["lr"] / (1 - beta1**update)
        correction = math.sqrt(1 - beta2**update)
        eps = self.defaults["eps"]
        _update_rows(ids.numpy(), gradient.numpy(), rate, correction, beta1, beta2, eps, self._arrays())

    def _fused_in_full(self, places: Sequence[int], rate: float) -> None:
        """One update of all of the parameters at these places, which have gradients."""
        if places:
            self._fused(
                rate,
                [self._parameters[i] for i in places],
                [grad for i in places if (grad := self._parameters[i].grad) is not None],
                [self._firsts[i] for i in places],
                [self._seconds[i] for i in places],
            )

    def _fused(
        self,
        rate: float,
        weights: Sequence[Tensor],
        gradients: list[Tensor],
        firsts: list[Tensor],
        seconds: list[Tensor],
    ) -> None:
        beta1, beta2 = self.defaults["betas"]
        torch._fused_adam_(
            list(weights),
            gradients,
            firsts,
            seconds,
            [],
            [self._updates] * len(gradients),
            lr=rate,
            beta1=beta1,
            beta2=beta2,
            weight_decay=0.0,
            eps=self.defaults["eps"],
            amsgrad=False,
            maximize=False,
        )

    @torch.no_grad()
    def _read(self, ids: Tensor) -> Tensor:
        """The rows `ids` of the table, up to date."""
        if self._missed is not None and self._missed.pending:
            self._missed.make_up(ids.numpy(), self.defaults["eps"], self._arrays())
        return self.table.index_select(0, ids)

    def _arrays(self) -> Rows:
        """The table and its two averages."""
        return (
            self.table.detach().numpy(),
            self._firsts[self._place].numpy(),
            self._seconds[self._place].numpy(),
        )

    def _every_row(self) -> NDArray[np.int64]:
        return np.arange(len(self.table))


class _GradientOfReadRows(RowGradient):
    """A row gradient whose rows are brought up to date before they are read."""

    def __init__(self, read: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._read = read

    def read(self, weight: Tensor, ids: Tensor) -> Tensor:
        return self._read(ids)


class _MissedUpdates:
    """Since when each row has missed updates, and the coefficients of their sum for each such update."""

    def __init__(self, rows: int, betas: tuple[float, float]) -> None:
        self._beta1, self._beta2 = betas
        window = max(1, math.ceil(math.log(NEGLIGIBLE) / math.log(self._beta1))) if self._beta1 else 1
        ages = np.arange(window, 0, -1, dtype=np.float64)
        self._decay1, self._decay2 = self._beta1**ages, self._beta2 ** (ages / 2)
        self.current = np.zeros(rows, dtype=np.int64)
        """(rows,) the last update that each row has had."""
        self._start: int | None = None
        """The update that all rows had had when the count began; line i is of start + i."""
        self._lines = np.zeros((1024, TERMS + 1))
        """(lines, TERMS + 1): the sums of a_u r_u^k for k from 0, and the centre c."""
        self._count = 0

    @property
    def pending(self) -> bool:
        """Whether a row may have missed an update."""
        return self._count > 0

    def forget(self) -> None:
        """All rows are up to date."""
        self._start, self._count = None, 0

    def add_update(self, update: int, rate: float, ids: NDArray[np.int64]) -> None:
        """Update number `update`, from 1, which the rows `ids` have had and all others miss."""
        if self._start is None:
            self._start = update - 1
            self._lines[0] = 0
            self.current.fill(self._start)
        self._open_line(update)
        share, root = rate / (1 - self._beta1**update), math.sqrt(1 - self._beta2**update)
        decays = self._decay1, self._decay2
        _add_terms(self._lines[: self._count], share, root, decays, ids, self.current, update)

    def make_up(self, ids: NDArray[np.int64], eps: float, rows: Rows) -> None:
        """Make the updates that these rows have missed: they have had all updates so far."""
        missed = self._start or 0, self._count
        _make_up(ids, self.current, *missed, self._lines, self._beta1, self._beta2, eps, rows)

    def tensors(self) -> dict[str, Tensor]:
        """What a resumed training needs, flat."""
        lines = torch.from_numpy(self._lines[: self._count].reshape(-1).copy())
        return {"current": torch.from_numpy(self.current.copy()), "missed": lines}

    def restore(self, tensors: dict[str, Tensor], updates: int) -> None:
        """Take over what `tensors` gave after this number of updates."""
        lines = tensors["missed"].numpy().reshape(-1, TERMS + 1)
        self._start = updates - len(lines)
        self.current[:] = tensors["current"].numpy()
        if self.current.min() < self._start or self.current.max() > updates:
            raise ValueError("the optimiser's rows are of another training")
        self._lines = np.concatenate([lines, np.zeros((1024, TERMS + 1))])
        self._count = len(lines) - 1
        self._open_line(updates)

    def _open_line(self, update: int) -> None:
        """The line of `update` - 1 begins to fill, and one of zeros follows for the rows that are up to date."""
        self._count += 1
        if self._count == len(self._lines):
            self._lines = np.concatenate([self._lines, np.zeros_like(self._lines)])
        self._lines[self._count - 1, TERMS] = self._centre(update - 1)
        self._lines[self._count] = 0
        self._lines[self._count, TERMS] = 1

    def _centre(self, last: int) -> float:
        """c of the rows whose last update is `last`."""
        return float(self._beta2 ** (CENTRE / 2) / math.sqrt(1 - self._beta2 ** (last + CENTRE)))


@compiled
def _add_terms(
    lines: NDArray[Any],
    share: float,
    root: float,
    decays: tuple[NDArray[Any], NDArray[Any]],
    ids: NDArray[Any],
    current: NDArray[Any],
    update: int,
) -> None:
    """Add a_u r_u^k of one update to each line that still counts, and note which rows have had it.

    share: lr_u / (1 - beta1^u), root: sqrt(1 - beta2^u), decays: beta1^(u-s) and beta2^((u-s)/2), s rising to u - 1.
    """
    firsts, seconds = decays
    for age in range(1, min(len(lines), len(firsts)) + 1):
        line = len(lines) - age
        term = share * firsts[-age]
        change = seconds[-age] / root / lines[line, TERMS] - 1
        for k in range(TERMS):
            lines[line, k] += term
            term *= change
    for id in ids:
        current[id] = update


@compiled
def _make_up(
    ids: NDArray[Any],
    current: NDArray[Any],
    start: int,
    count: int,
    lines: NDArray[Any],
    beta1: float,
    beta2: float,
    eps: float,
    rows: Rows,
) -> None:
    """Subtract the sum S from the rows `ids` of the table, let their averages decay, and note that they are current."""
    table, firsts, seconds = rows
    terms = np.empty(TERMS + 4, table.dtype)  # in the table's precision, as the arithmetic is
    for id in ids:
        line = current[id] - start
        if line == count:
            continue
        current[id] = start + count
        terms[: TERMS + 1] = lines[line]
        terms[TERMS + 1] = eps
        terms[TERMS + 2] = beta1 ** (count - line)
        terms[TERMS + 3] = beta2 ** (count - line)
        weight, first, second = table[id], firsts[id], seconds[id]
        for i in range(len(weight)):
            scaled = np.sqrt(second[i]) * terms[TERMS]  # x c
            divisor = scaled + terms[TERMS + 1]  # D
            share = scaled / divisor  # y
            total = terms[TERMS - 1]
            for k in range(TERMS - 2, -1, -1):
                total = terms[k] - share * total
            weight[i] -= total / divisor * first[i]
            first[i] *= terms[TERMS + 2]
            second[i] *= terms[TERMS + 3]


@compiled
def _update_rows(
    ids: NDArray[Any],
    gradient: NDArray[Any],
    rate: float,
    correction: float,
    beta1: float,
    beta2: float,
    eps: float,
    rows: Rows,
) -> None:
    """One update of Adam of the rows `ids` of the table; rate: lr / (1 - beta1^u), correction: sqrt(1 - beta2^u)."""
    table, firsts, seconds = rows
    terms = np.array([rate, correction, eps, 1 - beta1, 1 - beta2, beta2]).astype(table.dtype)
    for id in ids:
        weight, first, second, slope = table[id], firsts[id], seconds[id], gradient[id]
        for i in range(len(weight)):
            first[i] += terms[3] * (slope[i] - first[i])
            second[i] = terms[5] * second[i] + terms[4] * slope[i] * slope[i]
            weight[i] -= terms[0] * first[i] / (np.sqrt(second[i]) / terms[1] + terms[2])
