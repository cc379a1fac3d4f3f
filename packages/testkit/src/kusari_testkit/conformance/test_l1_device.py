"""L1: devices, transfers (which copy), memory formats, DLPack, time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kusari.backend import Backend, Device, device_of_array, get_device
from kusari.dtypes import host_dtype, is_floating
from kusari_testkit.layout import FORMATS, is_dense, place

HOST = np.arange(24, dtype="float32").reshape(2, 3, 4)
HOST.flags.writeable = False


def other_index(device: Device) -> int:
    """Return another device's index, or skip."""
    count = len(device.backend.devices())
    if count < 2:
        pytest.skip(f"{device.backend.name} has one device here")
    return (device.index + 1) % count


def example(name: str) -> np.ndarray[Any, Any]:
    """Return numbers that tell a dtype from its neighbours: ends of its range, and infinities where it has some."""
    dtype = host_dtype(name)
    if name == "bool":
        return np.asarray([True, False, True])
    if dtype.kind in "iu":
        return np.asarray([np.iinfo(dtype).min, 0, 1, np.iinfo(dtype).max], dtype)
    return np.asarray([0.0, -0.0, 1.5, -2.25, np.inf, -np.inf, np.nan], dtype)


def test_devices_are_numbered_from_0(backend: Backend) -> None:
    count = len(backend.devices())
    assert count >= 1
    for index in range(count):
        assert backend.device(index) == backend.devices()[index]
    for index in (count, -1):
        with pytest.raises(ValueError, match=backend.name):
            backend.device(index)


def test_an_array_is_where_it_was_sent(backend: Backend) -> None:
    for index in range(len(backend.devices())):
        array = backend.from_host(HOST, index)
        assert backend.index_of(array) == index, f"sent to {index}, found on {backend.index_of(array)}"
        assert Device(backend, index).holds(array)


def test_arrays_know_their_device(device: Device) -> None:
    found = device_of_array(device.backend.from_host(HOST, device.index))
    assert found.memory == device.memory


def test_every_dtype_survives_the_way_there_and_back(device: Device) -> None:
    for name in sorted(device.backend.dtypes):
        host = example(name)
        array = device.backend.from_host(host, device.index)
        assert array.dtype == device.backend.native_dtype(name)
        assert isinstance(array, device.backend.array_types)
        back = device.backend.to_host(array)
        assert isinstance(back, np.ndarray)
        assert back.dtype == host.dtype
        wide = "float64" if is_floating(host.dtype) else host.dtype  # NumPy does not know bfloat16's NaN for one
        np.testing.assert_array_equal(back.astype(wide), host.astype(wide))
        if is_floating(host.dtype):
            np.testing.assert_array_equal(np.signbit(back[:2]), [False, True])


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0, 2), (2, 1, 3, 1, 2)], ids=str)
def test_every_shape_survives(device: Device, shape: tuple[int, ...]) -> None:
    host = np.random.default_rng(0).standard_normal(shape).astype("f").reshape(shape)
    array = device.backend.from_host(host, device.index)
    assert tuple(array.shape) == shape
    np.testing.assert_array_equal(device.backend.to_host(array), host)


def from_host(device: Device, host: np.ndarray[Any, Any], copy: bool = True) -> Any:
    """Send by the backend."""
    return device.backend.from_host(host, device.index, copy=copy)


SOURCES: dict[str, Callable[[], np.ndarray[Any, Any]]] = {
    "dense": HOST.copy,
    "transposed": lambda: HOST.copy().transpose(0, 2, 1),
    "strided": lambda: HOST.copy()[..., ::2],
    "reversed": lambda: HOST.copy()[::-1, :, ::-1],
    "broadcast": lambda: np.broadcast_to(HOST[:1], (4, 3, 4)),
}


@pytest.mark.parametrize("source", SOURCES)
def test_any_host_array_can_be_sent(device: Device, source: str) -> None:
    host = SOURCES[source]()
    host.flags.writeable = False
    for copy in (True, False):
        np.testing.assert_array_equal(device.backend.to_host(from_host(device, host, copy)), host)


def test_from_host_copies(device: Device) -> None:
    host = HOST.copy()
    array = from_host(device, host)
    host[...] = -1
    np.testing.assert_array_equal(
        device.backend.to_host(array), HOST, "writing to the host's array changed the device's"
    )
    host = HOST.copy()
    array = from_host(device, host)
    array[...] = -1
    np.testing.assert_array_equal(host, HOST, "writing to the device's array changed the host's")


