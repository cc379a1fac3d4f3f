"""Gated recurrent unit layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.links.connection.linear import Linear
from kusari.links.rnn.gates import Stateful
from kusari.model import Chain


class GRUBase(Chain):
    """Have six maps: W, W_r, W_z of the input and U, U_r, U_z of the state, all with biases.

    Args:
        in_size: I; None: read off the first input.
        out_size: U.
        init: Initializer for the matrices of the input; None: LeCunNormal.
        inner_init: The same for those of the state.
        bias_init: The same for all biases; None: zeros.
    """

    W: Linear
    W_r: Linear
    W_z: Linear
    U: Linear
    U_r: Linear
    U_z: Linear

    def __init__(
        self, in_size: int | None, out_size: int, init: Any = None, inner_init: Any = None, bias_init: Any = None
    ) -> None:
        super().__init__()
        self.state_size = out_size
        with self.init_scope():
            for name in ("W_r", "W_z", "W"):
                setattr(self, name, Linear(in_size, out_size, initialW=init, initial_bias=bias_init))
            for name in ("U_r", "U_z", "U"):
                setattr(self, name, Linear(out_size, out_size, initialW=inner_init, initial_bias=bias_init))

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The sizes."""
        yield from (("in_size", self.W.in_size), ("out_size", self.state_size))

    def _step(self, h: VariableLike, x: VariableLike) -> Variable:
        """Return the next state; without one before, U and its like take no part, nor do their biases."""
        z, candidate = self.W_z(x), self.W(x)
        if h is None:
            made: Variable = F.sigmoid(z) * F.tanh(candidate)
            return made
        z = F.sigmoid(z + self.U_z(h))
        r = F.sigmoid(self.W_r(x) + self.U_r(h))
        return F.linear_interpolate(z, F.tanh(candidate + self.U(r * h)), h)


class StatelessGRU(GRUBase):
    """Take one step of a gated recurrent unit with parameters of its own.

    r = σ(W_r x + U_r h), z = σ(W_z x + U_z h), h̄ = tanh(W x + U (r h)); h′ = (1 − z) h + z h̄. Arguments as for
    `GRUBase`.

    Source: Cho et al., 2014, arXiv:1406.1078.

    >>> StatelessGRU(3, 2)(np.zeros((1, 2), "f"), np.ones((1, 3), "f")).shape
    (1, 2)
    """

    def forward(self, h: VariableLike, x: VariableLike) -> Variable:
        """Return the next state (N, U) for a state h (N, U) and an input x (N, I)."""
        return self._step(h, x)


class StatefulGRU(Stateful, GRUBase):
    """Take steps of a gated recurrent unit with parameters of its own; it keeps its state between calls.

    As `StatelessGRU`; at the first step, without a state, h′ = z h̄ with z = σ(W_z x) and h̄ = tanh(W x). Arguments as
    for `GRUBase`.

    Source: Cho et al., 2014, arXiv:1406.1078.

    >>> layer = StatefulGRU(3, 2)
    >>> layer(np.ones((1, 3), "f")).shape
    (1, 2)
    """

    h: Variable | None

    def __init__(
        self, in_size: int | None, out_size: int, init: Any = None, inner_init: Any = None, bias_init: Any = 0
    ) -> None:
        GRUBase.__init__(self, in_size, out_size, init, inner_init, bias_init)
        self.reset_state()

    def set_state(self, h: VariableLike) -> None:
        """Take a state (N, U) on from here."""
        self._set_states(h)

    def forward(self, x: VariableLike) -> Variable:
        """Return the next state (N, U) for an input x (N, I)."""
        self.h = self._step(self.h, x)
        return self.h


class GRU(StatefulGRU):
    """Take steps of a gated recurrent unit: another name of `StatefulGRU`.

    >>> GRU(3, 2)(np.ones((1, 3), "f")).shape
    (1, 2)
    """

    def forward(self, *args: VariableLike) -> Variable:
        """Return the next state for one input.

        Raises:
            ValueError: Two arguments, as when this layer had no state: `StatelessGRU` takes them.
            TypeError: None, or more.
        """
        if len(args) == 2:
            raise ValueError("GRU(h, x): this layer keeps its state and takes x alone; StatelessGRU takes both")
        if len(args) != 1:
            raise TypeError(f"GRU(): expected x, got {len(args)} arguments")
        return super().forward(args[0])
