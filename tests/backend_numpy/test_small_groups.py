"""Convolution in groups of few channels against the portable definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kusari.backend import get_backend
from kusari.kernels.activation import RELU, TANH
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import Window
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.convolution import small_groups
from kusari_numpy.convolution.small_groups import SmallGroupsConvolution

BACKEND = get_backend("numpy")
pytestmark = pytest.mark.skipif(compiled_available(BACKEND) is not True, reason="needs numba, threadpoolctl")


@st.composite
def problems(draw: st.DrawFn) -> ConvolutionProblem:
    axes, groups = draw(st.integers(1, 2)), draw(st.integers(2, 7))
    choices = (st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2))
    window = Window(*(tuple(draw(choice) for _ in range(axes)) for choice in choices))
    sees, makes = draw(st.integers(1, 8)), draw(st.integers(1, 18))
    shape = (draw(st.integers(2, 5)), groups * sees, *(draw(st.integers(1, 9)) for _ in range(axes)))
    assume(all(n >= 1 for n in window.out_shape(shape[2:])))
    dtype = np.dtype(draw(st.sampled_from(["f", "d"])))
    activation = draw(st.sampled_from([None, RELU, TANH]))
    W = (groups * makes, sees, *window.size)
    return ConvolutionProblem(shape, W, window, dtype, groups=groups, bias=True, activation=activation)


@settings(max_examples=60, deadline=None)
@given(problems(), st.sampled_from([1, 200, 2**17]))
def test_all_passes_are_as_defined(problem: ConvolutionProblem, held: int) -> None:
    rng = np.random.default_rng(0)
    shapes = (problem.x, problem.W, (problem.W[0],), problem.y)
    x, W, b, gy = (rng.standard_normal(shape).astype(problem.dtype) for shape in shapes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_groups, "HELD", held)
        plan, definition = SmallGroupsConvolution(BACKEND, problem), Convolution(BACKEND, problem)
        pairs: list[tuple[Any, Any]] = [
            (plan.forward(x, W, b), definition.forward(x, W, b)),
            (plan.grad_input(W, gy), definition.grad_input(W, gy)),
            (plan.grad_weight(x, gy), definition.grad_weight(x, gy)),
            (plan.grad_bias(gy), definition.grad_bias(gy)),
        ]
    tolerance = 1e-4 if problem.dtype.itemsize == 4 else 1e-11
    for made, expected in pairs:
        assert made.shape == expected.shape
        np.testing.assert_allclose(made, expected, rtol=tolerance, atol=tolerance)


def problem_of(groups: int, sees: int, makes: int, images: int = 2, axes: int = 2) -> ConvolutionProblem:
    window = Window(*((number,) * axes for number in (3, 1, 1, 1)))
    spatial = (5,) * axes
    return ConvolutionProblem(
        (images, groups * sees, *spatial), (groups * makes, sees, *window.size), window, np.dtype("f"), groups=groups
    )


def test_nan_stays_in_its_group() -> None:
    problem = problem_of(groups=4, sees=2, makes=3)
    x = np.zeros(problem.x, "f")
    x[:, 2] = np.nan
    y: Any = Convolution.plan(BACKEND, problem).forward(x, np.ones(problem.W, "f"), None)
    assert np.isnan(y[:, 3:6]).all()
    assert not np.isnan(np.delete(y, slice(3, 6), axis=1)).any()


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (problem_of(1, 3, 5), "not groups"),
        (problem_of(2, 5, 13), "at most 64 channels, multiplied"),
        (problem_of(2, 3, 5, axes=3), "a third axis"),
        (problem_of(2, 3, 5, images=1), "one thread's work"),
    ],
)
def test_what_is_left_to_others(problem: ConvolutionProblem, reason: str) -> None:
    assert reason in str(SmallGroupsConvolution.accepts(problem))


def test_what_is_taken() -> None:
    assert isinstance(Convolution.plan(BACKEND, problem_of(3, 3, 5)), SmallGroupsConvolution)
