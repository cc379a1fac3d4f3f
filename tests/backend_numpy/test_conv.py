"""Convolution one image at a time: chosen where it should be, and right against SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import correlate

from kusari.backend import get_backend
from kusari.kernels.activation import RELU
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import Window
from kusari_numpy.kernels.conv import PerImageConvolution
from kusari_numpy.workspace import LIMIT, workspace


def problem(x: Any, W: Any, stride: int = 1, pad: int = 0, dilate: int = 1, **others: Any) -> ConvolutionProblem:
    axes = x.ndim - 2
    window = Window(W.shape[2:], (stride,) * axes, (pad,) * axes, (dilate,) * axes)
    return ConvolutionProblem(x.shape, W.shape, window, x.dtype, x.strides, **others)


def oracle(x: Any, W: Any, p: ConvolutionProblem) -> Any:
    """Each output plane as a sum of SciPy's correlations, on dilated filters."""
    axes = range(x.ndim - 2)
    x = np.pad(x.astype("float64"), ((0, 0), (0, 0), *((n, n) for n in p.window.pad)))
    grown = np.zeros((*W.shape[:2], *(d * (k - 1) + 1 for d, k in zip(p.window.dilate, p.window.size, strict=True))))
    grown[(slice(None), slice(None), *(slice(None, None, d) for d in p.window.dilate))] = W
    steps = tuple(slice(None, None, p.window.stride[axis]) for axis in axes)
    return np.stack([
        np.stack([sum(correlate(image[c], kernel[c], "valid") for c in range(len(image)))[steps] for kernel in grown])
        for image in x
    ])  # fmt: skip


sizes = st.integers(1, 3)


@given(st.data())
def test_every_pass_against_scipy_and_finite_differences(data: st.DataObject) -> None:
    draw = data.draw
    axes = draw(st.integers(1, 3), label="axes")
    stride, pad, dilate = draw(sizes, label="stride"), draw(st.integers(0, 2), label="pad"), draw(st.integers(1, 2))
    window = [draw(sizes) for _ in range(axes)]
    image = [dilate * (k - 1) + 1 + draw(st.integers(0, 4)) for k in window]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.standard_normal((draw(sizes), draw(sizes), *image))
    W = rng.standard_normal((draw(sizes), x.shape[1], *window))
    p = problem(x, W, stride, pad, dilate)
    plan = Convolution.plan(get_backend("numpy"), p)
    assert isinstance(plan, PerImageConvolution)
    y = plan.forward(x, W, None)
    np.testing.assert_allclose(y, oracle(x, W, p), rtol=1e-10, atol=1e-10)
    # y is bilinear in x and W, so that its gradients are exact by inner products: ⟨gy, conv(d, W)⟩ = ⟨gx, d⟩.
    gy, dx, dW = (rng.standard_normal(shape) for shape in (y.shape, x.shape, W.shape))
    gx, gW, gb = plan.backward(x, W, None, gy, (True, True, True))
    assert np.sum(gx * dx) == pytest.approx(np.sum(gy * oracle(dx, W, p)))
    assert np.sum(gW * dW) == pytest.approx(np.sum(gy * oracle(x, dW, p)))
    np.testing.assert_allclose(gb, gy.sum(axis=(0, *range(2, gy.ndim))), rtol=1e-10, atol=1e-12)


def test_bias_and_activation_are_applied_to_each_image() -> None:
    rng = np.random.default_rng(0)
    x, W, b = (rng.standard_normal(shape).astype("f") for shape in ((3, 2, 5, 4), (4, 2, 3, 3), (4,)))
    p = problem(x, W, pad=1, bias=True, activation=RELU)
    y = Convolution.plan(get_backend("numpy"), p).forward(x, W, b)
    np.testing.assert_allclose(y, np.maximum(oracle(x, W, p) + b[:, None, None], 0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"groups": 2}, "2 groups"), ({"dtype": np.dtype("float16")}, "float16")],
)
def test_what_it_does_not_take_goes_to_the_portable_definition(change: dict[str, Any], reason: str) -> None:
    x, W = np.zeros((1, 4, 5, 5), "f"), np.zeros((4, 2, 3, 3), "f")
    explanation = get_backend("numpy").explain(Convolution, problem(x, W)._replace(**change))
    assert explanation.chosen.override.source == "portable"
    assert reason in str(explanation)


def test_an_empty_batch_gives_an_empty_result_and_zero_gradients() -> None:
    x, W = np.zeros((0, 2, 5, 5), "f"), np.ones((3, 2, 3, 3), "f")
    plan = Convolution.plan(get_backend("numpy"), problem(x, W))
    y = plan.forward(x, W, None)
    assert y.shape == (0, 3, 3, 3)
    assert not plan.grad_weight(x, y).any()


def test_a_read_only_channels_last_image_is_taken_as_it_is() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 6, 5, 3)).transpose(0, 3, 1, 2)
    x.flags.writeable = False
    W = rng.standard_normal((2, 3, 3, 3))
    p = problem(x, W)
    np.testing.assert_allclose(Convolution.plan(get_backend("numpy"), p).forward(x, W, None), oracle(x, W, p))


def test_scratch_memory_beyond_the_limit_is_not_kept() -> None:
    large = workspace("test", (LIMIT + 1,), np.dtype("u1"))
    assert not np.shares_memory(large, workspace("test", (LIMIT + 1,), np.dtype("u1")))
