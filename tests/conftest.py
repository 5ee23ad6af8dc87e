"""Fixtures shared by all tests."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real corpora beside the project; tests that need it skip where it is missing."""
    if not SHARED.is_dir():
        pytest.skip("needs the real corpora in the folder `shared` beside the project")
    return SHARED
