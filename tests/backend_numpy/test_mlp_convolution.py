"""The fused stack against the portable chain, values and gradients."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kusari.backend import get_backend
from kusari.kernels.activation import RELU, TANH
from kusari.kernels.conv import MLPConvolution, MLPConvolutionProblem
from kusari.kernels.window import Window
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.convolution.stack import RowsMLPConvolution
from kusari_numpy.convolution.winograd_stack import WinogradMLPConvolution

pytestmark = pytest.mark.skipif(
    compiled_available(get_backend("numpy")) is not True, reason="needs numba, threadpoolctl"
)


@settings(max_examples=40)
@given(data=st.data())
def test_values_and_gradients(data: st.DataObject) -> None:
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    stride, pad, k = draw(st.integers(1, 2)), draw(st.integers(0, 2)), draw(st.integers(1, 3))
    channels = [draw(st.integers(1, 7)) for _ in range(draw(st.integers(2, 4)))]
    shape = (draw(st.integers(1, 3)), channels[0], *(k + draw(st.integers(0, 6)) for _ in range(2)))
    x = rng.standard_normal(shape)
    if draw(st.booleans()):
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    weights: list[Any] = []
    for layer, (c, o) in enumerate(itertools.pairwise(channels)):
        size = k if layer == 0 else 1
        weights += [rng.standard_normal((o, c, size, size)), rng.standard_normal(o)]
    window = Window((k, k), (stride, stride), (pad, pad), (1, 1))
    activation = draw(st.sampled_from([RELU, None]))
    shapes = tuple(W.shape for W in weights[::2])
    after = draw(st.sampled_from([RELU, None]))
    problem = MLPConvolutionProblem(x.shape, shapes, window, x.dtype, x.strides, activation, output_activation=after)
    backend = get_backend("numpy")
    plan, chain = MLPConvolution.plan(backend, problem), MLPConvolution(backend, problem)
    assert isinstance(plan, RowsMLPConvolution)
    y, kept = plan.forward(x, tuple(weights))
    expected, hidden = chain.forward(x, tuple(weights))
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)
    unkept, nothing = MLPConvolution.plan(backend, problem._replace(keep=False)).forward(x, tuple(weights))
    np.testing.assert_array_equal(unkept, y)
    assert nothing is None
    gy = rng.standard_normal(y.shape)
    wanted = tuple(draw(st.booleans()) for _ in range(1 + len(weights)))
    grads = plan.backward(kept, x, tuple(weights), gy, wanted)
    for grad, other, wish in zip(grads, chain.backward(hidden, x, tuple(weights), gy, wanted), wanted, strict=True):
        assert (grad is None) == (not wish)
        if grad is not None:
            np.testing.assert_allclose(grad, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("activation", [RELU, TANH, None])
@pytest.mark.parametrize("size", [3, 5])
def test_a_first_convolution_by_winograds_transforms(size: int, activation: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 16, 9, 11)).astype("f")
    shapes = ((24, 16, size, size), (20, 24, 1, 1), (5, 20, 1, 1))
    weights = [array for W in shapes for array in (rng.standard_normal(W) / 9, rng.standard_normal(W[0]))]
    window = Window((size, size), (1, 1), (1, 1), (1, 1))
    problem = MLPConvolutionProblem(x.shape, shapes, window, x.dtype, x.strides, activation)
    backend = get_backend("numpy")
    plan = MLPConvolution.plan(backend, problem)
    assert isinstance(plan, WinogradMLPConvolution)
    chain = MLPConvolution(backend, problem._replace(dtype=np.dtype("d")))
    exact = (x.astype("d"), tuple(weights))
    y, kept = plan.forward(x, tuple([array.astype("f") for array in weights]))
    expected, hidden = chain.forward(*exact)
    # Winograd's errors are about 1e-5 of the largest value, in float32, and three layers add them up.
    np.testing.assert_allclose(y, expected, rtol=1e-3, atol=1e-4)
    gy = rng.standard_normal(y.shape)
    wanted = (True, True, False, True, True, True, False)
    grads = plan.backward(kept, x, tuple([array.astype("f") for array in weights]), gy.astype("f"), wanted)
    for grad, other, wish in zip(grads, chain.backward(hidden, *exact, gy, wanted), wanted, strict=True):
        assert (grad is None) == (not wish)
        if grad is not None:
            np.testing.assert_allclose(grad, other, rtol=1e-2, atol=1e-3 * np.abs(other).max())


@pytest.mark.parametrize("inside", [True, False])
def test_rows_take_no_curve(inside: bool) -> None:
    window = Window((1, 1), (1, 1), (0, 0), (1, 1))
    shapes, shape = ((4, 3, 1, 1), (2, 4, 1, 1)), (1, 3, 2, 2)
    problem = MLPConvolutionProblem(shape, shapes, window, np.dtype("f"), (48, 16, 8, 4), RELU)
    assert RowsMLPConvolution.accepts(problem) is True
    problem = problem._replace(**{"activation" if inside else "output_activation": TANH})
    assert "relu" in str(RowsMLPConvolution.accepts(problem))
    assert not isinstance(MLPConvolution.plan(get_backend("numpy"), problem), RowsMLPConvolution)