def test_to_host_copies(device: Device) -> None:
    array = from_host(device, HOST)
    host = device.backend.to_host(array)
    assert host.flags.writeable
    host[...] = -1
    np.testing.assert_array_equal(
        device.backend.to_host(array), HOST, "writing to the host's array changed the device's"
    )
    host = device.backend.to_host(array)
    array[...] = -1
    np.testing.assert_array_equal(host, HOST, "writing to the device's array changed the host's")


@pytest.mark.parametrize("memory_format", ["dense", "read-only", *FORMATS])
def test_to_host_takes_any_strides(device: Device, memory_format: str) -> None:
    (array,) = place([HOST], device, memory_format)
    np.testing.assert_array_equal(device.backend.to_host(array), HOST)


def test_transfers_between_devices_copy(device: Device) -> None:
    other = other_index(device)
    array = from_host(device, HOST)
    moved = device.backend.transfer(array, other)
    assert device.backend.index_of(moved) == other
    np.testing.assert_array_equal(device.backend.to_host(moved), HOST)
    moved[...] = -1
    np.testing.assert_array_equal(device.backend.to_host(array), HOST)
    back = device.backend.transfer(moved, device.index)
    assert device.backend.index_of(back) == device.index
    np.testing.assert_array_equal(device.backend.to_host(back), np.full_like(HOST, -1))


def test_what_is_here_already_is_not_copied(device: Device) -> None:
    array = from_host(device, HOST)
    assert device.send(array) is array
    assert device.send(None) is None
    sent = device.send([array, (array, None)])
    assert sent[0] is array
    assert sent[1][0] is array


def test_send_reaches_the_device_from_the_host_and_from_its_neighbours(device: Device) -> None:
    sent = device.send(HOST)
    assert device.holds(sent)
    np.testing.assert_array_equal(device.backend.to_host(sent), HOST)
    away = device.backend.from_host(HOST, other_index(device))
    sent = device.send(away)
    assert sent is not away
    assert device.holds(sent)
    np.testing.assert_array_equal(device.backend.to_host(sent), HOST)


def test_memory_formats_survive_transfers(device: Device) -> None:
    backend = device.backend
    channels_last = np.ascontiguousarray(np.moveaxis(HOST, 1, -1)).transpose(0, 2, 1)
    array = backend.from_host(channels_last, device.index)
    strides = backend.strides(array)
    if strides is None:
        pytest.skip(f"{backend.name} does not tell strides")
    assert strides == channels_last.strides, "from_host changed the memory format"
    assert backend.to_host(array).strides == channels_last.strides, "to_host changed the memory format"
    count = len(backend.devices())
    moved = backend.transfer(array, (device.index + 1) % count)
    found = backend.strides(moved)
    assert found is not None
    assert is_dense(HOST.shape, found, HOST.itemsize)


def test_dlpack_leads_out_and_in(device: Device) -> None:
    backend, xp = device.backend, device.xp
    array = from_host(device, HOST)
    if not hasattr(array, "__dlpack__"):
        pytest.skip(f"{backend.name} has no DLPack")
    twin = xp.from_dlpack(array)
    assert isinstance(twin, backend.array_types)
    np.testing.assert_array_equal(backend.to_host(twin), HOST)
    if array.__dlpack_device__()[0] == 1 and device.index == 0:  # kDLCPU
        np.testing.assert_array_equal(np.from_dlpack(array), HOST)


def test_the_device_can_be_made_current(device: Device) -> None:
    backend = device.backend
    with backend.use(device.index):
        assert backend.is_current(device.index)
        with backend.use(device.index):
            assert backend.is_current(device.index)
        assert backend.is_current(device.index)


def test_streams_events_and_the_timer(device: Device) -> None:
    backend = device.backend
    with backend.use(device.index):
        stream = backend.current_stream(device.index)
        first, second = backend.event(), backend.event()
        first.record()
        total = from_host(device, HOST) + 1
        second.record(stream)
        stream.wait(first)
        stream.synchronize()
        second.synchronize()
        assert second.elapsed_since(first) >= 0
        timer = backend.timer()
        for _ in range(2):  # a timer can be used again
            timer.start()
            total = total + 1
            seconds = timer.stop()
            assert isinstance(seconds, float)
            assert 0 <= seconds < 60
        backend.synchronize(device.index)
    np.testing.assert_array_equal(backend.to_host(total), HOST + 3)


def test_the_name_leads_back_to_the_device(device: Device) -> None:
    assert get_device(device.name) is device
