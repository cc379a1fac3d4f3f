"""L1: the random source: repeatable, of the right dtype, in range, on the right device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kusari.backend import Device
from kusari.dtypes import host_dtype, is_floating

COUNT = 4096
DRAWS: dict[str, Callable[[Any, Any, Device], Any]] = {
    "uniform": lambda source, shape, device: source.uniform(shape, "float32", index=device.index),
    "normal": lambda source, shape, device: source.normal(shape, "float32", index=device.index),
    "integers": lambda source, shape, device: source.integers(shape, 0, 1 << 20, "int32", index=device.index),
}


def floating(device: Device) -> list[str]:
    """Return the names of the floating dtypes, sorted."""
    return sorted(name for name in device.backend.dtypes if is_floating(host_dtype(name)))


@pytest.mark.parametrize("kind", DRAWS)
def test_one_seed_gives_the_same_numbers(device: Device, kind: str) -> None:
    def draw(seed: int | None) -> list[np.ndarray[Any, Any]]:
        source = device.backend.random(seed)
        return [device.backend.to_host(DRAWS[kind](source, (3, 5), device)) for _ in range(2)]

    first, again, other = draw(7), draw(7), draw(8)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1]), "the second draw repeats the first"
    assert not np.array_equal(first, other), "another seed gives the same numbers"
    assert not np.array_equal(draw(None), draw(None)), "without a seed, sources repeat each other"


@pytest.mark.parametrize("kind", DRAWS)
def test_the_state_can_be_saved(device: Device, kind: str) -> None:
    source = device.backend.random(3)
    DRAWS[kind](source, (4,), device)
    state = source.get_state()
    expected = device.backend.to_host(DRAWS[kind](source, (3, 5), device))
    DRAWS[kind](source, (9,), device)
    source.set_state(state)
    np.testing.assert_array_equal(device.backend.to_host(DRAWS[kind](source, (3, 5), device)), expected)
    fresh = device.backend.random(4)
    fresh.set_state(state)
    np.testing.assert_array_equal(device.backend.to_host(DRAWS[kind](fresh, (3, 5), device)), expected)


@pytest.mark.parametrize("kind", DRAWS)
@pytest.mark.parametrize("shape", [(), (0, 2), (2, 3, 4)], ids=str)
def test_shape_and_device(device: Device, kind: str, shape: tuple[int, ...]) -> None:
    drawn: Any = DRAWS[kind](device.backend.random(0), shape, device)
    assert tuple(drawn.shape) == shape
    assert isinstance(drawn, device.backend.array_types)
    assert device.backend.index_of(drawn) == device.index


def test_uniform_stays_below_its_upper_end(device: Device) -> None:
    source = device.backend.random(1)
    for name in floating(device):
        drawn = source.uniform((COUNT * 4,), name, -0.5, 0.25, index=device.index)
        assert drawn.dtype == device.backend.native_dtype(name)
        host = device.backend.to_host(drawn).astype(np.float64)
        assert host.min() >= -0.5, name
        assert host.max() < 0.25, name
        assert abs(host.mean() + 0.125) < 0.75 / np.sqrt(12 * host.size) * 6 + 2e-3, name
        assert host.min() < -0.49, name
        assert host.max() > 0.24, name


def test_normal_has_the_mean_and_the_deviation(device: Device) -> None:
    source = device.backend.random(2)
    for name in floating(device):
        drawn = source.normal((COUNT,), name, 3.0, 0.5, index=device.index)
        assert drawn.dtype == device.backend.native_dtype(name)
        host = device.backend.to_host(drawn).astype(np.float64)
        assert abs(host.mean() - 3) < 6 * 0.5 / np.sqrt(COUNT), name
        assert abs(host.std() - 0.5) < 0.05, name
        assert np.abs(host - 3).max() > 1.2, f"{name}: no tails"


def test_integers_reach_both_ends(device: Device) -> None:
    source = device.backend.random(3)
    for name in ("int32", "int64", "uint8"):
        drawn = source.integers((COUNT,), 2, 7, name, index=device.index)
        assert drawn.dtype == device.backend.native_dtype(name)
        values, counts = np.unique(device.backend.to_host(drawn), return_counts=True)
        np.testing.assert_array_equal(values, [2, 3, 4, 5, 6])
        assert counts.min() > COUNT / 5 * 0.8, name
