"""Backend: what ``Backend(name, xp, array_types)`` does by default, on NumPy and on array-api-strict."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kusari.backend import Backend, get_backend, host_generator, missing_names, random_source, seed
from kusari.dtypes import STANDARD_NAMES
from kusari.kernels import update


# Construction. ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["", "two words", "a:0", "1st", "@x"])
def test_a_name_is_a_word(name: str) -> None:
    with pytest.raises(ValueError, match="expected a word of letters, digits, '-' and '_'"):
        Backend(name, np, (np.ndarray,))


def test_a_backend_has_arrays_of_its_own_or_a_bases() -> None:
    with pytest.raises(ValueError, match="'empty': give the classes of its arrays, or a base"):
        Backend("empty", np)
    base = Backend("base", np, (np.ndarray,))
    top = Backend("top", np, base=base)
    assert top.array_types == (np.ndarray,)
    assert (top.root, top.chain, top.on_host) == (base, (top, base), True)
    assert top.dtypes == base.dtypes
    assert top.devices() == base.devices()


def test_the_array_modules_are_complete(backend: Backend) -> None:
    assert missing_names(backend.xp) == []


def test_a_missing_name_is_found(backend: Backend) -> None:
    class Lacking:
        def __getattr__(self, name: str) -> Any:
            if name in ("unstack", "vecdot"):
                raise AttributeError(name)
            return getattr(backend.xp, name)

    assert missing_names(Lacking()) == ["unstack", "vecdot"]


# Devices. -----------------------------------------------------------------------------------------------------------
def test_devices_are_those_with_all_dtypes(strict: Backend) -> None:
    info = strict.xp.__array_namespace_info__()
    lacking = [device for device in info.devices() if "float64" not in info.dtypes(device=device)]
    assert lacking  # else this test says nothing
    assert len(strict.devices()) >= 3
    assert not set(lacking) & set(strict.devices())
    assert strict.device(0) == info.default_device()


def test_a_device_that_is_not_there(backend: Backend) -> None:
    count = len(backend.devices())
    for index in (-1, count):
        with pytest.raises(ValueError, match=rf"has {count} device\(s\), numbered from 0; asked for {index}"):
            backend.device(index)


def test_arrays_know_their_device(strict: Backend) -> None:
    for index in range(len(strict.devices())):
        assert strict.index_of(strict.from_host(np.ones(2), index)) == index


# Transfers. ---------------------------------------------------------------------------------------------------------
def test_transfers_copy_both_ways(backend: Backend) -> None:
    source = np.asarray([1.0, 2.0])
    sent = backend.from_host(source)
    source[0] = 9
    np.testing.assert_array_equal(backend.to_host(sent), [1, 2])
    fetched = backend.to_host(sent)
    sent[1] = 7
    np.testing.assert_array_equal(fetched, [1, 2])
    fetched[:] = 0  # it is writable
    np.testing.assert_array_equal(backend.to_host(sent), [1, 7])


def test_transfers_between_devices_copy(strict: Backend) -> None:
    first = strict.from_host(np.asarray([1.0, 2.0]), 0)
    second = strict.transfer(first, 2)
    assert strict.index_of(second) == 2
    first[0] = 9
    np.testing.assert_array_equal(strict.to_host(second), [1, 2])
    again = strict.transfer(second, 2)
    second[0] = 5
    np.testing.assert_array_equal(strict.to_host(again), [1, 2])


SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@settings(deadline=None, max_examples=50)
@given(shape=SHAPES, reverse=st.booleans(), dtype=st.sampled_from(["float32", "float64", "int8", "uint16", "bool"]))
def test_there_and_back_is_the_same(backend: Backend, shape: tuple[int, ...], reverse: bool, dtype: str) -> None:
    values = (np.arange(np.prod(shape, dtype=int)) % 2).astype(dtype).reshape(shape)
    values = values.T if reverse else values
    back = backend.to_host(backend.from_host(values))
    assert back.dtype == values.dtype
    assert back.shape == values.shape
    np.testing.assert_array_equal(back, values)


def test_strides_survive_a_transfer_on_the_host() -> None:
    backend = get_backend("numpy")
    channels_last = np.zeros((2, 4, 5, 3), "f").transpose(0, 3, 1, 2)
    assert backend.from_host(channels_last).strides == channels_last.strides
    assert backend.to_host(channels_last).strides == channels_last.strides
    assert backend.strides(channels_last) == channels_last.strides


def test_a_library_may_not_tell_strides(strict: Backend) -> None:
    assert strict.strides(strict.from_host(np.ones((2, 3)))) is None


def test_results_that_are_no_arrays_become_arrays(backend: Backend) -> None:
    scalar: Any = np.float64(2.5) if backend.on_host else 2.5
    made: Any = backend.as_array(scalar, None)
    assert made.shape == ()
    assert isinstance(made, backend.array_types)


# Data types. --------------------------------------------------------------------------------------------------------
def test_every_dtype_maps_there_and_back(backend: Backend) -> None:
    assert {"bool", "int32", "int64", "float32", "float64"} <= backend.dtypes <= set(STANDARD_NAMES)
    for name in backend.dtypes:
        native = backend.native_dtype(name)
        assert backend.host_dtype(native) == np.dtype(name)
        assert backend.host_dtype(backend.xp.zeros(1, dtype=native).dtype) == np.dtype(name)
        assert isinstance(backend.host_dtype(native), np.dtype)


def test_a_dtype_that_the_library_lacks(strict: Backend) -> None:
    assert "float16" not in strict.dtypes
    with pytest.raises(TypeError, match=r"backend 'strict' has no dtype 'float16'; it has .*float32"):
        strict.native_dtype("float16")
    with pytest.raises(TypeError, match="has no dtype 'float16'"):
        strict.from_host(np.ones(2, "float16"))


# Time. --------------------------------------------------------------------------------------------------------------
def test_streams_and_events_of_a_library_without_any(backend: Backend) -> None:
    stream = backend.current_stream()
    first, second = backend.event(), backend.event()
    first.record(stream)
    time.sleep(0.01)
    second.record()
    stream.wait(second)
    stream.synchronize()
    second.synchronize()
    backend.synchronize()
    assert second.elapsed_since(first) >= 0.01
    assert first.elapsed_since(second) <= -0.01


def test_an_event_that_was_not_recorded(backend: Backend) -> None:
    recorded = backend.event()
    recorded.record()
    with pytest.raises(RuntimeError, match=r"call record\(\) on both first"):
        recorded.elapsed_since(backend.event())


def test_the_timer_waits_for_the_device_on_both_sides() -> None:
    waits = []

    class Slow(Backend):
        def synchronize(self, index: int = 0) -> None:
            waits.append(index)
            time.sleep(0.01)

    timer = Slow("slow", np, (np.ndarray,)).timer()
    timer.start()
    assert timer.stop() >= 0.01
    assert waits == [0, 0]


# Many rows at once. -------------------------------------------------------------------------------------------------
def test_foreach_gives_each_row_its_own_scalars(backend: Backend, array: Callable[..., Any]) -> None:
    parameters = [array([1.0, 2.0]), array([[3.0]])]
    gradients = [array([1.0, 1.0]), array([[2.0]])]
    velocities = [array([0.0, 1.0]), array([[1.0]])]
    rows = backend.foreach(update.momentum_sgd, [parameters, gradients, velocities], [[0.1, 0.9], [0.5, 0.0]])
    expected = [([0.9, 2.8], [-0.1, 0.8]), ([[2.0]], [[-1.0]])]
    for row, values in zip(rows, expected, strict=True):
        for made, value in zip(row, values, strict=True):
            np.testing.assert_allclose(backend.to_host(made), np.asarray(value), rtol=1e-12)


def test_foreach_refuses_ragged_columns(backend: Backend, array: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="zip"):
        backend.foreach(update.sgd, [[array([1.0])], []], [[0.1]])
    with pytest.raises(ValueError, match="zip"):
        backend.foreach(update.sgd, [[array([1.0])], [array([1.0])]], [])


# Random numbers. ----------------------------------------------------------------------------------------------------
@pytest.fixture(autouse=True)
def _seeded() -> None:
    seed(1234)


def test_draws_have_the_shape_dtype_and_range(backend: Backend) -> None:
    source = backend.random(0)
    uniform = backend.to_host(source.uniform((1000,), "float32", -2.0, 3.0))
    assert uniform.dtype == np.float32
    assert uniform.min() >= -2
    assert uniform.max() < 3
    # 0.5 ± 5 standard errors of (b − a)/√12/√n.
    assert abs(uniform.mean() - 0.5) < 5 * 5 / np.sqrt(12 * 1000)
    normal = backend.to_host(source.normal((1000,), "float64", 2.0, 3.0))
    assert abs(normal.mean() - 2) < 5 * 3 / np.sqrt(1000)
    assert abs(normal.std() - 3) < 5 * 3 / np.sqrt(2 * 1000)
    integers = backend.to_host(source.integers((1000,), 2, 5, "int32"))
    assert integers.dtype == np.int32
    assert set(integers.tolist()) == {2, 3, 4}
    assert isinstance(source.uniform((), "float32"), backend.array_types)


def test_draws_land_on_the_device_asked_for(strict: Backend) -> None:
    source = strict.random(0)
    assert strict.index_of(source.uniform((2,), "float32", index=1)) == 1
    assert strict.index_of(source.normal((2,), "float32", index=2)) == 2
    assert strict.index_of(source.integers((2,), 0, 2, "int32", index=1)) == 1


def test_uniform_stays_below_high_where_rounding_would_reach_it() -> None:
    drawn = get_backend("numpy").random(0).uniform((200_000,), "float16")
    assert drawn.min() >= 0
    assert drawn.max() < 1


def test_one_seed_one_sequence_and_the_state_goes_on(backend: Backend) -> None:
    one, other = backend.random(7), backend.random(7)
    first = backend.to_host(one.normal((3,), "float64"))
    np.testing.assert_array_equal(first, backend.to_host(other.normal((3,), "float64")))
    state = one.get_state()
    following = backend.to_host(one.normal((3,), "float64"))
    assert not np.array_equal(first, following)
    one.set_state(state)
    np.testing.assert_array_equal(following, backend.to_host(one.normal((3,), "float64")))


def test_seed_restarts_every_stream_whoever_asks_first(backend: Backend) -> None:
    def draw(host_first: bool) -> tuple[float, float]:
        seed(5)
        if host_first:
            host = host_generator().random()
            return host, float(backend.to_host(random_source(backend).uniform((), "float64")))
        own = float(backend.to_host(random_source(backend).uniform((), "float64")))
        return host_generator().random(), own

    assert draw(True) == draw(False)
    host, own = draw(True)
    assert host != own
    seed(6)
    assert host_generator().random() != host
    assert random_source(backend) is random_source(backend)


def test_numpys_global_seed_repeats_a_run_that_seeds_nothing_else(run_python: Callable[..., str]) -> None:
    code = (
        "import numpy; numpy.random.seed({}); from kusari.backend import *; "
        "print(host_generator().random(), random_source(get_backend('numpy')).normal((2,), 'float64'))"
    )
    first, again, other = (run_python(code.format(value)) for value in (0, 0, 1))
    assert first == again != other
