"""Depthwise convolution through the interpreter: against loops in float64, and the portable definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kusari.backend import Backend, get_backend
from kusari.dtypes import host_dtype
from kusari.kernels.activation import RELU, TANH
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import Window

Array = np.ndarray[Any, Any]

# Relative to the sum of |products|: one rounding of the result, and float32 sums.
TOLERANCE = {"float32": 1e-6, "float16": 1e-3, "bfloat16": 8e-3}


def loops(problem: ConvolutionProblem, x: Array, W: Array, b: Array, gy: Array) -> tuple[Array, Array, Array]:
    """y and the gradients of x and W in float64, pixel by pixel; no activation."""
    x, W, b, gy = (array.astype("d") for array in (x, W, b, gy))
    size, stride, pad, dilate = problem.window
    padded = np.pad(x, [(0, 0), (0, 0), *zip(pad, problem.after, strict=True)])
    channel = np.arange(W.shape[0]) // (W.shape[0] // x.shape[1])
    y, gx, gW = np.zeros(problem.y), np.zeros_like(padded), np.zeros_like(W)
    for index in np.ndindex(*problem.out_shape):
        corner = [i * s for i, s in zip(index, stride, strict=True)]
        here = tuple(slice(i, i + d * (k - 1) + 1, d) for i, d, k in zip(corner, dilate, size, strict=True))
        pixel = (slice(None), slice(None), *index)
        seen = padded[(slice(None), channel, *here)]
        given = gy[pixel].reshape(*gy.shape[:2], *(1,) * len(size))
        y[pixel] = (seen * W[:, 0]).sum(axis=tuple(range(2, seen.ndim))) + b
        np.add.at(gx, (slice(None), channel, *here), given * W[:, 0])
        gW[:, 0] += (seen * given).sum(axis=0)
    inside = tuple(slice(p, p + n) for p, n in zip(pad, x.shape[2:], strict=True))
    return y, gx[(slice(None), slice(None), *inside)], gW


def check(
    backend: Backend, problem: ConvolutionProblem, x: Array, W: Array, b: Array, gy: Array
) -> tuple[Array, Array, Array]:
    """Run all three, insist that they are Triton's and channels-last, and compare them with the loops."""
    plan: Any = Convolution.plan(backend, problem)
    assert type(plan).__name__ == "TritonDepthwiseConvolution"
    found = (plan.forward(x, W, b), plan.grad_input(W, gy), plan.grad_weight(x, gy))
    expected = loops(problem, x, W, b, gy)
    scales = loops(problem, *(np.abs(array) for array in (x, W, b, gy)))
    for ours, exact, scale in zip(found, expected, scales, strict=True):
        assert ours.shape == exact.shape
        assert ours.dtype == problem.dtype
        assert np.all(np.abs(ours.astype("d") - exact) <= TOLERANCE[problem.dtype.name] * (scale + 1e-6))
    for image in found[:2]:
        assert np.moveaxis(image, 1, -1).flags.c_contiguous
    assert found[2].flags.c_contiguous
    return found


def made(
    x: tuple[int, ...], multiplier: int, window: Window, dtype: str = "float32", **options: Any
) -> tuple[ConvolutionProblem, Array, Array, Array, Array]:
    """A problem and normal numbers for x, W, b and gy."""
    W = (x[1] * multiplier, 1, *window.size)
    problem = ConvolutionProblem(x, W, window, host_dtype(dtype), None, x[1], True, **options)
    rng = np.random.default_rng(1)
    return problem, *(rng.standard_normal(shape).astype(problem.dtype) for shape in (x, W, W[:1], problem.y))


