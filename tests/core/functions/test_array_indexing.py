"""Indexing by arrays and masks, and scattering: against NumPy's own rules, on each backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from kusari.autograd import Variable
from kusari.autograd.indexing import get_item
from kusari.backend import Backend
from kusari.configuration import using_config
from kusari.errors import InvalidType, SynchronizationError
from kusari.functions.array.scatter_add import scatter_add
from kusari.gradient_check import check_backward, check_double_backward
from kusari.kernels.scatter import scatter_add as scatter_add_kernel
from kusari.kernels.scatter import scatter_sum

Host = np.ndarray[Any, Any]
X = np.arange(24.0).reshape(2, 3, 4)

KEYS = {
    "array": np.array([1, 0, 1]),
    "list": [1, 0, 1],
    "empty list": [],
    "nested list": [[0, 1], [1, 1]],
    "negative": (slice(None), [-1, 0, -3]),
    "small integers": np.array([1, 0], "int8"),
    "unsigned": np.array([1, 0], "uint8"),
    "last axis": (Ellipsis, [3, 3, 0]),
    "two together": ([0, 1, 0], [2, 2, 0]),
    "two together behind": (slice(None), [2, 2, 0], [0, 1, 0]),
    "two apart": ([0, 1, 0], slice(1, None), [2, 2, 0]),
    "broadcast": ([[0], [1]], [2, 0, 0]),
    "all axes": ([0, 1, 0], [2, 2, 2], [1, 1, 1]),
    "integer beside": (0, slice(None), [1, 3]),
    "integer together": (slice(None), 2, [1, 3]),
    "new axis between": ([0, 1], None, [1, 2]),
    "new axis in front": (None, [0, 1], [1, 2]),
    "slices with steps": (slice(None, None, -1), [2, 0], slice(None, None, 2)),
    "0-d array": np.array(1),
    "integer of NumPy": np.int32(1),
    "mask of all": X % 5 < 2,
    "mask of one axis": (slice(None), np.array([True, False, True])),
    "mask of two axes": np.array([[True, False, True], [False, False, True]]),
    "mask list": [True, False],
    "mask of nothing": X < 0,
    "two masks": (np.array([True, True]), np.array([True, False, True]).nonzero()[0]),
    "mask and ellipsis": (Ellipsis, np.array([True, False, True, False])),
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_keys_mean_what_numpy_means(backend: Backend, key: Any) -> None:
    x = Variable(backend.from_host(X))
    y = x[key]
    np.testing.assert_array_equal(backend.to_host(y.array), X[key])
    weights = np.arange(1.0, y.size + 1).reshape(y.shape)
    y.grad = backend.from_host(weights)
    y.backward()
    expected = np.zeros_like(X)
    np.add.at(expected, key, weights)
    np.testing.assert_array_equal(backend.to_host(x.grad), expected)


@settings(max_examples=60)
@given(data=st.data(), shape=arrays_of.array_shapes(min_dims=1, max_dims=3, max_side=4))
def test_any_integer_index_agrees_with_numpy(backend: Backend, data: st.DataObject, shape: tuple[int, ...]) -> None:
    key = data.draw(arrays_of.integer_array_indices(shape))
    values = np.arange(float(np.prod(shape))).reshape(shape)
    x = Variable(backend.from_host(values))
    y = get_item(x, tuple(backend.from_host(index) for index in key))
    np.testing.assert_array_equal(backend.to_host(y.array), values[key])
    y.sum().backward()
    expected = np.zeros(shape)
    np.add.at(expected, key, 1)
    np.testing.assert_array_equal(backend.to_host(x.grad), expected)


@pytest.mark.parametrize("name", ["two apart", "mask of two axes", "slices with steps", "integer beside"])
def test_get_item_differentiates_twice(backend: Backend, name: str) -> None:
    key, draw = KEYS[name], np.random.default_rng(0).standard_normal
    x, gy, ggx = (backend.from_host(draw(shape)) for shape in (X.shape, X[key].shape, X.shape))
    check_backward(lambda x: x[key] * x[key], x, gy)
    check_double_backward(lambda x: x[key] * x[key], x, gy, ggx)


def test_bad_keys(array: Callable[..., Any]) -> None:
    x = Variable(array(X))
    with pytest.raises(IndexError, match=r"index 1\.0: expected integers, slices, None"):
        x[1.0]
    with pytest.raises(IndexError, match="index True: expected"):
        x[True]
    with pytest.raises(IndexError, match="index of type str: expected"):
        x["a"]
    with pytest.raises(IndexError, match="index array of dtype float64 and 1 axes: expected"):
        x[[0.5]]
    with pytest.raises(IndexError, match="4 indices: the array has 3 axes"):
        x[[0], 0, 0, 0]
    with pytest.raises(IndexError, match="2 ellipses: expected one at most"):
        x[..., [0], ...]
    with pytest.raises(IndexError, match=r"shapes \(2,\), \(3,\) do not broadcast"):
        x[[0, 1], [0, 1, 2]]
    with pytest.raises(IndexError, match=r"mask of shape \(3,\): the axes have lengths \(2,\)"):
        x[[True, False, True]]
    with using_config("forbid_synchronization", True), pytest.raises(SynchronizationError, match="depends on values"):
        x[[True, False]]


@pytest.mark.parametrize("wrong", [2, -3])
def test_an_index_out_of_range_is_refused(array: Callable[..., Any], wrong: int) -> None:
    x = Variable(array(X))
    with using_config("debug", True), pytest.raises(IndexError, match=f"index {wrong} is out of bounds .* length 2"):
        x[[0, wrong]]


# Scattering. --------------------------------------------------------------------------------------------------------
@settings(max_examples=60)
@given(data=st.data(), count=st.integers(0, 9), length=st.integers(1, 5), axis=st.integers(0, 2))
def test_scatter_sum_is_a_loop_of_sums(
    backend: Backend, data: st.DataObject, count: int, length: int, axis: int
) -> None:
    index = data.draw(arrays_of.arrays("int64", count, elements=st.integers(0, length - 1)))
    shape = [2, 3, 2]
    shape[axis] = count
    values = np.arange(float(np.prod(shape))).reshape(shape) + 1
    expected = np.zeros([*shape[:axis], length, *shape[axis + 1 :]])
    for k, m in enumerate(index):
        np.moveaxis(expected, axis, 0)[m] += np.moveaxis(values, axis, 0)[k]
    given_values, given_index = backend.from_host(values), backend.from_host(index)
    found = scatter_sum(backend, given_values, given_index, axis, length)
    np.testing.assert_array_equal(backend.to_host(found), expected)
    np.testing.assert_array_equal(backend.to_host(given_values), values)
    added = scatter_add_kernel(backend, backend.from_host(expected), given_index, given_values, axis)
    np.testing.assert_array_equal(backend.to_host(added), 2 * expected)


def test_scatter_sum_is_accurate_and_repeatable_in_float32(backend: Backend) -> None:
    random = np.random.default_rng(0)
    index, values = random.integers(0, 7, 20_000), random.random(20_000, "f") + 1
    expected = np.bincount(index, values.astype("d"))
    first, again = (
        backend.to_host(scatter_sum(backend, backend.from_host(values), backend.from_host(index), 0, 7)) for _ in "12"
    )
    assert first.dtype == np.float32
    # A running sum of 20,000 numbers in float32 would be off by up to 20,000 · 6e-8 ≈ 1e-3.
    np.testing.assert_allclose(first, expected, rtol=5e-7)
    np.testing.assert_array_equal(first, again)


def test_a_nan_stays_where_it_is(backend: Backend) -> None:
    values, index = np.array([1.0, np.nan, np.inf, 2.0]), np.array([3, 1, 2, 3])
    found = scatter_sum(backend, backend.from_host(values), backend.from_host(index), 0, 5)
    np.testing.assert_array_equal(backend.to_host(found), [0, np.nan, np.inf, 3, 0])


@pytest.mark.parametrize("name", ["list", "two apart", "mask of all", "broadcast", "integer beside"])
def test_scatter_add(backend: Backend, name: str) -> None:
    key, draw = KEYS[name], np.random.default_rng(0).standard_normal
    a, b, gy = (draw(shape) for shape in (X.shape, X[key].shape, X.shape))
    expected = a.copy()
    np.add.at(expected, key, b)
    x = backend.from_host(a)
    y = scatter_add(x, key, backend.from_host(b))
    np.testing.assert_allclose(backend.to_host(y.array), expected)
    np.testing.assert_array_equal(backend.to_host(x), a)
    inputs = (x, backend.from_host(b))
    check_backward(lambda a, b: scatter_add(a * a, key, b * b), inputs, backend.from_host(gy))
    check_double_backward(
        lambda a, b: scatter_add(a * a, key, b * b),
        inputs,
        backend.from_host(gy),
        tuple(map(backend.from_host, (a, b))),
    )


def test_scatter_add_with_slices(array: Callable[..., Any], host: Callable[[Any], Host]) -> None:
    y = scatter_add(array(np.zeros((2, 3))), (slice(None), 1), array([1, 2]))
    np.testing.assert_array_equal(host(y), [[0, 1, 0], [0, 2, 0]])


def test_scatter_add_mistakes(array: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"b of shape \(3,\): expected \(2,\), the shape of a\[slices\]"):
        scatter_add(array([1, 2, 3]), [0, 1], array([1, 2, 3]))
    with pytest.raises(InvalidType, match=r"float64 != .*float32"):
        scatter_add(array([1, 2]), [0], array([1], "float32"))
