"""Swish layer."""

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


class Swish(Link):
    """Gate values by their own sigmoid, of a steepness that is learned.

    y = x / (1 + exp(−βx)).

    Args:
        beta_shape: β's: that of as many of the input's axes after the first; () for one β. None: all of them, read off
            the first input.
        beta_init: Initializer, array or number for β.

    Source: Ramachandran, Zoph, Le, 2017, arXiv:1710.05941.

    >>> Swish(())(np.asarray([[-1.0, 0.0, 2.0]], "f")).array.round(2)
    array([[-0.27,  0.  ,  1.76]], dtype=float32)
    """

    beta: Parameter

    def __init__(self, beta_shape: Sequence[int] | None, beta_init: Any = 1.0) -> None:
        super().__init__()
        with self.init_scope():
            self.beta = Parameter(get_initializer(beta_init))
        if beta_shape is not None:
            self.beta.initialize(tuple(beta_shape))

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The shape."""
        yield "beta_shape", None if self.beta.array is None else self.beta.shape

    def forward(self, x: VariableLike) -> Variable:
        """Return y, as `kusari.functions.swish` does."""
        x = as_variable(x)
        if self.beta.array is None and x.ndim:
            self.beta.initialize(x.shape[1:])
        return F.swish(x, like(x, self.beta))
