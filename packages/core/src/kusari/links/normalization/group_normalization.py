"""Group normalization layer."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike
from kusari.initializers import get_initializer
from kusari.model import Link


class GroupNormalization(Link):
    """Normalize groups of channels of each sample by their mean and variance, then scale and shift each channel.

    See `kusari.functions.group_normalization`.

    Args:
        groups: Into how many groups the channels are split: a divisor of C.
        size: C; None: read off the first input.
        eps: ε.
        initial_gamma: Initializer, array or number for γ (C,); None: ones.
        initial_beta: The same for β (C,); None: zeros.

    Raises:
        TypeError: ``groups`` is not an integer.

    Source: Wu, He, 2018, arXiv:1803.08494.

    >>> GroupNormalization(2, 4)(np.asarray([[1.0, 3.0, 10.0, 30.0]], "f")).array.round(2)
    array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    gamma: Parameter
    beta: Parameter

    def __init__(
        self,
        groups: int,
        size: int | None = None,
        eps: float = 1e-5,
        initial_gamma: Any = None,
        initial_beta: Any = None,
    ) -> None:
        super().__init__()
        try:
            self.groups = operator.index(groups)
        except TypeError:
            raise TypeError(f"GroupNormalization(groups={groups!r}): expected an integer") from None
        self.eps = eps
        with self.init_scope():
            self.gamma = Parameter(get_initializer(1 if initial_gamma is None else initial_gamma))
            self.beta = Parameter(get_initializer(0 if initial_beta is None else initial_beta))
        if size is not None:
            self._initialize(size)

    def _initialize(self, size: int) -> None:
        for parameter in (self.gamma, self.beta):
            if parameter.array is None:
                parameter.initialize(size)

    @property
    def printable_specs(self) -> Iterator[tuple[str, Any]]:
        """The constructor's arguments."""
        yield "groups", self.groups
        yield "size", None if self.gamma.array is None else self.gamma.shape[0]
        yield "eps", self.eps

    def forward(self, x: VariableLike) -> Variable:
        """Return y of x (N, C, …), as `kusari.functions.group_normalization` does."""
        x = as_variable(x)
        if (self.gamma.array is None or self.beta.array is None) and x.ndim > 1:
            self._initialize(x.shape[1])
        return F.group_normalization(x, self.groups, self.gamma, self.beta, self.eps)