@pytest.mark.parametrize(
    ("x", "multiplier", "window", "dtype"),
    [
        ((2, 5, 9, 7), 1, Window((3, 3), (1, 1), (1, 1), (1, 1)), "float32"),
        ((2, 5, 9, 7), 1, Window((3, 3), (1, 1), (1, 1), (1, 1)), "bfloat16"),
        ((2, 3, 8, 11), 3, Window((3, 2), (2, 3), (0, 1), (2, 1)), "float16"),  # three filters a channel
        ((1, 4, 9, 8), 2, Window((2, 1), (3, 4), (1, 2), (1, 1)), "float32"),  # pixels that nothing looks at
        ((3, 6, 19), 1, Window((5,), (2,), (3,), (2,)), "float32"),
        ((2, 3, 5, 6, 4), 2, Window((2, 3, 2), (1, 2, 3), (1, 0, 1), (2, 1, 1)), "float32"),
        ((3, 2, 1, 1), 1, Window((1, 1), (1, 1), (0, 0), (1, 1)), "float32"),
        ((2, 70, 4, 3), 1, Window((3, 3), (2, 2), (1, 1), (1, 1)), "float32"),  # more channels than a tile of filters
    ],
)
def test_against_loops(backend: Backend, x: tuple[int, ...], multiplier: int, window: Window, dtype: str) -> None:
    check(backend, *made(x, multiplier, window, dtype))


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_geometry(backend: Backend, data: st.DataObject) -> None:
    axes = data.draw(st.integers(1, 3))
    size, pad = st.integers(1, 3), st.integers(0, 2)
    window = Window(*(data.draw(st.tuples(*[values] * axes)) for values in (size, size, pad, size)))
    spatial = tuple(
        data.draw(st.integers(max(1, d * (k - 1) + 1 - 2 * p), 7))
        for k, p, d in zip(window.size, window.pad, window.dilate, strict=True)
    )
    x = (data.draw(size), data.draw(st.integers(2, 5)), *spatial)
    check(backend, *made(x, data.draw(size), window, cover_all=data.draw(st.booleans())))


def test_any_strides(backend: Backend) -> None:
    problem, x, W, b, gy = made((2, 4, 6, 7), 1, Window((3, 3), (2, 1), (1, 1), (1, 1)))
    expected = check(backend, problem, x, W, b, gy)
    for view in (
        lambda a: np.ascontiguousarray(np.moveaxis(a, 1, -1)).transpose(0, 3, 1, 2),
        lambda a: np.repeat(np.repeat(a, 2, axis=0), 3, axis=3)[::2, :, :, ::3],
        lambda a: np.ascontiguousarray(a[::-1, ::-1, ::-1, ::-1])[::-1, ::-1, ::-1, ::-1],
    ):
        for ours, theirs in zip(
            check(backend, problem, view(x), view(W), np.repeat(b, 2)[::2], view(gy)), expected, strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    check(backend, problem, x, W, b, np.broadcast_to(np.ones((1, 4, 1, 1), "f"), gy.shape))


def test_the_whole_backward_against_the_portable_definition(backend: Backend) -> None:
    for activation in (RELU, TANH):
        problem, x, W, b, gy = made((2, 3, 6, 5), 2, Window((3, 3), (1, 1), (1, 1), (1, 1)), activation=activation)
        results = []
        for plan in (Convolution.plan(backend, problem), Convolution(get_backend("numpy"), problem)):
            y: Any = plan.forward(x, W, b)
            results.append((y, *plan.backward(x, W, y, gy, (True, True, True))))
        for ours, theirs in zip(*results, strict=True):
            np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=0, atol=2e-5)


def test_without_a_bias_and_with_nan(backend: Backend) -> None:
    x = np.array([[np.nan, np.inf, -np.inf, -1, 2]] * 2, "f").reshape(1, 2, 5)
    window = Window((1,), (1,), (0,), (1,))
    problem = ConvolutionProblem(x.shape, (2, 1, 1), window, x.dtype, None, 2, activation=RELU)
    y: Any = Convolution.plan(backend, problem).forward(x, np.ones((2, 1, 1), "f"), None)
    np.testing.assert_array_equal(y[0], [[np.nan, np.inf, 0, 0, 2]] * 2)


