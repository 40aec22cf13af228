"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real sensor data; the test is skipped where it is absent."""
    path = Path(os.environ.get("PERCEPTION_STACK_DATA", _ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no data at {path}; set PERCEPTION_STACK_DATA to its folder")
    return path
