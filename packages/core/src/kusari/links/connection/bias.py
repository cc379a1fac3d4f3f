"""Bias layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike
from kusari.model import Link


class Bias(Link):
    """Add a term, learned or given, that is repeated along the axes it lacks.

    See `kusari.functions.bias`.

    Args:
        axis: The first of the input's axes that the term has.
        shape: Of b; None: there is none, and the term is given at each call.

    >>> Bias(shape=(3,))(np.ones((2, 3), "f")).shape
    (2, 3)
    """

    b: Parameter

    def __init__(self, axis: int = 1, shape: Sequence[int] | None = None) -> None:
        super().__init__()
        self.axis = axis
        if shape is not None:
            with self.init_scope():
                self.b = Parameter(0, tuple(shape))

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        yield from (("axis", self.axis), ("shape", self.b.shape if hasattr(self, "b") else None))

    def forward(self, *xs: VariableLike) -> Variable:
        """Return x + b.

        Args:
            *xs: x; and where the layer has no b, what to add.

        Raises:
            TypeError: Too few or too many arguments.
        """
        x, term = one_or_two(self, "b", xs)
        return F.bias(x, term, self.axis)


def one_or_two(link: Link, name: str, xs: tuple[VariableLike, ...]) -> tuple[VariableLike, VariableLike]:
    """Return x and the parameter ``name``, or where the layer has none what was given instead."""
    learned = hasattr(link, name)
    if len(xs) != (1 if learned else 2):
        expected = f"x alone, it has {name} of its own" if learned else f"x and {name}, it has none of its own"
        raise TypeError(f"{type(link).__name__}(): got {len(xs)} arguments; expected {expected}")
    return (xs[0], getattr(link, name)) if learned else (xs[0], xs[1])
