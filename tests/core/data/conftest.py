"""Datasets that worker processes can import, and a look at the shared memory that is left behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # workers are given this process's path


@pytest.fixture(autouse=True)
def _nothing_left_in_shared_memory() -> Iterator[None]:
    yield
    assert segments() == []


def segments() -> list[str]:
    """Return the names of this process's segments."""
    folder = Path("/dev/shm")
    return [path.name for path in folder.glob(f"kusari-{os.getpid()}-*")] if folder.is_dir() else []
