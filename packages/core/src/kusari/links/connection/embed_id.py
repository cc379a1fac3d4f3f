"""Table of vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike
from kusari.initializers import Normal, get_initializer
from kusari.model import Link


class EmbedID(Link):
    """Look up rows of a table of its own.

    y[…, :] = W[x[…], :].

    Args:
        in_size: V: how many rows.
        out_size: D: their length.
        initialW: Initializer, array or number for W (V, D); None: N(0, 1).
        ignore_label: A number whose rows are zeros and have no gradient.

    >>> layer = EmbedID(5, 3)
    >>> layer(np.asarray([[0, 4]])).shape
    (1, 2, 3)
    """

    W: Parameter

    def __init__(self, in_size: int, out_size: int, initialW: Any = None, ignore_label: int | None = None) -> None:
        super().__init__()
        self.ignore_label = ignore_label
        with self.init_scope():
            initializer = Normal(1.0) if initialW is None else get_initializer(initialW)
            self.W = Parameter(initializer, (in_size, out_size))

    @classmethod
    def from_params(cls, W: Any, ignore_label: int | None = None) -> EmbedID:
        """Return a layer with a copy of the given table.

        >>> EmbedID.from_params(np.ones((2, 3), "f")).W.shape
        (2, 3)
        """
        in_size, out_size = W.shape
        return cls(in_size, out_size, initialW=W, ignore_label=ignore_label)

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        in_size, out_size = self.W.shape
        yield from (("in_size", in_size), ("out_size", out_size), ("ignore_label", self.ignore_label))

    def forward(self, x: VariableLike) -> Variable:
        """Return the rows (…, D) for integers x, as `kusari.functions.embed_id` does."""
        return F.embed_id(x, self.W, self.ignore_label)
