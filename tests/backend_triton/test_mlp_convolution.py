"""A stack of convolutions in one kernel: against loops in float64, the portable definition, and its own chain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kusari import functions as F
from kusari.autograd import Variable
from kusari.backend import Backend, get_backend, use_backend
from kusari.dtypes import host_dtype
from kusari.kernels.activation import RELU, TANH
from kusari.kernels.conv import MLPConvolution, MLPConvolutionProblem
from kusari.kernels.window import Window

Array = np.ndarray[Any, Any]
ONE, NONE = (1, 1), (0, 0)


def made(
    x: tuple[int, ...], widths: tuple[int, ...], window: Window, dtype: str = "float32", **options: Any
) -> tuple[MLPConvolutionProblem, Array, tuple[Array, ...]]:
    """A problem, and numbers of a size that keeps every layer's near 1."""
    rng = np.random.default_rng(1)
    shapes, channels = [], x[1]
    for index, width in enumerate(widths):
        shapes.append((width, channels, *(window.size if index == 0 else ONE)))
        channels = width
    options = {"activation": RELU, **options}
    problem = MLPConvolutionProblem(x, tuple(shapes), window, host_dtype(dtype), **options)
    weights: list[Array] = []
    for shape in shapes:
        weights.append((rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(problem.dtype))
        weights.append(rng.standard_normal(shape[0]).astype(problem.dtype))
    return problem, rng.standard_normal(x).astype(problem.dtype), tuple(weights)


def loops(problem: MLPConvolutionProblem, x: Array, weights: tuple[Array, ...]) -> list[Array]:
    """Every layer's output, in float64; between layers rounded to the problem's dtype, as memory would."""
    (pad_h, pad_w), (stride_h, stride_w) = problem.window.pad, problem.window.stride
    (dilate_h, dilate_w), (size_h, size_w) = problem.window.dilate, problem.window.size
    padded = np.pad(x.astype("d"), ((0, 0), (0, 0), (pad_h, pad_h), (pad_w, pad_w)))
    out_h, out_w = problem.window.out_shape(x.shape[2:])
    h = np.zeros((x.shape[0], weights[0].shape[0], out_h, out_w))
    for i in range(out_h):
        for j in range(out_w):
            rows = slice(i * stride_h, i * stride_h + dilate_h * (size_h - 1) + 1, dilate_h)
            columns = slice(j * stride_w, j * stride_w + dilate_w * (size_w - 1) + 1, dilate_w)
            h[:, :, i, j] = np.einsum("nchw,ochw->no", padded[:, :, rows, columns], weights[0].astype("d"))
    outputs = []
    for index in range(len(problem.W)):
        if index > 0:
            h = np.einsum("nchw,oc->nohw", h, weights[2 * index][:, :, 0, 0].astype("d"))
        h = h + weights[2 * index + 1].astype("d")[:, None, None]
        if index + 1 < len(problem.W) and problem.activation is not None:
            h = np.maximum(h, 0)
        h = h.astype(problem.dtype).astype("d")
        outputs.append(h)
    return outputs


def plan_of(backend: Backend, problem: MLPConvolutionProblem) -> Any:
    plan = MLPConvolution.plan(backend, problem)
    assert type(plan).__name__ == "TritonMLPConvolution"
    return plan


CASES = [
    ((2, 3, 9, 7), (70, 49, 10), Window((5, 5), ONE, (2, 2), ONE)),  # few channels, chunks of 32 that do not come out
    ((2, 19, 5, 7), (33, 64, 40), Window((3, 3), (2, 1), ONE, ONE)),
    ((1, 20, 8, 9), (64, 5), Window((3, 2), (1, 2), (0, 1), (2, 1))),  # two layers
    ((3, 4, 1, 1), (1, 1, 1), Window(ONE, ONE, NONE, ONE)),
]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("x", "widths", "window"), CASES)
def test_against_loops(
    backend: Backend, x: tuple[int, ...], widths: tuple[int, ...], window: Window, dtype: str
) -> None:
    problem, image, weights = made(x, widths, window, dtype)
    y, kept = plan_of(backend, problem).forward(image, weights)
    # A hidden number that rounds the other way moves the result by one place of 16 bits.
    tolerance = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 4e-2}[dtype]
    for ours, expected in zip([*kept, y], loops(problem, image, weights), strict=True):
        assert ours.shape == expected.shape
        assert ours.dtype == problem.dtype
        assert ours.transpose(0, 2, 3, 1).flags.c_contiguous  # channels-last, dense
        np.testing.assert_allclose(ours.astype("d"), expected, rtol=0, atol=tolerance * (1 + np.abs(expected).max()))


