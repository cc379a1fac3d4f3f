"""A Variable by itself: attributes, copies, gradient bookkeeping; debug mode, type checks, synchronization."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kusari.autograd import (
    FunctionNode,
    Variable,
    as_array,
    as_variable,
)
from kusari.backend import Backend
from kusari.configuration import using_config
from kusari.errors import InvalidType, SynchronizationError

Array = Callable[..., Any]
Make = Callable[..., Variable]
Host = Callable[[Any], np.ndarray[Any, Any]]


def test_attributes(backend: Backend, array: Array, variable: Make) -> None:
    x = variable([[1, 2]], "float32", name="x")
    assert (x.shape, x.ndim, x.size, len(x), x.name) == ((1, 2), 2, 2, 1, "x")
    assert x.dtype is np.dtype("float32")
    assert x.xp is backend.xp
    assert x.data is x.array
    assert x.label == "(1, 2), float32"
    x.anything = 1  # type: ignore[attr-defined]
    assert vars(x)["anything"] == 1
    assert "variable x(" in repr(x)
    other = array([3.0])
    x.array = other
    assert x.array is other
    assert x.shape == (1,)
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)


def test_conversions(array: Array, variable: Make) -> None:
    x, bare = variable([1.0]), array([1.0])
    assert as_variable(x) is x
    assert not as_variable(bare).requires_grad
    assert as_variable(bare).array is as_array(bare) is bare
    assert as_array(x) is x.array
    assert as_array(2.5) == 2.5


def test_gradient_bookkeeping(array: Array, variable: Make, host: Host) -> None:
    x, y = variable([1.0, 2.0]), variable([3.0, 4.0])
    x.addgrad(y)
    assert x.grad is None
    y.grad = array([1.0, 1.0])
    x.addgrad(y)
    x.addgrad(y)
    np.testing.assert_array_equal(host(x.grad), [2, 2])
    np.testing.assert_array_equal(host(y.grad), [1, 1])
    with pytest.warns(DeprecationWarning, match=r"use cleargrad\(\)"):
        x.zerograd()
    np.testing.assert_array_equal(host(x.grad), [0, 0])
    held = x.array
    x.copydata(y)
    np.testing.assert_array_equal(host(held), [3, 4])  # in place


def test_pickle_and_copy(backend: Backend, array: Array, variable: Make, host: Host) -> None:
    x = variable([1.0, 2.0], name="x", requires_grad=False)
    x.grad = array([3.0, 4.0])
    for twin in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert twin.array is not x.array
        assert (twin.name, twin.requires_grad, twin.device) == ("x", False, x.device)
        np.testing.assert_array_equal(host(twin), [1, 2])
        np.testing.assert_array_equal(host(twin.grad), [3, 4])
    shallow = copy.copy(x)
    assert shallow.array is x.array
    assert shallow.grad_var is x.grad_var
    loaded = pickle.loads(pickle.dumps(x * 2))  # the graph stays behind
    assert loaded.creator_node is None


def test_pickle_keeps_the_device(strict: Backend) -> None:
    x = Variable(strict.from_host(np.ones(2), 1))
    twin = pickle.loads(pickle.dumps(x))
    assert twin.device is x.device
    assert strict.index_of(twin.array) == 1


# Debug mode, type checks, synchronization. --------------------------------------------------------------------------
def test_debug_mode_finds_nan_in_outputs_and_gradients(variable: Make) -> None:
    class BadGradient(FunctionNode):
        def forward(self, inputs: Any) -> Any:
            return (inputs[0] * 1,)

        def backward(self, indexes: Any, grad_outputs: Any) -> Any:
            return (grad_outputs[0] * float("nan"),)

    x = variable([1.0])
    (y,) = BadGradient().apply((x,))
    with using_config("debug", True):
        with pytest.raises(RuntimeError, match="NaN in the output of _ - _"):
            variable([float("nan")]) - x
        with pytest.raises(RuntimeError, match=r"NaN in the (output of _ \* nan|gradient that BadGradient computed)"):
            y.sum().backward()
        assert (x * 2).dtype == np.float64
        variable([1], "int32") * 2  # integers cannot be NaN
    y.sum().backward()  # nobody looks


def test_debug_mode_checks_the_gradients_shape(variable: Make) -> None:
    class Wrong(FunctionNode):
        def forward(self, inputs: Any) -> Any:
            return (inputs[0] * 1,)

        def backward(self, indexes: Any, grad_outputs: Any) -> Any:
            return (grad_outputs[0].sum(),)

    (y,) = Wrong().apply((variable([1.0, 2.0]),))
    expected = r"Wrong\.backward\(\) gave input 0 a gradient of shape \(\); expected \(2,\)"
    with using_config("debug", True), pytest.raises(RuntimeError, match=expected):
        y.sum().backward()


def test_type_checks_can_be_turned_off(array: Array) -> None:
    class Checked(FunctionNode):
        def check_type_forward(self, in_types: Any) -> None:
            raise InvalidType("never", "always")

        def forward(self, inputs: Any) -> Any:
            return (inputs[0] * 1,)

    with pytest.raises(InvalidType, match=r"Invalid operation is performed in: Checked \(Forward\)"):
        Checked().apply((array([1.0]),))
    with using_config("type_check", False):
        Checked().apply((array([1.0]),))


def test_item_is_a_synchronization(variable: Make) -> None:
    x = variable([[2.5]])
    assert x.item() == 2.5
    with using_config("forbid_synchronization", True), pytest.raises(SynchronizationError, match="read it later"):
        x.item()
