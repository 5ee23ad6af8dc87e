"""What a sweep has to train: its variants, their seeds and names, settled before a run is made."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from relclf.config.schema import ExperimentConfig
from relclf.errors import UserMistake
from relclf.runs.lock import RunLock
from relclf.sweeps.distributions import Choice, draw
from relclf.sweeps.folder import KnownRuns, SweepFolder, lock_folder, read_description
from relclf.sweeps.jobs import PlannedRun
from relclf.sweeps.sweep_file import SweepFile
from relclf.sweeps.variants import (
    Variant,
    all_settings,
    checked_variants,
    fingerprint,
    readable_name,
    variant_config,
)
from relclf.training.corpus import Corpus, read_corpus, with_hashes

MOST_RUNS = 1000
"""More are trained only when a person says so."""


@dataclass(frozen=True)
class Plan:
    """A sweep about to run."""

    sweep: SweepFile
    folder: SweepFolder
    seeds: tuple[int, ...]
    variants: tuple[Variant, ...]
    """All of a grid or a random sweep; of a search those that it has tried before."""
    typical: ExperimentConfig
    """One variant's, for what all have in common."""
    corpus: Corpus
    """The typical variant's, for what is said of the data."""
    threads: int = 1
    """Of a run whose config leaves them open."""

    def runs(self, variant: Variant) -> tuple[PlannedRun, ...]:
        """The runs of a variant, one a seed."""
        return tuple(
            PlannedRun(self.folder.run(variant.name, seed), seed, self._seeded(variant.config, seed))
            for seed in self.seeds
        )

    def _seeded(self, config: ExperimentConfig, seed: int) -> ExperimentConfig:
        data = config.data
        if self.sweep.split == "resample":
            data = data.model_copy(update={"split_seed": seed})
        training = config.training.model_copy(update={"threads": config.training.threads or self.threads})
        return config.model_copy(update={"seed": seed, "data": data, "training": training})


def plan_sweep(sweep: SweepFile, folder: SweepFolder, yes: bool) -> tuple[Plan, RunLock]:
    """Settle what is to be trained and take the folder's lock. Raises UserMistake before anything is made."""
    seeds = len(sweep.seeds) if isinstance(sweep.seeds, tuple) else sweep.seeds
    if sweep.variants * seeds > MOST_RUNS and not yes:
        raise UserMistake(
            f"{sweep.path}: {sweep.variants:,} variants x {seeds} seeds are {sweep.variants * seeds:,} runs. "
            "Give --yes to train them all, or draw some of them with `random:`."
        )
    settings = _samples(sweep) if sweep.kind == "search" else all_settings(sweep)
    variants = checked_variants(sweep, settings)
    variants, corpora = _with_data(variants, sweep)
    if sweep.kind == "search" and variants[0].config.data.all_data:
        raise UserMistake(
            f"{sweep.path}: a search needs dev scores, which data.all_data leaves out. Remove it."
        )
    typical = variants[0].config
    lock = lock_folder(folder)
    try:
        known = KnownRuns(folder, sweep)
        variants = _tried_before(sweep, folder, known) if sweep.kind == "search" else known.named(variants)
    except BaseException:
        lock.release()
        raise
    numbers = (
        sweep.seeds if isinstance(sweep.seeds, tuple) else range(typical.seed, typical.seed + sweep.seeds)
    )
    return Plan(sweep, folder, tuple(numbers), tuple(variants), typical, corpora[0]), lock


def _samples(sweep: SweepFile) -> Iterator[Mapping[str, Any]]:
    """One setting of a search, and each key at its bounds or choices beside it: what can be checked beforehand."""
    sample = {key: draw(distribution, key, sweep.draw_seed, 0) for key, distribution in sweep.space.items()}
    yield sample
    for key, distribution in sweep.space.items():
        ends = (
            distribution.values if isinstance(distribution, Choice) else (distribution.low, distribution.high)
        )
        yield from ({**sample, key: value} for value in ends)


def _tried_before(sweep: SweepFile, folder: SweepFolder, known: KnownRuns) -> list[Variant]:
    """The variants of a search that lie in its folder, in their order."""
    described = (read_description(folder) or {}).get("variants", [])
    tried = [
        Variant(each["name"], each["settings"], variant_config(sweep, each["settings"])) for each in described
    ]
    return known.named(_with_data(tried, sweep)[0]) if tried else []


def _with_data(variants: Sequence[Variant], sweep: SweepFile) -> tuple[list[Variant], list[Corpus]]:
    """The variants with the hashes of their files, which are read once each. Raises UserMistake."""
    corpora: dict[str, tuple[ExperimentConfig, Corpus]] = {}
    hashed: list[Variant] = []
    for variant in variants:
        config = variant.config
        if sweep.split == "resample" and (isinstance(config.data.dev, Path) or config.data.all_data):
            raise UserMistake(
                f"{sweep.path}: split: resample draws the dev set from train, but data.dev is no share of it "
                f"(got {config.data.dev}). Set data.dev to a share such as 0.1, or remove `split`."
            )
        if sweep.split == "resample" and (
            isinstance(config.data.test, float) or config.data.fold is not None
        ):
            raise UserMistake(
                f"{sweep.path}: split: resample would draw another test set for each seed, for data.test is a share of "
                "train. Name a test file, or remove `split`."
            )
        needs = repr((config.data, config.encoding))
        if needs not in corpora:
            found = with_hashes(config)
            corpora[needs] = found, read_corpus(found)
        hashes = corpora[needs][0].data.sha256
        data = config.data.model_copy(update={"sha256": hashes})
        hashed.append(replace(variant, config=config.model_copy(update={"data": data})))
    return hashed, [corpus for _, corpus in corpora.values()]


def next_variant(plan: Plan, settings: Mapping[str, Any], tried: Sequence[Variant]) -> Variant | None:
    """The variant that a search has proposed, named; None where it has been tried. Raises UserMistake."""
    sweep = plan.sweep
    config = variant_config(sweep, settings)
    if any(fingerprint(each.config, sweep) == fingerprint(config, sweep) for each in tried):
        return None
    hashed, _ = _with_data([Variant("", settings, config)], sweep)
    name = readable_name(settings, sweep, [each.name for each in tried])
    KnownRuns(plan.folder, sweep).check(name, hashed[0].config)
    return replace(hashed[0], name=name)
