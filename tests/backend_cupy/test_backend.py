"""Transfers of the CuPy backend: on a GPU where there is one, and their arithmetic of axes everywhere."""

from __future__ import annotations

import contextlib
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kusari.backend import Backend
from kusari.errors import BackendUnavailable
from kusari_cupy.backend import CupyBackend
from kusari_cupy.spec import kusari_register_backend


class HostDevice(contextlib.nullcontext[None]):
    """A device that needs no entering."""

    id = 0

    def __init__(self, index: int = 0) -> None:
        super().__init__()


class HostArray(np.ndarray[Any, Any]):
    """A NumPy array that knows a device, as CuPy's do."""

    device = HostDevice()


def stand_in() -> ModuleType:
    """Return a module with the calls that transfers make of CuPy, on host memory: only C order, as CuPy's."""
    stream = SimpleNamespace(record=object, wait_event=lambda event: None)
    module = ModuleType("cupy")
    module.__dict__.update(
        ndarray=HostArray,
        array=lambda a, dtype, order, blocking: np.array(a, dtype=dtype, order=order).view(HostArray),
        asnumpy=lambda a: np.array(a, order="C"),
        ascontiguousarray=lambda a: np.ascontiguousarray(a).view(HostArray),
        cuda=SimpleNamespace(
            Device=HostDevice,
            get_current_stream=lambda: stream,
            pinned_memory=SimpleNamespace(is_memory_pinned=lambda pointer: False),
        ),
    )
    return module


@st.composite
def laid_out(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    """Arrays of any rank, with their axes in any order in memory."""
    order = draw(st.permutations(range(draw(st.integers(0, 5)))))
    shape = [draw(st.integers(0, 4)) for _ in order]
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return values.transpose(order)


@given(laid_out())
def test_transfers_keep_values_and_memory_format(array: np.ndarray[Any, Any]) -> None:
    backend = CupyBackend(stand_in(), np, 1)
    there = backend.from_host(array)
    for copy in (backend.to_host(there), backend.transfer(there, 0), there):
        np.testing.assert_array_equal(np.asarray(copy), array)
        if array.size:
            kept = [stride for stride, length in zip(copy.strides, copy.shape, strict=True) if length > 1]
            assert kept == [stride for stride, length in zip(array.strides, array.shape, strict=True) if length > 1]
            assert not np.shares_memory(copy, array)


def test_a_device_that_is_not_there_is_an_error() -> None:
    backend = CupyBackend(stand_in(), np, 1)
    with pytest.raises(ValueError, match=r"1 device\(s\), numbered from 0; asked for 1"):
        backend.from_host(np.zeros(2, np.float32), index=1)


@pytest.fixture
def gpu() -> Backend:
    try:
        return kusari_register_backend().open()
    except BackendUnavailable as reason:
        pytest.skip(str(reason))


def test_round_trip_on_a_gpu(gpu: Backend) -> None:
    channels_last = np.arange(2 * 5 * 7 * 3, dtype=np.float32).reshape(2, 5, 7, 3).transpose(0, 3, 1, 2)
    there = gpu.from_host(channels_last)
    assert there.strides == channels_last.strides
    back = gpu.to_host(there)
    np.testing.assert_array_equal(back, channels_last)
    assert back.strides == channels_last.strides


def test_events_measure_on_a_gpu(gpu: Backend) -> None:
    first, second = gpu.event(), gpu.event()
    first.record(gpu.current_stream())
    gpu.from_host(np.zeros(1 << 20, np.float32))
    second.record()
    second.synchronize()
    assert second.elapsed_since(first) > 0
