"""Connections: what arguments mean at their limits, adjoint pairs, and the errors about bad input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

import kusari.functions as F
from kusari.autograd import Variable
from kusari.backend import Backend
from kusari.configuration import using_config
from kusari.errors import InvalidType
from kusari.gradient_check import check_backward, check_double_backward
from kusari.kernels.window import get_conv_outsize

Host = np.ndarray[Any, Any]


def drawn(*shape: int, seed: int = 0) -> Host:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


# Transposed convolution. ---------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(3, 9),
    width=st.integers(3, 7),
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pad=st.integers(0, 1),
    dilate=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
)
def test_deconvolution_is_the_transpose_of_convolution(
    backend: Backend,
    length: int,
    width: int,
    size: tuple[int, int],
    stride: tuple[int, int],
    pad: int,
    dilate: int,
    groups: int,
) -> None:
    spatial = (length, width)
    if any(get_conv_outsize(n, k, s, pad, d=dilate) < 1 for n, k, s in zip(spatial, size, stride, strict=True)):
        return
    x, W = drawn(2, 4, *spatial), drawn(6, 4 // groups, *size)
    options: dict[str, Any] = {"stride": stride, "pad": pad, "dilate": dilate, "groups": groups}
    arrays = [backend.from_host(a) for a in (x, W)]
    y = backend.to_host(F.convolution_2d(*arrays, **options).array)
    gy = drawn(*y.shape, seed=1)
    back = F.deconvolution_2d(backend.from_host(gy), arrays[1], outsize=spatial, **options)
    np.testing.assert_allclose(np.sum(y * gy), np.sum(x * backend.to_host(back.array)), rtol=1e-9)


def test_deconvolution_of_stride_1_is_a_full_convolution(backend: Backend) -> None:
    x, W = drawn(1, 1, 4, 5), drawn(1, 1, 3, 2)
    y = F.deconvolution_2d(backend.from_host(x), backend.from_host(W))
    np.testing.assert_allclose(backend.to_host(y.array)[0, 0], scipy.signal.convolve2d(x[0, 0], W[0, 0]), rtol=1e-10)


@pytest.mark.parametrize("outsize", range(7, 12))
def test_outsize_cuts_or_extends_by_less_than_the_stride(backend: Backend, outsize: int) -> None:
    x, W, b = drawn(2, 2, 3), drawn(2, 3, 3), drawn(3)
    y = F.deconvolution_1d(*map(backend.from_host, (x, W, b)), stride=3, outsize=outsize)
    whole = np.zeros((2, 3, 12)) + b[:, None]
    for i in range(3):
        whole[:, :, 3 * i : 3 * i + 3] += np.einsum("nc,cok->nok", x[:, :, i], W)
    np.testing.assert_allclose(backend.to_host(y.array), whole[:, :, :outsize], rtol=1e-10)
    inputs = [backend.from_host(a) for a in (x, W, b)]
    gradients = [backend.from_host(drawn(*a.shape, seed=2)) for a in (x, W, b)]
    gy = backend.from_host(drawn(*y.shape))

    def function(*variables: Variable) -> Variable:
        return F.deconvolution_1d(*variables, stride=3, outsize=outsize)

    check_backward(function, inputs, gy, eps=1e-5)
    check_double_backward(function, inputs, gy, gradients, eps=1e-5)


@pytest.mark.parametrize("outsize", [(6, 8), (12, 8), (9, 14)])
def test_outsize_out_of_reach(outsize: tuple[int, int]) -> None:
    with pytest.raises(InvalidType, match="outsize from 7 to 11"):
        F.deconvolution_2d(drawn(1, 1, 3, 3), drawn(1, 1, 3, 3), stride=3, outsize=outsize)


def test_outsize_of_another_length() -> None:
    with pytest.raises(ValueError, match=r"outsize=.*expected one number, or 2"):
        F.deconvolution_nd(drawn(1, 1, 3, 3), drawn(1, 1, 3, 3), outsize=(5,))


def test_a_deconvolution_that_leaves_nothing() -> None:
    with pytest.raises(InvalidType, match="at least one pixel"):
        F.deconvolution_2d(drawn(1, 1, 1, 1), drawn(1, 1, 3, 3), pad=2)


@pytest.mark.parametrize(
    ("x", "W", "b", "options"),
    [
        ((1, 2, 3, 3), (3, 2, 3, 3), None, {}),
        ((1, 2, 3, 3), (2, 2, 3), None, {}),
        ((1, 2, 3, 3), (2, 2, 3, 3), (3,), {}),
        ((1, 2, 3, 3), (2, 2, 3, 3), (1, 2), {}),
        ((1, 3, 3, 3), (3, 2, 3, 3), None, {"groups": 2}),
    ],
)
def test_deconvolution_of_what_does_not_fit(x: Any, W: Any, b: Any, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidType):
        F.deconvolution_2d(drawn(*x), drawn(*W), None if b is None else drawn(*b), **options)


def test_groups_below_1() -> None:
    for function in (F.convolution_2d, F.deconvolution_2d):
        with pytest.raises(ValueError, match="groups=0"):
            function(drawn(1, 1, 3, 3), drawn(1, 1, 3, 3), groups=0)


@pytest.mark.parametrize(
    ("function", "axes"),
    [(F.convolution_1d, 1), (F.convolution_3d, 3), (F.deconvolution_1d, 1), (F.deconvolution_3d, 3)],
)
def test_functions_named_for_a_number_of_axes_take_no_other(function: Callable[..., Any], axes: int) -> None:
    with pytest.raises(ValueError, match=f"expected {axes + 2} axes, {axes} of them spatial"):
        function(drawn(1, 1, 4, 4), drawn(1, 1, 2, 2))


@pytest.mark.parametrize("function", [F.convolution_2d, F.deconvolution_2d])
def test_old_keywords_of_convolutions(function: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"deterministic=True.*cudnn_deterministic"):
        function(drawn(1, 1, 3, 3), drawn(1, 1, 3, 3), deterministic=True)
    with pytest.raises(TypeError, match=r"unexpected keyword argument.*'strides'"):
        function(drawn(1, 1, 3, 3), drawn(1, 1, 3, 3), strides=2)


def test_depthwise_filters_of_another_shape() -> None:
    with pytest.raises(InvalidType, match=r"W.ndim == 4"):
        F.depthwise_convolution_2d(drawn(1, 2, 3, 3), drawn(2, 3, 3))
    with pytest.raises(InvalidType):
        F.depthwise_convolution_2d(drawn(1, 2, 3, 3), drawn(1, 3, 3, 3))


@pytest.mark.parametrize(
    "call",
    [
        F.deconvolution_2d,
        lambda x, W: F.local_convolution_2d(x, W.reshape(2, 1, 1, 2, 2, 2)),
        F.depthwise_convolution_2d,
        lambda x, W: F.bilinear(x, x[:, :1, :1], W.reshape(8, 2, 1)),
        lambda x, W: F.deformable_convolution_2d_sampler(x, np.zeros((1, 8, 1, 1), "f"), W),
    ],
    ids=["deconvolution", "local", "depthwise", "bilinear", "deformable"],
)
def test_parameters_in_single_precision_serve_half_precision_inputs(call: Callable[..., Any]) -> None:
    x, W = Variable(drawn(1, 2, 2, 2).astype("float16")), Variable(drawn(2, 2, 2, 2).astype("float32"))
    y = call(x, W)
    assert y.dtype == np.float16
    y.sum().backward()
    assert (x.grad.dtype, W.grad.dtype) == (np.float16, np.float32)


# Filters that differ from place to place, or look elsewhere. ---------------------------------------------------------


@pytest.mark.parametrize(
    ("W", "b"),
    [
        ((2, 2, 3, 1, 2, 2), None),
        ((2, 3, 3, 2, 2, 2), None),
        ((2, 3, 3, 1, 2), None),
        ((2, 3, 3, 1, 2, 2), (2,)),
        ((2, 3, 3, 1, 2, 2), (2, 1, 3)),
        ((2, 0, 0, 1, 5, 5), None),
    ],
)
def test_local_filters_that_do_not_fit(W: Any, b: Any) -> None:
    with pytest.raises(InvalidType, match="LocalConvolution2DFunction"):
        F.local_convolution_2d(drawn(1, 1, 4, 4), drawn(*W), None if b is None else drawn(*b))


def test_local_convolution_with_equal_filters_is_convolution(backend: Backend) -> None:
    x, W = backend.from_host(drawn(2, 3, 5, 4)), drawn(2, 3, 2, 3)
    everywhere = np.broadcast_to(W[:, None, None], (2, 2, 2, 3, 2, 3)).copy()
    y = F.local_convolution_2d(x, backend.from_host(everywhere), stride=(2, 1))
    expected = F.convolution_2d(x, backend.from_host(W), stride=(2, 1))
    np.testing.assert_allclose(backend.to_host(y.array), backend.to_host(expected.array), rtol=1e-10, atol=1e-12)


def test_deformable_convolution_without_offsets_is_convolution(backend: Backend) -> None:
    x, W, b = (backend.from_host(drawn(*shape)) for shape in ((2, 3, 5, 6), (2, 3, 3, 2), (2,)))
    expected = F.convolution_2d(x, W, b, stride=(1, 2), pad=1)
    offset = backend.from_host(np.zeros((2, 12, *expected.shape[2:])))
    y = F.deformable_convolution_2d_sampler(x, offset, W, b, stride=(1, 2), pad=1)
    np.testing.assert_allclose(backend.to_host(y.array), backend.to_host(expected.array), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("far", [-50.5, -3.5, 4.5, 1e30])
def test_nothing_comes_from_far_outside_the_image(backend: Backend, far: float) -> None:
    x = Variable(backend.from_host(drawn(1, 1, 3, 3)))
    offset = Variable(backend.from_host(np.full((1, 2, 3, 3), far)))
    y = F.deformable_convolution_2d_sampler(x, offset, backend.from_host(np.ones((1, 1, 1, 1))))
    y.sum().backward()
    for array in (y.array, x.grad, offset.grad):
        assert not np.any(backend.to_host(array))


def test_offsets_that_do_not_fit() -> None:
    x, W = drawn(1, 2, 4, 4), drawn(3, 2, 2, 2)
    with pytest.raises(ValueError, match="expected 8 channels"):
        F.deformable_convolution_2d_sampler(x, drawn(1, 4, 3, 3), W)
    with pytest.raises(InvalidType, match=r"x\.shape"):
        F.deformable_convolution_2d_sampler(x[:, :1], drawn(1, 8, 3, 3), W)
    with pytest.raises(InvalidType, match="ndim"):
        F.deformable_convolution_2d_sampler(x, drawn(1, 8, 3), W)
    with pytest.raises(InvalidType, match=r"b\.shape"):
        F.deformable_convolution_2d_sampler(x, drawn(1, 8, 3, 3), W, drawn(2))


# Shift. --------------------------------------------------------------------------------------------------------------


def test_where_each_group_of_channels_goes(backend: Backend) -> None:
    x = np.zeros((1, 20, 7, 7))
    x[:, :, 3, 3] = 1
    y = backend.to_host(F.shift(backend.from_host(x), 3, dilate=(1, 2)).array)
    ways = [tuple(np.argwhere(channel)[0] - 3) for channel in y[0]]
    expected = [(-1, -2), (-1, 0), (-1, 2), (0, -2), (1, 2), (0, 2), (1, -2), (1, 0), (0, 0), (0, 0)]
    assert ways == [way for way in expected for _ in range(2)]


def test_bad_arguments_of_shift() -> None:
    with pytest.raises(ValueError, match="expected odd numbers"):
        F.shift(drawn(1, 9, 3, 3), ksize=(3, 2))
    with pytest.raises(ValueError, match="dilate=0"):
        F.shift(drawn(1, 9, 3, 3), dilate=0)
    with pytest.raises(InvalidType, match=r"shape\[1\] >= 9"):
        F.shift(drawn(1, 8, 3, 3))
    with pytest.raises(InvalidType, match="floating"):
        F.shift(np.zeros((1, 9, 3, 3), "int32"))
    with pytest.raises(InvalidType, match="ndim == 4"):
        F.shift(drawn(9, 3, 3))


# Bilinear. -----------------------------------------------------------------------------------------------------------


def test_linear_terms_come_together() -> None:
    e, W = drawn(2, 3), drawn(3, 3, 4)
    for terms in ({"V1": drawn(3, 4)}, {"b": drawn(4)}, {"V1": drawn(3, 4), "V2": drawn(3, 4)}):
        with pytest.raises(ValueError, match="all of V1, V2 and b, or none"):
            F.bilinear(e, e, W, **terms)


@pytest.mark.parametrize(
    ("e1", "e2", "W"),
    [((3,), (3,), (3, 3, 1)), ((2, 3), (3, 3), (3, 3, 1)), ((2, 3), (2, 3), (3, 2, 1)), ((2, 3), (2, 3), (3, 3))],
)
def test_bilinear_inputs_that_do_not_fit(e1: Any, e2: Any, W: Any) -> None:
    with pytest.raises(InvalidType, match="BilinearFunction"):
        F.bilinear(drawn(*e1), drawn(*e2), drawn(*W))


# Look-up. ------------------------------------------------------------------------------------------------------------


def test_the_gradient_of_a_look_up_is_the_same_every_time(backend: Backend) -> None:
    x = backend.from_host(np.random.default_rng(0).integers(0, 3, 500))
    gy = backend.from_host(drawn(500, 4).astype("float32"))

    def gradient() -> bytes:
        W = Variable(backend.from_host(np.zeros((3, 4), "float32")))
        y = F.embed_id(x, W)
        y.grad = gy
        y.backward()
        return backend.to_host(W.grad).tobytes()

    assert len({gradient() for _ in range(5)}) == 1


def test_what_is_ignored_hands_on_no_gradient(backend: Backend) -> None:
    W = Variable(backend.from_host(drawn(3, 2)))
    y = F.embed_id(backend.from_host(np.array([7, 1, 7])), W, ignore_label=7)
    y.grad = backend.from_host(np.array([[np.nan] * 2, [1.0, 2.0], [np.inf] * 2]))
    y.backward()
    np.testing.assert_array_equal(backend.to_host(W.grad), [[0, 0], [1, 2], [0, 0]])


def test_debug_mode_names_numbers_out_of_range(backend: Backend) -> None:
    W = backend.from_host(drawn(3, 2))
    with using_config("debug", True):
        for number in (3, -1):
            x = backend.from_host(np.array([0, number]))
            with pytest.raises(ValueError, match="outside 0 … 2"):
                F.embed_id(x, W)
            assert F.embed_id(x, W, ignore_label=number).shape == (2, 2)


def test_numbers_out_of_range_on_the_host() -> None:
    with pytest.raises(IndexError):
        F.embed_id(np.array([3]), drawn(3, 2))


@pytest.mark.parametrize(
    ("x", "W"),
    [
        (np.array([1.0]), np.zeros((3, 2))),
        (np.array([1], "uint8"), np.zeros((3, 2))),
        (np.array([True]), np.zeros((3, 2))),
        (np.array(1), np.zeros((3, 2))),
        (np.array([1]), np.zeros((3, 2, 1))),
        (np.array([1]), np.zeros((3, 2), "int32")),
    ],
)
def test_look_ups_that_do_not_fit(x: Host, W: Host) -> None:
    with pytest.raises(InvalidType, match="EmbedIDFunction"):
        F.embed_id(x, W)
