"""Stacked gated recurrent units over batches of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.functions.activation.sigmoid import sigmoid
from kusari.functions.activation.tanh import tanh
from kusari.functions.rnn.n_step_rnn import BaseNStepRNN, run_stack
from kusari.kernels.n_step_rnn import split


class NStepGRU(BaseNStepRNN):
    """h′ = (1 − z) a + z h."""

    cell = "gru"

    @staticmethod
    def plain_step(zx: Variable, zh: Variable, h: Variable, c: Any) -> tuple[Variable, Any]:
        (xr, xz, xa), (hr, hz, ha) = split(zx, 3), split(zh, 3)
        z = sigmoid(xz + hz)
        a = tanh(xa + sigmoid(xr + hr) * ha)
        return (1 - z) * a + z * h, None


class NStepBiGRU(NStepGRU):
    """Likewise, in both directions."""

    directions = 2


def n_step_gru(
    n_layers: int,
    dropout_ratio: float,
    hx: VariableLike,
    ws: Sequence[Sequence[VariableLike]],
    bs: Sequence[Sequence[VariableLike]],
    xs: Sequence[VariableLike],
    **kwargs: Any,
) -> tuple[Variable, tuple[Variable, ...]]:
    """Run stacked GRUs over a batch of sequences.

    r = σ(W₀ xₜ + W₃ hₜ₋₁ + b₀ + b₃), z = σ(W₁ xₜ + W₄ hₜ₋₁ + b₁ + b₄),
    a = tanh(W₂ xₜ + b₂ + r (W₅ hₜ₋₁ + b₅)); hₜ = (1 − z) a + z hₜ₋₁. What a layer gives at step t is the next layer's
    xₜ.

    Args:
        n_layers: How many layers.
        dropout_ratio: Between layers, in training, elements are set to 0 with this probability.
        hx: (layers, B, U): the first states.
        ws: For each layer W₀, W₁, W₂ (U, I), or (U, U) above the first, and W₃, W₄, W₅ (U, U).
        bs: For each layer b₀ … b₅ (U,).
        xs: For each step (Bₜ, I): the inputs of the sequences that reach it. Longer sequences come first, so that Bₜ
            never rises; B₁ is at most B. `transpose_sequence` makes such a list.
        **kwargs: None any more; ``train`` and ``use_cudnn`` are refused with advice.

    Returns:
        hy (layers, B, U): each sequence's last states; and a tuple of ys: for each step (Bₜ, U), the last layer's
        states.

    Raises:
        InvalidType: Ranks, sizes or dtypes that do not fit, or sequences that are not sorted.
        ValueError: Another number of layers or parameters, a ratio out of range, or old keywords.

    Source: Cho et al., 2014, arXiv:1406.1078; with the reset gate after the product, as in Chung et al., 2014,
    arXiv:1412.3555.

    >>> zeros = np.zeros((1, 1, 1))
    >>> hy, ys = n_step_gru(1, 0.0, zeros + 1, [[zeros[0]] * 6], [[zeros[0, 0]] * 6], [np.ones((1, 1))] * 2)
    >>> [y.array for y in ys]
    [array([[0.5]]), array([[0.25]])]
    """
    hy, ys = run_stack("n_step_gru", NStepGRU, n_layers, dropout_ratio, (hx,), ws, bs, xs, kwargs)
    return hy, ys


def n_step_bigru(
    n_layers: int,
    dropout_ratio: float,
    hx: VariableLike,
    ws: Sequence[Sequence[VariableLike]],
    bs: Sequence[Sequence[VariableLike]],
    xs: Sequence[VariableLike],
    **kwargs: Any,
) -> tuple[Variable, tuple[Variable, ...]]:
    """Run stacked GRUs over a batch of sequences, from both ends.

    Each layer has two parts: one reads forth, one reads back from each sequence's end. The next layer's xₜ is both
    their hₜ, one beside the other. Formulas are those of `n_step_gru`.

    Args:
        n_layers: How many layers.
        dropout_ratio: Between layers, in training, elements are set to 0 with this probability.
        hx: (2 · layers, B, U): the first states, of each layer forth and back.
        ws: Likewise W₀, W₁, W₂ (U, I), or (U, 2U) above the first layer, and W₃, W₄, W₅ (U, U).
        bs: Likewise b₀ … b₅ (U,).
        xs: For each step (Bₜ, I), as for `n_step_gru`.
        **kwargs: None any more; ``train`` and ``use_cudnn`` are refused with advice.

    Returns:
        hy (2 · layers, B, U); and a tuple of ys: for each step (Bₜ, 2U).

    Raises:
        InvalidType: Ranks, sizes or dtypes that do not fit, or sequences that are not sorted.
        ValueError: Another number of layers or parameters, a ratio out of range, or old keywords.

    >>> zeros = np.zeros((2, 1, 1))
    >>> ws, bs = [[zeros[0]] * 6] * 2, [[zeros[0, 0]] * 6] * 2
    >>> hy, ys = n_step_bigru(1, 0.0, zeros + 1, ws, bs, [np.ones((1, 1))] * 2)
    >>> [y.array for y in ys]
    [array([[0.5 , 0.25]]), array([[0.25, 0.5 ]])]
    """
    hy, ys = run_stack("n_step_bigru", NStepBiGRU, n_layers, dropout_ratio, (hx,), ws, bs, xs, kwargs)
    return hy, ys
