"""Convolution through the interpreter: against loops in float64, SciPy, and the portable definition."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from kusari.backend import Backend, get_backend
from kusari.dtypes import host_dtype
from kusari.kernels.activation import RELU, TANH, Activation
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import Window

Pair = tuple[int, int]
Array = np.ndarray[Any, Any]
ONE, NONE = (1, 1), (0, 0)

# Relative to the sum of |products|: one rounding of the result, and float32 sums.
TOLERANCE = {"float32": 1e-6, "float16": 1e-3, "bfloat16": 8e-3}


def loops(x: Array, W: Array, b: Array | None, window: Window, groups: int) -> Array:
    """The definition, pixel by pixel, in float64."""
    x, W = x.astype("d"), W.astype("d")
    (pad_h, pad_w), (stride_h, stride_w), (dilate_h, dilate_w) = window.pad, window.stride, window.dilate
    padded = np.pad(x, ((0, 0), (0, 0), (pad_h, pad_h), (pad_w, pad_w)))
    reach_h, reach_w = dilate_h * (W.shape[2] - 1) + 1, dilate_w * (W.shape[3] - 1) + 1
    out_h, out_w = (padded.shape[2] - reach_h) // stride_h + 1, (padded.shape[3] - reach_w) // stride_w + 1
    y = np.zeros((x.shape[0], W.shape[0], out_h, out_w))
    each_out, each_in = W.shape[0] // groups, W.shape[1]
    for o, i, j in itertools.product(range(W.shape[0]), range(out_h), range(out_w)):
        first = o // each_out * each_in
        top, left = i * stride_h, j * stride_w
        seen = padded[:, first : first + each_in, top : top + reach_h : dilate_h, left : left + reach_w : dilate_w]
        y[:, o, i, j] = (seen * W[o]).sum(axis=(1, 2, 3))
    return y if b is None else y + b.astype("d")[:, None, None]


def forward(
    backend: Backend,
    x: Array,
    W: Array,
    b: Array | None = None,
    *,
    stride: Pair = ONE,
    pad: Pair = NONE,
    dilate: Pair = ONE,
    groups: int = 1,
    activation: Activation | None = None,
    precision: str = "ieee",
) -> Array:
    """Plan and run a convolution, and insist that it is Triton's."""
    window = Window(W.shape[2:], stride, pad, dilate)
    problem = ConvolutionProblem(
        x.shape, W.shape, window, x.dtype, x.strides, groups, b is not None, activation, precision
    )
    plan = Convolution.plan(backend, problem)
    depthwise = W.shape[1] == 1 and groups > 1
    assert type(plan).__name__ == ("TritonDepthwiseConvolution" if depthwise else "TritonConvolution")
    y: Any = plan.forward(x, W, b)
    assert y.shape == problem.y
    assert y.dtype == x.dtype
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous  # channels-last, dense
    return np.asarray(y)


def assert_right(y: Array, x: Array, W: Array, b: Array | None, window: Window, groups: int) -> None:
    scale = loops(np.abs(x), np.abs(W), None if b is None else np.abs(b), window, groups)
    error = np.abs(y.astype("d") - loops(x, W, b, window, groups))
    assert np.all(error <= TOLERANCE[y.dtype.name] * (scale + 1e-6))


