"""Describes the software and hardware that a run was made with; no host or user name."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from relclf.version import __version__

PACKAGES = ("torch", "numpy", "safetensors", "pydantic")


def describe_environment(device: str, device_name: str, threads: int) -> dict[str, Any]:
    """Versions, commit, device and threads, as JSON."""
    return {
        "relclf": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "device": device,
        "device_name": device_name,
        "threads": threads,
        "cores": available_cores(),
    }


def available_cores() -> int:
    """The CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usual_threads() -> int:
    """How many threads a training has that names no number: OMP_NUM_THREADS where it is one, else a thread a core."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) > 0 else available_cores()


def _commit() -> str | None:
    """The commit of relclf's own checkout, with "+changes" where it is not clean; None outside a checkout."""
    project = Path(__file__).resolve().parents[2]
    if not (project / ".git").exists():
        return None
    try:
        commit = _git(project, "rev-parse", "HEAD")
        return commit + ("+changes" if _git(project, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(project: Path, *arguments: str) -> str:
    command = ["git", "-C", str(project), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
