"""Reordering elements along an axis."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_array, as_variable
from kusari.autograd.axes import normal_axis
from kusari.autograd.type_check import invalid
from kusari.autograd.variable import VariableLike
from kusari.configuration import current_state
from kusari.types import Array


class Permutate(FunctionNode):
    """y[i] = x[indices[i]], or the other way round, along an axis."""

    def __init__(self, indices: Array, axis: int, inv: bool) -> None:
        self.indices = indices
        self.axis = axis
        self.inv = inv

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        xp = self.backend.xp
        places = xp.argsort(self.indices) if self.inv else self.indices
        return (xp.take(inputs[0], places, axis=self.axis),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (Permutate(self.indices, self.axis, not self.inv).apply(grad_outputs)[0],)


def permutate(x: VariableLike, indices: VariableLike, axis: int = 0, inv: bool = False) -> Variable:
    """Reorder the elements along an axis.

    y[i] = x[indices[i]]; with ``inv``, y[indices[i]] = x[i].

    Args:
        x: One axis or more.
        indices: (N,), integers: each of 0 … N − 1 once. On the host, or on ``x``'s device.
        axis: Which, of length N.
        inv: Undo the reordering instead.

    Raises:
        ValueError: ``indices`` are not integers along one axis; in debug mode, no permutation either.
        InvalidType: No such axis, or another length than N.

    >>> permutate(np.asarray([1.0, 2.0, 3.0]), np.asarray([2, 0, 1])).array
    array([3., 1., 2.])
    >>> permutate(np.asarray([3.0, 1.0, 2.0]), np.asarray([2, 0, 1]), inv=True).array
    array([1., 2., 3.])
    """
    x, table = as_variable(x), as_variable(indices)
    if table.dtype.kind not in "iu" or table.ndim != 1:
        raise ValueError(f"permutate(): indices of {table.dtype}{list(table.shape)}: expected integers along one axis")
    axis = normal_axis("permutate", axis, x.ndim)
    if x.shape[axis] != table.shape[0]:
        raise invalid("Permutate", "x.shape[axis] == len(indices)", f"{x.shape[axis]} != {table.shape[0]}")
    array = x.device.send(as_array(table))
    if current_state().debug:  # reads values: only where asked for
        _check(array, x)
    return Permutate(array, axis, inv).apply((x,))[0]


def _check(indices: Array, x: Variable) -> None:
    """Raise unless the indices are a permutation."""
    found = sorted(x.device.backend.to_host(indices).tolist())
    if found != list(range(len(found))):
        raise ValueError(f"permutate(): indices, sorted, are {found}: expected each of 0 … {len(found) - 1} once")
