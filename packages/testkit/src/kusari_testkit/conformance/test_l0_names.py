"""L0: the array module has the names that portable code uses, and dtypes map both ways."""

from __future__ import annotations

import numpy as np
import pytest

from kusari.backend import Backend, Device, missing_names
from kusari.dtypes import STANDARD_NAMES, host_dtype, is_floating

REQUIRED = ("bool", "int32", "int64", "uint8", "float32")


def test_the_array_module_has_every_name(backend: Backend) -> None:
    missing = missing_names(backend.xp)
    assert not missing, f"{backend.xp.__name__} lacks {', '.join(missing)} of the array API standard 2024.12"


def test_the_dtypes_that_everything_needs(backend: Backend) -> None:
    missing = [name for name in REQUIRED if name not in backend.dtypes]
    assert not missing, f"{backend.name} lacks {', '.join(missing)}"
    unknown = backend.dtypes - set(STANDARD_NAMES)
    assert not unknown, f"{sorted(unknown)}: expected names among {STANDARD_NAMES}"


def test_dtypes_map_both_ways(device: Device) -> None:
    backend = device.backend
    for name in sorted(backend.dtypes):
        native = backend.native_dtype(name)
        assert backend.native_dtype(host_dtype(name)) == native
        array = backend.xp.zeros((2,), dtype=native, device=device.native)
        assert array.dtype == native, f"zeros(dtype={native}) gave {array.dtype}"
        assert backend.host_dtype(array.dtype) == host_dtype(name)
        assert isinstance(backend.host_dtype(array.dtype), np.dtype)


def test_what_is_no_dtype_of_the_library_is_refused(backend: Backend) -> None:
    with pytest.raises(TypeError):
        backend.native_dtype(np.dtype("datetime64[s]"))


def test_array_types_are_those_of_the_module(device: Device) -> None:
    backend, xp = device.backend, device.xp
    array = xp.ones((2, 3), dtype=backend.native_dtype("float32"), device=device.native)
    for made in (array, array[0, ...], array + array, xp.permute_dims(array, (1, 0)), xp.astype(array, xp.int32)):
        assert isinstance(made, backend.array_types), f"{type(made)} is not among {backend.array_types}"


def test_arrays_are_mutable(device: Device) -> None:
    backend, xp = device.backend, device.xp
    array = xp.zeros((3, 4), dtype=backend.native_dtype("float32"), device=device.native)
    array[1, 2] = 5.0
    array[:, 0] = 1.0
    array[0, 1:3] += 2.0
    array[array > 4] = 7.0
    expected = np.zeros((3, 4))
    expected[:, 0], expected[0, 1:3], expected[1, 2] = 1, 2, 7
    np.testing.assert_array_equal(backend.to_host(array), expected)


def test_operations_stay_on_the_device(device: Device) -> None:
    backend, xp = device.backend, device.xp
    array = xp.ones((2, 3), dtype=backend.native_dtype("float32"), device=device.native)
    for made in (array + 1, xp.zeros_like(array), xp.matmul(array, array[0, ...]), xp.sum(array, axis=0)):
        assert backend.index_of(made) == device.index


def test_constants_take_the_dtype_of_arrays(device: Device) -> None:
    backend = device.backend
    for name in sorted(backend.dtypes - {"bfloat16"}):  # which the host's ml_dtypes widens: kernels cast
        if is_floating(host_dtype(name)):
            array = backend.xp.ones((2,), dtype=backend.native_dtype(name), device=device.native)
            for made in (array * 2.0, 1 + array, array**2, array / 3, -array):
                assert made.dtype == array.dtype, f"{name} with a Python number gave {made.dtype}"
