"""Rows of a table, looked up by number."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.configuration import current_state
from kusari.kernels import embed as kernels


class EmbedIDFunction(FunctionNode):
    """y = W[x]."""

    def __init__(self, ignore_label: int | None = None) -> None:
        self.ignore_label = ignore_label

    def check_type_forward(self, in_types: Any) -> None:
        expect(in_types.size() == 2)
        x, W = in_types
        expect_floating((W,), names=("W",))
        expect(x.dtype.kind == "i", x.ndim >= 1, W.ndim == 2)

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        x, W = inputs
        self.retain_inputs((0,))
        if current_state().debug:  # reads values: only where asked for
            self._check_range(x, W.shape[0])
        return (kernels.embed(self.backend, x, W, self.ignore_label),)

    def _check_range(self, x: Any, length: int) -> None:
        xp = self.backend.xp
        wrong = (x < 0) | (x >= length)
        if self.ignore_label is not None:
            wrong = wrong & (x != self.ignore_label)
        if bool(xp.any(wrong)):
            raise ValueError(f"embed_id(): numbers in x outside 0 … {length - 1} (ignore_label {self.ignore_label})")

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        (x,), length = self.get_retained_inputs(), self.inputs[1].shape[0]
        return tuple(
            [EmbedIDGrad(length, self.ignore_label).apply((x, grad_outputs[0]))[0] if index else None
             for index in indexes]
        )  # fmt: skip


class EmbedIDGrad(FunctionNode):
    """The sums of gy that belong to one row; linear in gy."""

    def __init__(self, length: int, ignore_label: int | None = None) -> None:
        self.length = length
        self.ignore_label = ignore_label

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        x, gy = inputs
        self.retain_inputs((0,))
        return (kernels.embed_grad(self.backend, x, gy, self.length, self.ignore_label),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        (x,), (ggW,) = self.get_retained_inputs(), grad_outputs
        return tuple([embed_id(x, ggW, self.ignore_label) if index else None for index in indexes])


def embed_id(x: VariableLike, W: VariableLike, ignore_label: int | None = None) -> Variable:
    """Look up rows of a table by their numbers.

    y[…, :] = W[x[…], :]. The gradient of a row is the sum over its places in ``x``, always in the same order.

    Args:
        x: Integers of any shape with at least one axis, from 0 to V − 1.
        W: (V, D), floating.
        ignore_label: A number whose rows are zeros and have no gradient; it need not be one of W's.

    Returns:
        (…, D), in ``W``'s dtype.

    Raises:
        InvalidType: ``x`` is not made of signed integers, or ``W`` is not a floating matrix.
        ValueError: In debug mode: a number that is neither a row of ``W`` nor ``ignore_label``.

    >>> W = np.asarray([[1.0, 2.0], [3.0, 4.0]])
    >>> embed_id(np.asarray([1, -1, 1]), W, ignore_label=-1).array
    array([[3., 4.],
           [0., 0.],
           [3., 4.]])
    """
    return EmbedIDFunction(ignore_label).apply((x, W))[0]
