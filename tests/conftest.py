"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # tests run side by side; threads that wait for each other burn CPU time

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real corpora beside the project; tests that need it skip where it is missing."""
    if not SHARED.is_dir():
        pytest.skip("needs the real corpora in the folder `shared` beside the project")
    return SHARED