def test_splits_are_added_in_one_order(backend: Backend) -> None:
    """Several splits, uneven: the sum is the same to the last bit each time, and right."""
    from kusari_triton.kernels.conv_depthwise import split_depthwise_filters, with_three_axes

    problem, x, W, b, gy = made((3, 4, 11, 9), 1, Window((3, 3), (1, 1), (1, 1), (1, 1)))
    _, splits, each = split_depthwise_filters(with_three_axes(problem), interpreted=True)
    assert splits > 1
    assert (3 * 11 * 9) % each
    *_, first = check(backend, problem, x, W, b, gy)
    np.testing.assert_array_equal(Convolution.plan(backend, problem).grad_weight(x, gy), first)


@given(
    x=st.tuples(st.integers(1, 300), st.integers(2, 600), st.integers(1, 300), st.integers(1, 300)),
    multiplier=st.integers(1, 8),
)
def test_every_pixel_is_in_one_split(x: tuple[int, int, int, int], multiplier: int) -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    from kusari_triton.kernels.conv_depthwise import split_depthwise_filters
    from kusari_triton.kernels.conv_gradient import WORKSPACE

    n, c, h, w = x
    window = Window((3, 3), (1, 1), (1, 1), (1, 1))
    problem = ConvolutionProblem(x, (c * multiplier, 1, 3, 3), window, np.dtype("f"), groups=c)
    for interpreted in (False, True):
        blocks, splits, each = split_depthwise_filters(problem, interpreted=interpreted)
        assert (splits - 1) * each < n * h * w <= splits * each
        assert each % blocks.rows == 0
        assert splits == 1 or splits * 4 * c * multiplier * 9 <= WORKSPACE


def test_filters_are_packed_once_a_version(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    from kusari.backend.derived import Storage
    from kusari_triton.kernels import conv_depthwise

    problem, x, W, b, gy = made((2, 3, 5, 6), 1, Window((3, 3), (1, 1), (1, 1), (1, 1)))
    packed = []
    repack = conv_depthwise.repacked
    monkeypatch.setattr(conv_depthwise, "repacked", lambda *given: packed.append(1) or repack(*given))
    storage = Storage(W)
    check(backend, problem, x, W, b, gy)
    assert len(packed) == 1  # forward and the gradient share it
    W *= 2
    storage.touch()
    check(backend, problem, x, W, b, gy)
    assert len(packed) == 2


@pytest.mark.parametrize(
    ("x", "W", "groups", "dtype", "stride", "words"),
    [
        ((2, 6, 8), (6, 2, 3), 3, "float32", 1, "not depthwise: 2 channels a group, 3 groups"),
        ((2, 1, 8), (4, 1, 3), 1, "float32", 1, "not depthwise: 1 channels a group, 1 groups"),
        ((2, 3, 8), (3, 1, 3), 3, "float64", 1, "float64 stays with the base"),
        ((2, 3, 8), (3, 1, 3), 3, ">f4", 1, "byte order"),
        ((0, 3, 8), (3, 1, 3), 3, "float32", 1, "empty"),
        ((2, 3, 2, 2, 2, 2), (3, 1, 1, 1, 1, 1), 3, "float32", 1, "only 1-D to 3-D, this is 4-D"),
        ((1, 2, 2**15, 2**15), (2, 1, 1, 1), 2, "float32", 1, "nearly 2³¹ elements"),
        ((2, 3, 8, 8), (3, 1, 3, 3), 3, "float32", 300, "90000 phases of the stride"),
    ],
)
def test_what_it_does_not_take_it_gives_a_reason_for(
    backend: Backend, x: tuple[int, ...], W: tuple[int, ...], groups: int, dtype: str, stride: int, words: str
) -> None:
    axes = len(x) - 2
    window = Window(W[2:], (stride,) * axes, (1,) * axes, (1,) * axes)
    problem = ConvolutionProblem(x, W, window, np.dtype(dtype), groups=groups)
    verdict = backend.explain(Convolution, problem).verdicts[0]
    assert verdict.override.implementation.__name__ == "TritonDepthwiseConvolution"
    assert words in str(verdict.reason)
