"""BlackOut loss with vectors of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import like
from kusari.initializers import get_initializer
from kusari.model import DeviceResidentsVisitor, Link
from kusari.model.walker_alias import WalkerAlias


class BlackOut(Link):
    """Compute the BlackOut loss, with a vector of its own for each word.

    See `kusari.functions.black_out`. Words are drawn in proportion to their counts.

    Args:
        in_size: D: the vectors' length.
        counts: How often each of V words occurs.
        sample_size: S: how many words to draw for each row.

    Raises:
        ValueError: Counts that make no distribution.

    Source: Ji, Vishwanathan, Satish, Anderson, Dubey, 2016, arXiv:1511.06909.

    >>> BlackOut(3, [5, 2, 1], sample_size=2)(np.ones((1, 3), "f"), np.asarray([0])).shape
    ()
    """

    W: Parameter

    def __init__(self, in_size: int, counts: Sequence[float], sample_size: int) -> None:
        super().__init__()
        self.sample_size = sample_size
        self.sampler = WalkerAlias(counts)
        with self.init_scope():
            self.W = Parameter(get_initializer(None), (len(counts), in_size))

    def device_resident_accept(self, visitor: DeviceResidentsVisitor) -> None:
        """Show the visitor the sampler's table, too."""
        super().device_resident_accept(visitor)
        self.sampler.device_resident_accept(visitor)

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The sizes."""
        yield from (("in_size", self.W.shape[1]), ("sample_size", self.sample_size))

    def forward(self, x: VariableLike, t: VariableLike) -> Variable:
        """Return the mean loss of x (N, D) and words t (N,)."""
        x = as_variable(x)
        rows = x.shape[0] if x.ndim else 0
        return F.black_out(x, t, like(x, self.W), self.sampler.sample((rows, self.sample_size)))
