"""FunctionAdapter: the node behind an old-style Function, as graphs and hooks see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import kusari
from kusari import FunctionAdapter


class Halve(kusari.Function):
    """y = x / 2, by the old protocol."""

    def forward(self, inputs: Any) -> Any:
        return (inputs[0] / 2,)

    def backward(self, inputs: Any, grad_outputs: Any) -> Any:
        return (grad_outputs[0] / 2,)


def test_the_node_of_an_old_style_function_is_an_adapter(variable: Callable[..., kusari.Variable]) -> None:
    function = Halve()
    y = function(variable([1.0, 3.0]))
    assert isinstance(y.creator_node, FunctionAdapter)
    assert y.creator_node.function is function
    assert y.creator is function
    assert y.creator_node.label == function.label == "Halve"


def test_an_adapter_can_be_applied_by_itself(
    variable: Callable[..., kusari.Variable], host: Callable[..., Any]
) -> None:
    x = variable([1.0, 3.0])
    (y,) = FunctionAdapter(Halve()).apply((x,))
    y.grad = y.xp.ones_like(y.array)
    y.backward()
    assert host(y).tolist() == [0.5, 1.5]
    assert host(x.grad).tolist() == [0.5, 0.5]


def test_an_adapter_refuses_second_gradients(variable: Callable[..., kusari.Variable]) -> None:
    (y,) = FunctionAdapter(Halve()).apply((variable(1.0),))
    with pytest.raises(RuntimeError, match="Halve is an old-style Function"):
        y.backward(enable_double_backprop=True)
