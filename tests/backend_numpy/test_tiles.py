"""The loops written in LLVM's language, against NumPy: tiles of products, two-sided transforms, packed filters."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kusari.backend import get_backend
from kusari_numpy.compiled_available import compiled_available

pytestmark = pytest.mark.skipif(
    compiled_available(get_backend("numpy")) is not True, reason="needs numba, threadpoolctl"
)


@functools.cache
def compiled_tile() -> Any:
    """Return a compiled call of the loop, which can only be called from compiled code."""
    from numba import njit

    from kusari_numpy.compiled.tile import add_tile, add_tile_within

    @njit
    def call(
        n: Any, a: Any, rows: Any, b: Any, runs: Any, y: Any, into: Any, end: Any, bias: Any, low: Any, add: Any
    ) -> None:
        if end == len(bias):
            add_tile(n, a, rows, 0, b, 0, runs, 0, len(runs), (1, len(bias)), y, into, 0, end, bias, low, add)
        else:
            add_tile_within(n, a, rows, 0, b, 0, runs, 0, len(runs), (1, len(bias)), y, into, 0, end, bias, low, add)

    return call


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_tile_is_a_product_of_some_rows_and_columns(data: st.DataObject) -> None:
    from kusari_numpy.compiled.vectors import REGISTERS

    dtype: Any = np.dtype(data.draw(st.sampled_from(["f", "d"])))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    vectors, lengths = data.draw(st.integers(1, 4)), data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=3))
    lanes = REGISTERS.bytes // dtype.itemsize
    height, width, depth = REGISTERS.rows[vectors - 1], vectors * lanes, sum(lengths)
    a, b = rng.standard_normal((height, depth)).astype(dtype), rng.standard_normal((depth, width)).astype(dtype)
    end = width - data.draw(st.integers(0, lanes - 1))
    bias, y = rng.standard_normal(width).astype(dtype), rng.standard_normal((height, end)).astype(dtype)
    order = rng.permutation(height)
    begins = np.cumsum([0, *lengths[:-1]])
    segments = np.array([[begin, begin * width, length] for begin, length in zip(begins, lengths, strict=True)])
    floor, add = data.draw(st.sampled_from([-np.inf, 0.0])), data.draw(st.booleans())
    expected = y.copy()
    expected[order] = np.maximum((y[order] if add else bias[:end]) + a.astype("d") @ b[:, :end].astype("d"), floor)
    sources, into = np.arange(height) * depth, order * end
    call = compiled_tile()
    low = dtype.type(floor)
    call(vectors, a.reshape(-1), sources, b.reshape(-1), segments, y.reshape(-1), into, end, bias, low, add)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_nan_passes_a_floor() -> None:
    from kusari_numpy.compiled.direct import convolve
    from kusari_numpy.compiled.vectors import whole

    width = whole(1, np.dtype("f"))
    x, y = np.array([1, np.nan, -1], "f"), np.zeros((3, width), "f")
    grid = (1, 1, 3), 0, (0, 0, 0, 1)
    made = (1, 1, 3), 0, (0, 0, 0, width)
    filters, run = np.ones(width, "f"), np.array([[0, 0, 1]])
    shift, floor = np.zeros(width, "f"), np.float32(0)
    convolve(x, grid, filters, run, y.reshape(-1), made, (0, 3), (0, 1), shift, floor, 48, 64, width)
    np.testing.assert_array_equal(y[:, 0], [1, np.nan, 0])


@pytest.mark.parametrize("channels", [1, 16, 37])
def test_two_sided_products(channels: int) -> None:
    from numba import njit

    from kusari_numpy.compiled.transform import both_sides
    from kusari_numpy.compiled.winograd import BT, filter_matrix, output_matrix

    rng = np.random.default_rng(0)
    five = filter_matrix(5)
    for matrix in (output_matrix(4), output_matrix(2), BT, five, tuple(zip(*five, strict=True))):
        for finish in (False, True):
            transform = both_sides(matrix, finish)
            T = np.array(matrix)
            x = rng.standard_normal((T.shape[1], T.shape[1], channels)).astype("f")
            y, bias = np.zeros((len(T), len(T), channels), "f"), rng.standard_normal(channels).astype("f")

            @njit
            def call(x: Any, y: Any, bias: Any, n: int, m: int, c: int, transform: Any = transform) -> None:
                transform(x, 0, (n * c, c), y, 0, (m * c, c), c, bias, np.float32(0))

            call(x.reshape(-1), y.reshape(-1), bias, T.shape[1], len(T), channels)
            expected = np.einsum("ai,ijc,bj->abc", T, x.astype("d"), T)
            if finish:
                expected = np.maximum(expected + bias, 0)
            np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=60)
@given(data=st.data())
def test_passes_of_backward_see_each_pair_once(data: st.DataObject) -> None:
    """Forward says which (output, tap) sees which pixel; backward's passes must say the same, the other way round."""
    from kusari_numpy.convolution.channels_last import Axis, Geometry
    from kusari_numpy.convolution.passes import Passes

    draw = data.draw
    k, s, d = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    p, n = draw(st.integers(0, 6)), draw(st.integers(1, 12))
    out = (n + 2 * p - (k - 1) * d - 1) // s + 1
    if out < 1:
        return
    one: Axis = (1, 1, 0, 1)
    geometry = Geometry((1, 1, n), (1, 1, out), (one, one, (k, s, p, d)))
    there = {(q, tap, q * s + tap * d - p) for q in range(out) for tap in range(k)}
    seen = {triple for triple in there if 0 <= triple[2] < n}
    back: list[tuple[int, int, int]] = []
    for found in Passes.backward(geometry).passes:
        axis = found.axes[2]
        for q in range(axis.pixels):
            for distance, tap in axis.taps:
                if 0 <= q * axis.step + distance < out:
                    back.append((q * axis.step + distance, tap, axis.first + q * axis.every))
    assert sorted(back) == sorted(seen)


def test_places_of_no_pixel_lie_outside_the_border() -> None:
    from kusari_numpy.convolution.channels_last import Geometry
    from kusari_numpy.convolution.passes import Passes

    geometry = Geometry((1, 7, 9), (1, 4, 5), ((1, 1, 0, 1), (3, 2, 1, 1), (3, 2, 1, 1)))
    for passes in (Passes.forward(geometry), Passes.backward(geometry)):
        for one in passes.passes:
            for axis, before, length in zip(one.axes, passes.before, passes.bordered, strict=True):
                for distance, _ in axis.taps:
                    assert distance + before >= 0
                    assert (axis.pixels - 1) * axis.step + distance + before < length


def test_what_is_kept_on_disk_is_of_these_sources() -> None:
    from kusari_numpy.compiled import options
    from kusari_numpy.compiled.direct import places

    kept: Any = places
    assert kept._cache._cache_file._source_stamp == options._stamp()
