"""The convolution's gradients through the interpreter: against loops in float64, and the portable definition."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kusari.backend import Backend, get_backend
from kusari.dtypes import host_dtype
from kusari.kernels.activation import RELU
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import Window

Array = np.ndarray[Any, Any]
ONE, NONE = (1, 1), (0, 0)

# Relative to the sum of |products|: one rounding of the result, and float32 sums.
TOLERANCE = {"float32": 1e-6, "float16": 1e-3, "bfloat16": 8e-3}


def loops(problem: ConvolutionProblem, x: Array, W: Array, gy: Array) -> tuple[Array, Array]:
    """The gradients of x and W in float64: each output pixel gives its share to what it saw."""
    x, W, gy = x.astype("d"), W.astype("d"), gy.astype("d")
    (pad_h, pad_w), (after_h, after_w) = problem.window.pad, problem.after
    padded = np.pad(x, ((0, 0), (0, 0), (pad_h, after_h), (pad_w, after_w)))
    gx, gW = np.zeros_like(padded), np.zeros_like(W)
    (stride_h, stride_w), (dilate_h, dilate_w) = problem.window.stride, problem.window.dilate
    each_out, each_in = W.shape[0] // problem.groups, W.shape[1]
    for o, i, j in itertools.product(range(W.shape[0]), range(gy.shape[2]), range(gy.shape[3])):
        channels = slice(o // each_out * each_in, (o // each_out + 1) * each_in)
        rows = slice(i * stride_h, i * stride_h + dilate_h * (W.shape[2] - 1) + 1, dilate_h)
        columns = slice(j * stride_w, j * stride_w + dilate_w * (W.shape[3] - 1) + 1, dilate_w)
        share = gy[:, o, i, j][:, None, None, None]
        gx[:, channels, rows, columns] += share * W[o]
        gW[o] += (share * padded[:, channels, rows, columns]).sum(axis=0)
    return gx[:, :, pad_h : pad_h + x.shape[2], pad_w : pad_w + x.shape[3]], gW


def check(backend: Backend, problem: ConvolutionProblem, x: Array, W: Array, gy: Array) -> tuple[Array, Array]:
    """Run both gradients, insist that they are Triton's, and compare them with the loops."""
    plan: Any = Convolution.plan(backend, problem)
    assert type(plan).__name__ == "TritonConvolution"
    assert plan.gradients_here
    gx, gW = plan.grad_input(W, gy), plan.grad_weight(x, gy)
    assert gx.transpose(0, 2, 3, 1).flags.c_contiguous  # channels-last, dense
    assert gW.flags.c_contiguous
    scales = loops(problem, np.abs(x), np.abs(W), np.abs(gy))
    for ours, expected, scale in zip((gx, gW), loops(problem, x, W, gy), scales, strict=True):
        assert ours.shape == expected.shape
        assert ours.dtype == problem.dtype
        assert np.all(np.abs(ours.astype("d") - expected) <= TOLERANCE[problem.dtype.name] * (scale + 1e-6))
    return gx, gW


def made(
    x: tuple[int, ...], W: tuple[int, ...], window: Window, dtype: str = "float32", groups: int = 1, **options: Any
) -> tuple[ConvolutionProblem, Array, Array, Array]:
    """A problem and normal numbers for x, W and gy."""
    problem = ConvolutionProblem(x, W, window, host_dtype(dtype), groups=groups, **options)
    rng = np.random.default_rng(1)
    return problem, *(rng.standard_normal(shape).astype(problem.dtype) for shape in (x, W, problem.y))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(
    ("x", "W", "window", "groups"),
    [
        ((2, 3, 9, 7), (5, 3, 3, 3), Window((3, 3), (2, 2), (1, 1), ONE), 1),
        ((1, 3, 11, 10), (4, 3, 5, 2), Window((5, 2), (1, 3), (2, 0), (1, 2)), 1),
        ((2, 19, 5, 7), (17, 19, 3, 3), Window((3, 3), ONE, ONE, ONE), 1),
        ((2, 40, 5, 4), (34, 20, 2, 3), Window((2, 3), (2, 1), (0, 3), (1, 2)), 2),
        ((3, 33, 1, 1), (2, 33, 1, 1), Window(ONE, ONE, NONE, ONE), 1),
        ((1, 4, 9, 8), (3, 4, 2, 1), Window((2, 1), (3, 4), (1, 2), ONE), 1),  # pixels that nothing looks at
        ((2, 3, 9, 13), (4, 3, 3, 3), Window((3, 3), (2, 4), NONE, (2, 6)), 1),  # stride and dilation with a divisor
    ],
)
def test_against_loops(
    backend: Backend, x: tuple[int, ...], W: tuple[int, ...], window: Window, groups: int, dtype: str
) -> None:
    check(backend, *made(x, W, window, dtype, groups))


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_geometry(backend: Backend, data: st.DataObject) -> None:
    size = st.integers(1, 3)
    window = Window(
        *(data.draw(st.tuples(values, values)) for values in (size, st.integers(1, 4), st.integers(0, 2), size))
    )
    groups = data.draw(st.integers(1, 2))
    each_in, each_out = (data.draw(st.integers(16, 18) if groups > 1 else size) for _ in "io")
    spatial = tuple(
        data.draw(st.integers(max(1, d * (k - 1) + 1 - 2 * p), 8))
        for k, p, d in zip(window.size, window.pad, window.dilate, strict=True)
    )
    x = (data.draw(size), groups * each_in, *spatial)
    W = (groups * each_out, each_in, *window.size)
    check(backend, *made(x, W, window, groups=groups, cover_all=data.draw(st.booleans())))


