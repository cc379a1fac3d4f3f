"""Picking one column of each row."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect
from kusari.autograd.variable import VariableLike, constant
from kusari.configuration import current_state
from kusari.kernels.scatter import select_item_grad
from kusari.types import Array


class SelectItem(FunctionNode):
    """y[n] = x[n, t[n]]."""

    def check_type_forward(self, in_types: Any) -> None:
        x, t = in_types
        expect(x.ndim == 2, t.ndim == 1)
        expect(x.shape[0] == t.shape[0])
        if t.dtype.kind != "u":
            expect(t.dtype.kind == "i")

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        (x, t), xp = inputs, self.backend.xp
        if current_state().debug and t.size:  # reads values: only where asked for
            lowest, highest = int(xp.min(t)), int(xp.max(t))
            if lowest < 0 or highest >= x.shape[1]:
                raise ValueError(f"select_item(): labels from {lowest} to {highest}: expected 0 <= t < {x.shape[1]}")
        self.t = xp.astype(t, xp.int64)
        return (xp.take_along_axis(x, xp.expand_dims(self.t, axis=1), axis=1)[:, 0],)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        gx = SelectItemGrad(self.t, self.inputs[0].shape[1]).apply(grad_outputs)[0] if 0 in indexes else None
        return tuple([None if index else gx for index in indexes])


class SelectItemGrad(FunctionNode):
    """Zeros with gy[n] at [n, t[n]]."""

    def __init__(self, t: Array, classes: int) -> None:
        self.t = t
        self.classes = classes

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (select_item_grad(self.backend, inputs[0], self.t, self.classes),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (SelectItem().apply((grad_outputs[0], constant(self.t, self.device)))[0],)


def select_item(x: VariableLike, t: VariableLike) -> Variable:
    """Pick one column of each row: y[n] = x[n, t[n]].

    Args:
        x: (N, C).
        t: (N,), integers from 0 to C − 1.

    Returns:
        (N,).

    Raises:
        InvalidType: Other ranks or lengths, or ``t`` is not integer.
        ValueError: In debug mode, a label out of range.

    >>> select_item(np.asarray([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]), np.asarray([2, 0])).array
    array([2., 3.])
    """
    return SelectItem().apply((x, t))[0]
