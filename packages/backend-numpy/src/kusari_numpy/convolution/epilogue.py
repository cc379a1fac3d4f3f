"""What a convolution does to its output while it is in cache: add the bias, apply the activation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kusari.backend import Backend
from kusari.kernels.activation import RELU, Activation

HostArray = np.ndarray[Any, Any]


class Epilogue(NamedTuple):
    """Bias and activation for rows (pixels, O) of output."""

    backend: Backend
    bias: HostArray | None
    activation: Activation | None

    @classmethod
    def of(cls, backend: Backend, bias: HostArray | None, activation: Activation | None) -> Epilogue | None:
        """Return what there is to do; None: nothing."""
        return None if bias is None and activation is None else cls(backend, bias, activation)

    def __call__(self, rows: HostArray) -> None:
        """Change ``rows`` in place."""
        from kusari_numpy.compiled.rows import add_bias

        rectify = self.activation == RELU
        if self.bias is not None:
            add_bias(rows, self.bias, rectify)
        if self.activation is not None and not (rectify and self.bias is not None):
            activated: Any = self.activation.apply(self.backend, rows)
            rows[...] = activated
