"""Convolution by matrix products over unfolded windows, compiled for the host, against the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.backend_cupy.host_cupy import array, host_backend

from kusari.backend import get_backend
from kusari.backend.derived import Storage
from kusari.kernels.activation import RELU, TANH
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import Window
from kusari_cupy.kernels import conv_unfolded
from kusari_cupy.kernels.conv_unfolded import UnfoldedConvolution, phases_of

HOST = host_backend()


@st.composite
def problems(draw: st.DrawFn) -> ConvolutionProblem:
    axes, groups = draw(st.integers(1, 3)), draw(st.sampled_from([1, 1, 2, 3]))
    choices = (st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), st.integers(1, 3))
    window = Window(*(tuple(draw(choice) for _ in range(axes)) for choice in choices))
    channels, filters = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    shape = (draw(st.integers(1, 2)), groups * channels, *(draw(st.integers(1, 6)) for _ in range(axes)))
    cover_all = draw(st.booleans())
    assume(all(n >= 1 for n in window.out_shape(shape[2:], cover_all)))
    return ConvolutionProblem(
        shape,
        (groups * filters, channels, *window.size),
        window,
        np.dtype(draw(st.sampled_from(["float32", "float64"]))),
        groups=groups,
        bias=draw(st.booleans()),
        activation=draw(st.sampled_from([None, RELU, TANH])),
        cover_all=cover_all,
    )


def operands(problem: ConvolutionProblem) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(0)
    shapes = (problem.x, problem.W, (problem.W[0],), problem.y)
    return tuple(rng.standard_normal(shape).astype(problem.dtype) for shape in shapes)  # type: ignore[return-value]


@settings(max_examples=60, deadline=None)
@given(problems(), st.sampled_from([1, 50, 2**23]), st.booleans())
def test_all_passes_are_as_defined(problem: ConvolutionProblem, block: int, channels_last: bool) -> None:
    x, W, b, gy = operands(problem)
    if channels_last:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    definition, plan = Convolution(get_backend("numpy"), problem), UnfoldedConvolution(HOST, problem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv_unfolded, "BLOCK", block)
        pairs = [
            (
                plan.forward(array(x), array(W), array(b) if problem.bias else None),
                definition.forward(x, W, b if problem.bias else None),
            ),
            (plan.grad_input(array(W), array(gy)), definition.grad_input(W, gy)),
            (plan.grad_weight(array(x), array(gy)), definition.grad_weight(x, gy)),
        ]
    tolerance = 1e-4 if problem.dtype.itemsize == 4 else 1e-11
    for ours, expected in pairs:
        assert ours.shape == expected.shape
        assert ours.dtype == problem.dtype
        np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance)


@given(st.integers(1, 7), st.integers(1, 5), st.integers(0, 4), st.integers(1, 5), st.integers(1, 12))
def test_phases_see_what_a_loop_over_outputs_and_taps_finds(
    size: int, stride: int, pad: int, dilate: int, length: int
) -> None:
    outputs = 9
    found = {(o * stride - pad + k * dilate, o, k) for o in range(outputs) for k in range(size)}
    expected = {(pixel, o, k) for pixel, o, k in found if 0 <= pixel < length}
    seen = set()
    for start, sight, taps in phases_of(size, stride, pad, dilate, length):
        for place, pixel in enumerate(range(start, length, stride)):
            for number, k in enumerate(range(size)[taps]):
                o = place * sight.stride + sight.first + number * sight.each
                seen |= {(pixel, o, k)} if 0 <= o < outputs else set()
        assert len(range(size)[taps]) == sight.taps
    assert seen == expected


def test_columns_exist_a_block_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 0

    def empty(shape: Any, dtype: Any) -> Any:
        nonlocal largest
        made = np.empty(shape, dtype)
        largest = max(largest, made.size)
        return array(made)

    backend = host_backend()
    monkeypatch.setattr(backend.cupy, "empty", empty)
    monkeypatch.setattr(conv_unfolded, "BLOCK", 1000)
    window = Window((3, 3), (1, 1), (1, 1), (1, 1))
    problem = ConvolutionProblem((2, 4, 9, 9), (4, 4, 3, 3), window, np.dtype("float32"))
    x, W, _, gy = map(array, operands(problem))
    plan = Convolution.plan(backend, problem)
    plan.forward(x, W, None)
    plan.grad_input(W, gy)
    plan.grad_weight(x, gy)
    assert largest == 1000 // 36 * 36  # an image's are 2916, and all results have 648 numbers


def test_what_is_packed_for_one_problem_is_not_taken_for_another() -> None:
    rng = np.random.default_rng(0)
    filters = rng.standard_normal((4, 2, 3, 3)).astype("f")
    W = array(filters)
    backend = host_backend()
    storage = Storage(W)  # a parameter: what is made of it is kept
    for stride, groups in ((1, 1), (2, 1), (2, 2), (1, 2)):
        window = Window((3, 3), (stride, stride), (1, 1), (1, 1))
        problem = ConvolutionProblem((1, 2 * groups, 6, 6), W.shape, window, W.dtype, groups=groups)
        x, gy = (rng.standard_normal(shape).astype("f") for shape in (problem.x, problem.y))
        definition, plan = Convolution(get_backend("numpy"), problem), UnfoldedConvolution(backend, problem)
        for _ in range(3):
            np.testing.assert_allclose(plan.forward(array(x), W, None), definition.forward(x, filters, None), rtol=1e-4)
            gx: Any = plan.grad_input(W, array(gy))
            np.testing.assert_allclose(gx, definition.grad_input(filters, gy), rtol=1e-4, atol=1e-5)
    del storage


def test_nan_and_infinity_reach_what_sees_them_and_nothing_else() -> None:
    window = Window((3,), (1,), (1,), (1,))
    problem = ConvolutionProblem((1, 1, 7), (1, 1, 3), window, np.dtype("float32"))
    x = np.array([[[np.nan, 0, 0, 0, 0, 0, np.inf]]], "f")
    y = np.asarray(UnfoldedConvolution(HOST, problem).forward(array(x), array(np.ones((1, 1, 3), "f")), None))
    np.testing.assert_array_equal(y, [[[np.nan, np.nan, 0, 0, 0, np.inf, np.inf]]])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"dtype": np.dtype("int32")}, "int32 is not among float16"),
        ({"x": (0, 1, 2, 2)}, "nothing to compute"),
        ({"x": (1, 1, 2, 2, 2, 2)}, "4 spatial axes; written for one to three"),
    ],
)
def test_what_it_does_not_accept_is_said(fields: dict[str, Any], reason: str) -> None:
    shape = fields.get("x", (1, 1, 2, 2))
    axes = len(shape) - 2
    window = Window(*((number,) * axes for number in (1, 1, 0, 1)))
    problem = ConvolutionProblem(shape, (1, 1, *window.size), window, np.dtype("f"))._replace(**fields)
    explained = HOST.explain(Convolution, problem)
    assert explained.chosen.override.source == "portable"
    assert reason in str(explained)
