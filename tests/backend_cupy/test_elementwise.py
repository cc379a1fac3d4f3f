"""Expressions as CUDA kernels: the plugin's source, compiled for the host, against the definitions."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backend_cupy.host_cupy import array, module

import kusari.kernels
from kusari.backend import Kernel, find_kernel, get_backend, kernel_names
from kusari.backend.expression import NotElementwise, infer_dtypes, parameter_kinds, trace
from kusari.kernels.activation import relu
from kusari.kernels.update import adam, momentum_sgd
from kusari_cupy.backend import CupyBackend
from kusari_cupy.elementwise import FusedExpression
from kusari_cupy.foreach import tabulate
from kusari_cupy.syntax import ELEMENTS, operation

Array = Any  # a trace reads the annotations as text
Backend = Any

ADAM = (0.9, 0.99, 1e-8, 1.5, 0.01)
"""β₁, β₂, ε, η and λ; the step size differs from row to row."""


def elementwise_kernels() -> list[Kernel[..., Any]]:
    for found in pkgutil.iter_modules(kusari.kernels.__path__, "kusari.kernels."):
        importlib.import_module(found.name)
    kernels = [find_kernel(name) for name in kernel_names()]
    return [k for k in kernels if getattr(k, "elementwise", False) and k.__module__.startswith("kusari.kernels.")]


@pytest.mark.parametrize("kernel", elementwise_kernels(), ids=lambda kernel: kernel.key)
def test_fused_is_as_defined(host: CupyBackend, kernel: Kernel[..., Any]) -> None:
    kinds = parameter_kinds(kernel.portable)
    if "static" in kinds.values():
        pytest.skip("has static parameters, whose values only its own tests know")
    rng = np.random.default_rng(1)
    arguments = [
        rng.uniform(0.1, 2, (3, 5)).astype("f") if kind == "array" else float(rng.uniform(0.1, 0.9))
        for kind in kinds.values()
    ]
    wide = [value.astype("d") if isinstance(value, np.ndarray) else value for value in arguments]
    with np.errstate(invalid="ignore"):  # a variance from states that no run would have
        expected = kernel.portable(get_backend("numpy"), *wide)
    assert host.explain(kernel).chosen.override.source == "compiled"
    results = kernel(host, *(array(value) if isinstance(value, np.ndarray) else value for value in arguments))
    assert isinstance(results, tuple) == isinstance(expected, tuple)
    for ours, exact in zip(np.atleast_2d(results), np.atleast_2d(expected), strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, exact, rtol=2e-5, atol=2e-6)


def everything(backend: Backend, x: Array, k: Array, t: float) -> tuple[Array, Array, Array, Array]:
    xp = backend.xp
    y = xp.where(xp.isfinite(x), xp.sign(x) * xp.round(x), xp.maximum(x, t)) + xp.abs(k)
    return y, (x > 0) & ~xp.isnan(x), xp.astype(k * k - 3, k.dtype), xp.clip(x, -1, 1) / (2 + xp.square(x))


SPECIAL = [0.0, -0.0, 0.5, 1.5, 2.5, -1.5, 3.7, -9.1, np.inf, -np.inf, np.nan, 1e30]


@pytest.mark.parametrize("floating", ["float32", "float64"])
@pytest.mark.parametrize("integer", ["int8", "int32", "int64", "uint8", "bool"])
def test_special_values_and_integers(host: CupyBackend, floating: str, integer: str) -> None:
    fused = FusedExpression(trace(everything, "everything"), host.cupy)
    x = np.array(SPECIAL, floating)
    k = np.arange(len(x)).astype(integer)
    if integer == "bool":
        assert fused.typed((x.dtype, k.dtype)) is not None
    results = fused(host, array(x), array(k), 0.25)
    with np.errstate(all="ignore"):
        expected = everything(get_backend("numpy"), x, k, 0.25)
    for ours, exact in zip(results, expected, strict=True):
        assert ours.dtype == exact.dtype
        np.testing.assert_allclose(ours, exact, rtol=1e-6 if floating == "float32" else 1e-14)


def test_powers_of_integers_run_operation_by_operation(host: CupyBackend) -> None:
    def power(backend: Backend, x: Array) -> Array:
        return x**3

    expression = trace(power, "power")
    with pytest.raises(NotElementwise, match="CUDA has no pow for int64"):
        operation(expression, infer_dtypes(expression, [np.dtype("int64")]))
    large = array(np.array([2_000_003], "int64"))
    assert FusedExpression(expression, host.cupy)(host, large).item() == 2_000_003**3


@st.composite
def operands(draw: st.DrawFn) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Two arrays of float32 that broadcast, the first whole, each with its axes in any order in memory."""
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=4)))
    made = []
    for whole in (True, False):
        sizes = [size if whole else draw(st.sampled_from([1, size])) for size in shape]
        order = draw(st.permutations(range(len(sizes))))
        values = np.arange(np.prod(sizes, dtype=int), dtype="f").reshape([sizes[axis] for axis in order])
        made.append(values.transpose(np.argsort(order)))
    return made[0], made[1]


