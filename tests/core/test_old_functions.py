"""Functions written for one kind of device at a time: forward_cpu and forward_gpu, old style and new."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kusari.autograd import Function, FunctionNode, Variable, grad
from kusari.backend import Backend

Make = Callable[..., Variable]
Host = Callable[[Any], np.ndarray[Any, Any]]


class OldScale(Function):
    """y = 3x by the old protocol, saying which of the two ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def forward_cpu(self, inputs: Any) -> Any:
        self.ran.append("forward on the host")
        return (inputs[0] * 3,)

    def forward_gpu(self, inputs: Any) -> Any:
        self.ran.append("forward on a device")
        return (inputs[0] * 3,)

    def backward_cpu(self, inputs: Any, grad_outputs: Any) -> Any:
        self.ran.append("backward on the host")
        return (grad_outputs[0] * 3,)

    def backward_gpu(self, inputs: Any, grad_outputs: Any) -> Any:
        self.ran.append("backward on a device")
        return (grad_outputs[0] * 3,)


class NewScale(FunctionNode):
    """y = 3x as a node, whose backward is one for all devices."""

    def forward_cpu(self, inputs: Any) -> Any:
        self.place = "host"
        return (inputs[0] * 3,)

    def forward_gpu(self, inputs: Any) -> Any:
        self.place = "device"
        return (inputs[0] * 3,)

    def backward(self, indexes: Any, grad_outputs: Any) -> Any:
        return (NewScale().apply(grad_outputs)[0],)


def test_an_old_style_function_runs_the_halves_of_its_device(backend: Backend, variable: Make, host: Host) -> None:
    function, x = OldScale(), variable([1.0, 2.0])
    y = function(x)
    y.sum().backward()
    assert host(y).tolist() == [3, 6]
    assert host(x.grad).tolist() == [3, 3]
    place = "on the host" if backend.on_host else "on a device"
    assert function.ran == [f"forward {place}", f"backward {place}"]


def test_a_node_runs_the_forward_of_its_device_and_its_gradient_is_differentiable(
    backend: Backend, variable: Make, host: Host
) -> None:
    node, x = NewScale(), variable([1.0, 2.0])
    (y,) = node.apply((x,))
    assert node.place == ("host" if backend.on_host else "device")
    (gx,) = grad([y * y], [x], enable_double_backprop=True)
    assert gx is not None
    np.testing.assert_array_equal(host(gx), [18, 36])  # d(9x²)/dx
    (ggx,) = grad([gx], [x])
    assert ggx is not None
    np.testing.assert_array_equal(host(ggx), [18, 18])


@pytest.mark.parametrize("make", [Function, FunctionNode])
def test_a_function_without_the_half_that_is_needed_says_which(backend: Backend, variable: Make, make: type) -> None:
    empty = type("Empty", (make,), {})()
    name = "forward_cpu" if backend.on_host else "forward_gpu"
    with pytest.raises(NotImplementedError, match=rf"Empty defines neither forward\(\) nor {name}\(\)"):
        empty(variable([1.0])) if make is Function else empty.apply((variable([1.0]),))


def test_an_old_style_function_without_backward_sends_nothing_back(variable: Make) -> None:
    class Rounded(Function):
        def forward(self, inputs: Any) -> Any:
            return (inputs[0] - inputs[0] % 1,)

    x = variable([1.5])
    Rounded()(x).sum().backward()
    assert x.grad is None


def test_the_gradient_of_an_old_style_function_is_not_differentiated(variable: Make) -> None:
    with pytest.raises(RuntimeError, match=r"OldScale is an old-style Function: .*write it as a FunctionNode"):
        OldScale()(variable([1.0])).sum().backward(enable_double_backprop=True)


def test_what_an_old_style_function_retains(variable: Make, host: Host) -> None:
    class Square(Function):
        def forward(self, inputs: Any) -> Any:
            self.retain_inputs(())
            self.retain_outputs((0,))
            return (inputs[0] * inputs[0],)

        def backward(self, inputs: Any, grad_outputs: Any) -> Any:
            assert inputs == (None,)
            return (self.output_data[0] * grad_outputs[0],)

    x = variable([3.0])
    Square()(x).sum().backward()
    assert host(x.grad).tolist() == [9]  # what it was given to send back: its own output
