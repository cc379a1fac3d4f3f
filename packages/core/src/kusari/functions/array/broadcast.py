"""Broadcasting: arrays repeated to a common shape; `broadcast_to` is defined with Variable's own operators."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.shaping import BroadcastTo as BroadcastTo
from kusari.autograd.shaping import broadcast_to as broadcast_to
from kusari.autograd.shaping import sum_to as sum_to
from kusari.autograd.type_check import invalid
from kusari.autograd.variable import VariableLike
from kusari.types import Shape


class Broadcast(FunctionNode):
    """Each input, repeated to the shape common to all."""

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        common_shape(self.label, *(x.shape for x in inputs))
        return tuple(self.backend.xp.broadcast_arrays(*inputs))

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[Variable | None, ...]
    ) -> tuple[Variable | None, ...]:
        return tuple([None if (g := grad_outputs[i]) is None else sum_to(g, self.inputs[i].shape) for i in indexes])


def common_shape(operation: str, *shapes: Shape) -> Shape:
    """Return the shape that all can be repeated to.

    Raises:
        InvalidType: There is none.

    >>> common_shape("Broadcast", (2, 1), (3,))
    (2, 3)
    """
    ndim = max(map(len, shapes))
    lengths = [set(column) - {1} for column in zip(*((1,) * (ndim - len(s)) + s for s in shapes), strict=True)]
    if any(len(found) > 1 for found in lengths):
        raise invalid(operation, "shapes that broadcast to one", ", ".join(map(str, shapes)))
    return tuple([min(found, default=1) for found in lengths])


def broadcast(*args: VariableLike) -> Any:
    """Repeat arrays to their common shape, by NumPy's rules.

    Returns:
        A tuple of Variables; of a single argument, that Variable itself.

    Raises:
        InvalidType: No argument, or shapes that do not broadcast.

    >>> [y.shape for y in broadcast(np.zeros((2, 1)), np.zeros(3))]
    [(2, 3), (2, 3)]
    """
    if not args:
        raise invalid("Broadcast", "in_types.size() > 0", "no input")
    return as_variable(args[0]) if len(args) == 1 else Broadcast().apply(args)
