"""Layers that run stacks of long short-term memories over whole sequences."""

from __future__ import annotations

from typing import Any

import kusari.functions as F
from kusari.links.rnn.n_step_rnn import NStepRNNBase


class NStepLSTMBase(NStepRNNBase):
    """What both directions have in common."""

    cell = "lstm"


class NStepLSTM(NStepLSTMBase):
    """Run stacked long short-term memories over sequences; see `NStepRNNBase` and `kusari.functions.n_step_lstm`.

    >>> hy, cy, ys = NStepLSTM(1, 3, 2, 0)(None, None, [np.ones((1, 3), "f"), np.ones((4, 3), "f")])
    >>> hy.shape, [y.shape for y in ys]
    ((1, 2, 2), [(1, 2), (4, 2)])
    """

    def rnn(self, *args: Any) -> Any:
        """Run `kusari.functions.n_step_lstm`."""
        return F.n_step_lstm(*args)


class NStepBiLSTM(NStepLSTMBase):
    """Run `NStepLSTM` from both ends; see `kusari.functions.n_step_bilstm`.

    >>> hy, cy, ys = NStepBiLSTM(1, 3, 2, 0)(None, None, [np.ones((4, 3), "f")])
    >>> hy.shape, ys[0].shape
    ((2, 1, 2), (4, 4))
    """

    use_bi_direction = True

    def rnn(self, *args: Any) -> Any:
        """Run `kusari.functions.n_step_bilstm`."""
        return F.n_step_bilstm(*args)
