"""The backends of this machine that the matrix runs over, beside NumPy's, which everything is compared with."""

from __future__ import annotations

import pytest

from kusari.backend import Device, get_backend, registry
from kusari.errors import BackendUnavailable

NAMES = ("strict", "triton-interpret", "cupy", "triton")


@pytest.fixture(scope="session", params=NAMES)
def device(request: pytest.FixtureRequest) -> Device:
    """The first device of each installed backend; the others are skipped with the reason."""
    if request.param not in registry.specs():
        pytest.skip(f"backend {request.param!r} is not installed")
    try:
        return Device(get_backend(request.param))
    except BackendUnavailable as error:
        pytest.skip(str(error))
