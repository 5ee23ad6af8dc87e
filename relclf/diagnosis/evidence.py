"""What is known of a run, as one value that its checks read."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from relclf.config.schema import ExperimentConfig
from relclf.diagnosis.config_checks import train_command
from relclf.diagnosis.curves import trend
from relclf.runs.records import EpochRecord, best_record
from relclf.scoring.metrics import Values
from relclf.training.stopping import ENDED_WELL, StopReason


@dataclass(frozen=True)
class RunEvidence:
    """A run's config and records, and what else is known of it."""

    config: ExperimentConfig
    records: Sequence[EpochRecord]
    stop_reason: StopReason | None
    """None while the run goes on, and after a kill."""
    dev_counts: Sequence[int] = ()
    """Dev sentences of each relation; empty where not known."""
    filter_std: float | None = None
    """Standard deviation of the filters' weights after the last epoch."""
    run: str = "RUN"
    """The run's directory, for the commands that are advised."""

    @property
    def ended(self) -> bool:
        """Whether the run ended as its config says, not by a signal, a kill or an error."""
        return self.stop_reason in ENDED_WELL

    @property
    def updates(self) -> int:
        """Updates so far."""
        return self.records[-1].total_updates if self.records else 0

    @cached_property
    def best(self) -> EpochRecord | None:
        """The best record by the monitored score; None without a record or a dev set."""
        best = best_record(self.records, self.config.training.monitor)
        return best if best is not None and best.monitored is not None else None

    @cached_property
    def dev_scores(self) -> list[float]:
        """Dev macro-F1 an epoch; empty without a dev set."""
        return [record.dev_macro_f1 for record in self.records if record.dev_macro_f1 is not None]

    @cached_property
    def dev_nlls(self) -> list[float]:
        """Dev nll an epoch; empty without a dev set."""
        return [record.dev_nll for record in self.records if record.dev_nll is not None]

    @cached_property
    def dev_trend(self) -> Values:
        """The trend of dev macro-F1."""
        return trend(self.dev_scores)

    @property
    def se(self) -> float:
        """Bootstrap standard error of dev macro-F1 at the best epoch; 0 without a dev set."""
        return (self.best.dev_macro_f1_se or 0.0) if self.best is not None else 0.0

    @property
    def prior_entropy(self) -> float:
        """The nll of guessing the shares of the relations in dev, nats; 0 where they are not known."""
        total = sum(self.dev_counts)
        return -sum(count / total * math.log(count / total) for count in self.dev_counts if count)

    @property
    def config_path(self) -> str:
        """The run's own config."""
        return f"{self.run}/config.yaml"

    def again(self, setting: str) -> str:
        """The command that trains a new run with another setting."""
        return train_command(self.config_path, setting)

    def go_on(self, setting: str) -> str:
        """The command that extends this run."""
        return f"relclf train --resume {self.run} --set {setting}"


def points(value: float) -> str:
    """A score or a difference of scores in points: 0.793 -> "79.3"."""
    return f"{100 * value:.1f}"
