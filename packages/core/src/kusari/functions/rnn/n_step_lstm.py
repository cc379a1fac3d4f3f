"""Stacked long short-term memory over batches of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.rnn.cell import plain_gates
from kusari.functions.rnn.n_step_rnn import BaseNStepRNN, run_stack
from kusari.kernels.n_step_rnn import split


class NStepLSTM(BaseNStepRNN):
    """c′ = f c + i a, h′ = o tanh(c′)."""

    cell = "lstm"

    @staticmethod
    def plain_step(zx: Variable, zh: Variable, h: Variable, c: Any) -> tuple[Variable, Any]:
        i, f, a, o = split(zx + zh, 4)
        c, h = plain_gates([(a, i)], [f], o, [c])
        return h, c


class NStepBiLSTM(NStepLSTM):
    """Likewise, in both directions."""

    directions = 2


def n_step_lstm(
    n_layers: int,
    dropout_ratio: float,
    hx: VariableLike,
    cx: VariableLike,
    ws: Sequence[Sequence[VariableLike]],
    bs: Sequence[Sequence[VariableLike]],
    xs: Sequence[VariableLike],
    **kwargs: Any,
) -> tuple[Variable, Variable, tuple[Variable, ...]]:
    """Run stacked LSTMs over a batch of sequences.

    i = σ(W₀ xₜ + W₄ hₜ₋₁ + b₀ + b₄), f = σ(W₁ xₜ + W₅ hₜ₋₁ + b₁ + b₅), a = tanh(W₂ xₜ + W₆ hₜ₋₁ + b₂ + b₆),
    o = σ(W₃ xₜ + W₇ hₜ₋₁ + b₃ + b₇); cₜ = f cₜ₋₁ + i a, hₜ = o tanh(cₜ). What a layer gives at step t is the next
    layer's xₜ.

    Args:
        n_layers: How many layers.
        dropout_ratio: Between layers, in training, elements are set to 0 with this probability.
        hx: (layers, B, U): the first states.
        cx: (layers, B, U): the first cells.
        ws: For each layer W₀ … W₃ (U, I), or (U, U) above the first, and W₄ … W₇ (U, U).
        bs: For each layer b₀ … b₇ (U,).
        xs: For each step (Bₜ, I): the inputs of the sequences that reach it. Longer sequences come first, so that Bₜ
            never rises; B₁ is at most B. `transpose_sequence` makes such a list.
        **kwargs: None any more; ``train`` and ``use_cudnn`` are refused with advice.

    Returns:
        hy and cy (layers, B, U): each sequence's last states and cells; and a tuple of ys: for each step (Bₜ, U), the
        last layer's states.

    Raises:
        InvalidType: Ranks, sizes or dtypes that do not fit, or sequences that are not sorted.
        ValueError: Another number of layers or parameters, a ratio out of range, or old keywords.

    Source: Hochreiter, Schmidhuber, 1997; with the forget gate of Gers, Schmidhuber, Cummins, 2000.

    >>> zeros = np.zeros((1, 2, 1))
    >>> ws, bs = [[zeros[0, :1]] * 8], [[zeros[0, 0]] * 8]
    >>> hy, cy, ys = n_step_lstm(1, 0.0, zeros, zeros + 1, ws, bs, [np.ones((2, 1)), np.ones((1, 1))])
    >>> cy.array.ravel(), [y.shape for y in ys]
    (array([0.25, 0.5 ]), [(2, 1), (1, 1)])
    """
    hy, cy, ys = run_stack("n_step_lstm", NStepLSTM, n_layers, dropout_ratio, (hx, cx), ws, bs, xs, kwargs)
    return hy, cy, ys


def n_step_bilstm(
    n_layers: int,
    dropout_ratio: float,
    hx: VariableLike,
    cx: VariableLike,
    ws: Sequence[Sequence[VariableLike]],
    bs: Sequence[Sequence[VariableLike]],
    xs: Sequence[VariableLike],
    **kwargs: Any,
) -> tuple[Variable, Variable, tuple[Variable, ...]]:
    """Run stacked LSTMs over a batch of sequences, from both ends.

    Each layer has two parts: one reads forth, one reads back from each sequence's end. The next layer's xₜ is both
    their hₜ, one beside the other. Formulas are those of `n_step_lstm`.

    Args:
        n_layers: How many layers.
        dropout_ratio: Between layers, in training, elements are set to 0 with this probability.
        hx: (2 · layers, B, U): the first states, of each layer forth and back.
        cx: Likewise the first cells.
        ws: Likewise W₀ … W₃ (U, I), or (U, 2U) above the first layer, and W₄ … W₇ (U, U).
        bs: Likewise b₀ … b₇ (U,).
        xs: For each step (Bₜ, I), as for `n_step_lstm`.
        **kwargs: None any more; ``train`` and ``use_cudnn`` are refused with advice.

    Returns:
        hy and cy (2 · layers, B, U); and a tuple of ys: for each step (Bₜ, 2U).

    Raises:
        InvalidType: Ranks, sizes or dtypes that do not fit, or sequences that are not sorted.
        ValueError: Another number of layers or parameters, a ratio out of range, or old keywords.

    Source: Graves, Schmidhuber, 2005, "Framewise phoneme classification with bidirectional LSTM".

    >>> zeros = np.zeros((2, 1, 1))
    >>> ws, bs = [[zeros[0]] * 8] * 2, [[zeros[0, 0]] * 8] * 2
    >>> hy, cy, ys = n_step_bilstm(1, 0.0, zeros, zeros, ws, bs, [np.ones((1, 1))] * 3)
    >>> hy.shape, ys[0].shape
    ((2, 1, 1), (1, 2))
    """
    hy, cy, ys = run_stack("n_step_bilstm", NStepBiLSTM, n_layers, dropout_ratio, (hx, cx), ws, bs, xs, kwargs)
    return hy, cy, ys
