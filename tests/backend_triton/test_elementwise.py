"""Elementwise kernels compiled from expressions, interpreted: numbers, layouts, dtypes, and what cannot be fused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kusari.backend import Backend, kernel
from kusari.dtypes import host_dtype
from kusari.kernels import activation
from kusari.types import Array

EPSILON = {"float64": 2.3e-16, "float32": 1.2e-7, "float16": 9.8e-4, "bfloat16": 7.9e-3}

FORMULAS: dict[str, tuple[Any, Callable[..., Any]]] = {
    "relu": (activation.relu, lambda x: np.maximum(x, 0)),
    "relu_grad": (activation.relu_grad, lambda y, gy: np.where(y > 0, gy, 0)),
    "sigmoid": (activation.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "sigmoid_grad": (activation.sigmoid_grad, lambda y, gy: gy * y * (1 - y)),
    "tanh": (activation.tanh, np.tanh),
    "tanh_grad": (activation.tanh_grad, lambda y, gy: gy * (1 - y**2)),
}


@kernel(elementwise=True)
def soft_step(backend: Backend, x: Array, y: Array, slope: float, signed: bool) -> tuple[Array, Array]:
    """Two outputs, a static branch, comparisons, astype, literals on both sides."""
    xp = backend.xp
    inside = (x > -1) & (x < 1)
    mask = xp.astype(inside, x.dtype)
    if signed:
        mask = 2 * mask - 1
    return xp.where(inside, slope * x + 0.25 * y, xp.minimum(x, y)), mask


@kernel(elementwise=True)
def power(backend: Backend, x: Array, exponent: float) -> Array:
    return x**exponent


@kernel(elementwise=True)
def functions(backend: Backend, x: Array) -> tuple[Array, Array, Array, Array, Array]:
    xp = backend.xp
    return xp.expm1(x), xp.tanh(x), xp.log1p(x), xp.round(x), xp.trunc(x)


@kernel(elementwise=True)
def thirds(backend: Backend, x: Array) -> Array:
    """A literal that float32 cannot hold."""
    return backend.xp.where(x > 0, 1 / 3, x)


@pytest.mark.parametrize("dtype", list(EPSILON))
@pytest.mark.parametrize("name", list(FORMULAS))
def test_against_formulas(backend: Backend, name: str, dtype: str) -> None:
    function, formula = FORMULAS[name]
    rng = np.random.default_rng(1)
    arrays = [(3 * rng.standard_normal((5, 7))).astype(host_dtype(dtype)) for _ in range(2)]
    if name in ("relu", "sigmoid", "tanh"):
        del arrays[1]
    result = function(backend, *arrays)
    expected = formula(*(array.astype("d") for array in arrays))
    assert result.dtype == arrays[0].dtype
    np.testing.assert_allclose(result.astype("d"), expected, rtol=4 * EPSILON[dtype], atol=2 * EPSILON[dtype])


@pytest.mark.parametrize("name", list(FORMULAS))
def test_the_fused_kernel_is_chosen(backend: Backend, name: str) -> None:
    assert backend.explain(FORMULAS[name][0]).chosen.override.source == "compiled"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_that_triton_lacks(backend: Backend, dtype: str) -> None:
    tiny = np.finfo(dtype).smallest_normal
    magnitudes = [0.0, tiny, 1e-8, 1e-3, 0.2, 0.33, 0.35, 0.5, 0.62, 0.63, 0.9, 1.5, 2.5, 11.0, 40.0, 8388607.5, np.inf]
    x = np.array([*magnitudes, *(-m for m in magnitudes), np.nan], dtype)
    with np.errstate(all="ignore"):
        wide = x.astype(np.longdouble)
        expected = (np.expm1(wide), np.tanh(wide), np.log1p(wide), np.round(wide), np.trunc(wide))
    for result, exact in zip(functions(backend, x), expected, strict=True):
        with np.errstate(over="ignore"):
            rounded = exact.astype(dtype)
        np.testing.assert_allclose(result, rounded, rtol=6 * EPSILON[dtype], atol=0)


def test_nan_passes_through(backend: Backend) -> None:
    x = np.array([np.nan, -1, 2, np.inf, -np.inf], "f")
    np.testing.assert_array_equal(activation.relu(backend, x), np.array([np.nan, 0, 2, np.inf, 0], "f"))
    assert np.isnan(activation.sigmoid(backend, x)[0])
    np.testing.assert_array_equal(activation.tanh(backend, x)[[0, 3, 4]], np.array([np.nan, 1, -1], "f"))


@pytest.mark.parametrize("signed", [True, False])
def test_several_outputs_statics_and_scalars(backend: Backend, signed: bool) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, 40)).astype("f")
    value, mask = soft_step(backend, x, y, 0.3, signed)
    inside = np.abs(x) < 1
    np.testing.assert_allclose(value, np.where(inside, 0.3 * x + 0.25 * y, np.minimum(x, y)), rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(mask, np.where(inside, 1, -1 if signed else 0))


def test_literals_keep_the_digits_of_float64(backend: Backend) -> None:
    assert thirds(backend, np.array([1.0]))[0] == 1 / 3


@settings(max_examples=25, deadline=None)
@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4), data=st.data())
def test_broadcasting_and_any_strides(backend: Backend, shapes: Any, data: st.DataObject) -> None:
    rng = np.random.default_rng(3)
    arrays = []
    for shape in shapes.input_shapes:
        axes = data.draw(st.permutations(range(len(shape))))
        step = data.draw(st.sampled_from([1, 2, -1]))
        memory = rng.standard_normal([shape[axis] * abs(step) for axis in axes]).astype("f")
        view = memory[(slice(None, None, step),) * len(shape)] if shape else memory
        arrays.append(view.transpose(np.argsort(axes)) if shape else np.asarray(view))
    result = activation.relu_grad(backend, *arrays)
    assert result.shape == shapes.result_shape
    np.testing.assert_array_equal(result, np.where(arrays[0] > 0, arrays[1], np.float32(0)))


def test_results_keep_the_memory_format(backend: Backend) -> None:
    x = np.ones((2, 4, 5, 3), "f").transpose(0, 3, 1, 2)
    assert activation.relu(backend, x).strides == x.strides
    bias = np.ones((3, 1, 1), "f")
    assert activation.relu_grad(backend, x, bias).strides == x.strides


def test_integers_and_empty_arrays(backend: Backend) -> None:
    np.testing.assert_array_equal(activation.relu(backend, np.array([[-3, 4]])), [[0, 4]])
    assert activation.relu(backend, np.zeros((0, 3), "f")).shape == (0, 3)
    scalar = activation.relu(backend, np.array(-2.0))
    assert isinstance(scalar, np.ndarray)
    assert scalar.shape == ()


def test_what_triton_cannot_write_runs_operation_by_operation(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    x = np.array([1.0, 4.0, 9.0], "f")
    with caplog.at_level(logging.INFO, "kusari_triton.elementwise"):
        np.testing.assert_allclose(power(backend, x, 0.5), [1, 2, 3], rtol=1e-6)
    assert "power runs operation by operation: Triton has no pow for float32" in caplog.text


def test_arrays_that_kernels_cannot_address(backend: Backend) -> None:
    field = np.zeros(3, np.dtype([("flag", "i1"), ("value", "f4")]))["value"]
    field[...] = [-1, 0, 5]
    for x in (field, field.astype(">f4")):
        np.testing.assert_array_equal(activation.relu(backend, x), [0, 0, 5])
