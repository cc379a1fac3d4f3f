"""Each way to convolve: chosen where it should be, and right against SciPy, whichever passes it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate

from kusari.backend import get_backend
from kusari.kernels.activation import RELU, TANH
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import Window
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.convolution import taps, unfolded, winograd, winograd_products
from kusari_numpy.convolution.depthwise import DepthwiseConvolution
from kusari_numpy.convolution.direct import DirectConvolution
from kusari_numpy.convolution.groups import GroupedConvolution
from kusari_numpy.convolution.taps import ConvolutionByTaps
from kusari_numpy.convolution.unfolded import UnfoldedConvolution
from kusari_numpy.convolution.winograd import WinogradConvolution
from kusari_numpy.convolution.winograd_products import WinogradByProducts
from kusari_numpy.threads import get_num_threads, set_num_threads
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
    each, per_group = W.shape[1], len(W) // p.groups

    def plane(image: Any, o: int) -> Any:
        first = o // per_group * each
        return correlate(image[first : first + each], grown[o], "valid", method="direct")[0][steps]

    return np.stack([np.stack([plane(image, o) for o in range(len(W))]) for image in x])


@pytest.fixture(scope="module", autouse=True)
def any_number_of_tiles() -> Iterator[None]:
    """Small images are fewer tiles than Winograd's transforms pay for."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (winograd, winograd_products):
            patch.setattr(module, "FEWEST", 1)
        patch.setattr(winograd_products, "SMALLEST", 16)
        yield


sizes = st.integers(1, 3)
compiled = pytest.mark.skipif(compiled_available(get_backend("numpy")) is not True, reason="needs numba, threadpoolctl")
WAYS = [
    UnfoldedConvolution,
    GroupedConvolution,
    ConvolutionByTaps,
    WinogradByProducts,
    *(pytest.param(way, marks=compiled) for way in (DirectConvolution, WinogradConvolution, DepthwiseConvolution)),
]


@st.composite
def problems(draw: Any, way: type[Convolution]) -> tuple[Any, Any, ConvolutionProblem]:
    """Draw images in one memory format or the other, filters, and a Problem that ``way`` takes."""
    axes = draw(st.integers(1, 3))
    n, c, o, dtype = draw(sizes), draw(st.integers(1, 6)), draw(st.integers(1, 6)), "d"
    stride, pad, dilate, groups = draw(sizes), draw(st.integers(0, 2)), draw(st.integers(1, 2)), 1
    window, beyond = [draw(sizes) for _ in range(axes)], [draw(st.integers(0, 4)) for _ in range(axes)]
    if way is DepthwiseConvolution:
        groups = c = o = draw(st.integers(2, 20))
        window[-1], beyond[-1] = draw(st.integers(1, 7)), draw(st.integers(0, 12))  # chains of taps, lines of pixels
    elif way is ConvolutionByTaps:
        groups = c = draw(st.integers(2, 6))
        o = c * draw(sizes)
    elif way is DirectConvolution:
        groups = draw(st.integers(1, 3))
        c, o = groups * c, groups * o
    elif way is GroupedConvolution:
        groups = draw(st.integers(2, 3))
        c, o = groups * draw(st.integers(4, 5)), groups * o
    elif way in (WinogradConvolution, WinogradByProducts):
        stride, dilate, dtype = 1, 1, "f"
        window = [draw(st.sampled_from([3, 5]))] * 2
        beyond = [draw(st.integers(3, 9)) for _ in window]
        c, o = draw(st.integers(16, 18)), draw(st.integers(16, 18))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    shape = [dilate * (k - 1) + 1 + more for k, more in zip(window, beyond, strict=True)]
    x = rng.standard_normal((n, c, *shape)).astype(dtype)
    if draw(st.booleans()):
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    x.flags.writeable = False
    W = rng.standard_normal((o, c // groups, *window)).astype(dtype)
    return x, W, problem(x, W, stride, pad, dilate, groups=groups)


@settings(max_examples=60)
@given(data=st.data(), block=st.sampled_from([1, 40, 300]), cover_all=st.booleans())
def test_windows_are_unfolded_some_at_a_time(data: st.DataObject, block: int, cover_all: bool) -> None:
    x, W, p = data.draw(problems(UnfoldedConvolution))
    p, rng, passes = p._replace(cover_all=cover_all), np.random.default_rng(0), []
    gy = rng.standard_normal(p.y)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unfolded, "BLOCK", block)
        for way in (UnfoldedConvolution, Convolution):
            plan = way(get_backend("numpy"), p)
            passes.append((plan.forward(x, W, None), plan.grad_input(W, gy), plan.grad_weight(x, gy)))
    for made, expected in zip(*passes, strict=True):
        np.testing.assert_allclose(made, expected, rtol=0, atol=1e-11)


@settings(max_examples=40)
@given(data=st.data(), piece=st.sampled_from([1, 100, 10**6]), threads=st.integers(1, 3))
def test_taps_are_summed_for_some_images_at_a_time(data: st.DataObject, piece: int, threads: int) -> None:
    x, W, p = data.draw(problems(ConvolutionByTaps))
    gy, before = np.random.default_rng(0).standard_normal(p.y), get_num_threads()
    whole = ConvolutionByTaps(get_backend("numpy"), p)
    expected = whole.forward(x, W, None), whole.grad_input(W, gy), whole.grad_weight(x, gy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taps, "PIECE", piece)
        set_num_threads(threads)
        try:
            for made, right in zip(
                (whole.forward(x, W, None), whole.grad_input(W, gy), whole.grad_weight(x, gy)), expected, strict=True
            ):
                np.testing.assert_allclose(made, right, rtol=0, atol=1e-11)
        finally:
            set_num_threads(before)


@pytest.mark.parametrize("block", [1, 36 * 6 * 18])
def test_transforms_by_products_go_by_some_images_at_a_time(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, W = rng.standard_normal((3, 17, 9, 6)).astype("f"), rng.standard_normal((18, 17, 3, 3)).astype("f")
    p = problem(x, W, pad=1)
    gy = rng.standard_normal(p.y).astype("f")
    plans = WinogradByProducts(get_backend("numpy"), p), Convolution(get_backend("numpy"), p)
    monkeypatch.setattr(winograd_products, "BLOCK", block)
    made, expected = ((plan.forward(x, W, None), plan.grad_input(W, gy), plan.grad_weight(x, gy)) for plan in plans)
    for a, b in zip(made, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=3e-5 * float(abs(b).max()))


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=40)
@given(data=st.data())
def test_every_pass_against_scipy_and_finite_differences(way: type[Convolution], data: st.DataObject) -> None:
    x, W, p = data.draw(problems(way))
    assert way.accepts(p) is True
    plan = way(get_backend("numpy"), p)
    exact = p.dtype == np.float64
    y = plan.forward(x, W, None)
    np.testing.assert_allclose(y, oracle(x, W, p), rtol=0, atol=1e-12 if exact else 3e-5 * np.sqrt(W[0].size))
    # y is bilinear in x and W, so that its gradients are exact by inner products: ⟨gy, conv(d, W)⟩ = ⟨gx, d⟩.
    rng = np.random.default_rng(0)
    gy, dx, dW = (rng.standard_normal(shape).astype(p.dtype) for shape in (y.shape, x.shape, W.shape))
    gx, gW, gb = plan.backward(x, W, None, gy, (True, True, True))
    assert gx is not None
    assert gW is not None
    tolerance = 1e-9 if exact else 3e-5 * np.linalg.norm(gy) * np.linalg.norm(dx) * np.linalg.norm(W)
    assert float(np.sum(gx * dx)) == pytest.approx(np.sum(gy * oracle(dx, W, p)), rel=0, abs=float(tolerance))
    tolerance = 1e-9 if exact else 3e-5 * np.linalg.norm(gy) * np.linalg.norm(x) * np.linalg.norm(dW)
    assert float(np.sum(gW * dW)) == pytest.approx(np.sum(gy * oracle(x, dW, p)), rel=0, abs=float(tolerance))
    np.testing.assert_allclose(gb, gy.sum(axis=(0, *range(2, gy.ndim))), rtol=0, atol=1e-11 if exact else 1e-3)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=40)
