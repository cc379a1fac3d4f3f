"""Taking a diagonal."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.axes import integer, normal_axis
from kusari.autograd.type_check import invalid
from kusari.autograd.variable import VariableLike
from kusari.types import Array, Shape


class DiagonalStep(FunctionNode):
    """A node over the diagonal of the matrices that two axes make."""

    def __init__(self, shape: Shape, offset: int, axis1: int, axis2: int) -> None:
        self.arguments = (shape, offset, axis1, axis2)
        self.shape = shape
        self.rows, self.columns = shape[axis1], shape[axis2]
        rest = [axis for axis in range(len(shape)) if axis not in (axis1, axis2)]
        self.order = (*rest, axis1, axis2)
        self.rest = tuple([shape[axis] for axis in rest])
        # In a matrix laid out row by row, a diagonal is every (columns + 1)th element.
        row, column = max(-offset, 0), max(offset, 0)
        count = max(min(self.rows - row, self.columns - column), 0)
        start, step = row * self.columns + column, self.columns + 1
        self.places = slice(start, start + (count - 1) * step + 1, step) if count else slice(0, 0)


class Diagonal(DiagonalStep):
    """The diagonals of the matrices that two axes make, along the last axis."""

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        xp = self.backend.xp
        flat = xp.reshape(xp.permute_dims(inputs[0], self.order), (*self.rest, self.rows * self.columns))
        return (xp.asarray(flat[..., self.places], copy=True),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (DiagonalGrad(*self.arguments).apply(grad_outputs)[0],)


class DiagonalGrad(DiagonalStep):
    """Zeros with gy on the diagonals."""

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (gy,), xp = inputs, self.backend.xp
        flat: Array = xp.zeros((*self.rest, self.rows * self.columns), dtype=gy.dtype, device=gy.device)
        flat[..., self.places] = gy
        gx = xp.reshape(flat, (*self.rest, self.rows, self.columns))
        return (xp.permute_dims(gx, sorted(range(gx.ndim), key=self.order.__getitem__)),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (Diagonal(*self.arguments).apply(grad_outputs)[0],)


def diagonal(x: VariableLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Variable:
    """Take the diagonals of the matrices that two axes make.

    Args:
        x: Two axes or more.
        offset: 0: the main diagonal; above it where positive, below it where negative.
        axis1: The rows' axis.
        axis2: The columns' axis.

    Returns:
        The remaining axes, then the diagonal.

    Raises:
        InvalidType: Fewer than two axes, or no such axis.
        ValueError: One axis twice.
        TypeError: Not integers.

    >>> diagonal(np.arange(9.0).reshape(3, 3), offset=1).array
    array([1., 5.])
    """
    x = as_variable(x)
    if x.ndim < 2:
        raise invalid("Diagonal", "x.ndim >= 2", f"{x.ndim} < 2")
    first, second = normal_axis("diagonal", axis1, x.ndim), normal_axis("diagonal", axis2, x.ndim)
    if first == second:
        raise ValueError(f"diagonal(axis1={axis1}, axis2={axis2}): expected two different axes")
    return Diagonal(x.shape, integer("diagonal(): offset", offset), first, second).apply((x,))[0]
