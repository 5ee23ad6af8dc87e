"""Says under which conditions groups were trained and scored, and where these differ."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from relclf.comparison.gathering import Group


@dataclass(frozen=True)
class Mismatch:
    """A condition that is not the same in all groups: its value in each, in their order."""

    what: str
    values: tuple[str, ...]

    def odd_ones(self) -> list[int]:
        """The places of the groups that differ from what most have (from the first, where none is commonest)."""
        usual = Counter(self.values).most_common(1)[0][0]
        return [place for place, value in enumerate(self.values) if value != usual]


def mismatches(groups: Sequence[Group]) -> list[Mismatch]:
    """What must be equal for a fair comparison, and is not: budgets, variants tried, data."""
    columns = [dict(_conditions(group)) for group in groups]
    names = dict.fromkeys(name for column in columns for name in column)
    found = (Mismatch(name, tuple(column.get(name, "none") for column in columns)) for name in names)
    return [each for each in found if len(set(each.values)) > 1]


def _conditions(group: Group) -> Iterator[tuple[str, str]]:
    config = group.runs[0].config
    data, training = config.data, config.training
    seconds = f", {training.max_seconds:g} s" if training.max_seconds is not None else ""
    updates = f", {training.max_updates:,} updates" if training.max_updates is not None else ""
    yield "budget", f"{training.max_epochs} epochs{updates}{seconds}"
    yield "variants tried", str(group.tried)
    yield "train data", _file(data.train, data.sha256.train)
    drawn = (
        "a split for each seed" if group.sweep and group.sweep.resampled else f"split seed {data.split_seed}"
    )
    if data.group_by is not None:
        drawn += f", grouped by {data.group_by}"
    if data.all_data:
        yield "dev data", "part of train"
    elif isinstance(data.dev, Path):
        yield "dev data", _file(data.dev, data.sha256.dev)
    else:
        yield "dev data", f"{data.dev:g} of train, {drawn}"
    if data.fold is not None:
        yield "test data", f"fold {data.fold} of {data.folds} of train, {drawn}"
    elif isinstance(data.test, float):
        yield "test data", f"{data.test:g} of train, {drawn}"
    else:
        yield "test data", _file(data.test, data.sha256.test)
    yield "negative relation", str(data.negative_relation)


def _file(path: Path | None, sha256: str | None) -> str:
    if path is None:
        return "none"
    return f"{path.name} {sha256[:8]}" if sha256 else str(path)
