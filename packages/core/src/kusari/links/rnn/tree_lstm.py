"""Tree LSTM layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.links.connection.linear import Linear
from kusari.links.rnn.gates import zeros_for
from kusari.model import Chain


class ChildSumTreeLSTM(Chain):
    """Merge any number of children by a tree LSTM with parameters of its own.

    a, i, o are fed by W x + V Σₖ hₖ, and fₖ by W_f x + V_f hₖ; then `kusari.functions.tree_lstm`.

    Args:
        in_size: I; None: read off the first input.
        out_size: U.

    Source: Tai, Socher, Manning, 2015, arXiv:1503.00075.

    >>> c, h = ChildSumTreeLSTM(3, 2)(None, None, np.ones((1, 3), "f"))
    >>> c.shape, h.shape
    ((1, 2), (1, 2))
    """

    W_x: Linear
    W_h_aio: Linear
    W_h_f: Linear

    def __init__(self, in_size: int | None, out_size: int) -> None:
        super().__init__()
        self.in_size = in_size
        self.state_size = out_size
        with self.init_scope():
            self.W_x = Linear(in_size, 4 * out_size)
            self.W_h_aio = Linear(out_size, 3 * out_size, nobias=True)
            self.W_h_f = Linear(out_size, out_size, nobias=True)

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The sizes."""
        yield from (("in_size", self.W_x.in_size), ("out_size", self.state_size))

    def forward(self, *cshsx: VariableLike) -> tuple[Variable, Variable]:
        """Return c and h, each (N, U).

        Args:
            *cshsx: The children's cells c₁ … c_K, their states h₁ … h_K, each (N, U) or None for zeros; then x (N, I).

        Raises:
            ValueError: Not as many cells as states, or none.
        """
        cells, states, fed = _read(self, self.W_x, cshsx)
        own, forget = fed[:, : 3 * self.state_size], fed[:, 3 * self.state_size :]
        total = sum(states[1:], states[0])
        forgets = [forget + self.W_h_f(h) for h in states]
        c, h = F.tree_lstm(*cells, F.concat((own + self.W_h_aio(total), *forgets), axis=1))
        return c, h


class NaryTreeLSTM(Chain):
    """Merge a fixed number of children by a tree LSTM with parameters of its own.

    All gates are fed by W x + Σₖ Vₖ hₖ; then `kusari.functions.tree_lstm`.

    Args:
        in_size: I; None: read off the first input.
        out_size: U.
        n_ary: K: how many children.

    Raises:
        ValueError: No children.

    Source: Tai, Socher, Manning, 2015, arXiv:1503.00075.

    >>> c, h = NaryTreeLSTM(3, 2)(None, None, None, None, np.ones((1, 3), "f"))
    >>> c.shape, h.shape
    ((1, 2), (1, 2))
    """

    W_x: Linear

    def __init__(self, in_size: int | None, out_size: int, n_ary: int = 2) -> None:
        if n_ary < 1:
            raise ValueError(f"NaryTreeLSTM(n_ary={n_ary}): expected at least 1")
        super().__init__()
        self.in_size = in_size
        self.state_size = out_size
        self.n_ary = n_ary
        with self.init_scope():
            self.W_x = Linear(in_size, (3 + n_ary) * out_size)
            for child in range(1, n_ary + 1):
                setattr(self, f"W_h{child}", Linear(out_size, (3 + n_ary) * out_size, nobias=True))

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        yield from (("in_size", self.W_x.in_size), ("out_size", self.state_size), ("n_ary", self.n_ary))

    def forward(self, *cshsx: VariableLike) -> tuple[Variable, Variable]:
        """Return c and h, each (N, U).

        Args:
            *cshsx: The children's cells c₁ … c_K, their states h₁ … h_K, each (N, U) or None for zeros; then x (N, I).

        Raises:
            ValueError: Another number of children.
        """
        cells, _, fed = _read(self, self.W_x, cshsx)
        if len(cells) != self.n_ary:
            raise ValueError(f"NaryTreeLSTM(): {len(cells)} children; expected n_ary={self.n_ary}")
        for child, h in enumerate(cshsx[self.n_ary : -1], 1):
            if h is not None:  # a child without a state costs nothing, and its matrix has no gradient
                fed = fed + self[f"W_h{child}"](h)
        c, h = F.tree_lstm(*cells, fed)
        return c, h


def _read(link: Any, W_x: Linear, cshsx: tuple[VariableLike, ...]) -> tuple[list[Any], list[Any], Variable]:
    """Return the children's cells and states, zeros for None, and what the input feeds to the gates."""
    if len(cshsx) < 3 or len(cshsx) % 2 == 0:
        raise ValueError(
            f"{type(link).__name__}(): expected the children's cells, as many states, then x; got {len(cshsx)}"
        )
    count = len(cshsx) // 2
    fed = W_x(cshsx[-1])
    zeros = zeros_for(fed, link.state_size)
    filled = [zeros if state is None else state for state in cshsx[:-1]]
    return filled[:count], filled[count:], fed
