"""Convolution that makes few channels against the portable definition, and where it is chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kusari.backend import get_backend
from kusari.kernels.activation import RELU, TANH, Activation
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import Window
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.convolution import fold
from kusari_numpy.convolution.direct import DirectConvolution
from kusari_numpy.convolution.fold import Fold

BACKEND = get_backend("numpy")
pytestmark = pytest.mark.skipif(compiled_available(BACKEND) is not True, reason="needs numba, threadpoolctl")


@st.composite
def problems(draw: st.DrawFn) -> ConvolutionProblem:
    axes = draw(st.integers(1, 3))
    choices = (st.integers(2, 3), st.integers(1, 3), st.integers(0, 3), st.integers(1, 2))
    window = Window(*(tuple(draw(choice) for _ in range(axes)) for choice in choices))
    if draw(st.booleans()):
        window = window._replace(stride=(1,) * axes)
    inputs, outputs = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    shape = (draw(st.integers(2, 4)), inputs, *(draw(st.integers(1, 12 if axes < 3 else 5)) for _ in range(axes)))
    assume(all(n >= 1 for n in window.out_shape(shape[2:])))
    dtype = np.dtype(draw(st.sampled_from(["f", "d"])))
    activation = draw(st.sampled_from([None, RELU, TANH]))
    W = (outputs, inputs, *window.size)
    return ConvolutionProblem(shape, W, window, dtype, bias=True, activation=activation)


@settings(max_examples=80, deadline=None)
@given(problems(), st.sampled_from([1, 100, 2**16]))
def test_folded_passes_are_as_defined(problem: ConvolutionProblem, held: int) -> None:
    rng = np.random.default_rng(0)
    shapes = (problem.x, problem.W, (problem.W[0],), problem.y)
    x, W, b, gy = (rng.standard_normal(shape).astype(problem.dtype) for shape in shapes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fold, "ADDED", -(10**6))  # whether it is a gain or not
        patch.setattr(fold, "HELD", held)
        plan, definition = DirectConvolution(BACKEND, problem), Convolution(BACKEND, problem)
        assert Fold.backward(problem) is not None
        assert (Fold.forward(problem) is None) == (set(problem.window.stride) != {1})
        pairs: list[tuple[Any, Any]] = [
            (plan.forward(x, W, b), definition.forward(x, W, b)),
            (plan.grad_input(W, gy), definition.grad_input(W, gy)),
        ]
    tolerance = 1e-4 if problem.dtype.itemsize == 4 else 1e-11
    for made, expected in pairs:
        assert made.shape == expected.shape
        np.testing.assert_allclose(made, expected, rtol=tolerance, atol=tolerance * 10)


def problem_of(inputs: int, outputs: int, size: int, images: int = 4) -> ConvolutionProblem:
    window = Window(*((number, number) for number in (size, 1, size // 2, 1)))
    return ConvolutionProblem((images, inputs, 9, 9), (outputs, inputs, size, size), window, np.dtype("f"))


@pytest.mark.parametrize(
    ("inputs", "outputs", "there", "back"), [(64, 3, True, False), (3, 64, False, True), (64, 64, False, False)]
)
def test_few_channels_are_folded(inputs: int, outputs: int, there: bool, back: bool) -> None:
    problem = problem_of(inputs, outputs, 3)
    assert (Fold.forward(problem) is not None) == there
    assert (Fold.backward(problem) is not None) == back


def test_one_image_and_one_tap_are_not_folded() -> None:
    assert Fold.backward(problem_of(3, 64, 3, images=1)) is None
    assert Fold.backward(problem_of(3, 64, 1)) is None


@pytest.mark.parametrize("activation", [None, RELU])
def test_nan_reaches_those_that_see_it(activation: Activation | None) -> None:
    problem = problem_of(64, 3, 3)._replace(activation=activation)
    x, W = np.ones(problem.x, "f"), np.ones(problem.W, "f")
    x[1, 5, 4, 4] = np.nan
    y: Any = DirectConvolution(BACKEND, problem).forward(x, W, None)
    expected = np.zeros(problem.y, bool)
    expected[1, :, 3:6, 3:6] = True
    np.testing.assert_array_equal(np.isnan(y), expected)