def test_without_activation(backend: Backend) -> None:
    problem, x, weights = made((2, 3, 6, 5), (8, 9, 4), Window((3, 3), ONE, ONE, ONE), activation=None)
    y, _ = plan_of(backend, problem).forward(x, weights)
    np.testing.assert_allclose(y, loops(problem, x, weights)[-1], rtol=0, atol=2e-5)


def test_what_backward_does_not_need_is_not_kept(backend: Backend) -> None:
    problem, x, weights = made((2, 17, 6, 5), (40, 9, 4), Window((3, 3), ONE, ONE, ONE))
    y, kept = plan_of(backend, problem._replace(keep=False)).forward(x, weights)
    assert kept is None
    np.testing.assert_array_equal(y, plan_of(backend, problem).forward(x, weights)[0])


def test_any_strides(backend: Backend) -> None:
    problem, x, weights = made((2, 5, 6, 7), (8, 9, 4), Window((3, 3), ONE, ONE, ONE))
    plan = plan_of(backend, problem)
    expected, _ = plan.forward(x, weights)
    channels_last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    wide = np.repeat(x, 2, axis=2)[:, :, ::2]
    for image in (channels_last, wide, np.asfortranarray(x)):
        np.testing.assert_array_equal(plan.forward(image, weights)[0], expected)
    others = tuple(np.asfortranarray(w) if w.ndim == 4 else np.repeat(w, 3)[::3] for w in weights)
    np.testing.assert_array_equal(plan.forward(x, others)[0], expected)


def test_an_infinite_pixel_stays_infinite_and_one_pixel(backend: Backend) -> None:
    """Channels that fill up a tile multiply it by 0; that is not a number, and must not reach the sums."""
    problem, x, weights = made((1, 3, 4, 5), (5, 6, 7), Window(ONE, ONE, NONE, ONE), activation=None)
    weights = tuple(np.abs(array) for array in weights)
    expected, _ = plan_of(backend, problem).forward(x, weights)
    x[0, 1, 2, 3] = np.inf
    y, _ = plan_of(backend, problem).forward(x, weights)
    expected[:, :, 2, 3] = np.inf
    np.testing.assert_array_equal(y, expected)


def test_through_the_function_with_gradients(backend: Backend) -> None:
    _, x, weights = made((2, 3, 7, 6), (9, 8, 4), Window((3, 3), (2, 1), ONE, ONE))
    found = []
    for each in (backend, get_backend("numpy")):
        with use_backend(each.name):
            inputs = [Variable(a) for a in (x, *weights)]
            y = F.mlp_convolution_2d(inputs[0], inputs[1::2], inputs[2::2], stride=(2, 1), pad=1)
            y.grad = np.cos(np.arange(y.size, dtype="f")).reshape(y.shape)
            y.backward()
            found.append([y.array, *(v.grad for v in inputs)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=0, atol=2e-4)


@pytest.mark.parametrize(
    ("widths", "dtype", "options", "words"),
    [
        ((8,), "float32", {}, "1 convolutions: only 2 or 3"),
        ((8, 8, 8, 8), "float32", {}, "4 convolutions"),
        ((8, 8), "float32", {"activation": TANH}, "activation tanh: only relu or none"),
        ((8, 257, 8), "float16", {}, "257 channels: in half only 256 stay on chip"),
        ((8, 192, 8), "float32", {}, "192 channels: in ieee only 64 stay on chip"),
        ((8, 8), "float64", {}, "float64 stays with the base"),
        ((8, 8), "float32", {"precision": "tf32x3"}, "only ieee and tf32"),
    ],
)
def test_what_it_does_not_take_it_gives_a_reason_for(
    backend: Backend, widths: tuple[int, ...], dtype: str, options: dict[str, Any], words: str
) -> None:
    problem, x, weights = made((1, 3, 4, 4), widths, Window((3, 3), ONE, ONE, ONE), dtype, **options)
    explanation = backend.explain(MLPConvolution, problem)
    assert explanation.chosen.override.source != "triton-interpret"
    assert words in str(explanation.verdicts[0].reason)
    y, _ = MLPConvolution.plan(backend, problem).forward(x, weights)
    assert y.shape == (1, widths[-1], 4, 4)