@given(data=st.data())
def test_bias_and_activation(way: type[Convolution], data: st.DataObject) -> None:
    x, W, p = data.draw(problems(way))
    b = np.random.default_rng(1).standard_normal(len(W)).astype(p.dtype)
    for activation, function in ((RELU, lambda y: np.maximum(y, 0)), (TANH, np.tanh)):
        y = way(get_backend("numpy"), p._replace(bias=True, activation=activation)).forward(x, W, b)
        expected = function(oracle(x, W, p) + b.reshape(-1, *[1] * (x.ndim - 2)))
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-4 * np.sqrt(W[0].size))


@compiled
def test_results_do_not_depend_on_the_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    before = get_num_threads()
    for shape, groups in (((20, 3, 5, 5), 1), ((16, 16, 3, 3), 1), ((16, 1, 3, 3), 16)):
        x, W = rng.standard_normal((3, shape[1] * groups, 13, 11)).astype("f"), rng.standard_normal(shape).astype("f")
        p = problem(x, W, pad=1, groups=groups)
        results = []
        try:
            for threads in (1, 2, 5):
                set_num_threads(threads)
                plan = Convolution.plan(get_backend("numpy"), p)
                y = plan.forward(x, W, None)
                results.append([y, *plan.backward(x, W, None, y, (True, True, True))])
        finally:
            set_num_threads(before)
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("way", [WinogradByProducts, pytest.param(WinogradConvolution, marks=compiled)])
def test_nan_and_infinity_pass_through_the_transforms(way: type[Convolution]) -> None:
    x, W = np.ones((1, 16, 12, 12), "f"), np.ones((16, 16, 3, 3), "f")
    x[0, 3, 1, 1], x[0, 3, 9, 9] = np.nan, np.inf
    p = problem(x, W, pad=1, bias=True, activation=RELU)
    with np.errstate(invalid="ignore"):
        y = np.asarray(way(get_backend("numpy"), p).forward(x, W, np.zeros(16, "f")))
    assert np.isnan(y[0, :, 0:3, 0:3]).all()
    assert not np.isfinite(y[0, :, 8:11, 8:11]).any()
    assert np.isfinite(y[0, :, :4, 4:]).all()  # other tiles know nothing of it


@compiled
def test_winograd_is_switched_off_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    x, W = np.zeros((1, 16, 9, 8), "f"), np.zeros((16, 16, 3, 3), "f")
    backend, p = get_backend("numpy"), problem(x, W, pad=1)
    assert backend.explain(Convolution, p).chosen.override.implementation is WinogradConvolution
    monkeypatch.setenv("KUSARI_WINOGRAD", "0")
    backend.forget_choices()
    try:
        explanation = backend.explain(Convolution, p)
        assert explanation.chosen.override.implementation is DirectConvolution
        assert "KUSARI_WINOGRAD=0" in str(explanation)
    finally:
        monkeypatch.undo()
        backend.forget_choices()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"W": (4, 1, 3, 3), "groups": 4, "cover_all": True, "dtype": np.dtype("float16")}, "float16"),
        ({"dtype": np.dtype("float16")}, "float16"),
    ],
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
