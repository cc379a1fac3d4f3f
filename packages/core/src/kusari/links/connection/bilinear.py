"""Bilinear layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike
from kusari.initializers import get_initializer
from kusari.model import Link


class Bilinear(Link):
    """Apply a bilinear map with parameters of its own.

    y[n, l] = Σ e1[n, j] e2[n, k] W[j, k, l] + Σ e1[n, j] V1[j, l] + Σ e2[n, k] V2[k, l] + b[l].

    Args:
        left_size: J.
        right_size: K.
        out_size: L.
        nobias: Leave V1, V2 and b out.
        initialW: Initializer, array or number for W (J, K, L); None: LeCunNormal.
        initial_bias: Three of these for V1 (J, L), V2 (K, L) and b (L,); None: LeCunNormal twice, and zeros.

    Raises:
        ValueError: ``initial_bias`` is not three.

    Source: Socher, Chen, Manning, Ng, 2013, "Reasoning with neural tensor networks".

    >>> Bilinear(3, 4, 2)(np.ones((5, 3), "f"), np.ones((5, 4), "f")).shape
    (5, 2)
    """

    W: Parameter
    V1: Parameter
    V2: Parameter
    b: Parameter

    def __init__(
        self,
        left_size: int,
        right_size: int,
        out_size: int,
        nobias: bool = False,
        initialW: Any = None,
        initial_bias: Sequence[Any] | None = None,
    ) -> None:
        super().__init__()
        self.in_sizes = (left_size, right_size)
        self.out_size = out_size
        self.nobias = nobias
        inits = (None, None, 0) if initial_bias is None else tuple(initial_bias)
        if len(inits) != 3:
            raise ValueError(f"Bilinear(initial_bias): expected three initializers, for V1, V2 and b; got {len(inits)}")
        with self.init_scope():
            self.W = Parameter(get_initializer(initialW), (left_size, right_size, out_size))
            if not nobias:
                self.V1 = Parameter(get_initializer(inits[0]), (left_size, out_size))
                self.V2 = Parameter(get_initializer(inits[1]), (right_size, out_size))
                self.b = Parameter(get_initializer(inits[2]), out_size)

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        yield from zip(("left_size", "right_size"), self.in_sizes, strict=True)
        yield from (("out_size", self.out_size), ("nobias", self.nobias))

    def forward(self, e1: VariableLike, e2: VariableLike) -> Variable:
        """Return y (N, L), as `kusari.functions.bilinear` does."""
        terms = () if self.nobias else (self.V1, self.V2, self.b)
        return F.bilinear(e1, e2, self.W, *terms)

    def zero_grads(self) -> None:
        """Call `zerograds`, of which this is the old name."""
        self.zerograds()
