"""Fully connected layer with random weights left out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import like
from kusari.initializers import get_initializer
from kusari.model import Link


class SimplifiedDropconnect(Link):
    """Apply an affine map of its own with random weights left out.

    y = x (W ∘ m / (1 − ratio))ᵀ + b; an element of the mask m is 0 with probability ``ratio``, else 1.

    Args:
        in_size: I; None: read off the first input.
        out_size: O.
        ratio: How much to drop, from 0 to below 1.
        nobias: Leave b out.
        initialW: Initializer, array or number for W (O, I); None: LeCunNormal.
        initial_bias: The same for b (O,); None: zeros.

    Source: Wan, Zeiler, Zhang, LeCun, Fergus, Regularization of Neural Networks using DropConnect, ICML 2013.

    >>> SimplifiedDropconnect(3, 2)(np.ones((4, 3), "f")).shape
    (4, 2)
    """

    W: Parameter
    b: Parameter | None

    def __init__(
        self,
        in_size: int | None,
        out_size: int,
        ratio: float = 0.5,
        nobias: bool = False,
        initialW: Any = None,
        initial_bias: Any = None,
    ) -> None:
        super().__init__()
        self.out_size = out_size
        self.ratio = ratio
        with self.init_scope():
            self.W = Parameter(get_initializer(initialW))
            bias = get_initializer(0 if initial_bias is None else initial_bias)
            self.b = None if nobias else Parameter(bias, out_size)
        if in_size is not None:
            self.W.initialize((out_size, in_size))

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        yield "in_size", None if self.W.array is None else self.W.shape[1]
        yield from (("out_size", self.out_size), ("ratio", self.ratio), ("nobias", self.b is None))

    def forward(
        self, x: VariableLike, train: bool = True, mask: VariableLike = None, use_batchwise_mask: bool = True
    ) -> Variable:
        """Return y (N, O), as `kusari.functions.simplified_dropconnect` does.

        Args:
            x: (N, …): axes after the first are flattened.
            train: False: the plain affine map. ``config.train`` is not asked.
            mask: m, instead of a drawn one: (N, O, I) or (O, I).
            use_batchwise_mask: Draw a mask for each row of ``x``; else one for all.
        """
        x = as_variable(x)
        if self.W.array is None and x.ndim:
            self.W.initialize((self.out_size, math.prod(x.shape[1:])))
        b = None if self.b is None else like(x, self.b)
        return F.simplified_dropconnect(x, like(x, self.W), b, self.ratio, train, mask, use_batchwise_mask)
