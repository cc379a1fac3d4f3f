"""Negative sampling loss with vectors of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import kusari.functions as F
from kusari.autograd import as_variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike
from kusari.dtypes import DTypeLike, get_dtype
from kusari.functions.arguments import like
from kusari.initializers import Constant
from kusari.model import DeviceResidentsVisitor, Link
from kusari.model.walker_alias import WalkerAlias


class NegativeSampling(Link):
    """Compute the negative sampling loss, with a vector of its own for each word.

    See `kusari.functions.negative_sampling`. Words are drawn in proportion to countᵖᵒʷᵉʳ. W starts as zeros.

    Args:
        in_size: D: the vectors' length.
        counts: How often each of V words occurs.
        sample_size: S: how many words to draw for each row.
        power: The exponent.
        dtype: W's; None: ``config.dtype``.

    Raises:
        ValueError: Counts that make no distribution.

    Source: Mikolov, Sutskever, Chen, Corrado, Dean, 2013, arXiv:1310.4546.

    >>> layer = NegativeSampling(3, [5, 2, 1], sample_size=2)
    >>> round(layer(np.ones((1, 3), "f"), np.asarray([0])).item(), 4)
    2.0794
    """

    W: Parameter

    def __init__(
        self, in_size: int, counts: Sequence[float], sample_size: int, power: float = 0.75, dtype: DTypeLike = None
    ) -> None:
        super().__init__()
        self.sample_size = sample_size
        self.power = power
        self.sampler = WalkerAlias([float(count) ** power for count in counts])
        with self.init_scope():
            filler = Constant(0, get_dtype(dtype, map_mixed16="float32"))
            self.W = Parameter(filler, (len(counts), in_size))

    def device_resident_accept(self, visitor: DeviceResidentsVisitor) -> None:
        """Show the visitor the sampler's table, too."""
        super().device_resident_accept(visitor)
        self.sampler.device_resident_accept(visitor)

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The sizes."""
        yield from (("in_size", self.W.shape[1]), ("sample_size", self.sample_size), ("power", self.power))

    def forward(
        self, x: VariableLike, t: VariableLike, reduce: str = "sum", *, return_samples: bool = False, **unknown: Any
    ) -> Any:
        """Return the loss, as `kusari.functions.negative_sampling` does.

        Args:
            x: (N, D), floating.
            t: (N,), integers: words, or −1 for a row that does not count.
            reduce: ``sum``, or ``no`` for one loss per row.
            return_samples: Return the words drawn, too.
            **unknown: None; named in the error.
        """
        x = as_variable(x)
        return F.negative_sampling(
            x,
            t,
            like(x, self.W),
            self.sampler.sample,
            self.sample_size,
            reduce,
            return_samples=return_samples,
            **unknown,
        )
