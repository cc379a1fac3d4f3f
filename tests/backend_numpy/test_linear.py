"""Matrix products by tiles, against float64 products of NumPy."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from kusari.backend import get_backend
from kusari.kernels.activation import RELU, TANH

pytest.importorskip("numba", reason="tiles are compiled: needs kusari-backend-numpy[fast]")

from kusari_numpy import products
from kusari_numpy.kernels import linear
from kusari_numpy.threads import get_num_threads, set_num_threads

LAYOUTS = ("rows", "columns", "gaps")


def matrix(random: np.random.Generator, rows: int, columns: int, layout: str, dtype: str) -> np.ndarray[Any, Any]:
    """Return a random matrix that lies in memory as ``layout`` says."""
    if layout == "columns":
        return random.standard_normal((columns, rows)).astype(dtype).T
    made = random.standard_normal((rows, columns * (2 if layout == "gaps" else 1))).astype(dtype)
    return made[:, ::2] if layout == "gaps" else made


def by_tiles(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the product as the backend computes it."""
    made: np.ndarray[Any, Any] = linear.tiles_product(get_backend("numpy"), a, b)
    return made


def check(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any], multiply: Any = by_tiles) -> np.ndarray[Any, Any]:
    """Return the product, compared with float64's."""
    y: np.ndarray[Any, Any] = multiply(a, b)
    exact = a.astype("f8") @ b.astype("f8")
    assert y.dtype == a.dtype
    assert y.flags.c_contiguous
    # A sum of K products, each of numbers around 1, rounds at most K times at half a unit.
    bound = a.shape[1] * np.finfo(a.dtype).eps * (np.abs(a).astype("f8") @ np.abs(b)).max()
    np.testing.assert_allclose(y, exact, rtol=0, atol=bound)
    return y


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 140)] * 3),
    layouts=st.tuples(*[st.sampled_from(LAYOUTS)] * 2),
    dtype=st.sampled_from(["f4", "f8"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_shape_and_layout(shape: tuple[int, int, int], layouts: tuple[str, str], dtype: str, seed: int) -> None:
    random, (rows, depth, columns) = np.random.default_rng(seed), shape
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear, "SMALLEST", 0)
        patch.setattr(linear, "FEWEST", 1)
        check(matrix(random, rows, depth, layouts[0], dtype), matrix(random, depth, columns, layouts[1], dtype))


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(4, 140), st.integers(2, 140), st.integers(6, 140)),
    dtype=st.sampled_from(["f4", "f8"]),
    rectify=st.booleans(),
    bias=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_dense_rows_by_dense_columns(
    shape: tuple[int, int, int], dtype: str, rectify: bool, bias: bool, seed: int
) -> None:
    random, (rows, depth, columns) = np.random.default_rng(seed), shape
    a, b = matrix(random, rows, depth, "rows", dtype), matrix(random, depth, columns, "columns", dtype)
    shift = random.standard_normal(columns).astype(dtype) if bias else None
    before = get_num_threads()
    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "ENDED", -(10**6))  # dots take less than anything
        patch.setattr(products, "PIECE", 2**12)
        products._cut.cache_clear()
        try:
            for number in (1, 3):
                set_num_threads(number)
                left, right = products.Matrix.of(a), products.Matrix.of(b)
                assert left.cut(right).by_dots is not None
                made.append(products.multiplied(left, right, shift, rectify))
        finally:
            set_num_threads(before)
            products._cut.cache_clear()
    np.testing.assert_array_equal(*made)
    exact = a.astype("f8") @ b + (0 if shift is None else shift)
    bound = (depth + 1) * np.finfo(a.dtype).eps * ((np.abs(a).astype("f8") @ np.abs(b)).max() + 4)
    np.testing.assert_allclose(made[0], np.maximum(exact, 0) if rectify else exact, rtol=0, atol=bound)


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 1200), st.integers(1, 150)),
    layouts=st.tuples(*[st.sampled_from(LAYOUTS)] * 2),
    dtype=st.sampled_from(["f4", "f8"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_packed_matrices(shape: tuple[int, int, int], layouts: tuple[str, str], dtype: str, seed: int) -> None:
    random, (rows, depth, columns) = np.random.default_rng(seed), shape
    a, b = matrix(random, rows, depth, layouts[0], dtype), matrix(random, depth, columns, layouts[1], dtype)
    check(a, b, lambda a, b: products.Packed(b).times(a))


@pytest.mark.parametrize(
    "shape",
    [
        (100, 784, 1000),
        (32, 3000, 300),
        (700, 33, 65),
        (35, 7000, 33),
        (1000, 100, 784),
        (130, 600, 1300),
        (5, 700, 900),
        (17, 900, 700),
    ],
)
@pytest.mark.parametrize("layouts", [("rows", "rows"), ("rows", "columns"), ("columns", "rows")])
def test_large_products_are_the_same_with_any_number_of_threads(
    shape: tuple[int, int, int], layouts: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    products._cut.cache_clear()
    monkeypatch.setattr(products, "LARGE_PIECE", 2**22)
    random, (rows, depth, columns) = np.random.default_rng(0), shape
    a, b = matrix(random, rows, depth, layouts[0], "f4"), matrix(random, depth, columns, layouts[1], "f4")
    before = get_num_threads()
    try:
        made = []
        for number in (1, 3):
            set_num_threads(number)
            made.append(check(a, b))
    finally:
        set_num_threads(before)
        products._cut.cache_clear()
    np.testing.assert_array_equal(*made)


@pytest.mark.parametrize("shape", [(100, 784, 1000), (1000, 40, 33), (70, 1500, 130), (16, 800, 900), (70, 900, 10)])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("activation", [None, RELU, TANH])
@pytest.mark.parametrize("bias", [True, False])
def test_an_affine_map_with_its_activation_and_gradients(
    shape: tuple[int, int, int], layout: str, activation: Any, bias: bool
) -> None:
    random, (rows, depth, columns), backend = np.random.default_rng(0), shape, get_backend("numpy")
    x, W = matrix(random, rows, depth, layout, "f4"), random.standard_normal((columns, depth)).astype("f4") / 30
    b = random.standard_normal(columns).astype("f4") if bias else None
    y = linear.tiles_linear(backend, x, W, b, activation)
    exact = x.astype("d") @ W.T + (0 if b is None else b)
    exact = {None: lambda y: y, RELU: lambda y: np.maximum(y, 0), TANH: np.tanh}[activation](exact)
    np.testing.assert_allclose(y, exact, rtol=0, atol=2e-5)
    gy, wanted = matrix(random, rows, columns, layout, "f4"), (True, True, bias)
    made = linear.linear_gradients_together(backend, x, W, y, gy, wanted, activation)
    g = {None: 1, RELU: y > 0, TANH: 1 - exact * exact}[activation] * gy.astype("d")
    for gradient, expected in zip(made, (g @ W, g.T @ x, g.sum(axis=0) if bias else None), strict=True):
        if expected is None:
            assert gradient is None
        else:
            np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_nan_and_infinity_pass() -> None:
    a, b = np.ones((64, 64), "f4"), np.ones((64, 96), "f4")
    a[3, 5], a[60, 1], b[7, 90] = np.nan, np.inf, -np.inf
    expected = np.full((64, 96), 64, "f4")
    expected[3], expected[60], expected[:, 90] = np.nan, np.inf, -np.inf
    expected[3, 90] = expected[60, 90] = np.nan
    np.testing.assert_array_equal(by_tiles(a, b), expected)


def test_read_only_operands_and_batches() -> None:
    random = np.random.default_rng(0)
    a, b = random.standard_normal((3, 80, 80)), random.standard_normal((80, 80))
    a.flags.writeable = b.flags.writeable = False
    check(a[0], b)
    np.testing.assert_array_equal(by_tiles(a, b), a @ b)
