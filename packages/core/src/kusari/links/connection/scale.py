"""Scale layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike
from kusari.links.connection.bias import Bias, one_or_two
from kusari.model import Chain


class Scale(Chain):
    """Multiply by a factor, learned or given, that is repeated along the axes it lacks; then add a bias.

    See `kusari.functions.scale`.

    Args:
        axis: The first of the input's axes that the factor has.
        W_shape: Of W; None: there is none, and the factor is given at each call.
        bias_term: Have a `Bias`.
        bias_shape: Its shape where ``W_shape`` is None; otherwise it is W's.

    Raises:
        ValueError: A bias without a shape.

    >>> Scale(W_shape=(3,), bias_term=True)(np.ones((2, 3), "f")).shape
    (2, 3)
    """

    W: Parameter
    bias: Bias

    def __init__(
        self,
        axis: int = 1,
        W_shape: Sequence[int] | None = None,
        bias_term: bool = False,
        bias_shape: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.axis = axis
        shape = bias_shape if W_shape is None else W_shape
        if bias_term and shape is None:
            raise ValueError("Scale(bias_term=True): expected W_shape or bias_shape")
        with self.init_scope():
            if W_shape is not None:
                self.W = Parameter(1, tuple(W_shape))
            if bias_term:
                self.bias = Bias(axis, shape)

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        yield from (("axis", self.axis), ("W_shape", self.W.shape if hasattr(self, "W") else None))

    def forward(self, *xs: VariableLike) -> Variable:
        """Return W x, with the bias.

        Args:
            *xs: x; and where the layer has no W, the factor.

        Raises:
            TypeError: Too few or too many arguments.
        """
        x, factor = one_or_two(self, "W", xs)
        y = F.scale(x, factor, self.axis)
        if not hasattr(self, "bias"):
            return y
        made: Variable = self.bias(y)
        return made
