"""Long short-term memory layer that keeps random units as they were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import refuse_keywords
from kusari.links.connection.linear import Linear
from kusari.links.rnn.gates import Stateful, zeros_for


class StatefulZoneoutLSTM(Stateful):
    """Take steps of a long short-term memory; in training, random cells and units stay as they were.

    (c̄, h̄) = lstm(c, W x + V h + b); c′ = zoneout(c, c̄), h′ = zoneout(h, h̄).

    Args:
        in_size: I; None: read off the first input.
        out_size: U.
        c_ratio: How many cells stay, from 0 to 1.
        h_ratio: How many units of the state stay.
        **kwargs: None; the old ``train`` is refused with advice.

    Raises:
        ValueError: ``train``.

    Source: Krueger et al., 2017, arXiv:1606.01305.

    >>> StatefulZoneoutLSTM(3, 2)(np.ones((1, 3), "f")).shape
    (1, 2)
    """

    states: ClassVar[tuple[str, ...]] = ("c", "h")
    upward: Linear
    lateral: Linear
    c: Variable | None
    h: Variable | None

    def __init__(
        self, in_size: int | None, out_size: int, c_ratio: float = 0.5, h_ratio: float = 0.5, **kwargs: Any
    ) -> None:
        refuse_keywords("StatefulZoneoutLSTM", kwargs, {"train": "use using_config('train', ...)"})
        super().__init__()
        self.state_size = out_size
        self.c_ratio = c_ratio
        self.h_ratio = h_ratio
        with self.init_scope():
            self.upward = Linear(in_size, 4 * out_size)
            self.lateral = Linear(out_size, 4 * out_size, nobias=True)
        self.reset_state()

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        yield from (("in_size", self.upward.in_size), ("out_size", self.state_size))
        yield from (("c_ratio", self.c_ratio), ("h_ratio", self.h_ratio))

    def set_state(self, c: VariableLike, h: VariableLike) -> None:
        """Take cells and a state, each (N, U), on from here."""
        self._set_states(c, h)

    def forward(self, x: VariableLike) -> Variable:
        """Return the next state (N, U) for an input x (N, I)."""
        fed = self.upward(x)
        if self.h is not None:
            fed = fed + self.lateral(self.h)
        zeros = zeros_for(fed, self.state_size)
        c, h = zeros if self.c is None else self.c, zeros if self.h is None else self.h
        c_next, h_next = F.lstm(c, fed)
        self.c, self.h = F.zoneout(c, c_next, self.c_ratio), F.zoneout(h, h_next, self.h_ratio)
        return self.h
