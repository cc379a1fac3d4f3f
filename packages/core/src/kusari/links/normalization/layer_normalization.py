"""Layer normalization layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kusari.functions as F
from kusari.autograd import Variable, as_variable
from kusari.autograd.parameter import Parameter
from kusari.autograd.variable import VariableLike
from kusari.initializers import get_initializer
from kusari.model import Link


class LayerNormalization(Link):
    """Normalize each sample by the mean and variance of its units, then scale and shift each unit.

    y[n] = γ (x[n] − mean[n]) / √(var[n] + ε) + β.

    Args:
        size: D; None: read off the first input.
        eps: ε.
        initial_gamma: Initializer, array or number for γ (D,); None: ones.
        initial_beta: The same for β (D,); None: zeros.

    Source: Ba, Kiros, Hinton, 2016, arXiv:1607.06450.

    >>> LayerNormalization(3)(np.asarray([[1.0, 2.0, 3.0]], "f")).array.round(2)
    array([[-1.22,  0.  ,  1.22]], dtype=float32)
    """

    gamma: Parameter
    beta: Parameter

    def __init__(
        self, size: int | None = None, eps: float = 1e-6, initial_gamma: Any = None, initial_beta: Any = None
    ) -> None:
        super().__init__()
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
        yield "size", None if self.gamma.array is None else self.gamma.shape[0]
        yield "eps", self.eps

    def forward(self, x: VariableLike) -> Variable:
        """Return y of x (N, D), as `kusari.functions.layer_normalization` does."""
        x = as_variable(x)
        if self.gamma.array is None or self.beta.array is None:
            self._initialize(x.shape[1] if x.ndim > 1 else x.size)
        return F.layer_normalization(x, self.gamma, self.beta, self.eps)
