"""Long short-term memory layer whose gates see the cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.rnn.cell import interleaved
from kusari.links.connection.linear import Linear
from kusari.links.rnn.gates import Stateful, zeros_for


class StatefulPeepholeLSTM(Stateful):
    """Take steps of a long short-term memory whose gates see the cells; it keeps its state between calls.

    a = tanh(zₐ), i = σ(zᵢ + P_i c), f = σ(z_f + P_f c), c′ = i a + f c, o = σ(zₒ + P_o c′), h′ = o tanh(c′), with
    z = W x + V h + b.

    Args:
        in_size: I; None: read off the first input.
        out_size: U.

    Source: Gers, Schmidhuber, 2000, "Recurrent nets that time and count"; with full matrices P.

    >>> StatefulPeepholeLSTM(3, 2)(np.ones((1, 3), "f")).shape
    (1, 2)
    """

    states: ClassVar[tuple[str, ...]] = ("c", "h")
    upward: Linear
    lateral: Linear
    peep_i: Linear
    peep_f: Linear
    peep_o: Linear
    c: Variable | None
    h: Variable | None

    def __init__(self, in_size: int | None, out_size: int) -> None:
        super().__init__()
        self.state_size = out_size
        with self.init_scope():
            self.upward = Linear(in_size, 4 * out_size)
            self.lateral = Linear(out_size, 4 * out_size, nobias=True)
            for name in ("peep_i", "peep_f", "peep_o"):
                setattr(self, name, Linear(out_size, out_size, nobias=True))
        self.reset_state()

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The sizes."""
        yield from (("in_size", self.upward.in_size), ("out_size", self.state_size))

    def set_state(self, c: VariableLike, h: VariableLike) -> None:
        """Take cells and a state, each (N, U), on from here."""
        self._set_states(c, h)

    def forward(self, x: VariableLike) -> Variable:
        """Return the next state (N, U) for an input x (N, I)."""
        fed = self.upward(x)
        if self.h is not None:
            fed = fed + self.lateral(self.h)
        c = zeros_for(fed, self.state_size) if self.c is None else self.c
        a, i, f, o = interleaved(fed)
        self.c = F.sigmoid(i + self.peep_i(c)) * F.tanh(a) + F.sigmoid(f + self.peep_f(c)) * c
        self.h = F.sigmoid(o + self.peep_o(self.c)) * F.tanh(self.c)
        return self.h
