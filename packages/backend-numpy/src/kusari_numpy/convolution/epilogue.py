"""What a convolution does to its output behind the loops, which add the bias and apply ReLU themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari.backend import Backend
from kusari.kernels.activation import RELU, Activation

HostArray = np.ndarray[Any, Any]


def activate(backend: Backend, y: HostArray, activation: Activation | None) -> None:
    """Apply an activation that the loops do not have, all but ReLU, in place."""
    if activation is not None and activation != RELU:
        activated: Any = activation.apply(backend, y)
        y[...] = activated
