"""Identity."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.variable import VariableLike


class Identity(FunctionNode):
    """The inputs, as they are."""

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return inputs

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[Variable | None, ...]
    ) -> tuple[Variable | None, ...]:
        return tuple([grad_outputs[index] for index in indexes])


def identity(*inputs: VariableLike) -> Any:
    """Return the inputs, without a copy, through a node of the graph.

    Args:
        inputs: Any shapes and dtypes.

    Returns:
        One Variable for one input, else a tuple of Variables.

    >>> identity(np.asarray([1.0, 2.0])).array
    array([1., 2.])
    """
    if not inputs:
        return ()
    outputs = Identity().apply(inputs)
    return outputs[0] if len(outputs) == 1 else outputs
