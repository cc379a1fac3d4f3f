"""Long short-term memory."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.functions.array.concat import concat
from kusari.functions.rnn.cell import CellStep, interleaved, plain_gates
from kusari.kernels import rnn as kernels


class LSTM(CellStep):
    """c = i a + f c′, y = o tanh(c)."""

    family = kernels.LSTM

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("c_prev", "x"))
        c, x = in_types
        expect(c.dtype == x.dtype, c.ndim >= 2, x.ndim == c.ndim)
        expect(x.shape[0] <= c.shape[0], x.shape[1] == 4 * c.shape[1], x.shape[2:] == c.shape[2:])

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable, Variable]:
        """Return c and y as sigmoids, tanhs and products."""
        c_prev, x = inputs
        n = len(x)
        a, i, f, o = interleaved(x)
        c, y = plain_gates([(a, i)], [f], o, [c_prev[:n]])
        return (concat((c, c_prev[n:]), axis=0) if n < len(c_prev) else c), y


def lstm(c_prev: VariableLike, x: VariableLike) -> tuple[Variable, Variable]:
    """Take one step of a long short-term memory.

    a = tanh(xₐ), i = σ(xᵢ), f = σ(x_f), o = σ(xₒ); c = i a + f c′, y = o tanh(c).

    Args:
        c_prev: (N, U, …): the cells c′, floating.
        x: (n, 4U, …), n ≤ N: what is fed to the gates. The four numbers of a unit lie together, in the order
            xₐ, xᵢ, x_f, xₒ: ``x.reshape(n, U, 4, …)``.

    Returns:
        c (N, U, …) and y (n, U, …). Rows of c′ from n on stay as they are: sequences of a batch, sorted by falling
        length, end one by one.

    Raises:
        InvalidType: Ranks or sizes that do not fit, two dtypes, or something that is not floating.

    Source: Hochreiter, Schmidhuber, 1997; with the forget gate of Gers, Schmidhuber, Cummins, 2000.

    >>> c, y = lstm(np.ones((1, 1)), np.zeros((1, 4)))
    >>> c.array, y.array.round(4)
    (array([[0.5]]), array([[0.2311]]))
    """
    c, y = LSTM().apply((c_prev, x))
    return c, y
