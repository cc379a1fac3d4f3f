"""L2: what goes by way of the host; ``--no-host-kernels`` allows none."""

from __future__ import annotations

import pytest

from kusari.backend import Backend
from kusari_testkit.host_kernels import host_kernels


def test_no_kernel_goes_by_way_of_the_host(backend: Backend, request: pytest.FixtureRequest) -> None:
    found = host_kernels(backend)
    if found and not request.config.getoption("kusari_no_host_kernels"):
        pytest.skip(f"allowed (no --no-host-kernels): {', '.join(found)}")
    assert not found, f"these kernels copy to the host and back: {', '.join(found)}"
