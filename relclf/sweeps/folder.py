"""The folder of a sweep: its sweep.json, and the runs that lie in it from before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relclf.config.loading import changed_keys, load_config
from relclf.config.schema import ExperimentConfig
from relclf.errors import Failure, UserMistake
from relclf.runs.directory import RunDirectory
from relclf.runs.files import read_json, write_bytes, write_json
from relclf.runs.lock import RunLock
from relclf.sweeps.sweep_file import SweepFile
from relclf.sweeps.variants import Variant, fingerprint, readable_name

FORMAT = 1
"""The version of sweep.json; a newer one is refused."""
_NO_SETTINGS = ("seed", "training.device", "training.threads")


@dataclass(frozen=True)
class SweepFolder:
    """The paths of a sweep (docs/sweeps.md)."""

    path: Path

    @property
    def description(self) -> Path:
        return self.path / "sweep.json"

    @property
    def copy(self) -> Path:
        """The sweep file as it was when the sweep last began."""
        return self.path / "sweep.yaml"

    def run(self, variant: str, seed: int) -> Path:
        """The run directory of one variant and seed."""
        return self.path / variant / f"seed-{seed}"


def sweep_folder(sweeps_dir: Path, name: str) -> SweepFolder:
    """The folder of a sweep of that name. Raises UserMistake where it is no name of a folder."""
    if not name.strip() or Path(name).name != name or "\0" in name:
        raise UserMistake(f"--name: must be the name of a folder in {sweeps_dir} (got {name!r}).")
    return SweepFolder(sweeps_dir / name)


def lock_folder(folder: SweepFolder) -> RunLock:
    """Make the folder where it is missing and take its lock. Raises UserMistake where another sweep has it."""
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(
            f"{folder.path}: cannot be made ({error.strerror}). Choose another folder with --sweeps-dir."
        ) from None
    try:
        return RunLock(folder.path)
    except UserMistake:
        raise UserMistake(
            f"{folder.path}: another sweep is running in this folder. Wait for it, stop it, or give --name."
        ) from None


def read_description(folder: SweepFolder) -> dict[str, Any] | None:
    """The content of sweep.json; None where there is no sweep yet. Raises UserMistake."""
    if not folder.description.exists():
        return None
    value = read_json(folder.description, "It describes the sweep; remove it to have it written anew.")
    if not isinstance(value, dict) or not isinstance(value.get("format"), int):
        raise UserMistake(
            f"{folder.description}: no description of a sweep. Remove it, or give another --name."
        )
    if value["format"] > FORMAT:
        raise UserMistake(
            f"{folder.description}: of format {value['format']}; this relclf reads formats up to {FORMAT}. "
            "Install a newer relclf."
        )
    return value


def write_description(
    folder: SweepFolder,
    sweep: SweepFile,
    seeds: Sequence[int],
    variants: Sequence[Variant],
    ended_early: Mapping[str, int],
) -> None:
    """Write sweep.json; `ended_early` has the epoch after which a search ended a variant."""
    early = {name: {"ended_early": epoch} for name, epoch in ended_early.items()}
    write_json(
        folder.description,
        {
            "format": FORMAT,
            "name": folder.path.name,
            "kind": sweep.kind,
            "keys": list(sweep.space),
            "split": sweep.split,
            "seeds": list(seeds),
            "variants": [
                {"name": each.name, "settings": dict(each.settings), **early.get(each.name, {})}
                for each in variants
            ],
        },
    )


def keep_copy(folder: SweepFolder, sweep: SweepFile) -> None:
    """Keep a copy of the sweep file beside the runs."""
    write_bytes(folder.copy, sweep.path.read_bytes())


class KnownRuns:
    """The variants whose runs lie in a folder from before, found by their configs."""

    def __init__(self, folder: SweepFolder, sweep: SweepFile) -> None:
        self._folder, self._sweep = folder, sweep
        described = (read_description(folder) or {}).get("variants", [])
        self._names: dict[str, str] = {}
        for name in [each["name"] for each in described]:
            if (config := self.config(name)) is not None:
                self._names.setdefault(fingerprint(config, sweep), name)

    def config(self, name: str) -> ExperimentConfig | None:
        """The config that a variant's first run was trained with; None where it has no run."""
        paths = sorted(
            path for path in (self._folder.path / name).glob("seed-*") if RunDirectory(path).config.is_file()
        )
        return load_config(RunDirectory(paths[0]).config) if paths else None

    def named(self, variants: Sequence[Variant]) -> list[Variant]:
        """The variants with names, those that have runs with theirs. Raises UserMistake where others lie there."""
        known = [self._names.get(fingerprint(each.config, self._sweep)) for each in variants]
        taken = {name for name in known if name is not None}
        named: list[Variant] = []
        for variant, name in zip(variants, known, strict=True):
            if name is None:
                name = readable_name(variant.settings, self._sweep, taken)
                taken.add(name)
            self.check(name, variant.config)
            named.append(Variant(name, variant.settings, variant.config))
        return named

    def check(self, name: str, config: ExperimentConfig) -> None:
        """Raise UserMistake where the folder `name` holds runs of another config than `config`."""
        found = self.config(name)
        if found is None:
            return
        before, now = found.data.sha256.model_dump(), config.data.sha256.model_dump()
        if files := [key for key in now if None not in (before[key], now[key]) and before[key] != now[key]]:
            raise UserMistake(
                f"{self._folder.path / name}: its runs were trained on other data: "
                f"{' and '.join(files)} changed since. "
                "Restore the data, or give the sweep another --name."
            )
        if fingerprint(found, self._sweep) == fingerprint(config, self._sweep):
            return
        keys = [key for key in changed_keys(found, config) if key not in _NO_SETTINGS and "sha256" not in key]
        raise UserMistake(
            f"{self._folder.path / name}: its runs were trained with another {', '.join(keys)}, and finished runs are "
            "never changed. Give the sweep another --name, or set the base config back."
        )
