"""Activations: bad input, edges, and fusion. Values and gradients are in the testkit's tables of cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kusari.functions as F
from kusari.autograd import Variable, grad
from kusari.backend import Backend
from kusari.configuration import using_config
from kusari.errors import InvalidType
from kusari.functions.activation.elu import ELU
from kusari.functions.connection.convolution_2d import convolution_2d
from kusari.functions.connection.linear import linear
from kusari.functions.fused import activation_of
from kusari.gradient_check import check_backward, check_double_backward
from kusari.kernels import activation as kernels

Array = Callable[..., Any]
Host = Callable[[Any], np.ndarray[Any, Any]]

ELEMENTWISE = [F.clipped_relu, F.relu6, F.elu, F.hard_sigmoid, F.leaky_relu, F.selu, F.softplus]
FUSABLE = [*ELEMENTWISE, F.relu, F.sigmoid, F.tanh]


@pytest.mark.parametrize("function", [*ELEMENTWISE, F.crelu, F.softmax, F.log_softmax, F.rrelu])
def test_integers_are_refused(array: Array, function: Callable[..., Any]) -> None:
    with pytest.raises(InvalidType, match=r"x\.dtype is floating"):
        function(array([[1, 2]], "int32"))


@pytest.mark.parametrize("function", [*ELEMENTWISE, F.crelu, F.softmax, F.log_softmax])
def test_nothing_overflows(array: Array, host: Host, function: Callable[..., Any]) -> None:
    y = host(function(array([[-1e4, -90.0, 0.0, 90.0, 1e4]], "float32")))
    assert y.dtype == np.float32
    assert np.all(np.isfinite(y))


@pytest.mark.parametrize("function", ELEMENTWISE)
def test_nan_stays(array: Array, host: Host, function: Callable[..., Any]) -> None:
    assert np.isnan(host(function(array([np.nan, 1.0])))).tolist() == [True, False]


@pytest.mark.parametrize(
    ("function", "at_zero"), [(F.relu6, 0), (F.leaky_relu, 1), (F.elu, 1), (F.hard_sigmoid, 0.2), (F.softplus, 0.5)]
)
def test_slope_at_zero(array: Array, host: Host, function: Callable[..., Any], at_zero: float) -> None:
    x = Variable(array([0.0]))
    y = function(x)
    y.grad = array([1.0])
    y.backward()
    assert host(x.grad) == pytest.approx(at_zero)


@pytest.mark.parametrize("function", FUSABLE, ids=lambda function: function.__name__)
def test_a_fused_epilogue_computes_the_function(array: Array, host: Host, function: Any) -> None:
    tag = activation_of(function)
    assert tag is not None
    rng = np.random.default_rng(0)
    x, W, b = (array(rng.normal(size=shape) * 2) for shape in ((4, 3), (5, 3), (5,)))
    fused, plain = linear(x, W, b, activation=function), function(linear(x, W, b))
    np.testing.assert_allclose(host(fused), host(plain), rtol=1e-12)
    check_backward(lambda x, W, b: linear(x, W, b, activation=function), (x, W, b), array(rng.normal(size=(4, 5))))


@pytest.mark.parametrize(
    "tag",
    [
        kernels.LEAKY_RELU._replace(parameters=(0.3,)),
        kernels.ELU._replace(parameters=(0.5,)),
        kernels.SELU._replace(parameters=(1.5, 0.5)),
        kernels.CLIPPED_RELU._replace(parameters=(0.5,)),
        kernels.SOFTPLUS._replace(parameters=(2.0,)),
    ],
    ids=lambda tag: tag.name,
)
def test_a_tag_with_other_parameters_can_be_differentiated_twice(array: Array, tag: Any) -> None:
    rng = np.random.default_rng(0)
    x, W = array(rng.normal(size=(1, 2, 4, 4))), array(rng.normal(size=(3, 2, 3, 3)))
    gy, ggx, ggW = (array(rng.normal(size=shape)) for shape in ((1, 3, 2, 2), x.shape, W.shape))

    def function(x: Any, W: Any) -> Variable:
        return convolution_2d(x, W, activation=tag)

    check_backward(function, (x, W), gy, eps=1e-5)
    check_double_backward(function, (x, W), gy, (ggx, ggW), eps=1e-5)


def test_defaults_are_the_tags(array: Array, host: Host) -> None:
    x = array(np.linspace(-3, 30, 9))
    for function in FUSABLE:
        tag = activation_of(function)
        assert tag is not None
        backend = Variable(x).device.backend
        np.testing.assert_array_equal(host(function(x)), host(tag.apply(backend, x)))


def test_clipped_relu_refuses_bounds(array: Array) -> None:
    with pytest.raises(TypeError, match="expected a number"):
        F.clipped_relu(array([1.0]), "20")  # type: ignore[arg-type]
    for z in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="above 0"):
            F.clipped_relu(array([1.0]), z)


def test_softplus_refuses_zero(array: Array) -> None:
    with pytest.raises(ZeroDivisionError, match="other than 0"):
        F.softplus(array([1.0]), 0)


def test_crelu_refuses_axes(array: Array) -> None:
    x = array([[1.0, 2.0]])
    for axis in (2, -3):
        with pytest.raises(InvalidType, match="ndim"):
            F.crelu(x, axis)
    with pytest.raises(TypeError, match="integer"):
        F.crelu(x, "1")  # type: ignore[arg-type]


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
@pytest.mark.parametrize("axis", [1, -2, 5])
def test_an_axis_that_is_not_there(array: Array, function: Callable[..., Any], axis: int) -> None:
    with pytest.raises(InvalidType, match="ndim"):
        function(array([1.0, 2.0]), axis=axis)


def test_maxout_refuses(array: Array) -> None:
    x = array(np.ones((2, 4)))
    with pytest.raises(InvalidType, match="multiple of pool_size=3"):
        F.maxout(x, 3)
    with pytest.raises(ValueError, match="positive"):
        F.maxout(x, 0)
    with pytest.raises(InvalidType, match="axis 2"):
        F.maxout(x, 2, axis=2)
    with pytest.raises(InvalidType, match="floating"):
        F.maxout(array(np.ones((2, 4)), "int32"), 2)


@pytest.mark.parametrize("function", [F.prelu, F.swish])
def test_parameters_must_fit(array: Array, function: Callable[..., Any]) -> None:
    x = array(np.ones((2, 3, 4)))
    with pytest.raises(InvalidType, match=r"shape\[1:2\]"):
        function(x, array(np.ones(4)))
    with pytest.raises(InvalidType, match="ndim"):
        function(array(np.ones((2, 3))), array(np.ones((3, 1))))
    with pytest.raises(InvalidType, match="dtype"):
        function(x, array(np.ones(3), "float32"))


def test_prelu_gives_the_positive_sides_slope_at_zero_in_both_modes(array: Array, host: Host) -> None:
    for double in (False, True):
        x, W = Variable(array([[-1.0, 0.0, 2.0]])), Variable(array([0.5, 0.5, 0.5]))
        gx, gW = grad([F.prelu(x, W)], [x, W], enable_double_backprop=double)
        assert host(gx).tolist() == [[0.5, 1, 1]]
        assert host(gW).tolist() == [-1, 0, 0]


def test_output_is_all_that_elu_keeps(array: Array) -> None:
    x = Variable(array([-1.0, 2.0]))
    y = F.elu(x)
    assert type(y.creator_node) is ELU
    assert x.node.data is None


class TestRReLU:
    def test_slopes_lie_between_the_bounds(self, array: Array, host: Host) -> None:
        x = np.random.default_rng(0).normal(size=(50, 20))
        y, r = F.rrelu(array(x), 0.25, 0.5, return_r=True)
        r = host(r)
        assert r.shape == x.shape
        assert np.all((r >= 0.25) & (r < 0.5))
        assert abs(r.mean() - 0.375) < 0.01  # 4 standard errors
        np.testing.assert_allclose(host(y), np.where(x >= 0, x, r * x))

    def test_gradient_is_that_of_the_drawn_slopes(self, array: Array, host: Host) -> None:
        x = Variable(array([-1.0, 2.0, -3.0]))
        y, r = F.rrelu(x, return_r=True)
        y.grad = array([1.0, 1.0, 2.0])
        y.backward()
        slopes = host(r)
        np.testing.assert_allclose(host(x.grad), [slopes[0], 1, 2 * slopes[2]])

    def test_testing_takes_the_mean(self, array: Array, host: Host) -> None:
        x = array([-1.0, 2.0])
        with using_config("train", False):
            y, r = F.rrelu(x, 0.25, 0.5, r=array([0.3, 0.3]), return_r=True)
        np.testing.assert_allclose(host(y), [-0.375, 2])
        np.testing.assert_allclose(host(r), [0.375, 0.375])

    def test_bad_input(self, array: Array) -> None:
        x = array([-1.0, 2.0])
        with pytest.raises(ValueError, match="l below u"):
            F.rrelu(x, 0.5, 0.5)
        with pytest.raises(InvalidType, match="shape"):
            F.rrelu(x, r=array([0.3]))
        with pytest.raises(InvalidType, match="dtype"):
            F.rrelu(x, r=array([0.3, 0.3], "float32"))
        with pytest.raises(ValueError, match="using_config"):
            F.rrelu(x, train=False)
        with pytest.raises(TypeError, match="slope"):
            F.rrelu(x, slope=1)


def test_labels_of_old_keep_working(backend: Backend, array: Array) -> None:
    names = {
        "ClippedReLU": F.relu6,
        "CReLU": F.crelu,
        "ELU": F.elu,
        "HardSigmoid": F.hard_sigmoid,
        "LeakyReLU": F.leaky_relu,
        "LogSoftmax": F.log_softmax,
        "Softmax": F.softmax,
        "Softplus": F.softplus,
        "RReLU": F.rrelu,
    }
    for name, function in names.items():
        creator = function(Variable(array([[1.0, 2.0]]))).creator_node
        assert creator is not None
        assert creator.label == name
