"""Minimal gated unit layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.autograd.variable import VariableLike
from kusari.links.connection.linear import Linear
from kusari.links.rnn.gates import Stateful, zeros_for
from kusari.model import Chain


class MGUBase(Chain):
    """Have two maps of the state beside the input: W_f for the forget gate and W_h for what is new.

    Args:
        n_inputs: I.
        n_units: U.
    """

    W_f: Linear
    W_h: Linear

    def __init__(self, n_inputs: int, n_units: int) -> None:
        super().__init__()
        self.state_size = n_units
        with self.init_scope():
            self.W_f = Linear(n_inputs + n_units, n_units)
            self.W_h = Linear(n_inputs + n_units, n_units)

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The sizes."""
        in_size = self.W_f.in_size
        yield "in_size", None if in_size is None else in_size - self.state_size
        yield "out_size", self.state_size

    def _step(self, h: Variable, x: Variable) -> Variable:
        f = F.sigmoid(self.W_f(F.concat((h, x), axis=1)))
        return F.linear_interpolate(f, F.tanh(self.W_h(F.concat((f * h, x), axis=1))), h)


class StatelessMGU(MGUBase):
    """Take one step of a minimal gated unit with parameters of its own.

    f = σ(W_f [h, x]), h̄ = tanh(W_h [f h, x]); h′ = (1 − f) h + f h̄. Arguments as for `MGUBase`.

    Source: Zhou, Wu, Zhang, Zhou, 2016, arXiv:1603.09420.

    >>> StatelessMGU(3, 2)(np.zeros((1, 2), "f"), np.ones((1, 3), "f")).shape
    (1, 2)
    """

    def forward(self, h: VariableLike, x: VariableLike) -> Variable:
        """Return the next state (N, U) for a state h (N, U) and an input x (N, I)."""
        return self._step(as_variable(h), as_variable(x))


class StatefulMGU(Stateful, MGUBase):
    """Take steps of a minimal gated unit with parameters of its own; it keeps its state between calls.

    As `StatelessMGU`; the first state is zeros.

    Args:
        in_size: I.
        out_size: U.

    Source: Zhou, Wu, Zhang, Zhou, 2016, arXiv:1603.09420.

    >>> StatefulMGU(3, 2)(np.ones((1, 3), "f")).shape
    (1, 2)
    """

    h: Variable | None

    def __init__(self, in_size: int, out_size: int) -> None:
        MGUBase.__init__(self, in_size, out_size)
        self.reset_state()

    def set_state(self, h: VariableLike) -> None:
        """Take a state (N, U) on from here."""
        self._set_states(h)

    def forward(self, x: VariableLike) -> Variable:
        """Return the next state (N, U) for an input x (N, I)."""
        x = as_variable(x)
        self.h = self._step(zeros_for(x, self.state_size) if self.h is None and x.ndim else as_variable(self.h), x)
        return self.h
