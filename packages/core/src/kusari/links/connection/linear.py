"""Fully connected layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike
from kusari.initializers import get_initializer
from kusari.kernels.activation import Activation
from kusari.model import Link


class Linear(Link):
    """Apply an affine map with parameters of its own.

    y = x Wᵀ + b.

    Args:
        in_size: I; None: read off the first input.
        out_size: O. With it omitted, ``in_size`` is taken as O and I is read off the first input.
        nobias: Leave b out.
        initialW: Initializer, array or number for W (O, I); None: LeCunNormal.
        initial_bias: The same for b (O,); None: zeros.

    Raises:
        TypeError: No output size.

    >>> layer = Linear(3, 2)
    >>> layer(np.ones((4, 3), "f")).shape
    (4, 2)
    """

    W: Parameter
    b: Parameter | None

    def __init__(
        self,
        in_size: int | None,
        out_size: int | None = None,
        nobias: bool = False,
        initialW: Any = None,
        initial_bias: Any = None,
    ) -> None:
        super().__init__()
        if out_size is None:
            in_size, out_size = None, in_size
        if out_size is None:
            raise TypeError("Linear(): expected the output size, or the input and the output size")
        self.in_size = in_size
        self.out_size = out_size
        with self.init_scope():
            self.W = Parameter(get_initializer(initialW))
            bias = get_initializer(0 if initial_bias is None else initial_bias)
            self.b = None if nobias else Parameter(bias, out_size)
        if in_size is not None:
            self.W.initialize((out_size, in_size))

    @classmethod
    def from_params(cls, W: Any, b: Any = None, nobias: bool = False) -> Linear:
        """Return a layer with copies of the given arrays as its parameters.

        >>> Linear.from_params(np.ones((2, 3), "f")).out_size
        2
        """
        out_size, in_size = W.shape
        return cls(in_size, out_size, nobias or b is None, initialW=W, initial_bias=b)

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        yield from (("in_size", self.in_size), ("out_size", self.out_size), ("nobias", self.b is None))

    def forward(
        self, x: VariableLike, n_batch_axes: int = 1, *, activation: Callable[..., Any] | Activation | None = None
    ) -> Variable:
        """Return activation(x Wᵀ + b), as `kusari.functions.linear` does."""
        if self.W.array is None:
            self.in_size = math.prod(x.shape[n_batch_axes:])
            self.W.initialize((self.out_size, self.in_size))
        return F.linear(x, self.W, self.b, n_batch_axes, activation=activation)
