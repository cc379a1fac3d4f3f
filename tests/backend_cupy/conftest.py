"""Fixtures of the CuPy plugin's tests."""

from __future__ import annotations

import pytest
from tests.backend_cupy.host_cupy import host_backend

from kusari_cupy.backend import CupyBackend


@pytest.fixture(scope="session")
def host() -> CupyBackend:
    """The plugin's backend, its kernels compiled for the host."""
    return host_backend()
