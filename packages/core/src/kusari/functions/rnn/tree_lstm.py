"""Tree-structured long short-term memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kusari.autograd import Variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.rnn.cell import CellStep, plain_gates
from kusari.kernels import rnn as kernels


class TreeLSTM(CellStep):
    """c = i a + Σ fₖ cₖ over the children, y = o tanh(c)."""

    family = kernels.TreeLSTM

    @staticmethod
    def arrange(inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Return the cells as one tuple, and x."""
        return tuple(inputs[:-1]), inputs[-1]

    @staticmethod
    def flatten(gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the cells' gradients, then x's."""
        cells, x = gradients
        return *cells, x

    def check_type_forward(self, in_types: Any) -> None:
        expect(in_types.size() >= 2)
        children = len(in_types) - 1
        expect_floating(in_types, names=(*(f"c{k + 1}" for k in range(children)), "x"))
        first, x = in_types[0], in_types[children]
        expect(first.ndim >= 2, x.ndim == first.ndim)
        for k in range(children):
            expect(in_types[k].shape == first.shape, in_types[k].dtype == x.dtype)
        expect(x.shape[0] == first.shape[0], x.shape[1] == (3 + children) * first.shape[1])
        expect(x.shape[2:] == first.shape[2:])

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable, Variable]:
        """Return c and y as sigmoids, tanhs and products."""
        *cells, x = inputs
        units = cells[0].shape[1]
        a, i, o, *forgets = [x[:, start : start + units] for start in range(0, x.shape[1], units)]
        return plain_gates([(a, i)], forgets, o, cells)


def tree_lstm(*inputs: VariableLike) -> tuple[Variable, Variable]:
    """Take one step of an N-ary tree LSTM: merge K children.

    a = tanh(xₐ), i = σ(xᵢ), o = σ(xₒ), fₖ = σ(x_fₖ); c = i a + Σ fₖ cₖ, y = o tanh(c).

    Args:
        *inputs: The children's cells c₁ … c_K, each (N, U, …), floating; then x (N, (3 + K) U, …): what is fed to the
            gates, xₐ, xᵢ, xₒ, x_f₁ … x_fK one after the other.

    Returns:
        c and y, each (N, U, …).

    Raises:
        InvalidType: Less than one child, ranks or sizes that do not fit, two dtypes, or something that is not
            floating.

    Source: Tai, Socher, Manning, 2015, arXiv:1503.00075.

    >>> c, y = tree_lstm(np.ones((1, 1)), np.ones((1, 1)), np.zeros((1, 5)))
    >>> c.array, y.array.round(4)
    (array([[1.]]), array([[0.3808]]))
    """
    c, y = TreeLSTM().apply(inputs)
    return c, y