def test_the_whole_backward_against_the_portable_definition(backend: Backend) -> None:
    window = Window((3, 3), (2, 1), ONE, ONE)
    problem, x, W, gy = made((2, 5, 8, 7), (4, 5, 3, 3), window, bias=True, activation=RELU)
    b = np.linspace(-1, 1, 4, dtype="f")
    gradients = []
    for plan in (Convolution.plan(backend, problem), Convolution(get_backend("numpy"), problem)):
        y: Any = plan.forward(x, W, b)
        gradients.append(plan.backward(x, W, y, gy, (True, True, True)))
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=0, atol=1e-4)


def test_any_strides(backend: Backend) -> None:
    problem, x, W, gy = made((2, 4, 6, 7), (5, 4, 3, 3), Window((3, 3), (2, 1), ONE, ONE))
    expected = check(backend, problem, x, W, gy)
    for view in (
        lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
        np.asfortranarray,
        lambda a: np.repeat(np.repeat(a, 2, axis=1), 3, axis=3)[:, ::2, :, ::3],
        lambda a: np.ascontiguousarray(a[::-1, ::-1, ::-1, ::-1])[::-1, ::-1, ::-1, ::-1],
    ):
        for ours, theirs in zip(check(backend, problem, view(x), view(W), view(gy)), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    zero_stride = np.broadcast_to(np.ones((1, 5, 1, 1), "f"), gy.shape)
    check(backend, problem, x, W, zero_stride)


def test_splits_are_added_in_one_order(backend: Backend) -> None:
    """Several splits, uneven: the sum is the same to the last bit each time, and right."""
    from kusari_triton.kernels import conv_gradient

    problem, x, W, gy = made((3, 4, 23, 29), (6, 4, 3, 3), Window((3, 3), ONE, ONE, ONE))
    _, splits, each = conv_gradient.split_filters(problem, interpreted=True)
    assert splits > 1
    assert (3 * 23 * 29) % each
    _, first = check(backend, problem, x, W, gy)
    np.testing.assert_array_equal(Convolution.plan(backend, problem).grad_weight(x, gy), first)


@given(
    x=st.tuples(st.integers(1, 300), st.integers(1, 600), st.integers(1, 300), st.integers(1, 300)),
    out=st.integers(1, 2000),
    groups=st.integers(1, 8),
)
def test_every_pixel_is_in_one_split(x: tuple[int, int, int, int], out: int, groups: int) -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    from kusari_triton.kernels import conv_gradient

    n, c, h, w = x
    window = Window((3, 3), ONE, ONE, ONE)
    problem = ConvolutionProblem((n, c * groups, h, w), (out * groups, c, 3, 3), window, np.dtype("f"), groups=groups)
    for interpreted in (False, True):
        blocks, splits, each = conv_gradient.split_filters(problem, interpreted=interpreted)
        assert (splits - 1) * each < n * h * w <= splits * each
        assert each % blocks.k == 0
        assert splits == 1 or splits * 4 * out * groups * c * 9 <= conv_gradient.WORKSPACE


@pytest.mark.parametrize(
    ("W", "groups", "stride", "words"),
    [
        ((32, 2, 3, 3), 16, ONE, "2 to 2 channels a group"),
        ((64, 16, 3, 3), 8, ONE, "16 to 8 channels a group"),
        ((4, 3, 3, 3), 1, (300, 300), "90000 phases"),
    ],
)
def test_what_is_left_to_the_definition(
    backend: Backend,
    W: tuple[int, ...],
    groups: int,
    stride: tuple[int, int],
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    window = Window((3, 3), stride, ONE, ONE)
    problem, x, filters, gy = made((2, W[1] * groups, 5, 6), W, window, groups=groups)
    backend.forget_choices()
    with caplog.at_level("INFO", logger="kusari_triton"):
        plan: Any = Convolution.plan(backend, problem)
    assert not plan.gradients_here
    assert words in caplog.text
    for ours, expected in zip(
        (plan.grad_input(filters, gy), plan.grad_weight(x, gy)), loops(problem, x, filters, gy), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4)