def blend(backend: Backend, x: Array, y: Array, t: float) -> Array:
    return x + (1 - t) * (y - x)


@settings(max_examples=60, deadline=None)
@given(operands())
def test_any_strides_and_broadcasting(given_arrays: tuple[Any, Any]) -> None:
    x, y = given_arrays
    backend = CupyBackend(module(), np, 1)
    result = FusedExpression(trace(blend, "blend"), backend.cupy)(backend, array(x), array(y), 0.25)
    np.testing.assert_allclose(result, x + np.float32(0.75) * (y - x), rtol=1e-6)
    if result.size:
        kept = [s for s, n in zip(result.strides, result.shape, strict=True) if n > 1]
        assert kept == [s for s, n in zip(x.strides, x.shape, strict=True) if n > 1]


def test_donated_arrays_are_written_in_place(host: CupyBackend) -> None:
    parameter, gradient, velocity = (array(np.full((2, 3), v, "f").T) for v in (1.0, 0.5, 0.25))
    new_parameter, new_velocity = momentum_sgd(host, parameter, gradient, velocity, 0.1, 0.9)
    assert np.shares_memory(new_parameter, parameter)
    assert np.shares_memory(new_velocity, velocity)
    np.testing.assert_allclose(velocity, 0.9 * 0.25 - 0.1 * 0.5, rtol=1e-6)
    np.testing.assert_allclose(parameter, 1 + velocity, rtol=1e-6)


def test_a_donated_array_that_others_share_is_not(host: CupyBackend) -> None:
    parameter = array(np.broadcast_to(np.ones(1, "f"), (4,)))
    results = momentum_sgd(host, parameter, array(np.ones(4, "f")), array(np.zeros(4, "f")), 0.1, 0.9)
    assert not np.shares_memory(results[0], parameter)
    np.testing.assert_allclose(results[0], 0.9, rtol=1e-6)


def test_rows_are_updated_as_one_by_one(host: CupyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    shapes = [(3,), (2, 5), (ELEMENTS + 7,), (0,), (2 * ELEMENTS,), (1,)]
    columns = [[array(rng.uniform(0.1, 1, shape).astype("f")) for shape in shapes] for _ in range(4)]
    columns[0][1] = array(np.asfortranarray(columns[0][1]))  # by itself: the others are in C order
    rates = [0.1 * (1 + place) for place in range(len(shapes))]
    assert list(parameter_kinds(adam.portable).values()).count("scalar") == len(ADAM) + 1
    scalar_rows = [(rate, *ADAM) for rate in rates]
    numpy = get_backend("numpy")
    expected = [
        adam.portable(numpy, *(np.array(column[place]) for column in columns), *scalar_rows[place])
        for place in range(len(shapes))
    ]
    launched: list[int] = []
    raw = host.cupy.RawKernel.__call__
    monkeypatch.setattr(host.cupy.RawKernel, "__call__", lambda self, *a: (launched.append(a[0][0]), raw(self, *a))[1])
    results = host.foreach(adam, columns, scalar_rows)
    assert launched == [1 + 2 + 2 + 1]
    for ours, exact in zip(results, expected, strict=True):
        for one, other in zip(ours, exact, strict=True):
            np.testing.assert_allclose(one, other, rtol=3e-5, atol=1e-7)


def test_the_table_tells_where_rows_begin() -> None:
    from kusari_cupy.foreach import Row

    sizes = [1, ELEMENTS, ELEMENTS + 1, 5]
    arrays = [array(np.zeros(size, "f")) for size in sizes]
    table, blocks = tabulate([Row([a], [a], (0.5,)) for a in arrays])
    assert table[:, 0].tolist() == [0, 1, 2, 4]
    assert table[:, 1].tolist() == sizes
    assert table[:, 2].view(np.float64).tolist() == [0.5] * 4
    assert blocks == 5


def test_relu_is_compiled_on_the_backend(host: CupyBackend) -> None:
    assert host.explain(relu).chosen.override.source == "compiled"
    np.testing.assert_array_equal(relu(host, array(np.array([-1.0, np.nan, 2.0], "f"))), np.array([0, np.nan, 2], "f"))
