"""Compiled pooling against loops over windows, and the portable definition."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backend_numpy.arrays import compiled, images, in_format

from kusari.backend import get_backend
from kusari.kernels.pooling import AveragePooling, MaxPooling, PoolingProblem
from kusari.kernels.window import Window, is_channels_last
from kusari_numpy.kernels.pooling import SMALLEST, CompiledAveragePooling, CompiledMaxPooling
from kusari_numpy.threads import get_num_threads, set_num_threads


@st.composite
def problems(draw: Any, dtype: str = "d") -> tuple[Any, PoolingProblem]:
    """Draw an image and a pooling that has at least one window."""
    axes = draw(st.integers(1, 2))
    x = draw(images(axes, dtype))
    size, stride, pad, dilate = ([draw(st.integers(*limits)) for _ in range(axes)] for limits in LIMITS)
    size = [min(k, (n + 2 * p - 1) // d + 1) for k, n, p, d in zip(size, x.shape[2:], pad, dilate, strict=True)]
    window = Window(*map(tuple, (size, stride, pad, dilate)))
    return x, PoolingProblem(x.shape, window, x.dtype, x.strides, draw(st.booleans()), draw(st.booleans()))


LIMITS = ((1, 4), (1, 3), (0, 2), (1, 2))


def places(p: PoolingProblem, output: tuple[int, ...]) -> Any:
    """Yield the number of each place in a window, and the pixel there, or None outside of the image."""
    for number, offset in enumerate(itertools.product(*map(range, p.window.size))):
        pixel = tuple(
            o * s - q + k * d
            for o, s, q, k, d in zip(output, p.window.stride, p.window.pad, offset, p.window.dilate, strict=True)
        )
        inside = all(0 <= at < n for at, n in zip(pixel, p.x[2:], strict=True))
        yield number, pixel if inside else None


def largest(x: Any, p: PoolingProblem) -> tuple[Any, Any]:
    y = np.full((*p.x[:2], *p.out_shape), -np.inf)
    where = np.zeros(y.shape, int)
    for n, c, *output in np.ndindex(*y.shape):
        for number, pixel in places(p, tuple(output)):
            a, best = -np.inf if pixel is None else x[(n, c, *pixel)], y[(n, c, *output)]
            if number == 0 or a > best or (np.isnan(a) and not np.isnan(best)):
                y[(n, c, *output)], where[(n, c, *output)] = a, number
    return y, where


def at_places(where: Any, x: Any, p: PoolingProblem) -> Any:
    y = np.zeros(where.shape)
    for n, c, *output in np.ndindex(*y.shape):
        pixel = dict(places(p, tuple(output)))[where[(n, c, *output)]]
        y[(n, c, *output)] = 0 if pixel is None else x[(n, c, *pixel)]
    return y


def averaged(x: Any, p: PoolingProblem) -> Any:
    y = np.zeros((*p.x[:2], *p.out_shape))
    for n, c, *output in np.ndindex(*y.shape):
        seen = [0 if pixel is None else x[(n, c, *pixel)] for _, pixel in places(p, tuple(output))]
        count = sum(pixel is not None for _, pixel in places(p, tuple(output)))
        y[(n, c, *output)] = sum(seen) / (len(seen) if p.count_border else max(count, 1))
    return y


@compiled
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_max_pooling_against_loops(data: st.DataObject) -> None:
    x, p = data.draw(problems())
    x = np.where(np.cos(x * 99) > 0.9, data.draw(st.sampled_from([0.0, np.nan, np.inf, -np.inf])), x)
    plan = CompiledMaxPooling(get_backend("numpy"), p)
    y, where = plan.forward(x)
    expected, at = largest(x, p)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(where, at)
    assert (y.dtype, where.dtype) == (x.dtype, np.int32)
    rng = np.random.default_rng(0)
    move, gy = rng.standard_normal(x.shape), in_format(rng.standard_normal(y.shape), data.draw(FORMATS))
    np.testing.assert_array_equal(plan.gather(where, move), at_places(at, move, p))
    gx = plan.grad_input(where, gy)
    assert float(np.sum(gx * move)) == pytest.approx(np.sum(gy * at_places(at, move, p)), abs=1e-10)
    if is_channels_last(x.shape, x.strides):
        assert is_channels_last(y.shape, y.strides)


@compiled
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_average_pooling_against_loops(data: st.DataObject) -> None:
    x, p = data.draw(problems())
    plan = CompiledAveragePooling(get_backend("numpy"), p)
    y = plan.forward(x)
    np.testing.assert_allclose(y, averaged(x, p), rtol=0, atol=1e-13)
    rng = np.random.default_rng(0)
    move, gy = rng.standard_normal(x.shape), in_format(rng.standard_normal(y.shape), data.draw(FORMATS))
    gx = plan.grad_input(gy)
    assert float(np.sum(gx * move)) == pytest.approx(np.sum(gy * averaged(move, p)), abs=1e-10)
    assert gx.dtype == x.dtype


FORMATS = st.sampled_from(["dense", "channels last", "slice"])


@compiled
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_float32_equals_the_portable_definition(data: st.DataObject) -> None:
    x, p = data.draw(problems("f"))
    backend = get_backend("numpy")
    y, where = CompiledMaxPooling(backend, p).forward(x)
    expected, at = MaxPooling(backend, p).forward(x)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(where, at)
    gx = CompiledMaxPooling(backend, p).grad_input(where, y)
    np.testing.assert_allclose(gx, MaxPooling(backend, p).grad_input(at, expected), rtol=1e-5, atol=1e-6)
    fast, portable = CompiledAveragePooling(backend, p), AveragePooling(backend, p)
    np.testing.assert_allclose(fast.forward(x), portable.forward(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fast.grad_input(y), portable.grad_input(y), rtol=1e-5, atol=1e-6)
    assert {y.dtype, gx.dtype, fast.forward(x).dtype} == {np.dtype("f")}


@compiled
@pytest.mark.parametrize("name", ["dense", "channels last"])
def test_results_do_not_depend_on_the_number_of_threads_and_keep_the_format(name: str) -> None:
    x = in_format(np.random.default_rng(0).standard_normal((9, 20, 41, 43)).astype("f"), name)
    p = PoolingProblem(x.shape, Window((3, 3), (2, 2), (1, 1), (1, 1)), x.dtype, x.strides)
    backend, before, results = get_backend("numpy"), get_num_threads(), []
    largest, average = MaxPooling.plan(backend, p), AveragePooling.plan(backend, p)
    assert isinstance(largest, CompiledMaxPooling)
    assert isinstance(average, CompiledAveragePooling)
    try:
        for threads in (1, 2, 5):
            set_num_threads(threads)
            y, where = largest.forward(x)
            results.append([y, where, average.forward(x), largest.grad_input(where, y), average.grad_input(y)])
    finally:
        set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    for a in results[0]:
        assert is_channels_last(a.shape, a.strides) is (name == "channels last")


@compiled
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dtype": np.dtype("float16")}, "not float16"),
        ({"x": (0, 16, 20, 20)}, f"fewer than {SMALLEST}"),
        ({"x": (2, 16, 20, 20, 20), "window": Window((2,) * 3, (2,) * 3, (0,) * 3, (1,) * 3)}, "3 spatial axes"),
    ],
)
def test_what_it_does_not_take_goes_to_the_portable_definition(change: dict[str, Any], reason: str) -> None:
    p = PoolingProblem((2, 16, 20, 20), Window((2, 2), (2, 2), (0, 0), (1, 1)), np.dtype("f"))
    for family, own in ((MaxPooling, CompiledMaxPooling), (AveragePooling, CompiledAveragePooling)):
        explain = get_backend("numpy").explain
        assert explain(family, p).chosen.override.implementation is own
        explanation = explain(family, p._replace(**change))
        assert explanation.chosen.override.source == "portable"
        assert reason in str(explanation)
