"""Maxout layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.variable import VariableLike
from kusari.links.connection.linear import Linear
from kusari.model import Chain


class Maxout(Chain):
    """Take the largest of several affine maps of its own.

    y[n, o] = maxₖ (W[o·K + k] · x[n] + b[o·K + k]).

    Args:
        in_size: I; None: read off the first input.
        out_size: O.
        pool_size: K: how many maps for each unit.
        initialW: Initializer, array or number for W (O·K, I); None: LeCunNormal.
        initial_bias: The same for b (O·K,); None: there is none.

    Raises:
        ValueError: ``pool_size`` is not positive.

    Source: Goodfellow, Warde-Farley, Mirza, Courville, Bengio, 2013, arXiv:1302.4389.

    >>> Maxout(3, 2, 4)(np.ones((5, 3), "f")).shape
    (5, 2)
    """

    linear: Linear

    def __init__(
        self, in_size: int | None, out_size: int, pool_size: int, initialW: Any = None, initial_bias: Any = 0
    ) -> None:
        super().__init__()
        if pool_size <= 0:
            raise ValueError(f"Maxout(pool_size={pool_size}): expected a positive integer")
        self.out_size = out_size
        self.pool_size = pool_size
        with self.init_scope():
            self.linear = Linear(in_size, out_size * pool_size, initial_bias is None, initialW, initial_bias)

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        yield "in_size", self.linear.in_size
        yield from (("out_size", self.out_size), ("pool_size", self.pool_size))

    def forward(self, x: VariableLike) -> Variable:
        """Return y (N, O) of x (N, …); axes after the first are flattened."""
        return F.maxout(self.linear(x), self.pool_size)
