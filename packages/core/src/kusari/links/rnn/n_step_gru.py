"""Layers that run stacks of gated recurrent units over whole sequences."""

from __future__ import annotations

from typing import Any

import kusari.functions as F
from kusari.links.rnn.n_step_rnn import NStepRNNBase


class NStepGRUBase(NStepRNNBase):
    """What both directions have in common."""

    cell = "gru"


class NStepGRU(NStepGRUBase):
    """Run stacked gated recurrent units over sequences; see `NStepRNNBase` and `kusari.functions.n_step_gru`.

    >>> hy, ys = NStepGRU(1, 3, 2, 0)(None, [np.ones((1, 3), "f"), np.ones((4, 3), "f")])
    >>> hy.shape, [y.shape for y in ys]
    ((1, 2, 2), [(1, 2), (4, 2)])
    """

    def rnn(self, *args: Any) -> Any:
        """Run `kusari.functions.n_step_gru`."""
        return F.n_step_gru(*args)


class NStepBiGRU(NStepGRUBase):
    """Run `NStepGRU` from both ends; see `kusari.functions.n_step_bigru`.

    >>> hy, ys = NStepBiGRU(1, 3, 2, 0)(None, [np.ones((4, 3), "f")])
    >>> hy.shape, ys[0].shape
    ((2, 1, 2), (4, 4))
    """

    use_bi_direction = True

    def rnn(self, *args: Any) -> Any:
        """Run `kusari.functions.n_step_bigru`."""
        return F.n_step_bigru(*args)
