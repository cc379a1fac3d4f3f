"""S-LSTM: long short-term memory that merges two children."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.rnn.cell import CellStep, interleaved, plain_gates
from kusari.kernels import rnn as kernels


class SLSTM(CellStep):
    """c = Σ iₖ aₖ + Σ fₖ cₖ over two children, y = o tanh(c)."""

    family = kernels.SLSTM
    fed = 2

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("c_prev1", "c_prev2", "x1", "x2"))
        c1, c2, x1, x2 = in_types
        expect(c1.ndim >= 2, c1.shape == c2.shape, x1.shape == x2.shape, x1.ndim == c1.ndim)
        expect(x1.shape[0] == c1.shape[0], x1.shape[1] == 4 * c1.shape[1], x1.shape[2:] == c1.shape[2:])
        expect(c1.dtype == x1.dtype, c2.dtype == x1.dtype, x2.dtype == x1.dtype)

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable, Variable]:
        """Return c and y as sigmoids, tanhs and products."""
        c1, c2, x1, x2 = inputs
        (a1, i1, f1, o1), (a2, i2, f2, o2) = interleaved(x1), interleaved(x2)
        return plain_gates([(a1, i1), (a2, i2)], [f1, f2], o1 + o2, [c1, c2])


def slstm(
    c_prev1: VariableLike, c_prev2: VariableLike, x1: VariableLike, x2: VariableLike
) -> tuple[Variable, Variable]:
    """Take one step of S-LSTM: merge two children of a tree.

    aₖ = tanh(xₐₖ), iₖ = σ(xᵢₖ), fₖ = σ(x_fₖ) for k = 1, 2, o = σ(xₒ₁ + xₒ₂);
    c = i₁ a₁ + i₂ a₂ + f₁ c₁ + f₂ c₂, y = o tanh(c).

    Args:
        c_prev1: (N, U, …): the first child's cells, floating.
        c_prev2: Likewise of the second.
        x1: (N, 4U, …): what the first child feeds to the gates; the four numbers of a unit lie together, in the order
            xₐ, xᵢ, x_f, xₒ.
        x2: Likewise of the second.

    Returns:
        c and y, each (N, U, …).

    Raises:
        InvalidType: Ranks or sizes that do not fit, two dtypes, or something that is not floating.

    Source: Zhu, Sobhani, Guo, 2015, arXiv:1503.04881.

    >>> c, y = slstm(np.ones((1, 1)), np.ones((1, 1)), np.zeros((1, 4)), np.zeros((1, 4)))
    >>> c.array, y.array.round(4)
    (array([[1.]]), array([[0.3808]]))
    """
    c, y = SLSTM().apply((c_prev1, c_prev2, x1, x2))
    return c, y
