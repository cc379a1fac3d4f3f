"""Parametric ReLU layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import like
from kusari.initializers import get_initializer
from kusari.model import Link


class PReLU(Link):
    """Scale negative values by slopes of its own.

    y = x where x ≥ 0, else W x.

    Args:
        shape: W's: that of as many of the input's axes after the first; () for one slope.
        init: Initializer, array or number for W.

    Source: He, Zhang, Ren, Sun, 2015, arXiv:1502.01852.

    >>> PReLU()(np.asarray([[-2.0, 2.0]], "f")).array
    array([[-0.5,  2. ]], dtype=float32)
    """

    W: Parameter

    def __init__(self, shape: Sequence[int] = (), init: Any = 0.25) -> None:
        super().__init__()
        with self.init_scope():
            self.W = Parameter(get_initializer(init), tuple(shape))

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The shape."""
        yield "shape", self.W.shape

    def forward(self, x: VariableLike) -> Variable:
        """Return y, as `kusari.functions.prelu` does."""
        x = as_variable(x)
        return F.prelu(x, like(x, self.W))
