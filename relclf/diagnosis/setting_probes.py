"""Does one unusual setting keep the network from learning? Short trainings with it, and with a usual value."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from relclf.diagnosis.findings import Finding, well
from relclf.diagnosis.probed import Probed, Trial, in_random_order, no_limit, prior_loss
from relclf.diagnosis.rate_probes import HARDLY, JUDGED_BATCHES

UPDATES = (400, 1600)
"""After which what was learned is compared. SGD at 0.1 has learned 3 % after 400, and 50 % after 1,600 (quickstart)."""
LEARNS = 0.3
"""Of what there is to learn: less than this with the usual value, and the setting is not to blame."""
CATCHES_UP = 0.9
"""Of what the usual value learns in all updates: a setting that comes to this is only slow."""


@dataclass(frozen=True)
class Setting:
    """An unusual value of the config, and the usual one it is compared with."""

    check: str
    name: str
    """ "dropout 0.95"."""
    usual: str
    """ "dropout 0.5"."""
    why: str
    next_step: str


def setting_finding(
    setting: Setting, own: Sequence[Probed], usual: Sequence[Probed], check: Callable[[], None] = no_limit
) -> Finding:
    """The finding from trainings with the setting and with the usual value, a seed each.

    A problem where the usual value learns, the setting comes to less than a quarter of that with every seed, after few
    updates or after many, and it has not nearly caught up in the end.
    """
    with_it, without = [_learned(each, check) for each in own], [_learned(each, check) for each in usual]
    hardly = any(
        min(other[i] for other in without) >= LEARNS
        and all(mine[i] < HARDLY * other[i] for mine, other in zip(with_it, without, strict=True))
        for i in range(len(UPDATES))
    )
    behind = all(mine[-1] < CATCHES_UP * other[-1] for mine, other in zip(with_it, without, strict=True))
    measured = (
        f"{UPDATES[0]} and {UPDATES[1]} updates learn {_said(with_it)} of what there is with {setting.name}, "
        f"{_said(without)} with {setting.usual} ({len(own)} seeds)"
    )
    expected = "at least a quarter as much, or nearly as much in the end"
    if hardly and behind:
        return Finding("problem", setting.check, measured, expected, setting.why, setting.next_step)
    return well(setting.check, measured, expected)


def _learned(probed: Probed, check: Callable[[], None]) -> tuple[float, ...]:
    """The share of the prior's loss that is gone after each number of updates; at least -1."""
    judges = probed.batches[:JUDGED_BATCHES]
    prior = prior_loss(probed, judges)
    trial = Trial(probed)
    batches = in_random_order(probed, UPDATES[-1], "setting probe")
    shares = []
    for count in UPDATES:
        trial.train(islice(batches, count - (trial.updates if not trial.broken else count)), check)
        loss = math.inf if trial.broken else trial.judge(judges).loss
        shares.append(max(-1.0, 1 - loss / prior) if math.isfinite(loss) else -1.0)
    return tuple(shares)


def _said(shares: Sequence[tuple[float, ...]]) -> str:
    """The means over seeds: "6 % and 57 %"."""
    means = [statistics.mean(values) for values in zip(*shares, strict=True)]
    return " and ".join(f"{100 * max(0.0, mean):.0f} %" for mean in means)
