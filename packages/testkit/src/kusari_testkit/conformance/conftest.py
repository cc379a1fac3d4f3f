"""One run of every test for each device, case and dtype."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kusari.backend import Backend, Device
from kusari_testkit.cases import Case
from kusari_testkit.plugin import DEVICES
from kusari_testkit.small import ends


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Fill ``device`` with what ``--backend`` names, ``case`` and ``dtype`` with a table and what the device has."""
    if "device" not in metafunc.fixturenames:
        return
    devices = metafunc.config.stash[DEVICES]
    marker = metafunc.definition.get_closest_marker("kusari_cases")
    if marker is None:
        metafunc.parametrize("device", devices, ids=str, scope="session")
        return
    wanted = metafunc.config.getoption("kusari_cases") or ("",)
    table = [case for case in marker.args[0] if any(text in str(case) for text in wanted)]
    where: Callable[[Device], bool] = marker.kwargs.get("where", lambda device: True)
    devices = [device for device in devices if where(device)]
    if "dtype" in metafunc.fixturenames:
        found = [
            (device, case, dtype) for device in devices for case in table for dtype in case.dtypes_on(device.backend)
        ]
        ids = [f"{device}-{case}-{dtype}" for device, case, dtype in found]
        metafunc.parametrize(("device", "case", "dtype"), found, ids=ids)
    else:
        pairs = [(device, case) for device in devices for case in table if case.dtypes_on(device.backend)]
        metafunc.parametrize(("device", "case"), pairs, ids=[f"{device}-{case}" for device, case in pairs])


@pytest.fixture
def backend(device: Device) -> Backend:
    """The backend of the device."""
    return device.backend


@pytest.fixture
def dtypes(device: Device, case: Case, request: pytest.FixtureRequest) -> list[str]:
    """The dtypes that a test goes through by itself."""
    found = case.dtypes_on(device.backend)
    return ends(found) if request.config.getoption("kusari_size") == "small" else found
