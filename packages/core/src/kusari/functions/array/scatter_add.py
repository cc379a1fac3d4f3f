"""Adding values into indexed places of an array."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.indexing import GetItem, read_index
from kusari.autograd.operands import refuse_promotion
from kusari.autograd.variable import VariableLike
from kusari.kernels.indexing import Index


class ScatterAdd(FunctionNode):
    """a, with b added at [slices]."""

    def __init__(self, index: Index) -> None:
        self.index = index

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        a, b = inputs
        if a.dtype != b.dtype:
            refuse_promotion(self, a, b)
        expected = self.index.shape_of_picked(a)
        if b.shape != expected:
            raise ValueError(f"scatter_add(): b of shape {b.shape}: expected {expected}, the shape of a[slices]")
        return (a + self.index.scatter(self.backend, b, a.shape),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        return tuple([GetItem(self.index).apply(grad_outputs)[0] if i else grad_outputs[0] for i in indexes])


def scatter_add(a: VariableLike, slices: Any, b: VariableLike) -> Variable:
    """Return ``a`` with ``b`` added at ``a[slices]``, as often as a place is named.

    Args:
        a: Any shape. It stays as it is.
        slices: Integers, slices, None, an ellipsis, index arrays or masks, as `get_item` takes them.
        b: The shape of ``a[slices]``, and ``a``'s dtype.

    Raises:
        InvalidType: The dtypes differ.
        ValueError: ``b`` has another shape.
        IndexError: ``slices`` is no index of ``a``.

    >>> scatter_add(np.zeros(3), [2, 0, 2], np.ones(3)).array
    array([1., 0., 2.])
    """
    a = as_variable(a)
    return ScatterAdd(read_index(slices, a)).apply((a, b))[0]
