"""Gradient checking: it accepts right gradients and finds wrong ones, first and second, on every backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kusari.autograd import FunctionNode, Variable
from kusari.backend import Backend
from kusari.gradient_check import (
    NondifferentiableError,
    check_backward,
    check_double_backward,
    check_forward,
    numerical_grad,
)

Make = Callable[..., Any]


class Cube(FunctionNode):
    """x³ with a factor and an offset that make its first or second gradient wrong."""

    def __init__(self, first: float = 1.0, second: float = 1.0, element: bool = False) -> None:
        self.first, self.second, self.element = first, second, element

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        self.retain_inputs((0,))
        return (inputs[0] ** 3,)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (x,) = self.get_retained_inputs()
        gx = CubeGrad(self.second).apply((x, grad_outputs[0]))[0] * self.first
        if self.element:
            spoiled = gx.xp.asarray(gx.array, copy=True)
            spoiled[1] += 0.01
            return (Variable(spoiled),)
        return (gx,)


class CubeGrad(FunctionNode):
    """3x²gy."""

    def __init__(self, second: float) -> None:
        self.second = second

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        self.retain_inputs((0, 1))
        return (3 * inputs[0] ** 2 * inputs[1],)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (x, gy), (g,) = self.get_retained_inputs(), grad_outputs
        return tuple([3 * x**2 * g if index else 6 * x * gy * g * self.second for index in indexes])


def cube(**faults: Any) -> Callable[[Variable], Variable]:
    return lambda x: Cube(**faults).apply((x,))[0]


def test_numerical_grad_of_a_formula(array: Make, host: Callable[[Any], Any]) -> None:
    x, y = array([[1.0, 2.0], [3.0, -1.0]]), array([2.0, 0.5])
    before = host(x)
    gx, gy = numerical_grad(lambda: (x * y, x + y), (x, y), (array([[1.0, 1], [1, 2]]), None))
    np.testing.assert_allclose(host(gx), [[2, 0.5], [2, 1]], rtol=1e-8)
    np.testing.assert_allclose(host(gy), [4, 0], atol=1e-8)
    np.testing.assert_array_equal(host(x), before)
    assert type(gx) is type(x)


def test_numerical_grad_counts_the_step_that_float32_can_make(array: Make, host: Callable[[Any], Any]) -> None:
    x = array([1000.0], "float32")  # 1000 ± 1e-3 is not a float32: the step is up to 3 % off
    (gx,) = numerical_grad(lambda: x * 1, (x,), (array([1.0], "float32"),))
    assert gx.dtype == x.dtype
    np.testing.assert_allclose(host(gx), [1], rtol=1e-6)


def test_numerical_grad_of_a_scalar_argument(array: Make, host: Callable[[Any], Any]) -> None:
    x = array(3.0)
    (gx,) = numerical_grad(lambda: x * x, (x,), (array(1.0),))
    np.testing.assert_allclose(host(gx), 6)


def test_an_exception_leaves_the_input_as_it_was(array: Make, host: Callable[[Any], Any]) -> None:
    x = array([1.0, 2.0])

    def raising() -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        numerical_grad(raising, (x,), (x,))
    np.testing.assert_array_equal(host(x), [1, 2])


@settings(max_examples=60, deadline=None)
@given(st.floats(-0.9, 0.9), st.floats(0.1, 10.0))
def test_a_kink_anywhere_in_the_step_is_found(place: float, slope: float) -> None:
    x, eps = np.asarray([place * 1e-3]), 1e-3
    with pytest.raises(NondifferentiableError, match="input 0 at"):
        numerical_grad(lambda: np.abs(x) * slope, (x,), (np.ones(1),), eps, detect_nondifferentiable=True)


@settings(max_examples=60, deadline=None)
@given(st.floats(-3, 3))
def test_smooth_functions_have_no_kink(value: float) -> None:
    for smooth in (np.sin, np.exp, np.square, np.zeros_like):
        x = np.asarray([value])
        numerical_grad(lambda f=smooth, x=x: f(x), (x,), (np.ones(1),), detect_nondifferentiable=True)


def test_an_infinite_output_is_not_differentiable() -> None:
    x = np.asarray([0.0])
    with pytest.raises(NondifferentiableError, match="not finite"), np.errstate(divide="ignore"):
        numerical_grad(lambda: 1 / x, (x,), (np.ones(1),), detect_nondifferentiable=True)


def test_the_center_may_be_given() -> None:
    x, calls = np.asarray([0.3]), []

    def f() -> Any:
        calls.append(1)
        return x * x

    numerical_grad(f, (x,), (np.ones(1),), detect_nondifferentiable=True, center_outputs=(x * x,))
    assert len(calls) == 4


@pytest.mark.parametrize("elementwise", [False, True])
def test_right_gradients_pass(array: Make, elementwise: bool) -> None:
    x, gy, ggx = array([0.5, -1.0, 2.0]), array([1.0, -2.0, 0.3]), array([0.1, 0.2, -1.0])
    check_backward(cube(), x, gy, elementwise=elementwise)
    check_double_backward(cube(), x, gy, ggx, elementwise=elementwise)


@pytest.mark.parametrize("elementwise", [False, True])
def test_a_wrong_first_gradient_is_found(array: Make, elementwise: bool) -> None:
    x, gy = array([0.5, -1.0, 2.0]), array([1.0, -2.0, 0.3])
    with pytest.raises(
        AssertionError, match=r"(?s)check_backward of .*argument 0, float64\[3\] at \(1,\): numerical -6"
    ):
        check_backward(cube(first=1.01), x, gy, elementwise=elementwise)


def test_one_wrong_element_is_named(array: Make) -> None:
    x, gy = array([0.5, -1.0, 2.0]), array([1.0, -2.0, 0.3])
    with pytest.raises(AssertionError, match=r"at \(1,\): numerical -6.*, backward -5.99"):
        check_backward(cube(element=True), x, gy)


@pytest.mark.parametrize("elementwise", [False, True])
def test_a_wrong_second_gradient_is_found(array: Make, elementwise: bool) -> None:
    x, gy, ggx = array([0.5, -1.0, 2.0]), array([1.0, -2.0, 0.3]), array([0.1, 0.2, -1.0])
    check_backward(cube(second=1.01), x, gy)
    with pytest.raises(AssertionError, match="gradients of"):
        check_double_backward(cube(second=1.01), x, gy, ggx, elementwise=elementwise)


def test_a_gradient_that_is_missing_counts_as_zero(array: Make) -> None:
    def constant(x: Variable, y: Variable) -> Variable:
        return x * 2

    check_backward(constant, (array([1.0]), array([5.0])), array([1.0]))

    def cut(x: Variable, y: Variable) -> Variable:
        return x * 2 + Variable(y.array, requires_grad=False)

    with pytest.raises(AssertionError, match="argument 1"):
        check_backward(cut, (array([1.0]), array([5.0])), array([1.0]))


def test_parameters_are_checked_and_restored(array: Make, host: Callable[[Any], Any]) -> None:
    x = array([1.0, 2.0], "float32")
    weight = Variable(array([3.0, 4.0], "float32"))
    weight.grad = array([7.0, 7.0], "float32")
    original = weight.array
    check_backward(lambda x: x * weight * weight, x, array([1.0, 0.5], "float32"), weight, dtype="float64")
    assert weight.array is original
    np.testing.assert_array_equal(host(weight.grad), [7, 7])
    ones = array([1.0, 1.0], "float32")
    check_double_backward(lambda x: x * weight * weight, x, ones, ones, (weight,), (ones,), dtype="float64")
    assert weight.array is original

    def cut(x: Variable) -> Variable:
        return x * Variable(weight.array, requires_grad=False)

    with pytest.raises(AssertionError, match=r"params\[0\]"):
        check_backward(cut, x, ones, weight, dtype="float64")


def test_float64_checks_float32_closely(array: Make) -> None:
    x, gy = array([0.5, -1.0, 2.0], "float32"), array([1.0, -2.0, 0.3], "float32")
    check_backward(cube(), x, gy, eps=1e-5, atol=1e-8, rtol=1e-8, dtype="float64")
    with pytest.raises(AssertionError):
        check_backward(cube(first=1 + 1e-6), x, gy, eps=1e-5, atol=1e-8, rtol=1e-8, dtype="float64")


def test_integer_arguments_have_no_gradient(array: Make) -> None:
    x, index = array([1.0, 2.0, 3.0]), array([0, 2], "int64")

    def pick(x: Variable, index: Variable) -> Variable:
        return x * x + float(index.size)

    check_backward(pick, (x, index), array([1.0, 1, 1]))


def test_several_outputs_and_none(array: Make) -> None:
    x = array([1.0, 2.0])
    check_backward(lambda x: (x * x, x * 3), x, (array([1.0, 2.0]), None))
    with pytest.raises(ValueError, match="2 outputs and 1 gradients"):
        check_backward(lambda x: (x * x, x * 3), x, array([1.0, 2.0]))


def test_a_kink_along_the_direction(array: Make) -> None:
    with pytest.raises(NondifferentiableError, match="along a random direction"):
        check_backward(abs, array([0.0]), array([1.0]), detect_nondifferentiable=True)


def test_unfit_arguments(array: Make) -> None:
    x = array([1.0])
    with pytest.raises(ValueError, match="no_grads has 2 entries; expected 1"):
        check_backward(cube(), x, x, no_grads=[True, False])
    with pytest.raises(ValueError, match="nothing to check"):
        check_backward(cube(), (), x)
    with pytest.raises(ValueError, match="2 gradients of gradients; expected 1"):
        check_double_backward(cube(), x, x, (x, x))
    with pytest.raises(ValueError, match="has shape"):
        check_backward(cube(), x, array([1.0, 2.0]))


def test_forward_values(array: Make, backend: Backend) -> None:
    check_forward(cube(), array([1.0, 2.0]), np.asarray([1.0, 8.0]))
    with pytest.raises(AssertionError, match=r"output 0 at \(1,\) is 8, expected 9"):
        check_forward(cube(), array([1.0, 2.0]), np.asarray([1.0, 9.0]))
    with pytest.raises(AssertionError, match="has shape"):
        check_forward(cube(), array([1.0, 2.0]), np.asarray([1.0]))
    with pytest.raises(AssertionError, match="1 outputs, expected 2"):
        check_forward(cube(), array([1.0]), (np.ones(1), np.ones(1)))
    with np.errstate(invalid="ignore"):
        check_forward(cube(), array([np.nan, np.inf]), np.asarray([np.nan, np.inf]))
    with pytest.raises(AssertionError, match="is nan"):
        check_forward(cube(), array([np.nan]), np.asarray([1.0]))