def normal(rng: np.random.Generator, *shape: int, dtype: str = "float32") -> Array:
    return rng.standard_normal(shape).astype(host_dtype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(
    ("x_shape", "W_shape", "stride", "pad", "dilate", "groups"),
    [
        ((2, 3, 9, 7), (5, 3, 3, 3), (2, 2), (1, 1), (1, 1), 1),  # few channels: one axis of channels × taps
        ((1, 3, 11, 10), (4, 3, 5, 2), (1, 3), (2, 0), (1, 2), 1),
        ((2, 19, 5, 7), (17, 19, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # many: tap by tap
        ((2, 40, 5, 4), (6, 20, 2, 3), (2, 1), (0, 3), (1, 2), 2),
        ((2, 12, 5, 6), (12, 2, 3, 3), (1, 1), (1, 1), (1, 1), 6),  # many small groups
        ((3, 33, 1, 1), (2, 33, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ],
)
def test_against_loops(
    backend: Backend,
    x_shape: tuple[int, ...],
    W_shape: tuple[int, ...],
    stride: Pair,
    pad: Pair,
    dilate: Pair,
    groups: int,
    dtype: str,
) -> None:
    rng = np.random.default_rng(1)
    x, W, b = (normal(rng, *shape, dtype=dtype) for shape in (x_shape, W_shape, W_shape[:1]))
    y = forward(backend, x, W, b, stride=stride, pad=pad, dilate=dilate, groups=groups)
    assert_right(y, x, W, b, Window(W_shape[2:], stride, pad, dilate), groups)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_geometry(backend: Backend, data: st.DataObject) -> None:
    size = st.integers(1, 3)
    window = Window(*(data.draw(st.tuples(values, values)) for values in (size, size, st.integers(0, 2), size)))
    groups, each_in, each_out = (data.draw(st.integers(1, most)) for most in (3, 18, 4))
    spatial = tuple(
        data.draw(st.integers(max(1, d * (k - 1) + 1 - 2 * p), 8))
        for k, p, d in zip(window.size, window.pad, window.dilate, strict=True)
    )
    rng = np.random.default_rng(2)
    x = normal(rng, data.draw(size), groups * each_in, *spatial)
    W = normal(rng, groups * each_out, each_in, *window.size)
    b = normal(rng, groups * each_out) if data.draw(st.booleans()) else None
    y = forward(
        backend, x, W, b, stride=window.stride, pad=window.pad, dilate=window.dilate, groups=groups
    )  # fmt: skip
    assert_right(y, x, W, b, window, groups)


@pytest.mark.parametrize("precision", ["ieee", "tf32"])
def test_filters_are_packed_once_a_version(backend: Backend, monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    """And packed or not, the sums are the same."""
    from kusari.backend.derived import Storage
    from kusari_triton.kernels import conv

    rng = np.random.default_rng(5)
    x, W = normal(rng, 2, 32, 5, 6), normal(rng, 16, 32, 3, 3)
    with monkeypatch.context() as patch:
        patch.setattr(conv, "packed_axes", lambda problem, gradient: None)
        expected = forward(backend, x, W, precision=precision)
    packed = []
    repack = conv.repacked
    monkeypatch.setattr(conv, "repacked", lambda *given: packed.append(given[2]) or repack(*given))
    storage = Storage(W)
    for _ in range(2):
        np.testing.assert_array_equal(forward(backend, x, W, precision=precision), expected)
    assert len(packed) == 1
    W *= 2
    storage.touch()
    np.testing.assert_array_equal(forward(backend, x, W, precision=precision), 2 * expected)
    assert len(packed) == 2


def test_against_scipy(backend: Backend) -> None:
    rng = np.random.default_rng(3)
    x, W = normal(rng, 2, 17, 8, 9), normal(rng, 4, 17, 3, 2)
    expected = [[signal.correlate(image, filters, "valid")[0] for filters in W] for image in x.astype("d")]
    np.testing.assert_allclose(forward(backend, x, W), expected, rtol=0, atol=2e-5)


def test_against_the_portable_definition(backend: Backend) -> None:
    rng = np.random.default_rng(4)
    x, W, b = normal(rng, 2, 16, 6, 5), normal(rng, 8, 16, 3, 3), normal(rng, 8)
    window = Window((3, 3), ONE, ONE, ONE)
    problem = ConvolutionProblem(x.shape, W.shape, window, x.dtype, x.strides, 1, True, RELU)
    expected: Any = Convolution(get_backend("numpy"), problem).forward(x, W, b)
    y = forward(backend, x, W, b, pad=ONE, activation=RELU)
    np.testing.assert_allclose(y, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("channels", [4, 24])
def test_any_strides(backend: Backend, channels: int) -> None:
    rng = np.random.default_rng(6)
    x, W = normal(rng, 2, channels, 6, 7), normal(rng, 5, channels, 3, 3)
    expected = forward(backend, x, W)
    wide = np.zeros((4, channels + 3, 12, 8), "f")
    layouts = {
        "channels-last": np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
        "Fortran": np.asfortranarray(x),
        "a slice of more": wide[::2, 3:, ::2, 1:],
        "backwards": np.ascontiguousarray(x[::-1, ::-1, ::-1, ::-1])[::-1, ::-1, ::-1, ::-1],
        "a field of structures": np.zeros(x.shape, np.dtype([("value", "f4"), ("flag", "i1")]))["value"],
    }
    for name, view in layouts.items():
        view[...] = x
        np.testing.assert_array_equal(forward(backend, view, W), expected, err_msg=name)
    for filters in (np.asfortranarray(W), np.ascontiguousarray(W.transpose(2, 3, 1, 0)).transpose(3, 2, 0, 1)):
        np.testing.assert_array_equal(forward(backend, x, filters), expected)
    b = normal(rng, 10)[::2]
    np.testing.assert_array_equal(forward(backend, x, W, b), forward(backend, x, W, b.copy()))


def test_an_array_that_reaches_too_far_is_copied(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offsets inside an image are 32-bit numbers; with a limit of 200 elements instead of 2³¹."""
    from kusari_triton import tiles
    from kusari_triton.kernels import conv

    rng = np.random.default_rng(9)
    x, W = normal(rng, 2, 3, 10, 10)[:, :, ::2, ::2], normal(rng, 4, 3, 2, 2)
    expected = forward(backend, x, W)
    strides = []
    launch = conv.convolution_launch
    monkeypatch.setattr(tiles, "FAR", 200)

    def noted(problem: ConvolutionProblem, x: Array, *others: Any, **options: Any) -> Any:
        strides.append(x.strides)
        return launch(problem, x, *others, **options)

    monkeypatch.setattr(conv, "convolution_launch", noted)
    backend.forget_choices()
    np.testing.assert_array_equal(forward(backend, x, W), expected)
    assert strides == [(300, 100, 20, 4)]


def test_relu_keeps_nan_and_infinity(backend: Backend) -> None:
    x = np.array([np.nan, np.inf, -np.inf, -1, 2], "f").reshape(1, 1, 1, 5)
    y = forward(backend, x, np.ones((1, 1, 1, 1), "f"), activation=RELU)
    np.testing.assert_array_equal(y.ravel(), np.array([np.nan, np.inf, 0, 0, 2], "f"))


def test_other_activations_follow_the_convolution(backend: Backend) -> None:
    rng = np.random.default_rng(7)
    x, W = normal(rng, 1, 2, 4, 4), normal(rng, 3, 2, 2, 2)
    plain = forward(backend, x, W)
    np.testing.assert_allclose(forward(backend, x, W, activation=TANH), np.tanh(plain), rtol=3e-7, atol=0)


def test_blocks_of_several_programs_meet(backend: Backend) -> None:
    """More pixels and channels than one interpreted tile holds."""
    rng = np.random.default_rng(8)
    x, W = normal(rng, 1, 300, 47, 46), normal(rng, 260, 300, 1, 1)
    expected = np.einsum("nchw,oc->nohw", x.astype("d"), W[:, :, 0, 0].astype("d"))
    np.testing.assert_allclose(forward(backend, x, W), expected, rtol=0, atol=3e-4)


def test_more_groups_than_a_grid_has_room_for(backend: Backend) -> None:
    problem = ConvolutionProblem((1, 2**17, 2, 2), (2**16, 2, 1, 1), Window(ONE, ONE, NONE, ONE), np.dtype("f"))
    verdict = backend.explain(Convolution, problem._replace(groups=65_536)).verdicts[1]
    assert verdict.override.implementation.__name__ == "TritonConvolution"
    assert verdict.reason == "65536 groups: a grid has room for 65535"


@pytest.mark.parametrize(
    ("x", "W", "dtype", "precision", "words"),
    [
        ((2, 3, 8), (4, 3, 3), "float32", "ieee", "only 2-D, this is 1-D"),
        ((2, 3, 8, 8), (4, 3, 3, 3), "float64", "ieee", "float64 stays with the base"),
        ((2, 3, 8, 8), (4, 3, 3, 3), ">f4", "ieee", "byte order"),
        ((2, 3, 8, 8), (4, 3, 3, 3), "float32", "tf32x3", "only ieee and tf32"),
        ((0, 3, 8, 8), (4, 3, 3, 3), "float32", "ieee", "empty"),
        ((1, 2**15, 2**8, 2**8), (1, 2**15, 1, 1), "float32", "ieee", "nearly 2³¹ elements"),
        ((2**15, 1, 2**8, 2**8), (1, 1, 1, 1), "float32", "ieee", "nearly 2³¹ pixels"),
    ],
)
def test_what_it_does_not_take_it_gives_a_reason_for(
    backend: Backend, x: tuple[int, ...], W: tuple[int, ...], dtype: str, precision: str, words: str
) -> None:
    axes = len(x) - 2
    window = Window(W[2:], (1,) * axes, (0,) * axes, (1,) * axes)
    problem = ConvolutionProblem(x, W, window, np.dtype(dtype), precision=precision)
    explanation = backend.explain(Convolution, problem)
    assert explanation.chosen.override.source != "triton-interpret"
    assert words in str(explanation.verdicts[1].reason)
