"""Linear-chain conditional random field with costs of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike
from kusari.initializers import get_initializer
from kusari.model import Link


class CRF1d(Link):
    """Compute the loss of a linear-chain conditional random field, and the best labels, with costs of its own.

    See `kusari.functions.crf1d`.

    Args:
        n_label: K: how many labels.
        initial_cost: Initializer, array or number for ``cost`` (K, K); None: zeros.

    Source: Lafferty, McCallum, Pereira, 2001, Conditional random fields.

    >>> layer = CRF1d(2)
    >>> round(layer([np.zeros((1, 2), "f")], [np.asarray([1])]).item(), 4)
    0.6931
    """

    cost: Parameter

    def __init__(self, n_label: int, initial_cost: Any = None) -> None:
        super().__init__()
        with self.init_scope():
            self.cost = Parameter(get_initializer(0 if initial_cost is None else initial_cost), (n_label, n_label))

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The number of labels."""
        yield "n_label", self.cost.shape[0]

    def forward(
        self,
        xs: Sequence[VariableLike],
        ys: Sequence[VariableLike],
        reduce: str = "mean",
        transpose: bool = False,
    ) -> Variable:
        """Return the loss.

        Args:
            xs: An array (Bₜ, K) for each time: scores of labels.
            ys: An array (Bₜ,) for each time: labels.
            reduce: ``mean`` over sequences, or ``no``.
            transpose: ``xs`` and ``ys`` have an array for each sequence instead, (T, K) and (T,), the longest first.
        """
        if transpose:
            xs, ys = F.transpose_sequence(xs), F.transpose_sequence(ys)
        return F.crf1d(self.cost, xs, ys, reduce)

    def argmax(self, xs: Sequence[VariableLike], transpose: bool = False) -> tuple[Variable, list[Any]]:
        """Return the scores of the best labels (B₀,), and the labels as a list of arrays like ``xs``.

        Args:
            xs: As for `forward`.
            transpose: Likewise; the labels, too, come as an array for each sequence.

        >>> score, labels = CRF1d(2).argmax([np.asarray([[2.0, 0.0], [0.0, 1.0]], "f")], transpose=True)
        >>> labels[0]
        array([0, 1], dtype=int32)
        """
        score, labels = F.argmax_crf1d(self.cost, F.transpose_sequence(xs) if transpose else xs)
        return score, [y.array for y in F.transpose_sequence(labels)] if transpose else labels
