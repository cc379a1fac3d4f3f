"""Both ways to compute filters' gradients by tiles, each in all its forms, against the portable definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kusari.backend import get_backend
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import Window
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.convolution import gradient_by_outputs
from kusari_numpy.convolution.channels_last import channels_last
from kusari_numpy.convolution.direct import DirectConvolution, enclose
from kusari_numpy.convolution.gradient import FilterGradient
from kusari_numpy.convolution.gradient_by_outputs import GradientByOutputs

BACKEND = get_backend("numpy")
pytestmark = pytest.mark.skipif(compiled_available(BACKEND) is not True, reason="needs numba, threadpoolctl")


@st.composite
def problems(draw: st.DrawFn) -> ConvolutionProblem:
    axes, groups = draw(st.integers(1, 3)), draw(st.sampled_from([1, 1, 2, 3]))
    choices = (st.integers(1, 3), st.integers(1, 2), st.integers(0, 2), st.integers(1, 2))
    window = Window(*(tuple(draw(choice) for _ in range(axes)) for choice in choices))
    inputs, outputs = draw(st.sampled_from([1, 3, 17, 32, 70])), draw(st.sampled_from([1, 5, 16, 33]))
    shape = (
        draw(st.integers(1, 3)),
        groups * inputs,
        *(draw(st.integers(1, 9 if axes < 3 else 4)) for _ in range(axes)),
    )
    assume(all(n >= 1 for n in window.out_shape(shape[2:])))
    dtype = np.dtype(draw(st.sampled_from(["f", "d"])))
    return ConvolutionProblem(shape, (groups * outputs, inputs, *window.size), window, dtype, groups=groups)


@settings(max_examples=60, deadline=None)
@given(problems(), st.sampled_from([1, 7, 96]), st.booleans(), st.booleans())
def test_both_are_as_defined(problem: ConvolutionProblem, pixels: int, packed: bool, apart: bool) -> None:
    rng = np.random.default_rng(0)
    x, gy = (rng.standard_normal(shape).astype(problem.dtype) for shape in (problem.x, problem.y))
    expected: Any = Convolution(BACKEND, problem).grad_weight(x, gy)
    plan = DirectConvolution(BACKEND, problem)
    images, g = enclose(x, plan.there, problem.groups), channels_last(gy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradient_by_outputs, "PIXELS", pixels)
        patch.setattr(gradient_by_outputs, "SHORT", 0)
        patch.setattr(gradient_by_outputs, "FAR", 0 if packed else 10**6)
        patch.setattr(gradient_by_outputs, "WIDE", 0 if apart else 10**6)
        made = [kind(problem, plan.there, plan.geometry.out)(images, g) for kind in (GradientByOutputs, FilterGradient)]
    tolerance = 1e-4 if problem.dtype.itemsize == 4 else 1e-11
    for gradient in made:
        assert gradient.shape == problem.W
        np.testing.assert_allclose(gradient, expected, rtol=tolerance, atol=tolerance * 10)


def test_what_lies_behind_an_image_is_not_read() -> None:
    window = Window((1, 1), (1, 1), (0, 0), (1, 1))
    problem = ConvolutionProblem((1, 40, 8, 8), (24, 40, 1, 1), window, np.dtype("f"))
    plan = DirectConvolution(BACKEND, problem)
    memory = np.full(64 * 40 + 64, np.nan, "f")
    memory[: 64 * 40] = 1
    x = memory[: 64 * 40].reshape(1, 1, 8, 8, 40)
    made = GradientByOutputs(problem, plan.there, plan.geometry.out)(x, np.ones((1, 1, 8, 8, 24), "f"))
    np.testing.assert_array_equal(made, np.full(problem.W, 64, "f"))
