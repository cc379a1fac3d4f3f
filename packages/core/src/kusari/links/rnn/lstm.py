"""Long short-term memory layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.autograd.variable import VariableLike
from kusari.links.connection.linear import Linear
from kusari.links.rnn.gates import GateBiases, GateWeights, Stateful, zeros_for
from kusari.model import Chain


class LSTMBase(Chain):
    """Have what feeds the gates: ``upward`` from the input, with biases, and ``lateral`` from the state, without.

    Args:
        in_size: I; None: read off the first input.
        out_size: U. With it omitted, ``in_size`` is taken as U and I is read off the first input.
        lateral_init: Initializer for each gate's matrix (U, U) of ``lateral``; None: LeCunNormal.
        upward_init: The same for each gate's matrix (U, I) of ``upward``.
        bias_init: The same for the biases (U,) of a, i and o; None: 0.
        forget_bias_init: The same for those of f; None: 1.

    Raises:
        TypeError: No output size.
    """

    upward: Linear
    lateral: Linear

    def __init__(
        self,
        in_size: int | None,
        out_size: int | None = None,
        lateral_init: Any = None,
        upward_init: Any = None,
        bias_init: Any = None,
        forget_bias_init: Any = None,
    ) -> None:
        super().__init__()
        if out_size is None:
            in_size, out_size = None, in_size
        if out_size is None:
            raise TypeError(f"{type(self).__name__}(): expected the output size, or the input and the output size")
        self.state_size: int = out_size
        bias = 0 if bias_init is None else bias_init
        biases = GateBiases(bias, bias, 1 if forget_bias_init is None else forget_bias_init, bias)
        with self.init_scope():
            self.upward = Linear(in_size, 4 * out_size, initialW=GateWeights(upward_init, 4), initial_bias=biases)
            self.lateral = Linear(out_size, 4 * out_size, nobias=True, initialW=GateWeights(lateral_init, 4))

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The sizes."""
        yield from (("in_size", self.upward.in_size), ("out_size", self.state_size))


class StatelessLSTM(LSTMBase):
    """Take one step of a long short-term memory with parameters of its own.

    z = W x + V h + b; then `kusari.functions.lstm`. Arguments as for `LSTMBase`.

    Source: Hochreiter, Schmidhuber, 1997; with the forget gate of Gers, Schmidhuber, Cummins, 2000.

    >>> c, h = StatelessLSTM(3, 2)(None, None, np.ones((1, 3), "f"))
    >>> c.shape, h.shape
    ((1, 2), (1, 2))
    """

    def forward(self, c: VariableLike, h: VariableLike, x: VariableLike) -> tuple[Variable, Variable]:
        """Return the next c and h, each (N, U).

        Args:
            c: The cells (N, U); None: zeros.
            h: The state (N, U); None: zeros.
            x: (N, I).
        """
        fed = self.upward(x)
        if h is not None:
            fed = fed + self.lateral(h)
        return F.lstm(zeros_for(fed, self.state_size) if c is None else c, fed)


class LSTM(Stateful, LSTMBase):
    """Take steps of a long short-term memory with parameters of its own; it keeps its state between calls.

    Sequences of a batch, sorted by falling length, end one by one: an input may have fewer rows than the one before.
    Arguments as for `LSTMBase`.

    Source: Hochreiter, Schmidhuber, 1997; with the forget gate of Gers, Schmidhuber, Cummins, 2000.

    >>> layer = LSTM(3, 2)
    >>> layer(np.ones((2, 3), "f")).shape, layer(np.ones((1, 3), "f")).shape
    ((2, 2), (1, 2))
    >>> layer.h.shape
    (2, 2)
    """

    states: ClassVar[tuple[str, ...]] = ("c", "h")
    c: Variable | None
    h: Variable | None

    def __init__(
        self,
        in_size: int | None,
        out_size: int | None = None,
        lateral_init: Any = None,
        upward_init: Any = None,
        bias_init: Any = None,
        forget_bias_init: Any = None,
    ) -> None:
        LSTMBase.__init__(self, in_size, out_size, lateral_init, upward_init, bias_init, forget_bias_init)
        self.reset_state()

    def set_state(self, c: VariableLike, h: VariableLike) -> None:
        """Take cells and a state, each (N, U), on from here."""
        self._set_states(c, h)

    def forward(self, x: VariableLike) -> Variable:
        """Return the next state's rows (n, U) for x (n, I); rows of longer sequences beyond n stay.

        Raises:
            TypeError: More rows than the state has.
        """
        x = as_variable(x)
        fed = self.upward(x)
        n = fed.shape[0]
        if self.h is not None:
            if n > self.h.shape[0]:
                raise TypeError(f"LSTM(): {n} rows, but the state has {self.h.shape[0]}: call reset_state() first")
            fed = fed + self.lateral(self.h if n == self.h.shape[0] else self.h[:n])
        self.c, y = F.lstm(zeros_for(fed, self.state_size) if self.c is None else self.c, fed)
        rest = None if self.h is None or n == self.h.shape[0] else self.h[n:]
        self.h = y if rest is None else F.concat((y, rest), axis=0)
        return y
